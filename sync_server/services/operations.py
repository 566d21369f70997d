"""The one door at the office: every operation, from a phone or from the desk, is judged and kept here.

`receive` runs inside one write transaction. It keeps the bytes exactly as they came, stores the verdict with them, and
lets shared_schema.apply decide; what apply cannot know (whose device this is, whether the journal continues, whether
the technician exists, into what a duplicate is merged) is decided here. What is refused is filed for a person to see
to. What several devices bring at the same time is received together, because a statement about all of it costs little
more than one about each. How operations travel is services.rounds', services.desk's and services.rescue's business.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import replace

from shared_schema import wire
from shared_schema.apply import Filing, apply, filing
from shared_schema.identifiers import TicketId
from shared_schema.lifecycle import OFFICE_ROLES, OVER, Role
from shared_schema.operations import (
    AnswerRefusal,
    AssignTicket,
    CreateTicket,
    Envelope,
    MergeDuplicate,
    Operation,
    kind_of,
)
from shared_schema.rejections import (
    ChangedMeanwhile,
    JournalBroken,
    NotThisDevice,
    Rejection,
    RoleNotAllowed,
    SequenceTaken,
    UnknownTechnician,
    UnknownTicket,
    code_of,
)
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket
from shared_schema.wire import UnreadableOperation
from sync_server.storage import Writing
from sync_server.storage.attention import COUNTED, Answered, Refusal
from sync_server.storage.journal import OFFICE, Entry, Head
from sync_server.storage.people import Person
from sync_server.storage.tickets import GOES_ON, Kept


class Arrived(Struct, frozen=True, gc=False):
    """An operation as it was brought: its bytes, and what could be read of them."""

    raw: bytes
    hash: str
    read: Envelope | UnreadableOperation
    id: str
    """Empty where it cannot be read."""
    sequence: int
    """0 where it cannot be read."""
    ticket: str | None


class _Whereabouts(Struct, frozen=True):
    """What is looked for in an operation that cannot be read, so that a person may find it."""

    ticket: TicketId


class _KindOnly(Struct, frozen=True):
    kind: str


class _WithKind(Struct, frozen=True):
    operation: _KindOnly


_KIND_LETTERS = 100


def arrived(raw: bytes) -> Arrived:
    return _arrived(raw, wire.decode_envelope(raw))


def arrived_together(raws: Iterable[Raw]) -> list[Arrived]:
    """The members of one array."""
    pieces = [bytes(raw) for raw in raws]
    return list(map(_arrived, pieces, wire.decode_envelopes(pieces)))


def _arrived(raw: bytes, read: Envelope | UnreadableOperation) -> Arrived:
    if isinstance(read, Envelope):
        return Arrived(raw, wire.hash_of(raw), read, read.id, read.sequence, read.ticket)
    found: Any = wire.decode_part(raw, _Whereabouts)
    ticket = found.ticket if isinstance(found, _Whereabouts) else None
    return Arrived(raw, wire.hash_of(raw), read, read.id or "", read.sequence or 0, ticket)


class Brought(Struct, frozen=True):
    """What one device brings at once."""

    device: str
    person: Person
    operations: Sequence[Arrived]
    at_ms: int
    """When it came: Unix time in milliseconds."""


class OwnChange(Struct, frozen=True, gc=False):
    """What one device alone has made of a ticket, in one transaction."""

    before: int
    """Feed position of the change before."""
    position: int
    """And of its last; where the ticket now stands elsewhere, somebody else has changed it since."""
    ticket: bytes
    """The ticket as phones are sent it."""


class Taken(Struct, frozen=True):
    """What became of what one device brought."""

    verdicts: list[bytes]
    own_work: dict[str, OwnChange]
    """By ticket, of those that are not over and that it was the first to change."""
    received_through: int
    """How far the device's journal is held."""
    scope_before: int | None
    """Feed position of the newest change to what belongs on the person's phone, but for `own_work`; None where that
    has not been looked for, or somebody else has changed something there in the same transaction."""


def receive(writing: Writing, device: str, person: Person, brought: Sequence[Arrived], at_ms: int) -> list[bytes]:
    """The verdicts, one for each operation that was answered, in the order of their sequence numbers.

    Operations are taken in the order of the device's journal, whatever order they came in. One that the office already
    holds gets the verdict it got then. At a gap it stops: those behind it are not answered and have to be sent again.
    """
    (taken,) = receive_together(writing, [Brought(device, person, brought, at_ms)])
    return taken.verdicts


def receive_together(writing: Writing, all_brought: Sequence[Brought]) -> list[Taken]:
    """As `receive` for each in turn."""
    answers: dict[int, Taken] = {}
    while len(answers) < len(all_brought):
        # Of a device that asks twice at the same time, first the one and then the other: after a lost reply.
        now: dict[str, int] = {}
        for place, brought in enumerate(all_brought):
            if place not in answers:
                now.setdefault(brought.device, place)
        taken = _take(writing, [all_brought[place] for place in now.values()])
        answers.update(zip(now.values(), taken, strict=True))
    return [answers[place] for place in range(len(all_brought))]


def _take(writing: Writing, all_brought: Sequence[Brought]) -> list[Taken]:
    """For devices that are all different."""
    heads = writing.journal.heads_to_move(brought.device for brought in all_brought)
    takings = [_Taking(writing, brought, heads[brought.device]) for brought in all_brought]
    fresh = [each for taking in takings for each in taking.fresh]
    if fresh:
        known = writing.journal.known([each.id for each in fresh])
        standing = _Standing(writing.tickets.to_change(_concerned(fresh)), known)
        for taking in takings:
            taking.judge(standing)
        _keep(writing, [taking for taking in takings if taking.fresh], standing, len(fresh))
    return [
        Taken(taking.answers(), taking.own_work, taking.head.received_through, taking.scope_before)
        for taking in takings
    ]


def _keep(writing: Writing, takings: "Sequence[_Taking]", standing: "_Standing", count: int) -> None:
    position = first = begins_at = writing.feed.take(count)
    scopes = writing.tickets.scopes_changed_at([taking.person.id for taking in takings])
    entries: list[Entry] = []
    for taking in takings:
        entries += taking.entries(position)
        position += len(taking.fresh)
    writing.journal.append(entries)
    changed = sorted(standing.changed.items())
    saved = writing.tickets.save([replace(standing.kept[ticket], position=first + place) for ticket, place in changed])
    if standing.gone:
        writing.tickets.withdraw([(person, ticket, first + place) for person, ticket, place in standing.gone])
    writing.journal.move_heads({taking.device: taking.head for taking in takings})
    touched = standing.touched()
    for taking in takings:
        taking.note_own_work(standing, begins_at, saved)
        if taking.is_all_of(touched.get(taking.person.id, {})):
            taking.scope_before = scopes.get(taking.person.id, 0)
        taking.file(first)
        first += len(taking.fresh)


def _continuing(in_order: Iterable[Arrived], head: Head) -> tuple[list[Arrived], list[Arrived]]:
    """What continues the journal without a gap, and what comes twice in the same round.

    Of two that come under one number, as out of a rescue file of a phone that lived on in two copies, the place is for
    the one that stands in the chain.
    """
    fresh: list[Arrived] = []
    repeated: list[Arrived] = []
    following = head.received_through + 1
    for each in in_order:
        if each.sequence == following:
            fresh.append(each)
            following += 1
        elif head.received_through < each.sequence < following:
            before = fresh[-2].hash if len(fresh) > 1 else head.last_hash
            if _follows(each, before) and not _follows(fresh[-1], before):
                fresh[-1], each = each, fresh[-1]
            repeated.append(each)
        elif each.sequence > following:
            break
    return fresh, repeated


def _follows(each: Arrived, before: str) -> bool:
    return isinstance(each.read, Envelope) and each.read.previous_hash == before


def _unplaceable(each: Arrived) -> bytes:
    """For what names neither itself nor its place: it can be neither kept under its number nor answered by id."""
    assert isinstance(each.read, UnreadableOperation), each.read
    return wire.encode(Verdict("", 0, Filing.REFUSED, rejection=each.read.rejection))


class _Standing:
    """How things stand while operations are judged one after the other, before any of it is written."""

    def __init__(self, kept: dict[str, Kept], known: set[str]) -> None:
        self.kept = kept
        self.known = known
        """Ids that some journal holds."""
        self.judged = 0
        self.changed: dict[str, int] = {}
        """Ticket → place, among all that are judged, of the last operation that changed it."""
        self.gone: list[tuple[str, str, int]] = []
        """Who has to give up which ticket, at which place."""

    def put(self, ticket: Ticket, before: Kept | None, goes_on: bool) -> None:
        """What the operation being judged makes of a ticket; `goes_on`: see GOES_ON."""
        self.changed[ticket.id] = self.judged
        if before is None:
            self.kept[ticket.id] = Kept(ticket, 0)
            return
        is_expired = before.is_expired and ticket.status in OVER
        self.kept[ticket.id] = Kept(ticket, 0, is_expired, before.loaded, before.has_only_gone_on and goes_on)
        if before.ticket.assignment is not ticket.assignment and (loser := _loses(before, ticket)) is not None:
            self.gone.append((loser, ticket.id, self.judged))

    def touched(self) -> dict[str, dict[str, int]]:
        """Technician → the tickets of which their phones have to be told, each with the place of its last change."""
        touched: dict[str, dict[str, int]] = {}
        for ticket, place in self.changed.items():
            if (technician := self.kept[ticket].ticket.technician) is not None:
                touched.setdefault(technician, {})[ticket] = place
        for loser, ticket, place in self.gone:
            touched.setdefault(loser, {})[ticket] = place
        return touched


class _Taking:
    """One device's operations being taken, in one transaction."""

    def __init__(self, writing: Writing, brought: Brought, head: Head) -> None:
        self._writing = writing
        self.device = brought.device
        self.person = brought.person
        self._at_ms = brought.at_ms
        self._received_through = head.received_through
        self._last_hash = head.last_hash
        self._broken_at = head.broken_at
        self._technicians: dict[str, bool] = {}
        in_order = sorted((each for each in brought.operations if each.sequence), key=attrgetter("sequence"))
        old = [each for each in in_order if each.sequence <= head.received_through]
        self.fresh, repeated = _continuing(in_order, head)
        """What continues the journal."""
        self._again = old + repeated
        self._unplaceable = [each for each in brought.operations if not each.sequence]
        self._began_at: dict[str, int] = {}
        """Where in the feed the tickets stood that it is the first to change in this transaction."""
        self._ended_at: dict[str, int] = {}
        """At which place it has changed a ticket last."""
        self.own_work: dict[str, OwnChange] = {}
        self.scope_before: int | None = None
        self._verdicts: list[bytes] = []
        self._to_file: list[tuple[Arrived, int, Ticket | Rejection]] = []
        """What was refused, or answers a refusal, with its place among `fresh`, and what became of it."""

    @property
    def head(self) -> Head:
        return Head(self._received_through, self._last_hash, self._broken_at)

    def judge(self, standing: _Standing) -> None:
        known, kept, verdicts = standing.known, standing.kept, self._verdicts
        for place, each in enumerate(self.fresh):
            read = each.read
            if isinstance(read, Envelope):
                before = kept.get(read.ticket)
                after = self._judge(read, before, standing)
                kind: type[Operation] | None = type(read.operation)
            else:
                before, after, kind = None, read.rejection, None
            if isinstance(after, Ticket):
                standing.put(after, before, kind in GOES_ON)
                if before is not None and before.ticket is before.loaded:
                    self._began_at[after.id] = before.position
                self._ended_at[after.id] = standing.judged
                verdict = Verdict(each.id, each.sequence, filing(each.id, after), after.version)
            else:
                verdict = self._refused(each, before, after)
            verdicts.append(wire.encode(verdict))
            if kind is AnswerRefusal or not isinstance(after, Ticket):
                self._to_file.append((each, place, after))
            known.add(each.id)
            standing.judged += 1
            self._received_through = each.sequence
            self._last_hash = each.hash

    def entries(self, first: int) -> list[Entry]:
        return [
            self._entry(each, position, verdict)
            for position, (each, verdict) in enumerate(zip(self.fresh, self._verdicts, strict=True), first)
        ]

    def file(self, first: int) -> None:
        """Have what was refused seen to; `first` is the feed position of the first operation."""
        self._file([(each, first + place, after) for each, place, after in self._to_file])

    def note_own_work(self, standing: _Standing, first: int, saved: Mapping[str, bytes]) -> None:
        """`first` is the feed position of place 0, `saved` what all tickets have become."""
        self.own_work = {
            ticket: OwnChange(before, first + self._ended_at[ticket], saved[ticket])
            for ticket, before in self._began_at.items()
            if standing.kept[ticket].ticket.status not in OVER  # of these a phone is told less than the office knows
        }

    def is_all_of(self, touched: Mapping[str, int]) -> bool:
        """Whether these changes are this device's own work, and nothing but that."""
        return self.own_work.keys() == touched.keys() and self._ended_at == touched

    def answers(self) -> list[bytes]:
        """To be asked for when everything fresh has been kept."""
        again: list[bytes] = []
        if self._again:
            held = self._writing.journal.held(self.device, {each.sequence for each in self._again})
            again = self._answer_again([(each, held[each.sequence]) for each in self._again])
        return [*map(_unplaceable, self._unplaceable), *self._verdicts, *again]

    def _answer_again(self, repeated: Sequence[tuple[Arrived, Entry]]) -> list[bytes]:
        """The verdict given before, or, where the number belongs to another operation, that this is so."""
        verdicts: list[bytes] = []
        aside: list[tuple[Entry, str]] = []
        taken: list[tuple[Arrived, int, Ticket | Rejection]] = []
        for each, held in repeated:
            if held.id == each.id and held.raw == each.raw:
                verdicts.append(held.verdict)
                continue
            verdict = wire.encode(Verdict(each.id, each.sequence, Filing.REFUSED, rejection=SequenceTaken()))
            verdicts.append(verdict)
            aside.append((self._entry(each, 0, verdict), each.hash))
            taken.append((each, 0, SequenceTaken()))
        if aside:
            self._writing.journal.put_aside(aside)
            self._file(taken)
        return verdicts

    def _file(self, judged: Sequence[tuple[Arrived, int, Ticket | Rejection]]) -> None:
        """Have refusals seen to: each operation with its position in the feed and what became of it."""
        refused: list[Refusal] = []
        answers: list[Answered] = []
        for each, position, after in judged:
            answer = self._answer_in(each, after)
            if answer is not None:
                answers.append(answer)
            if not isinstance(after, Ticket):
                refused.append(self._refusal(each, position, after, counts=answer is not None))
        if refused:
            self._writing.attention.refuse(refused)
        if answers:  # after the refusals: a journal sent anew to a restored office can bring both at once
            self._writing.attention.answer(self.device, self.person.id, answers, self._at_ms)

    def _answer_in(self, each: Arrived, after: Ticket | Rejection) -> Answered | None:
        """An AnswerRefusal counts whatever becomes of it on the ticket, which may be none of this person's."""
        envelope = each.read
        if not isinstance(envelope, Envelope) or not isinstance(envelope.operation, AnswerRefusal):
            return None
        if isinstance(after, NotThisDevice) or not self._is_ours(envelope):
            return None
        operation = envelope.operation
        return Answered(operation.refused, operation.answer.value, operation.by)

    def _refusal(self, each: Arrived, position: int, rejection: Rejection, *, counts: bool) -> Refusal:
        # Whoever decides at the desk is told at once, on the page they decided on.
        seen_by = self.person.id if self.device == OFFICE else None
        answered_by = self.person.id if counts else None
        return Refusal(
            operation=each.id,
            device=self.device,
            sequence=each.sequence,
            hash=each.hash,
            position=position,
            ticket=each.ticket,
            person=self.person.id,
            kind=_kind_of(each),
            code=code_of(rejection),
            refused_at_ms=self._at_ms,
            answer=COUNTED if counts else None,
            answered_at_ms=self._at_ms if answered_by else None,
            answered_by=answered_by,
            seen_at_ms=self._at_ms if seen_by else None,
            seen_by=seen_by,
        )

    def _judge(self, envelope: Envelope, before: Kept | None, standing: _Standing) -> Ticket | Rejection:
        if not self._is_ours(envelope) or envelope.id in standing.known:
            return NotThisDevice()
        if envelope.previous_hash != self._last_hash:
            self._broken_at = self._broken_at or self._at_ms
            return JournalBroken()
        operation = envelope.operation
        if isinstance(operation, CreateTicket) and self.device != OFFICE:
            return RoleNotAllowed(envelope.actor.role)  # whoever's phone it is: numbers are allotted at the desk
        if isinstance(operation, AssignTicket) and not self._is_technician(operation.technician):
            return UnknownTechnician()
        after = apply(envelope, before.ticket if before else None)
        if isinstance(operation, MergeDuplicate) and isinstance(after, Ticket):
            return _merged(after, standing.kept.get(operation.into))
        return after

    def _is_ours(self, envelope: Envelope) -> bool:
        """Made on this device, by whoever it belongs to, and in their role; or as the technician they once were: a
        phone that was offline may still hold that work, and it is judged as a technician's, who may do less."""
        actor, person = envelope.actor, self.person
        is_theirs = envelope.device == self.device and actor.person == person.id
        return is_theirs and (actor.role is person.role or actor.role is Role.TECHNICIAN)

    def _may_know(self, ticket: Ticket) -> bool:
        person = self.person
        return person.role in OFFICE_ROLES or person.id in (ticket.technician, *ticket.former_technicians)

    def _is_technician(self, person_id: str) -> bool:
        if person_id not in self._technicians:
            person = self._writing.people.person(person_id)
            self._technicians[person_id] = person is not None and person.active and person.role is Role.TECHNICIAN
        return self._technicians[person_id]

    def _entry(self, each: Arrived, position: int, verdict: bytes) -> Entry:
        return Entry(position, each.id, self.device, each.sequence, each.ticket, self._at_ms, verdict, each.raw)

    def _refused(self, each: Arrived, before: Kept | None, rejection: Rejection) -> Verdict:
        # A ticket that is not this person's is not told apart from one that does not exist.
        is_told = before and self._may_know(before.ticket) and not isinstance(rejection, UnknownTicket | NotThisDevice)
        version = before.ticket.version if before and is_told else 0
        return Verdict(each.id, each.sequence, Filing.REFUSED, version, rejection)


def _concerned(fresh: Sequence[Arrived]) -> set[str]:
    """The tickets that have to stand still while these are judged."""
    envelopes = [each.read for each in fresh if isinstance(each.read, Envelope)]
    merged = {each.operation.into for each in envelopes if isinstance(each.operation, MergeDuplicate)}
    return merged.union([each.ticket for each in envelopes])


def _merged(after: Ticket, into: Kept | None) -> Ticket | Rejection:
    """What a duplicate is merged into must be there and go on: a colleague may have ended it in the meantime, as a
    duplicate itself or otherwise, and the customer's request would be nobody's."""
    if into is None:
        return UnknownTicket()
    return ChangedMeanwhile() if into.ticket.status in OVER else after


def _loses(before: Kept, after: Ticket) -> str | None:
    """Whose phone has to give the ticket back."""
    technician = before.ticket.technician
    return None if before.is_expired or technician == after.technician else technician


def _kind_of(each: Arrived) -> str:
    if isinstance(each.read, Envelope):
        return kind_of(each.read.operation)
    found: Any = wire.decode_part(each.raw, _WithKind)
    return found.operation.kind[:_KIND_LETTERS] if isinstance(found, _WithKind) else ""
