"""What a technician can make of an operation that the office refused; the refused entry itself stays as it is.

`Actions` does it (turn_into_note, begin_correction, record_again, withdraw): the answer and what takes the refused
operation's place are recorded in one transaction.
"""

from enum import Enum
from typing import Any, assert_never

from msgspec import Struct

from field_app.store import JournalEntry
from shared_schema import operations as op
from shared_schema.operations import Operation

NOTE_CHARACTERS = 4000
"""As shared_schema.identifiers.Words has it: more than one note may be needed for what one operation held."""


class Way(str, Enum):
    NOTE = "note"
    """Its words are kept as a note on the ticket."""
    CORRECT = "correct"
    """Its form opens with what was typed."""
    AGAIN = "again"
    """It has no form: it is recorded once more as it was."""
    WITHDRAW = "withdraw"
    """It was a mistake, or somebody else has dealt with it."""


class Refusal(Struct, frozen=True):
    """An operation the office refused, and that nothing was made of yet."""

    entry: JournalEntry
    """With the reason (`rejection`), the ticket's number as it was, and when it was recorded and read."""
    typed: str
    """All that was typed into it, on lines of its own; empty for a mere step."""
    photo: str | None
    """SHA-256 of the photo it brought."""
    ways: tuple[Way, ...]
    """What is possible now, withdrawing always. Of a ticket this phone does not know any more, nothing else is."""


class Correction(Struct, frozen=True):
    """The form that makes such an operation has what was typed in its draft: show it."""

    ticket: str
    form: str
    route: str
    """Such as /tickets/<id>/note."""


class FormInUse(Struct, frozen=True):
    """Something else is being typed in that form, and is left alone: that has to be recorded or cleared first."""

    ticket: str
    form: str
    route: str


class NotPossibleNow(Struct, frozen=True):
    """There is no such refusal, it has been dealt with, or this way does not fit the ticket as it is now."""


def form_key(form: str, ticket_id: str) -> str:
    """Under which a form's draft is kept."""
    return f"{form}:{ticket_id}"


def route_of(form: str, ticket_id: str) -> str:
    place = "hand-over/objection" if form == "objection" else form
    return f"/tickets/{ticket_id}/{place}"


def typed_in(operation: Operation) -> str:
    """Everything a technician or customer typed into an operation of a visit."""
    match operation:
        case op.AddNote(text=words) | op.ConfirmProblem(words=words) | op.WaitFor(words=words):
            return words
        case op.RaiseObjection(words=words):
            return words
        case op.FinishWork(found=found, done=done):
            return f"{found}\n{done}"
        case op.SignOffVisit(signer=signer, rating=rating, comment=comment):
            return "\n".join(line for line in (f"{signer} {rating}/5", comment) if line)
        case _:
            return ""


def form_of(operation: Operation) -> tuple[str, dict[str, Any]] | None:
    """The form that makes such an operation, and its draft with what was typed; None where nothing is typed.

    What the customer signed is theirs to sign again: the strokes are not put back, nor the statement they saw.
    """
    match operation:
        case op.AddNote(text=text):
            return "note", {"text": text}
        case op.ConfirmProblem(words=words):
            return "problem", {"words": words}
        case op.WaitFor(words=words):
            return "wait", {"words": words}
        case op.FinishWork(found=found, done=done):
            return "finish", {"found": found, "done": done}
        case op.RaiseObjection(words=words):
            return "objection", {"words": words}
        case op.SignOffVisit(signer=signer, rating=rating, comment=comment):
            return "hand-over", {"signer": signer, "rating": rating, "comment": comment}
        case op.AcceptTicket() | op.StartTravel() | op.Arrive() | op.ShowCredential() | op.ResumeWork():
            return None
        case op.AddPhoto() | op.AnswerRefusal():
            return None
        case (
            op.CreateTicket()
            | op.CorrectDetails()
            | op.ConfirmTicket()
            | op.GradeTicket()
            | op.RecordRemoteHelp()
            | op.SolveRemotely()
            | op.AssignTicket()
            | op.CancelTicket()
            | op.CloseTicket()
            | op.ReopenTicket()
            | op.MergeDuplicate()
            | op.TakeProposal()
            | op.DismissProposal()
            | op.ReviewEvidence()
        ):
            return None
        case _:
            assert_never(operation)


def notes_of(words: str) -> list[op.AddNote]:
    """As many notes as the words need."""
    starts = range(0, max(1, len(words)), NOTE_CHARACTERS)
    return [op.AddNote(words[start : start + NOTE_CHARACTERS]) for start in starts]
