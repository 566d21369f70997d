"""A ticket as everybody sees it: the sum of the operations applied to it."""

from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from shared_schema.evidence import Arrival, Note, Objection, Photo, SignOff
from shared_schema.identifiers import Count, KnownId, Line, RequiredLine, RequiredWords, Words
from shared_schema.lifecycle import Channel, Kind, Severity, Status


class Customer(Struct, frozen=True, gc=False):
    name: RequiredLine
    phone: Annotated[str, Meta(pattern=r"^(\+?[0-9][0-9 ()-]{4,24})?\Z")]
    """Empty where it is withheld from the reader."""
    region: Line
    """Province, city and district; the part that may be seen before acceptance."""
    address: Line


class Product(Struct, frozen=True, gc=False):
    category: Line
    model: Line
    serial: Line
    order_number: Line
    purchased_on: date | None
    warranty_until: date | None


class Window(Struct, frozen=True, gc=False):
    """The time the customer was told, both ends aware of their time zone."""

    start: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]


class Assignment(Struct, frozen=True, gc=False):
    technician: KnownId
    window: Window
    assigned_by: KnownId
    assigned_at: datetime


class RemoteHelp(Struct, frozen=True, gc=False):
    """What the office tried from afar before sending anyone."""

    operation_id: KnownId
    author: KnownId
    tried_at: datetime
    words: RequiredWords


class Proposal(Struct, frozen=True, gc=False):
    """A move that no longer fitted when it arrived: kept whole, for the dispatcher to read."""

    operation_id: KnownId
    proposed_by: KnownId
    proposed_at: datetime
    kind: str
    words: Words
    """Everything the technician had typed into it."""
    done: Words | UnsetType = UNSET
    """Of finished work: what was done. `words` then holds what was found, a line end, and this."""

    @property
    def found(self) -> str:
        """Of finished work: what was found; of any other step all its words."""
        return self.words.removesuffix(f"\n{self.done}") if isinstance(self.done, str) else self.words


class Outcome(str, Enum):
    TAKEN = "taken"
    """The proposed step counts."""
    DISMISSED = "dismissed"
    REVIEWED = "reviewed"
    """Late evidence that somebody at the desk has looked at."""


class Decision(Struct, frozen=True, gc=False):
    """What the desk made of a proposal or of late evidence; those themselves are never altered."""

    operation_id: KnownId
    about: KnownId
    """The operation that proposed, or brought the evidence."""
    outcome: Outcome
    decided_by: KnownId
    decided_at: datetime
    words: Words


class Ticket(Struct, frozen=True, gc=False, omit_defaults=True):
    id: KnownId
    number: RequiredLine
    kind: Kind
    channel: Channel
    status: Status
    version: Count
    """How many operations have been applied."""
    created_at: datetime
    created_by: KnownId
    customer: Customer
    product: Product
    problem: RequiredWords
    """In the customer's words; never altered. What was found at the door is `confirmed_problem`."""
    wished_time: Line = ""
    severity: Severity | None = None
    linked_ticket: KnownId | None = None
    remote_help: tuple[RemoteHelp, ...] = ()
    assignment: Assignment | None = None
    former_technicians: tuple[KnownId, ...] = ()
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
    decisions: tuple[Decision, ...] = ()
    duplicate_of: KnownId | None = None
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
    everything: tuple[LateEvidence, ...] = (
        *ticket.notes,
        *ticket.photos,
        *ticket.arrivals,
        *ticket.sign_offs,
        *ticket.objections,
    )
    return tuple([item for item in everything if item.late])


def _decided(ticket: Ticket) -> set[str]:
    return {decision.about for decision in ticket.decisions}


def undecided(ticket: Ticket) -> tuple[Proposal, ...]:
    """Proposals the desk has neither taken nor dismissed."""
    if not ticket.proposals:
        return ()
    decided = _decided(ticket)
    return tuple(proposal for proposal in ticket.proposals if proposal.operation_id not in decided)


def unreviewed(ticket: Ticket) -> "tuple[LateEvidence, ...]":
    """Late evidence nobody at the desk has looked at."""
    late = late_evidence(ticket)
    if not late:
        return ()
    decided = _decided(ticket)
    return tuple(item for item in late if item.operation_id not in decided)
