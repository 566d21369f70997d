"""The one door: what an operation makes of a ticket, or why it may not.

The phone asks at once and offline, the server asks for good, and both get the same answer from the same function.

What the home visit produced is never turned away because the ticket moved on in the meantime: evidence (note, photo,
arrival, signature, objection) is filed as late, a move that no longer fits is kept as a proposal. A plain rejection
is left for what no honest, up-to-date device sends.
"""

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from msgspec import UNSET
from msgspec.structs import replace

from shared_schema import operations as op
from shared_schema.evidence import Arrival, Note, Objection, Photo, SignOff, Statement, digest
from shared_schema.lifecycle import (
    MOVES,
    OFFICE_ROLES,
    ON_VISIT,
    OPEN,
    OVER,
    VISIT_KINDS,
    Role,
    Status,
    may_be_taken,
    may_move,
)
from shared_schema.moments import happened_at
from shared_schema.operations import Envelope
from shared_schema.rejections import (
    AlreadyDecided,
    ChangedMeanwhile,
    MoveNotAllowed,
    NotAVisit,
    PhotoMissing,
    Rejection,
    RoleNotAllowed,
    StatementAltered,
    StepMissing,
    TicketExists,
    UnknownItem,
    UnknownTicket,
    WindowReversed,
)
from shared_schema.ticket import (
    Assignment,
    Decision,
    Outcome,
    Proposal,
    RemoteHelp,
    Ticket,
    undecided,
    unreviewed,
)

if TYPE_CHECKING:
    from shared_schema.ticket import LateEvidence

Result: TypeAlias = Ticket | Rejection


class Filing(str, Enum):
    """How an operation was filed. All but REFUSED are accepted."""

    APPLIED = "applied"
    LATE = "late"
    PROPOSAL = "proposal"
    REFUSED = "refused"


def apply(envelope: Envelope, ticket: Ticket | None) -> Result:
    """The ticket after the operation (its version one higher), or the rejection; `ticket` None means there is none.

    Source of the rules: product.md, "The way of a visit ticket" and "Rules that hold everywhere".
    """
    operation = envelope.operation
    match operation:  # tried in this order: first what comes most often
        case op.AddNote() | op.AddPhoto():
            return _noted(envelope, operation, ticket)
        case (
            op.AcceptTicket()
            | op.StartTravel()
            | op.Arrive()
            | op.ShowCredential()
            | op.ConfirmProblem()
            | op.WaitFor()
            | op.ResumeWork()
            | op.FinishWork()
            | op.SignOffVisit()
            | op.RaiseObjection()
        ):
            return _visited(envelope, operation, ticket)
        case op.CreateTicket():
            return _created(envelope, operation, ticket)
        case (
            op.CorrectDetails()
            | op.ConfirmTicket()
            | op.GradeTicket()
            | op.RecordRemoteHelp()
            | op.SolveRemotely()
            | op.AssignTicket()
            | op.CancelTicket()
            | op.CloseTicket()
            | op.ReopenTicket()
            | op.MergeDuplicate()
        ):
            return _decided(envelope, operation, ticket)
        case op.TakeProposal() | op.DismissProposal() | op.ReviewEvidence():
            return _settled(envelope, operation, ticket)
        case op.AnswerRefusal():
            if envelope.actor.role is not Role.TECHNICIAN:
                return RoleNotAllowed(envelope.actor.role)
            if ticket is None or not (_holds(envelope, ticket) or _has_held(envelope, ticket)):
                return UnknownTicket()
            return _next(ticket)
        case _:
            assert_never(operation)


def filing(operation_id: str, after: Result) -> Filing:
    """How `apply`'s result filed the operation. What it brought is the last of its kind."""
    if not isinstance(after, Ticket):
        return Filing.REFUSED
    if after.proposals and after.proposals[-1].operation_id == operation_id:
        return Filing.PROPOSAL
    for kind in (after.notes, after.photos, after.arrivals, after.sign_offs, after.objections):
        if kind and kind[-1].operation_id == operation_id:
            return Filing.LATE if kind[-1].late else Filing.APPLIED
    return Filing.APPLIED


def _next(ticket: Ticket, **changes: Any) -> Ticket:
    return replace(ticket, version=ticket.version + 1, **changes)


def _created(envelope: Envelope, operation: op.CreateTicket, ticket: Ticket | None) -> Result:
    if envelope.actor.role not in OFFICE_ROLES:
        return RoleNotAllowed(envelope.actor.role)
    if ticket is not None:
        return TicketExists()
    return Ticket(
        id=envelope.ticket,
        number=operation.number,
        kind=operation.ticket_kind,
        channel=operation.channel,
        status=Status.RECEIVED,
        version=1,
        created_at=happened_at(envelope),
        created_by=envelope.actor.person,
        customer=operation.customer,
        product=operation.product,
        problem=operation.problem,
        wished_time=operation.wished_time,
        linked_ticket=operation.linked_ticket,
    )


def _holds(envelope: Envelope, ticket: Ticket) -> bool:
    return ticket.technician == envelope.actor.person


def _has_held(envelope: Envelope, ticket: Ticket) -> bool:
    return envelope.actor.person in ticket.former_technicians


def _noted(envelope: Envelope, operation: op.AddNote | op.AddPhoto, ticket: Ticket | None) -> Result:
    if ticket is None:
        return UnknownTicket()
    person, at = envelope.actor.person, happened_at(envelope)
    if envelope.actor.role is Role.TECHNICIAN:
        holds = _holds(envelope, ticket)
        if not (holds or _has_held(envelope, ticket)):
            return UnknownTicket()
        on_time = holds and (ticket.status in ON_VISIT or ticket.status is Status.ASSIGNED)
    else:
        on_time = ticket.status not in OVER
    match operation:
        case op.AddNote(text=text):
            note = Note(envelope.id, person, at, text, late=not on_time)
            return _next(ticket, notes=(*ticket.notes, note))
        case op.AddPhoto(sha256=sha256, size_bytes=size_bytes, media_type=media_type, slot=slot):
            photo = Photo(envelope.id, sha256, size_bytes, media_type, slot, person, at, late=not on_time)
            return _next(ticket, photos=(*ticket.photos, photo))
        case _:
            assert_never(operation)


# -- the technician ---------------------------------------------------------------------------------------------------


def _visited(envelope: Envelope, operation: op.VisitOperation, ticket: Ticket | None) -> Result:
    if envelope.actor.role is not Role.TECHNICIAN:
        return RoleNotAllowed(envelope.actor.role)
    if ticket is None:
        return UnknownTicket()
    holds = _holds(envelope, ticket)
    if not (holds or _has_held(envelope, ticket)):
        return UnknownTicket()
    kind, person, at = op.kind_of(operation), envelope.actor.person, happened_at(envelope)
    fits = holds and may_move(kind, ticket.status)
    status = MOVES[kind][1] if fits else ticket.status
    match operation:
        case op.AcceptTicket() | op.StartTravel() | op.ResumeWork() if fits:
            return _next(ticket, status=status, waiting_for="")
        case op.Arrive():
            arrival = Arrival(envelope.id, person, at, late=not fits)
            return _next(ticket, status=status, arrivals=(*ticket.arrivals, arrival))
        case op.SignOffVisit():
            return _signed(envelope, operation, ticket, fits)
        case op.RaiseObjection():
            return _objected(envelope, operation, ticket, fits)
        case op.ShowCredential():
            if not holds or ticket.status not in {Status.ARRIVED, Status.WORKING}:
                return _misfit(envelope, operation, ticket)
            return _next(ticket, credential_shown_at=at)
        case op.ConfirmProblem(words=words) if fits:
            if ticket.credential_shown_at is None:
                return StepMissing("show_credential")
            return _next(ticket, status=status, confirmed_problem=words)
        case op.WaitFor(words=words) if fits:
            return _next(ticket, status=status, waiting_for=words)
        case op.FinishWork(found=found, done=done) if fits:
            return _next(ticket, status=status, found=found, done=done)
        case (
            op.AcceptTicket()
            | op.StartTravel()
            | op.ResumeWork()
            | op.ConfirmProblem()
            | op.WaitFor()
            | op.FinishWork()
        ):
            return _misfit(envelope, operation, ticket)
        case _:
            assert_never(operation)


def _misfit(envelope: Envelope, operation: op.VisitOperation, ticket: Ticket) -> Result:
    """A move made on a ticket that has since changed is a proposal; on the ticket as it stands it is not allowed."""
    if _holds(envelope, ticket) and envelope.base_version >= ticket.version:
        return MoveNotAllowed(op.kind_of(operation), ticket.status)
    proposal = Proposal(
        envelope.id,
        envelope.actor.person,
        happened_at(envelope),
        op.kind_of(operation),
        _typed_words(operation),
        operation.done if isinstance(operation, op.FinishWork) else UNSET,
    )
    return _next(ticket, proposals=(*ticket.proposals, proposal))


def _typed_words(operation: op.VisitOperation) -> str:
    match operation:
        case op.ConfirmProblem(words=words) | op.WaitFor(words=words):
            return words
        case op.FinishWork(found=found, done=done):
            return f"{found}\n{done}"
        case _:
            return ""


def _statement_fault(statement: Statement, sha256: str, ticket: Ticket) -> Rejection | None:
    if digest(statement) != sha256:
        return StatementAltered()
    if not set(statement.photos) <= {photo.sha256 for photo in ticket.photos}:
        return PhotoMissing()
    return None


def _is_of_now(statement: Statement, ticket: Ticket) -> bool:
    """Whether the customer saw what the ticket still says."""
    return statement.found == ticket.found and statement.done == ticket.done


def _signed(envelope: Envelope, operation: op.SignOffVisit, ticket: Ticket, fits: bool) -> Result:
    if fault := _statement_fault(operation.statement, operation.statement_sha256, ticket):
        return fault
    on_time = fits and _is_of_now(operation.statement, ticket)
    sign_off = SignOff(
        operation_id=envelope.id,
        technician=envelope.actor.person,
        signed_at=happened_at(envelope),
        statement=operation.statement,
        statement_sha256=operation.statement_sha256,
        signer=operation.signer,
        rating=operation.rating,
        comment=operation.comment,
        signature=operation.signature,
        late=not on_time,
    )
    status = Status.SIGNED_OFF if on_time else ticket.status
    return _next(ticket, status=status, sign_offs=(*ticket.sign_offs, sign_off))


def _objected(envelope: Envelope, operation: op.RaiseObjection, ticket: Ticket, fits: bool) -> Result:
    if fault := _statement_fault(operation.statement, operation.statement_sha256, ticket):
        return fault
    on_time = fits and _is_of_now(operation.statement, ticket)
    objection = Objection(
        operation_id=envelope.id,
        technician=envelope.actor.person,
        raised_at=happened_at(envelope),
        statement=operation.statement,
        statement_sha256=operation.statement_sha256,
        words=operation.words,
        photos=operation.photos,
        late=not on_time,
    )
    status = Status.OBJECTED if on_time else ticket.status
    return _next(ticket, status=status, objections=(*ticket.objections, objection))


# -- the desk ---------------------------------------------------------------------------------------------------------

_Decision: TypeAlias = (
    op.CorrectDetails
    | op.ConfirmTicket
    | op.GradeTicket
    | op.RecordRemoteHelp
    | op.SolveRemotely
    | op.AssignTicket
    | op.CancelTicket
    | op.CloseTicket
    | op.ReopenTicket
    | op.MergeDuplicate
)


def _decided(envelope: Envelope, operation: _Decision, ticket: Ticket | None) -> Result:
    if envelope.actor.role not in OFFICE_ROLES:
        return RoleNotAllowed(envelope.actor.role)
    if ticket is None:
        return UnknownTicket()
    kind, at = op.kind_of(operation), happened_at(envelope)
    if not (may_move(kind, ticket.status) if kind in MOVES else ticket.status in OPEN):
        return MoveNotAllowed(kind, ticket.status)
    match operation:
        case op.CorrectDetails():
            if (operation.seen_customer, operation.seen_product) != (ticket.customer, ticket.product):
                return ChangedMeanwhile()
            return _next(ticket, customer=operation.customer, product=operation.product)
        case op.ConfirmTicket(severity=severity, words=words):
            notes = (*ticket.notes, Note(envelope.id, envelope.actor.person, at, words)) if words else ticket.notes
            return _next(ticket, status=Status.CONFIRMED, severity=severity, notes=notes)
        case op.GradeTicket(severity=severity):
            return _next(ticket, severity=severity)
        case op.RecordRemoteHelp(words=words):
            return _next(ticket, remote_help=_helped(envelope, words, ticket))
        case op.SolveRemotely(words=words):
            return _next(ticket, status=Status.SOLVED_REMOTELY, remote_help=_helped(envelope, words, ticket))
        case op.AssignTicket():
            return _assigned(envelope, operation, ticket)
        case op.CancelTicket(reason=reason):
            return _next(ticket, status=Status.CANCELLED, over_because=reason, over_at=at)
        case op.MergeDuplicate(into=into, words=words):
            if into == ticket.id:
                return UnknownTicket()
            return _next(ticket, status=Status.CANCELLED, duplicate_of=into, over_because=words, over_at=at)
        case op.CloseTicket(words=words):
            return _next(ticket, status=Status.CLOSED, over_because=words, over_at=at)
        case op.ReopenTicket(reason=reason):
            return _next(
                ticket,
                status=Status.REOPENED,
                assignment=None,
                former_technicians=_formers(ticket, None),
                credential_shown_at=None,
                waiting_for="",
                found="",
                done="",
                duplicate_of=None,
                over_because="",
                over_at=None,
                notes=(*ticket.notes, Note(envelope.id, envelope.actor.person, at, reason)),
            )
        case _:
            assert_never(operation)


def _helped(envelope: Envelope, words: str, ticket: Ticket) -> tuple[RemoteHelp, ...]:
    help_given = RemoteHelp(envelope.id, envelope.actor.person, happened_at(envelope), words)
    return (*ticket.remote_help, help_given)


def _assigned(envelope: Envelope, operation: op.AssignTicket, ticket: Ticket) -> Result:
    if ticket.kind not in VISIT_KINDS:
        return NotAVisit(ticket.kind)
    if operation.window.end <= operation.window.start:
        return WindowReversed()
    if operation.replaces != ticket.technician:
        return ChangedMeanwhile()
    assignment = Assignment(operation.technician, operation.window, envelope.actor.person, happened_at(envelope))
    if operation.technician == ticket.technician:  # only the window moves: the visit goes on where it is
        return _next(ticket, assignment=assignment)
    return _next(
        ticket,
        status=Status.ASSIGNED,
        assignment=assignment,
        former_technicians=_formers(ticket, operation.technician),
        credential_shown_at=None,
        waiting_for="",
    )


def _formers(ticket: Ticket, technician: str | None) -> tuple[str, ...]:
    """Everyone who has had the ticket, without whoever has it next."""
    formers = dict.fromkeys((*ticket.former_technicians, *((ticket.technician,) if ticket.technician else ())))
    return tuple(person for person in formers if person != technician)


# -- what the desk makes of what came late ----------------------------------------------------------------------------


def _settled(
    envelope: Envelope, operation: op.TakeProposal | op.DismissProposal | op.ReviewEvidence, ticket: Ticket | None
) -> Result:
    """In any status: what came late may be about a ticket that is over."""
    if envelope.actor.role not in OFFICE_ROLES:
        return RoleNotAllowed(envelope.actor.role)
    if ticket is None:
        return UnknownTicket()
    waiting: tuple[Proposal | LateEvidence, ...]
    match operation:
        case op.TakeProposal(proposal=about, words=words):
            outcome, waiting = Outcome.TAKEN, undecided(ticket)
        case op.DismissProposal(proposal=about, reason=words):
            outcome, waiting = Outcome.DISMISSED, undecided(ticket)
        case op.ReviewEvidence(evidence=about, words=words):
            outcome, waiting = Outcome.REVIEWED, unreviewed(ticket)
        case _:
            assert_never(operation)
    item = next((each for each in waiting if each.operation_id == about), None)
    if item is None:
        return AlreadyDecided() if any(each.about == about for each in ticket.decisions) else UnknownItem()
    changes: dict[str, Any] = {}
    if outcome is Outcome.TAKEN:
        assert isinstance(item, Proposal), item
        if ticket.assignment is None or not may_be_taken(item.kind, ticket.status):
            return MoveNotAllowed(item.kind, ticket.status)
        changes = _counting(envelope, item, ticket)
    decision = Decision(envelope.id, about, outcome, envelope.actor.person, happened_at(envelope), words)
    return _next(ticket, decisions=(*ticket.decisions, decision), **changes)


def _counting(envelope: Envelope, proposal: Proposal, ticket: Ticket) -> dict[str, Any]:
    """What changes on the ticket when the proposed step counts: whoever took it has the ticket again."""
    changes: dict[str, Any] = {}
    assert ticket.assignment is not None, ticket.id
    if proposal.proposed_by != ticket.technician:
        changes["assignment"] = replace(
            ticket.assignment,
            technician=proposal.proposed_by,
            assigned_by=envelope.actor.person,
            assigned_at=happened_at(envelope),
        )
        changes["former_technicians"] = _formers(ticket, proposal.proposed_by)
    if proposal.kind == "show_credential":
        changes["credential_shown_at"] = ticket.credential_shown_at or proposal.proposed_at
        return changes
    changes["status"] = MOVES[proposal.kind][1]
    match proposal.kind:
        case "confirm_problem":
            changes["confirmed_problem"] = proposal.words
        case "wait_for":
            changes["waiting_for"] = proposal.words
        case "finish_work":
            changes["found"], changes["done"] = proposal.found, proposal.done or ""
        case _:
            changes["waiting_for"] = ""
    return changes
