"""Every change anyone can make to a ticket, and the envelope it travels in.

A technician's tap and a dispatcher's click are the same kind of value. An operation never changes after it was made:
its bytes are hashed into the journal of the device that made it. Unknown fields are refused and not ignored, because
ignoring a field would lose what a person typed into it.
"""

from datetime import datetime
from enum import Enum
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from shared_schema.evidence import PHOTO_BYTES, PHOTOS_PER_STATEMENT, PhotoSlot, Signature, Statement
from shared_schema.identifiers import (
    Count,
    EnvelopeName,
    EnvelopeSha256,
    EnvelopeUuid,
    Line,
    OperationId,
    PersonId,
    RequiredLine,
    RequiredWords,
    Sha256,
    TicketId,
    Words,
)
from shared_schema.lifecycle import Channel, Kind, Role, Severity
from shared_schema.ticket import Customer, Product, Window


class _Operation(Struct, frozen=True, gc=False, tag_field="kind", forbid_unknown_fields=True):
    pass


# -- made at the desk ------------------------------------------------------------------------------------------------


class CreateTicket(_Operation, frozen=True, tag="create_ticket"):
    number: RequiredLine
    ticket_kind: Kind
    channel: Channel
    customer: Customer
    product: Product
    problem: RequiredWords
    wished_time: Line = ""
    linked_ticket: TicketId | None = None


class CorrectDetails(_Operation, frozen=True, tag="correct_details"):
    """Customer or product as they really are; `seen_*` is what the dispatcher had in front of them."""

    customer: Customer
    product: Product
    seen_customer: Customer
    seen_product: Product


class ConfirmTicket(_Operation, frozen=True, tag="confirm_ticket"):
    """The facts were checked with the customer and the severity graded."""

    severity: Severity
    words: Words = ""


class GradeTicket(_Operation, frozen=True, tag="grade_ticket"):
    severity: Severity


class RecordRemoteHelp(_Operation, frozen=True, tag="record_remote_help"):
    words: RequiredWords


class SolveRemotely(_Operation, frozen=True, tag="solve_remotely"):
    words: RequiredWords


class AssignTicket(_Operation, frozen=True, tag="assign_ticket"):
    """A technician and the window the customer has been told; also how a ticket changes hands."""

    technician: PersonId
    window: Window
    replaces: PersonId | None = None
    """Who had it when the dispatcher decided: a colleague's decision in between is not overwritten unseen."""


class CancelTicket(_Operation, frozen=True, tag="cancel_ticket"):
    reason: RequiredWords


class CloseTicket(_Operation, frozen=True, tag="close_ticket"):
    words: Words = ""


class ReopenTicket(_Operation, frozen=True, tag="reopen_ticket"):
    reason: RequiredWords


class MergeDuplicate(_Operation, frozen=True, tag="merge_duplicate"):
    """The same request came twice: this ticket ends, `into` goes on. What is on it stays on it."""

    into: TicketId
    words: Words = ""


class TakeProposal(_Operation, frozen=True, tag="take_proposal"):
    """Let a step count that no longer fitted when it arrived."""

    proposal: OperationId
    words: Words = ""


class DismissProposal(_Operation, frozen=True, tag="dismiss_proposal"):
    proposal: OperationId
    reason: RequiredWords


class ReviewEvidence(_Operation, frozen=True, tag="review_evidence"):
    """Somebody at the desk has looked at late evidence."""

    evidence: OperationId
    words: Words = ""


# -- made on the technician's phone ----------------------------------------------------------------------------------


class AcceptTicket(_Operation, frozen=True, tag="accept_ticket"):
    pass


class StartTravel(_Operation, frozen=True, tag="start_travel"):
    pass


class Arrive(_Operation, frozen=True, tag="arrive"):
    pass


class ShowCredential(_Operation, frozen=True, tag="show_credential"):
    """The technician showed the work credential to the customer."""


class ConfirmProblem(_Operation, frozen=True, tag="confirm_problem"):
    """What the problem is, agreed at the door; the reported one is kept beside it."""

    words: RequiredWords


class WaitFor(_Operation, frozen=True, tag="wait_for"):
    words: RequiredWords


class ResumeWork(_Operation, frozen=True, tag="resume_work"):
    pass


class FinishWork(_Operation, frozen=True, tag="finish_work"):
    found: RequiredWords
    done: RequiredWords


class SignOffVisit(_Operation, frozen=True, tag="sign_off"):
    """The customer accepts: what they saw, who signs, how they rate it."""

    statement: Statement
    statement_sha256: Sha256
    signer: RequiredLine
    rating: Annotated[int, Meta(ge=1, le=5)]
    signature: Signature
    comment: Words = ""


class RaiseObjection(_Operation, frozen=True, tag="raise_objection"):
    """The customer does not accept, and says why."""

    statement: Statement
    statement_sha256: Sha256
    words: RequiredWords
    photos: Annotated[tuple[Sha256, ...], Meta(max_length=PHOTOS_PER_STATEMENT)] = ()


class RefusalAnswer(str, Enum):
    """What a technician made of an operation that was refused."""

    NOTED = "noted"
    """Its words were kept as a note."""
    CORRECTED = "corrected"
    """It was made again, as it should have been."""
    WITHDRAWN = "withdrawn"


class AnswerRefusal(_Operation, frozen=True, tag="answer_refusal"):
    """The technician has read a refusal and dealt with it. The ticket is left as it is."""

    refused: OperationId
    answer: RefusalAnswer
    by: OperationId | None = None
    """The note or the corrected operation that takes its place; none where it was withdrawn."""


# -- made by either ---------------------------------------------------------------------------------------------------


class AddNote(_Operation, frozen=True, tag="add_note"):
    text: RequiredWords


class AddPhoto(_Operation, frozen=True, tag="add_photo"):
    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=1, le=PHOTO_BYTES)]
    media_type: Annotated[str, Meta(pattern=r"^image/(jpeg|png|webp)\Z")]
    slot: PhotoSlot


OfficeOperation: TypeAlias = (
    CreateTicket
    | CorrectDetails
    | ConfirmTicket
    | GradeTicket
    | RecordRemoteHelp
    | SolveRemotely
    | AssignTicket
    | CancelTicket
    | CloseTicket
    | ReopenTicket
    | MergeDuplicate
    | TakeProposal
    | DismissProposal
    | ReviewEvidence
)
VisitOperation: TypeAlias = (
    AcceptTicket
    | StartTravel
    | Arrive
    | ShowCredential
    | ConfirmProblem
    | WaitFor
    | ResumeWork
    | FinishWork
    | SignOffVisit
    | RaiseObjection
)
Operation: TypeAlias = OfficeOperation | VisitOperation | AnswerRefusal | AddNote | AddPhoto


def kind_of(operation: Operation) -> str:
    """The operation's name on the wire, in the catalogues and in `lifecycle.MOVES`."""
    tag = operation.__struct_config__.tag
    assert isinstance(tag, str), tag
    return tag


# -- the envelope -----------------------------------------------------------------------------------------------------


class Actor(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    person: EnvelopeName
    role: Role


class Clock(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """How the device's clock stood to the server's when last measured: server = device + offset ± uncertainty."""

    offset_ms: Annotated[int, Meta(ge=-(2**50), le=2**50)] = 0
    uncertainty_ms: Count | None = None
    """None: never measured."""
    anchored_at_ms: Annotated[int, Meta(ge=0, le=2**50)] | UnsetType = UNSET
    """When it was measured: Unix time in milliseconds by the server's clock. Unset before protocol 2."""
    since_anchor_ms: Count | UnsetType = UNSET
    """Time since then by a clock nobody can set; unset where the app has been started anew in between."""


FIRST_HASH = "0" * 64
"""What the first envelope of a journal names as the hash before it."""


class Envelope(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    id: EnvelopeUuid
    device: EnvelopeName
    sequence: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    """Number in this device's journal, from 1, without gaps."""
    ticket: EnvelopeUuid
    actor: Actor
    base_version: Count
    """The version of the ticket, as confirmed by the office, on which this was made; 0 for a new one."""
    occurred_at: Annotated[datetime, Meta(tz=True)]
    """By the device's own clock: data, never order."""
    clock: Clock
    previous_hash: EnvelopeSha256
    """SHA-256 of the bytes of the envelope before this one in the device's journal."""
    operation: Operation
