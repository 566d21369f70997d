"""The one door at the office: every operation, from a phone or from the desk, is judged and kept here.

`receive` runs inside one write transaction. It keeps the bytes exactly as they came, stores the verdict with them, and
lets shared_schema.apply decide; what apply cannot know (whose device this is, whether the journal continues, whether
the technician exists) is decided here first. How operations travel is services.rounds' and services.desk's business.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Raw, Struct

from shared_schema import wire
from shared_schema.apply import Filing, apply, filing
from shared_schema.identifiers import TicketId
from shared_schema.lifecycle import OFFICE_ROLES, OVER, Role
from shared_schema.operations import AssignTicket, Envelope
from shared_schema.rejections import (
    JournalBroken,
    NotThisDevice,
    Rejection,
    SequenceTaken,
    UnknownTechnician,
    UnknownTicket,
)
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket
from shared_schema.wire import UnreadableOperation
from sync_server.storage import Writing
from sync_server.storage.journal import Entry, Head
from sync_server.storage.people import Person
from sync_server.storage.tickets import Kept


class Arrived(Struct, frozen=True):
    """An operation as it was brought: its bytes, and what could be read of them."""

    raw: bytes
    hash: str
    read: Envelope | UnreadableOperation

    @property
    def id(self) -> str:
        return self.read.id or ""

    @property
    def sequence(self) -> int:
        return self.read.sequence or 0


class _Whereabouts(Struct, frozen=True):
    """What is looked for in an operation that cannot be read, so that a person may find it."""

    ticket: TicketId


def arrived(raw: bytes | Raw) -> Arrived:
    data = bytes(raw)
    return Arrived(data, wire.hash_of(data), wire.decode_envelope(data))


def receive(writing: Writing, device: str, person: Person, brought: Sequence[Arrived], at_ms: int) -> list[bytes]:
    """The verdicts, one for each operation that was answered, in the order of their sequence numbers.

    Operations are taken in the order of the device's journal, whatever order they came in. One that the office already
    holds gets the verdict it got then. At a gap it stops: those behind it are not answered and have to be sent again.
    """
    head = writing.journal.head(device)
    in_order = sorted((each for each in brought if each.sequence), key=lambda each: each.sequence)
    old = [each for each in in_order if each.sequence <= head.received_through]
    fresh, repeated = _continuing(in_order, head)
    answers = [_unplaceable(each) for each in brought if not each.sequence]
    taking = _Taking(writing, device, person, head, at_ms)
    if fresh:
        answers += taking.take(fresh)
    if old or repeated:
        held = writing.journal.held(device, {each.sequence for each in (*old, *repeated)})
        answers += [taking.answer_again(each, held[each.sequence]) for each in (*old, *repeated)]
    return answers


def _continuing(in_order: Iterable[Arrived], head: Head) -> tuple[list[Arrived], list[Arrived]]:
    """What continues the journal without a gap, and what comes twice in the same round."""
    fresh: list[Arrived] = []
    repeated: list[Arrived] = []
    following = head.received_through + 1
    for each in in_order:
        if each.sequence == following:
            fresh.append(each)
            following += 1
        elif head.received_through < each.sequence < following:
            repeated.append(each)
        elif each.sequence > following:
            break
    return fresh, repeated


def _unplaceable(each: Arrived) -> bytes:
    """For what names neither itself nor its place: it can be neither kept under its number nor answered by id."""
    assert isinstance(each.read, UnreadableOperation), each.read
    return wire.encode(Verdict("", 0, Filing.REFUSED, rejection=each.read.rejection))


class _Taking:
    """One device's operations being taken, in one transaction."""

    def __init__(self, writing: Writing, device: str, person: Person, head: Head, at_ms: int) -> None:
        self._writing = writing
        self._device = device
        self._person = person
        self._head = head
        self._at_ms = at_ms
        self._broken_at = head.broken_at
        self._technicians: dict[str, bool] = {}

    def take(self, fresh: Sequence[Arrived]) -> list[bytes]:
        """Judge and keep operations that continue the journal."""
        journal, tickets = self._writing.journal, self._writing.tickets
        known = journal.known({each.id for each in fresh})
        kept = tickets.to_change(each.read.ticket for each in fresh if isinstance(each.read, Envelope))
        last_hash = self._head.last_hash
        verdicts: list[bytes] = []
        changed: dict[str, tuple[Kept, int]] = {}
        gone: list[tuple[str, str, int]] = []
        for place, each in enumerate(fresh):
            ticket_id = each.read.ticket if isinstance(each.read, Envelope) else ""
            before = kept.get(ticket_id)
            after = self._judge(each, before.ticket if before else None, last_hash, known)
            if isinstance(after, Ticket):
                kept[ticket_id] = now = Kept(after, 0, _stays_expired(before, after))
                changed[ticket_id] = (now, place)
                if (loser := _loses(before, after)) is not None:
                    gone.append((loser, ticket_id, place))
            seen = before.ticket if before and self._may_know(before.ticket) else None
            verdicts.append(wire.encode(_verdict(each, seen, after)))
            known.add(each.id)
            last_hash = each.hash
        first = self._writing.feed.take(len(fresh))
        journal.append(
            [
                self._entry(each, first + place, verdict)
                for place, (each, verdict) in enumerate(zip(fresh, verdicts, strict=True))
            ]
        )
        if changed:
            tickets.save(
                [Kept(now.ticket, first + place, now.is_expired) for _, (now, place) in sorted(changed.items())]
            )
        if gone:
            tickets.withdraw([(person, ticket, first + place) for person, ticket, place in gone])
        journal.move_head(self._device, Head(fresh[-1].sequence, last_hash, self._broken_at))
        return verdicts

    def answer_again(self, each: Arrived, held: Entry) -> bytes:
        """The verdict given before, or, where the number belongs to another operation, that this is so."""
        if held.id == each.id and held.raw == each.raw:
            return held.verdict
        verdict = wire.encode(Verdict(each.id, each.sequence, Filing.REFUSED, rejection=SequenceTaken()))
        self._writing.journal.put_aside(self._entry(each, 0, verdict), each.hash)
        return verdict

    def _judge(self, each: Arrived, ticket: Ticket | None, last_hash: str, known: set[str]) -> Ticket | Rejection:
        envelope = each.read
        if isinstance(envelope, UnreadableOperation):
            return envelope.rejection
        if envelope.device != self._device or not self._is_by_its_person(envelope) or envelope.id in known:
            return NotThisDevice()
        if envelope.previous_hash != last_hash:
            self._broken_at = self._broken_at or self._at_ms
            return JournalBroken()
        if isinstance(envelope.operation, AssignTicket) and not self._is_technician(envelope.operation.technician):
            return UnknownTechnician()
        return apply(envelope, ticket)

    def _is_by_its_person(self, envelope: Envelope) -> bool:
        return envelope.actor.person == self._person.id and envelope.actor.role is self._person.role

    def _may_know(self, ticket: Ticket) -> bool:
        person = self._person
        return person.role in OFFICE_ROLES or person.id in {ticket.technician, *ticket.former_technicians}

    def _is_technician(self, person_id: str) -> bool:
        if person_id not in self._technicians:
            person = self._writing.people.person(person_id)
            self._technicians[person_id] = person is not None and person.active and person.role is Role.TECHNICIAN
        return self._technicians[person_id]

    def _entry(self, each: Arrived, position: int, verdict: bytes) -> Entry:
        return Entry(position, each.id, self._device, each.sequence, _ticket_of(each), self._at_ms, verdict, each.raw)


def _verdict(each: Arrived, before: Ticket | None, after: Ticket | Rejection) -> Verdict:
    if isinstance(after, Ticket):
        return Verdict(each.id, each.sequence, filing(each.id, after), after.version)
    # A ticket that is not this person's is not told apart from one that does not exist.
    version = before.version if before and not isinstance(after, UnknownTicket | NotThisDevice) else 0
    return Verdict(each.id, each.sequence, Filing.REFUSED, version, after)


def _loses(before: Kept | None, after: Ticket) -> str | None:
    """Whose phone has to give the ticket back."""
    if before is None or before.is_expired or before.ticket.technician == after.technician:
        return None
    return before.ticket.technician


def _stays_expired(before: Kept | None, after: Ticket) -> bool:
    return before is not None and before.is_expired and after.status in OVER


def _ticket_of(each: Arrived) -> str | None:
    if isinstance(each.read, Envelope):
        return each.read.ticket
    found: Any = wire.decode_part(each.raw, _Whereabouts)
    return found.ticket if isinstance(found, _Whereabouts) else None
