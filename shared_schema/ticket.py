"""A ticket as everybody sees it: the sum of the operations applied to it."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from shared_schema.evidence import Arrival, Note, Objection, Photo, SignOff
from shared_schema.identifiers import Count, Line, OperationId, PersonId, RequiredLine, RequiredWords, TicketId, Words
from shared_schema.lifecycle import Channel, Kind, Severity, Status


class Customer(Struct, frozen=True):
    name: RequiredLine
    phone: Annotated[str, Meta(pattern=r"^(\+?[0-9][0-9 ()-]{4,24})?\Z")]
    """Empty where it is withheld from the reader."""
    region: Line
    """Province, city and district; the part that may be seen before acceptance."""
    address: Line


class Product(Struct, frozen=True):
    category: Line
    model: Line
    serial: Line
    order_number: Line
    purchased_on: date | None
    warranty_until: date | None


class Window(Struct, frozen=True):
    """The time the customer was told, both ends aware of their time zone."""

    start: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]


class Assignment(Struct, frozen=True):
    technician: PersonId
    window: Window
    assigned_by: PersonId
    assigned_at: datetime


class RemoteHelp(Struct, frozen=True):
    """What the office tried from afar before sending anyone."""

    operation_id: OperationId
    author: PersonId
    tried_at: datetime
    words: RequiredWords


class Proposal(Struct, frozen=True):
    """A move that no longer fitted when it arrived: kept whole, for the dispatcher to read."""

    operation_id: OperationId
    proposed_by: PersonId
    proposed_at: datetime
    kind: str
    words: Words
    """Everything the technician had typed into it."""


class Ticket(Struct, frozen=True, omit_defaults=True):
    id: TicketId
    number: RequiredLine
    kind: Kind
    channel: Channel
    status: Status
    version: Count
    """How many operations have been applied."""
    created_at: datetime
    created_by: PersonId
    customer: Customer
    product: Product
    problem: RequiredWords
    """In the customer's words; never altered. What was found at the door is `confirmed_problem`."""
    wished_time: Line = ""
    severity: Severity | None = None
    linked_ticket: TicketId | None = None
    remote_help: tuple[RemoteHelp, ...] = ()
    assignment: Assignment | None = None
    former_technicians: tuple[PersonId, ...] = ()
    credential_shown_at: datetime | None = None
    confirmed_problem: Words = ""
    waiting_for: Words = ""
    found: Words = ""
    done: Words = ""
    notes: tuple[Note, ...] = ()
    photos: tuple[Photo, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    sign_offs: tuple[SignOff, ...] = ()
    objections: tuple[Objection, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    over_because: Words = ""
    """Why it was cancelled, or what the follow-up call said when it was closed."""
    over_at: datetime | None = None

    @property
    def technician(self) -> str | None:
        """Who has the ticket now."""
        return self.assignment.technician if self.assignment else None


if TYPE_CHECKING:
    LateEvidence = Note | Photo | Arrival | SignOff | Objection


def late_evidence(ticket: Ticket) -> "tuple[LateEvidence, ...]":
    """Everything that reached the ticket after it had moved on, in the order of its kinds."""
    groups: tuple[tuple[LateEvidence, ...], ...] = (
        ticket.notes,
        ticket.photos,
        ticket.arrivals,
        ticket.sign_offs,
        ticket.objections,
    )
    return tuple(item for group in groups for item in group if item.late)
