"""What waits for a person at the desk, oldest first: late work, refused operations, drafts out of rescue files.

Only reading, and noting that somebody has seen what needs no decision. Late steps and evidence are decided by
operations (services.desk), and then no longer wait here.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from msgspec import Struct

from shared_schema import wire
from shared_schema.evidence import Note, Photo
from shared_schema.operations import Envelope
from shared_schema.rejections import Rejection
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Proposal, Ticket, late_evidence, undecided, unreviewed
from sync_server.clock import Clock, milliseconds, moment
from sync_server.storage import Reading, Storage, Writing
from sync_server.storage.attention import Origin, Refusal, RescuedDraft
from sync_server.storage.people import Person

PAGE = 50
MOST = 10_000
"""Of one kind. More than anybody looks through: what is behind them comes when they have been dealt with."""


class WaitingKind(str, Enum):
    PROPOSAL = "proposal"
    EVIDENCE = "evidence"
    REFUSED = "refused"
    DRAFT = "draft"


class Waiting(Struct, frozen=True, kw_only=True):
    """One thing that waits; of late evidence, everything of one ticket."""

    kind: WaitingKind
    mark: str
    """By which a page knows it again."""
    since: datetime
    """When the office received it."""
    ticket: Ticket | None
    person: str
    """Whose work it is."""
    device: str
    """Empty where it is not known."""
    proposal: Proposal | None = None
    evidence: tuple[str, ...] = ()
    """Operation ids."""
    refusal: Refusal | None = None
    raw: bytes = b""
    """A refused operation exactly as it came."""
    envelope: Envelope | None = None
    """None where it cannot be read."""
    rejection: Rejection | None = None
    draft: RescuedDraft | None = None


class Queue(Struct, frozen=True):
    rows: list[Waiting]
    counts: dict[WaitingKind, int]
    """Of all kinds, whichever is looked at."""
    page: int
    pages: int
    names: dict[str, str]
    """Person id → name."""
    devices: dict[str, str]
    """Device id → name."""


class _Place(Struct, frozen=True):
    """Where a thing stands in the queue, before everything about it is read."""

    since_ms: int
    mark: str
    item: Proposal | tuple[str, ...] | Refusal | RescuedDraft
    ticket: Ticket | None = None
    origin: Origin | None = None


class AttentionQueue:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._late: tuple[int, int] = (-1, 0)

    async def queue(self, kind: WaitingKind | None = None, page: int = 1) -> Queue:
        return await self._storage.read(lambda reading: _queue(reading, kind, page))

    async def count(self) -> int:
        """How much waits. Asked for every page: what came late is counted again only when the feed has moved."""
        return await self._storage.read(self._count)

    def _count(self, reading: Reading) -> int:
        position = reading.feed.latest()
        counted_at, late = self._late
        if counted_at != position:
            tickets = reading.tickets.late(MOST)
            late = sum(len(undecided(ticket)) + bool(unreviewed(ticket)) for ticket in tickets)
            self._late = (position, late)
        return late + reading.attention.count_refusals() + reading.attention.count_drafts()

    async def refused(self, device: str, sequence: int, hash_: str) -> Waiting | None:
        """Whether or not somebody has answered it."""

        def look(reading: Reading) -> Waiting | None:
            found = reading.attention.refusal(device, sequence, hash_)
            return _rows(reading, [(WaitingKind.REFUSED, _refused(found))])[0] if found else None

        return await self._storage.read(look)

    async def draft(self, device: str, hash_: str) -> Waiting | None:
        """Whether or not somebody has seen it."""

        def look(reading: Reading) -> Waiting | None:
            found = reading.attention.draft(device, hash_)
            return _rows(reading, [(WaitingKind.DRAFT, _draft(found))])[0] if found else None

        return await self._storage.read(look)

    async def around(self, waiting: Waiting) -> Queue:
        """Who and what is named in one of them, as a queue with nothing else in it."""
        return await self._storage.read(lambda reading: Queue([waiting], {}, 1, 1, *_named(reading, [waiting])))

    async def open_refusals(self, device: str) -> int:
        return await self._storage.read(lambda reading: reading.attention.count_refusals(device=device))

    async def see_refusal(self, person: Person, refusal: Refusal) -> bool:
        """False where there is none such, or somebody has seen it before."""
        at_ms = milliseconds(self._clock.now())
        return await self._storage.write(lambda writing: writing.attention.see(refusal, person.id, at_ms))

    async def see_refusals_of(self, person: Person, device: str) -> int:
        """All that a phone has open; how many."""
        at_ms = milliseconds(self._clock.now())
        return await self._storage.write(lambda writing: writing.attention.see_all(device, person.id, at_ms))

    async def see_draft(self, person: Person, device: str, key: str, hash_: str) -> bool:
        at_ms = milliseconds(self._clock.now())

        def see(writing: Writing) -> bool:
            return writing.attention.see_draft(device, key, hash_, person.id, at_ms)

        return await self._storage.write(see)


def _queue(reading: Reading, kind: WaitingKind | None, page: int) -> Queue:
    places: dict[WaitingKind, list[_Place]] = {
        WaitingKind.PROPOSAL: [],
        WaitingKind.EVIDENCE: [],
        WaitingKind.REFUSED: [_refused(each) for each in reading.attention.refusals(newest=MOST)],
        WaitingKind.DRAFT: [_draft(each) for each in reading.attention.drafts(newest=MOST)],
    }
    _add_late(reading, places[WaitingKind.PROPOSAL], places[WaitingKind.EVIDENCE])
    counts = {each: len(found) for each, found in places.items()}
    wanted = [(each, place) for each in places if kind in {None, each} for place in places[each]]
    wanted.sort(key=lambda one: (one[1].since_ms, one[1].mark))
    pages = max(1, -(-len(wanted) // PAGE))
    page = min(max(page, 1), pages)
    shown = wanted[(page - 1) * PAGE : page * PAGE]
    rows = _rows(reading, shown)
    return Queue(rows, counts, page, pages, *_named(reading, rows))


def _named(reading: Reading, rows: list[Waiting]) -> tuple[dict[str, str], dict[str, str]]:
    people = {row.person for row in rows}
    for row in rows:
        if row.ticket and row.ticket.technician:  # from whom a step that is taken would take the ticket
            people.add(row.ticket.technician)
        seen_by = (row.refusal and row.refusal.seen_by) or (row.draft and row.draft.seen_by)
        people.add(seen_by or "")
    return reading.people.named(people), {device.id: device.name for device in reading.people.devices()}


def _add_late(reading: Reading, proposals: list[_Place], evidence: list[_Place]) -> None:
    tickets = reading.tickets.late(MOST)
    waiting = {ticket.id: (undecided(ticket), unreviewed(ticket)) for ticket in tickets}
    ids = {each.operation_id for steps, late in waiting.values() for each in (*steps, *late)}
    origins = reading.attention.origins(ids)
    for ticket in tickets:
        steps, late = waiting[ticket.id]
        for step in steps:
            origin = origins.get(step.operation_id)
            since_ms = origin.received_at_ms if origin else milliseconds(step.proposed_at)
            proposals.append(_Place(since_ms, f"proposal:{step.operation_id}", step, ticket, origin))
        if late:
            known = [origins[each.operation_id] for each in late if each.operation_id in origins]
            first = min(known, key=lambda origin: origin.received_at_ms, default=None)
            since_ms = first.received_at_ms if first else milliseconds(ticket.created_at)
            named = tuple(each.operation_id for each in late)
            evidence.append(_Place(since_ms, f"evidence:{ticket.id}", named, ticket, first))


def _refused(refusal: Refusal) -> _Place:
    mark = f"refused:{refusal.device}:{refusal.sequence}:{refusal.hash}"
    return _Place(refusal.refused_at_ms, mark, refusal)


def _draft(draft: RescuedDraft) -> _Place:
    return _Place(draft.taken_in_at_ms, f"draft:{draft.device}:{draft.hash}", draft)


def _rows(reading: Reading, shown: list[tuple[WaitingKind, _Place]]) -> list[Waiting]:
    refusals = [place.item for _, place in shown if isinstance(place.item, Refusal)]
    raws, verdicts = reading.attention.bytes_of(refusals), reading.attention.verdicts_of(refusals)
    tickets = reading.tickets.by_id({each.ticket for each in refusals if each.ticket})
    return [_row(kind, place, raws, verdicts, tickets) for kind, place in shown]


def _row(
    kind: WaitingKind,
    place: _Place,
    raws: dict[tuple[str, int, str], bytes],
    verdicts: dict[tuple[str, int, str], bytes],
    tickets: dict[str, Ticket],
) -> Waiting:
    since, origin = moment(place.since_ms), place.origin
    match place.item:
        case Refusal() as refusal:
            named = (refusal.device, refusal.sequence, refusal.hash)
            raw = raws.get(named, b"")
            read = wire.decode_envelope(raw)
            verdict = wire.decode_verdict(verdicts[named]) if named in verdicts else None
            return Waiting(
                kind=kind,
                mark=place.mark,
                since=since,
                ticket=tickets.get(refusal.ticket or ""),
                person=refusal.person,
                device=refusal.device,
                refusal=refusal,
                raw=raw,
                envelope=read if isinstance(read, Envelope) else None,
                rejection=verdict.rejection if isinstance(verdict, Verdict) else None,
            )
        case RescuedDraft() as draft:
            return Waiting(
                kind=kind,
                mark=place.mark,
                since=since,
                ticket=None,
                person=draft.person,
                device=draft.device,
                draft=draft,
            )
        case Proposal() as proposal:
            return Waiting(
                kind=kind,
                mark=place.mark,
                since=since,
                ticket=place.ticket,
                person=proposal.proposed_by,
                device=origin.device if origin else "",
                proposal=proposal,
            )
        case evidence:
            assert place.ticket is not None, place
            return Waiting(
                kind=kind,
                mark=place.mark,
                since=since,
                ticket=place.ticket,
                person=_whose(place.ticket, evidence),
                device=origin.device if origin else "",
                evidence=evidence,
            )


def _whose(ticket: Ticket, evidence: Iterable[str]) -> str:
    """Whoever brought the first of it."""
    named = set(evidence)
    item = next((each for each in late_evidence(ticket) if each.operation_id in named), None)
    match item:
        case Note():
            return item.author
        case Photo():
            return item.taken_by
        case None:
            return ""
        case _:
            return item.technician
