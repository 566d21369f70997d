"""Everything the desk's pages read and do.

What a dispatcher decides goes through the same door as a phone's operations (services.operations), as the journal of
the device OFFICE. Asking twice with the same operation id is asking once; asking for something else with it is not.
"""

import uuid
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.identifiers import is_uuid
from shared_schema.lifecycle import Kind, Severity, Status
from shared_schema.moments import Occurrence, happened_at, occurrence
from shared_schema.operations import Actor, CreateTicket, Envelope
from shared_schema.operations import Clock as ClockReading
from shared_schema.rejections import Rejection
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket, Window, undecided, unreviewed
from sync_server.clock import Clock, milliseconds, moment
from sync_server.services.operations import arrived, receive
from sync_server.services.photo_files import PhotoFiles
from sync_server.storage import Reading, Storage, Writing
from sync_server.storage.journal import OFFICE, Entry
from sync_server.storage.people import Person
from sync_server.storage.tickets import TicketFilter, TicketSort

if TYPE_CHECKING:
    from shared_schema.operations import Operation

__all__ = [
    "HISTORY_PAGE",
    "Desk",
    "HistoryEntry",
    "TicketFile",
    "TicketFilter",
    "TicketPage",
    "TicketSort",
    "TicketSummary",
]


class TicketSummary(Struct, frozen=True, kw_only=True):
    """A ticket as one line of a list."""

    id: str
    number: str
    kind: Kind
    status: Status
    severity: Severity | None
    version: int
    created_at: datetime
    customer_name: str
    customer_phone: str
    region: str
    address: str
    product_category: str
    product_model: str
    product_serial: str
    problem: str
    technician: str | None
    technician_name: str
    window: Window | None
    late: int
    """How much on it is late evidence or a proposal that waits for a decision."""


class TicketPage(Struct, frozen=True):
    rows: list[TicketSummary]
    total: int
    counts: dict[Status, int]
    """Of everything wanted, whichever statuses are; statuses without tickets are there with 0."""
    page: int
    pages: int


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """One operation on a ticket, whoever made it and whatever became of it."""

    id: str
    envelope: Envelope | None
    """None where the operation could not be read; its bytes are kept."""
    kind: str
    """Empty where even that could not be read."""
    actor: str
    """Person id; of an operation that cannot be read, empty."""
    actor_name: str
    device: str
    device_name: str
    """Empty for the desk."""
    occurred_at: datetime | None
    """By the server's clock, as well as the device knew."""
    occurrence: Occurrence | None
    """Between which moments it happened, of what a phone did."""
    received_at: datetime
    filing: Filing
    rejection: Rejection | None
    position: int
    """In the feed; 0 where it was set aside."""


HISTORY_PAGE = 100
"""Entries. Whoever has a phone can make any number of them, by operations that are refused."""


class TicketFile(Struct, frozen=True):
    """Everything known about one ticket, of its history one page."""

    ticket: Ticket
    history: list[HistoryEntry]
    """One page of it, oldest first, in the order the office received it."""
    history_length: int
    """Of all pages."""
    links: list[TicketSummary]
    """The ticket it came from and those that came from it."""
    goes_on_in: TicketSummary | None
    """The ticket this one was merged into."""
    duplicates: list[TicketSummary]
    """Those that were merged into this one."""
    photos: set[str]
    """SHA-256 of those photos whose bytes the office holds."""
    set_aside: set[str]
    """SHA-256 of those whose bytes arrived and were no picture; the phone has said so to its technician."""
    names: dict[str, str]
    """Person id → name, of everybody who appears on it."""


class Desk:
    def __init__(self, storage: Storage, photo_files: PhotoFiles, clock: Clock, time_zone: str) -> None:
        self._storage = storage
        self._photo_files = photo_files
        self._clock = clock
        self._zone = ZoneInfo(time_zone)

    # -- doing ---------------------------------------------------------------------------------------------------------

    async def perform(
        self, person: Person, ticket_id: str, operation: "Operation", *, operation_id: str, base_version: int
    ) -> Verdict:
        """Do it, once per operation id. `base_version` is the version of the ticket that `person` had before them."""
        return await self._storage.write(
            lambda writing: self._perform(writing, person, ticket_id, operation, operation_id, base_version)
        )

    async def create(
        self, person: Person, operation: CreateTicket, *, operation_id: str, ticket_id: str
    ) -> tuple[Verdict, str]:
        """The verdict and the number that was allotted; whatever `operation.number` says is replaced."""

        def work(writing: Writing) -> tuple[Verdict, str]:
            verdict = self._perform(writing, person, ticket_id, operation, operation_id, 0)
            made = writing.tickets.by_id([ticket_id]).get(ticket_id)
            return verdict, made.number if made else ""

        return await self._storage.write(work)

    def _perform(
        self,
        writing: Writing,
        person: Person,
        ticket_id: str,
        operation: "Operation",
        operation_id: str,
        base_version: int,
    ) -> Verdict:
        head = writing.journal.head(OFFICE)  # also the lock under which the id is looked for
        if (known := writing.journal.by_id(operation_id)) is not None:
            if _is_of(known, person, ticket_id, operation):
                return _verdict(known.verdict)
            # A form that was sent, gone back to, filled in otherwise and sent again: what it says now must not be
            # taken for done. It gets an id that follows from it, so that this, too, is done once.
            another = str(uuid.uuid5(uuid.UUID(operation_id), f"{person.id} {ticket_id} {_as_typed(operation).hex()}"))
            return self._perform(writing, person, ticket_id, operation, another, base_version)
        now = self._clock.now()
        if isinstance(operation, CreateTicket):
            number = writing.tickets.next_number(now.astimezone(self._zone).strftime("%y%m%d"))
            operation = msgspec.structs.replace(operation, number=number)
        envelope = Envelope(
            id=operation_id,
            device=OFFICE,
            sequence=head.received_through + 1,
            ticket=ticket_id,
            actor=Actor(person.id, person.role),
            base_version=base_version,
            occurred_at=now,
            clock=ClockReading(0, 0),
            previous_hash=head.last_hash,
            operation=operation,
        )
        (verdict,) = receive(writing, OFFICE, person, [arrived(wire.encode(envelope))], milliseconds(now))
        return _verdict(verdict)

    # -- looking -------------------------------------------------------------------------------------------------------

    async def tickets(self, wanted: TicketFilter) -> TicketPage:
        return await self._storage.read(lambda reading: _page(reading, wanted))

    async def ticket(self, ticket_id: str, *, history_page: int = 1) -> TicketFile | None:
        """Page 1 of the history is the newest; behind its last page there is nothing."""
        if not is_uuid(ticket_id):  # PostgreSQL cannot even be asked for every text
            return None
        return await self._storage.read(lambda reading: _file(reading, self._photo_files, ticket_id, history_page))

    async def ticket_numbered(self, number: str) -> Ticket | None:
        return await self._storage.read(lambda reading: reading.tickets.by_number(number))

    async def summary(self, ticket_id: str) -> TicketSummary | None:
        found = await self._storage.read(
            lambda reading: _summaries(reading, list(reading.tickets.by_id([ticket_id]).values()))
        )
        return found[0] if found else None

    async def similar(self, *, phone: str, serial: str) -> list[TicketSummary]:
        """Tickets of the same customer's number or about the same piece, newest first."""
        return await self._storage.read(lambda reading: _summaries(reading, reading.tickets.similar(phone, serial)))

    async def day(self, technician: str, day: date) -> list[TicketSummary]:
        """A technician's visits of one day, by time."""
        start = datetime.combine(day, time(), self._zone)
        span = milliseconds(start), milliseconds(start + timedelta(days=1))
        return await self._storage.read(lambda reading: _summaries(reading, reading.tickets.visits(technician, *span)))

    async def regions(self) -> list[str]:
        """Every region that occurs."""
        return await self._storage.read(lambda reading: reading.tickets.regions())

    async def feed_position(self) -> int:
        return await self._storage.read(lambda reading: reading.feed.latest())


def _is_of(entry: Entry, person: Person, ticket_id: str, operation: "Operation") -> bool:
    """Whether this very thing was asked for there."""
    envelope = wire.decode_envelope(entry.raw)
    return (
        isinstance(envelope, Envelope)
        and (entry.device, envelope.actor.person, envelope.ticket) == (OFFICE, person.id, ticket_id)
        and _as_typed(envelope.operation) == _as_typed(operation)
    )


def _as_typed(operation: "Operation") -> bytes:
    """Without the number that is allotted here."""
    if isinstance(operation, CreateTicket):
        operation = msgspec.structs.replace(operation, number="-")
    return wire.encode(operation)


def _verdict(raw: bytes) -> Verdict:
    verdict = wire.decode_verdict(raw)
    assert isinstance(verdict, Verdict), verdict
    return verdict


def _page(reading: Reading, wanted: TicketFilter) -> TicketPage:
    found = reading.tickets.count_by_status(wanted)
    counts = {status: found.get(status, 0) for status in Status}
    total = sum(counts[status] for status in (wanted.statuses or Status))
    pages = max(1, -(-total // wanted.page_size))
    page = min(max(wanted.page, 1), pages)
    rows = reading.tickets.find(msgspec.structs.replace(wanted, page=page))
    return TicketPage(_summaries(reading, rows), total, counts, page, pages)


def _summaries(reading: Reading, tickets: list[Ticket]) -> list[TicketSummary]:
    names = reading.people.named({ticket.technician for ticket in tickets if ticket.technician})
    return [
        TicketSummary(
            id=ticket.id,
            number=ticket.number,
            kind=ticket.kind,
            status=ticket.status,
            severity=ticket.severity,
            version=ticket.version,
            created_at=ticket.created_at,
            customer_name=ticket.customer.name,
            customer_phone=ticket.customer.phone,
            region=ticket.customer.region,
            address=ticket.customer.address,
            product_category=ticket.product.category,
            product_model=ticket.product.model,
            product_serial=ticket.product.serial,
            problem=ticket.problem,
            technician=ticket.technician,
            technician_name=names.get(ticket.technician or "", ""),
            window=ticket.assignment.window if ticket.assignment else None,
            late=len(unreviewed(ticket)) + len(undecided(ticket)),
        )
        for ticket in tickets
    ]


def _file(reading: Reading, photo_files: PhotoFiles, ticket_id: str, history_page: int) -> TicketFile | None:
    ticket = reading.tickets.by_id([ticket_id]).get(ticket_id)
    if ticket is None:
        return None
    found = reading.journal.of_ticket(ticket_id, newest=HISTORY_PAGE, skip=(history_page - 1) * HISTORY_PAGE)
    entries = [(entry, wire.decode_envelope(entry.raw)) for entry in found]
    envelopes = [envelope for _, envelope in entries if isinstance(envelope, Envelope)]
    names = reading.people.named(_people_on(ticket) | {envelope.actor.person for envelope in envelopes})
    devices = {device.id: device.name for device in reading.people.devices()}
    not_before = _not_before(reading, [entry for entry in found if entry.device != OFFICE])
    history = [
        _history_entry(entry, envelope if isinstance(envelope, Envelope) else None, names, devices, not_before)
        for entry, envelope in entries
    ]
    from_here = reading.tickets.linked_to(ticket_id)
    others = reading.tickets.by_id({each for each in (ticket.linked_ticket, ticket.duplicate_of) if each})
    origin, goes_on = (others.get(each or "") for each in (ticket.linked_ticket, ticket.duplicate_of))
    named = _photos_of(ticket)
    present = photo_files.present(named)
    return TicketFile(
        ticket=ticket,
        history=history,
        history_length=reading.journal.count_of_ticket(ticket_id),
        links=_summaries(reading, [*([origin] if origin else []), *from_here]),
        goes_on_in=_summaries(reading, [goes_on])[0] if goes_on else None,
        duplicates=_summaries(reading, reading.tickets.duplicates_of(ticket_id)),
        photos=present,
        set_aside={sha256 for sha256 in named - present if photo_files.is_set_aside(sha256)},
        names=names,
    )


def _photos_of(ticket: Ticket) -> set[str]:
    named = {photo.sha256 for photo in ticket.photos}
    for sign_off in ticket.sign_offs:
        named |= set(sign_off.statement.photos)
    for objection in ticket.objections:
        named |= {*objection.statement.photos, *objection.photos}
    return named


_LOOKED_BACK = 50
"""Operations: more than a phone records between two meetings with the office, which measure its clock anew."""


def _not_before(reading: Reading, entries: list[Entry]) -> dict[tuple[str, int], datetime]:
    """(device, number) → before which moment that operation was not made, if those before it tell the truth.

    Not only the one before it: of a clock that was set back, each operation agrees with the last.
    """
    earliest: dict[tuple[str, int], datetime] = {}
    numbers: dict[str, set[int]] = {}
    for entry in entries:
        if entry.position:
            before = range(max(1, entry.sequence - _LOOKED_BACK), entry.sequence)
            numbers.setdefault(entry.device, set()).update(before)
    for device, wanted in numbers.items():
        floor: datetime | None = None
        for sequence, entry in sorted(reading.journal.held(device, wanted).items()):
            if sequence - 1 not in wanted:
                floor = None
            envelope = wire.decode_envelope(entry.raw)
            if isinstance(envelope, Envelope):
                floor = occurrence(envelope, moment(entry.received_at_ms), floor).earliest
            if floor is not None:
                earliest[device, sequence + 1] = floor
    return earliest


def _occurrence(envelope: Envelope, received_at: datetime, not_before: datetime | None) -> Occurrence:
    """Where only the operations before it contradict a clock, either may be wrong: then it is both spans."""
    alone, after_them = occurrence(envelope, received_at), occurrence(envelope, received_at, not_before)
    if after_them.jumped and not alone.jumped:
        return Occurrence(min(alone.earliest, after_them.earliest), after_them.latest, True)
    return after_them


def _history_entry(
    entry: Entry,
    envelope: Envelope | None,
    names: dict[str, str],
    devices: dict[str, str],
    not_before: dict[tuple[str, int], datetime],
) -> HistoryEntry:
    verdict = _verdict(entry.verdict)
    actor = envelope.actor.person if envelope else ""
    received_at = moment(entry.received_at_ms)
    made = None
    if envelope is not None and entry.device != OFFICE:
        made = _occurrence(envelope, received_at, not_before.get((entry.device, entry.sequence)))
    return HistoryEntry(
        id=entry.id,
        envelope=envelope,
        kind=_kind(entry.raw),
        actor=actor,
        actor_name=names.get(actor, actor),
        device=entry.device,
        device_name=devices.get(entry.device, ""),
        occurred_at=happened_at(envelope) if envelope else None,
        occurrence=made,
        received_at=received_at,
        filing=verdict.filing,
        rejection=verdict.rejection,
        position=entry.position,
    )


class _KindOnly(Struct, frozen=True):
    kind: str


class _WithKind(Struct, frozen=True):
    operation: _KindOnly


def _kind(raw: bytes) -> str:
    found = wire.decode(raw, _WithKind)
    return found.operation.kind if isinstance(found, _WithKind) else ""


def _people_on(ticket: Ticket) -> set[str]:
    people = {ticket.created_by, *ticket.former_technicians}
    if ticket.assignment:
        people |= {ticket.assignment.technician, ticket.assignment.assigned_by}
    people |= {note.author for note in ticket.notes}
    people |= {photo.taken_by for photo in ticket.photos}
    people |= {arrival.technician for arrival in ticket.arrivals}
    people |= {sign_off.technician for sign_off in ticket.sign_offs}
    people |= {objection.technician for objection in ticket.objections}
    people |= {each.author for each in ticket.remote_help}
    people |= {each.decided_by for each in ticket.decisions}
    return people | {each.proposed_by for each in ticket.proposals}
