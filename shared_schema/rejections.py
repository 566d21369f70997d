"""Why a rule says no: values, stored with the operation they refuse and shown to a person in words.

The catalogue key of each is `rejection.<code>`, its fields are the sentence's arguments.
"""

from typing import TypeAlias

from msgspec import Struct

from shared_schema.lifecycle import Kind, Role, Status


class _Rejection(Struct, frozen=True, tag_field="code"):
    pass


class MoveNotAllowed(_Rejection, frozen=True, tag="move_not_allowed"):
    move: str
    status: Status


class StepMissing(_Rejection, frozen=True, tag="step_missing"):
    """A step that must come first has not been done; `step` is an operation kind."""

    step: str


class UnknownTicket(_Rejection, frozen=True, tag="unknown_ticket"):
    """No such ticket, or not this person's: the answer is the same, so nobody can find out which."""


class TicketExists(_Rejection, frozen=True, tag="ticket_exists"):
    pass


class RoleNotAllowed(_Rejection, frozen=True, tag="role_not_allowed"):
    role: Role


class NotAVisit(_Rejection, frozen=True, tag="not_a_visit"):
    kind: Kind


class ChangedMeanwhile(_Rejection, frozen=True, tag="changed_meanwhile"):
    """Somebody else decided the same thing first; nothing of theirs was overwritten."""


class WindowReversed(_Rejection, frozen=True, tag="window_reversed"):
    pass


class StatementAltered(_Rejection, frozen=True, tag="statement_altered"):
    """The hash under the signature is not that of the text it came with."""


class PhotoMissing(_Rejection, frozen=True, tag="photo_missing"):
    """The statement names a photo that is not on the ticket."""


class UnknownOperation(_Rejection, frozen=True, tag="unknown_operation"):
    """Made by a newer version than the reader; kept whole."""

    kind: str


class MalformedOperation(_Rejection, frozen=True, tag="malformed_operation"):
    """Not of the form its kind has; `place` is a path such as `$.operation.text`."""

    place: str


class NotThisDevice(_Rejection, frozen=True, tag="not_this_device"):
    """The envelope names another device or person than the one that brought it."""


class UnknownTechnician(_Rejection, frozen=True, tag="unknown_technician"):
    pass


class JournalBroken(_Rejection, frozen=True, tag="journal_broken"):
    """The envelope does not name the hash of the one before it: the journal was altered."""


class SequenceTaken(_Rejection, frozen=True, tag="sequence_taken"):
    """The office already holds another operation under this number of the device's journal."""


class UnknownItem(_Rejection, frozen=True, tag="unknown_item"):
    """The proposal or evidence that is decided about is not on the ticket."""


class AlreadyDecided(_Rejection, frozen=True, tag="already_decided"):
    """Somebody has taken, dismissed or reviewed it before."""


Rejection: TypeAlias = (
    MoveNotAllowed
    | StepMissing
    | UnknownTicket
    | TicketExists
    | RoleNotAllowed
    | NotAVisit
    | ChangedMeanwhile
    | WindowReversed
    | StatementAltered
    | PhotoMissing
    | UnknownOperation
    | MalformedOperation
    | NotThisDevice
    | UnknownTechnician
    | JournalBroken
    | SequenceTaken
    | UnknownItem
    | AlreadyDecided
)


def code_of(rejection: Rejection) -> str:
    """The stable code, as in `rejection.<code>`."""
    tag = rejection.__struct_config__.tag
    assert isinstance(tag, str), tag
    return tag
