"""The actions themselves. Every method is to be called on the event loop's thread."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from field_app.actions.refusals import (
    Correction,
    FormInUse,
    NotPossibleNow,
    Refusal,
    Way,
    form_key,
    form_of,
    notes_of,
    route_of,
    typed_in,
)
from field_app.store import Answering, EntryState, JournalEntry, PhotoBytes, Recorded, Store
from shared_schema import operations as op
from shared_schema.evidence import PHOTO_BYTES, PhotoSlot, Signature, Statement, digest
from shared_schema.lifecycle import Status
from shared_schema.operations import Operation, RefusalAnswer
from shared_schema.rejections import Rejection
from shared_schema.ticket import Ticket


class Saved(Struct, frozen=True):
    """On this phone for good; not yet received by the office."""

    operation_ids: tuple[str, ...]


class NotAPicture(Struct, frozen=True):
    """Neither JPEG nor PNG nor WebP by its first bytes."""


class TooLarge(Struct, frozen=True):
    size_bytes: int
    limit_bytes: int = PHOTO_BYTES


class Wakes(Protocol):
    """The part of the sync engine that is needed here."""

    def wake(self) -> None: ...


class Actions:
    """Raises StorageUnavailable where it is not certain that something was kept; the drafts are then untouched."""

    def __init__(self, store: Store, engine: Wakes) -> None:
        self._store = store
        self._engine = engine

    def accept(self, ticket: str) -> Saved | Rejection:
        return self._record(ticket, op.AcceptTicket())

    def start_travel(self, ticket: str) -> Saved | Rejection:
        return self._record(ticket, op.StartTravel())

    def arrive(self, ticket: str) -> Saved | Rejection:
        return self._record(ticket, op.Arrive())

    def show_credential(self, ticket: str) -> Saved | Rejection:
        return self._record(ticket, op.ShowCredential())

    def confirm_problem(self, ticket: str, words: str, *, clear_drafts: Sequence[str] = ()) -> Saved | Rejection:
        return self._record(ticket, op.ConfirmProblem(_clean(words)), clear_drafts=clear_drafts)

    def wait_for(self, ticket: str, words: str, *, clear_drafts: Sequence[str] = ()) -> Saved | Rejection:
        return self._record(ticket, op.WaitFor(_clean(words)), clear_drafts=clear_drafts)

    def resume_work(self, ticket: str) -> Saved | Rejection:
        return self._record(ticket, op.ResumeWork())

    def add_note(self, ticket: str, text: str, *, clear_drafts: Sequence[str] = ()) -> Saved | Rejection:
        return self._record(ticket, op.AddNote(_clean(text)), clear_drafts=clear_drafts)

    def add_photo(
        self, ticket: str, data: bytes, slot: PhotoSlot, *, clear_drafts: Sequence[str] = ()
    ) -> Saved | Rejection | NotAPicture | TooLarge:
        media_type = media_type_of(data)
        if media_type is None:
            return NotAPicture()
        if len(data) > PHOTO_BYTES:
            return TooLarge(len(data))
        photo = PhotoBytes(hashlib.sha256(data).hexdigest(), media_type, data)
        operation = op.AddPhoto(photo.sha256, len(data), media_type, slot)
        return self._record(ticket, operation, photos=(photo,), clear_drafts=clear_drafts)

    def finish_work(self, ticket: str, found: str, done: str, *, clear_drafts: Sequence[str] = ()) -> Saved | Rejection:
        return self._record(ticket, op.FinishWork(_clean(found), _clean(done)), clear_drafts=clear_drafts)

    def sign_off(
        self,
        ticket: str,
        statement: Statement,
        signer: str,
        rating: int,
        comment: str,
        signature: Signature,
        *,
        clear_drafts: Sequence[str] = (),
    ) -> Saved | Rejection:
        """`statement` is exactly what the customer's page showed."""
        operation = op.SignOffVisit(statement, digest(statement), _clean(signer), rating, signature, _clean(comment))
        return self._record(ticket, operation, clear_drafts=clear_drafts)

    def raise_objection(
        self,
        ticket: str,
        statement: Statement,
        words: str,
        photos: Sequence[str] = (),
        *,
        clear_drafts: Sequence[str] = (),
        rewrite_drafts: Mapping[str, dict[str, Any]] | None = None,
    ) -> Saved | Rejection:
        """`photos` names, by SHA-256, photos already added with the slot OBJECTION; `rewrite_drafts` what is left of
        the form in which the visit would have been accepted."""
        operation = op.RaiseObjection(statement, digest(statement), _clean(words), tuple(photos))
        recorded = self._store.record([(ticket, operation)], clear_drafts=clear_drafts, rewrite_drafts=rewrite_drafts)
        return self._saved(recorded)

    # -- what the office refused --------------------------------------------------------------------------------------

    def refusals(self, limit: int = 200) -> list[Refusal]:
        """Refused and not yet dealt with, newest first. Read ones stay in the list until something was made of them."""
        return [self._refusal(entry) for entry in self._store.refusals(limit)]

    def turn_into_note(self, operation_id: str, text: str | None = None) -> Saved | Rejection | NotPossibleNow:
        """Keep its words, or `text`, as a note (as several, where it is too much for one); the refusal is answered."""
        entry = self._to_answer(operation_id)
        if entry is None or entry.envelope is None:
            return NotPossibleNow()
        words = _clean(typed_in(entry.envelope.operation) if text is None else text)
        notes = [(entry.ticket, note) for note in notes_of(words)]
        return self._saved(self._store.record(notes, answering=Answering(operation_id, RefusalAnswer.NOTED)))

    def begin_correction(self, operation_id: str) -> Correction | FormInUse | NotPossibleNow:
        """Put what was typed into its form's draft. Recording that form's operation then answers the refusal, in the
        same transaction; until then the refusal stays, and beginning again changes nothing."""
        entry = self._to_answer(operation_id)
        if entry is None or entry.envelope is None or Way.CORRECT not in self._ways(entry):
            return NotPossibleNow()
        form = form_of(entry.envelope.operation)
        assert form is not None, entry.kind
        name, values = form
        place = (entry.ticket, name, route_of(name, entry.ticket))
        begun = self._store.correct(operation_id, form_key(name, entry.ticket), values)
        return Correction(*place) if begun else FormInUse(*place)

    def record_again(self, operation_id: str) -> Saved | Rejection | NotPossibleNow:
        """Once more as it was, for what has no form: a step, a photo. The refusal is answered."""
        entry = self._to_answer(operation_id)
        if entry is None or entry.envelope is None or Way.AGAIN not in self._ways(entry):
            return NotPossibleNow()
        again = [(entry.ticket, entry.envelope.operation)]
        return self._saved(self._store.record(again, answering=Answering(operation_id, RefusalAnswer.CORRECTED)))

    def withdraw(self, operation_id: str) -> Saved | Rejection | NotPossibleNow:
        """Nothing takes its place; it stays readable in the journal."""
        if self._to_answer(operation_id) is None:
            return NotPossibleNow()
        return self._saved(self._store.record([], answering=Answering(operation_id, RefusalAnswer.WITHDRAWN)))

    # -- what was typed and not recorded ------------------------------------------------------------------------------

    def keep_draft_as_note(
        self, key: str, ticket: str, words: str, left: dict[str, Any] | None = None
    ) -> Saved | Rejection:
        """What was typed into a form that no page leads to any more, as a note, or as several; `left` stays typed."""
        notes = [(ticket, note) for note in notes_of(_clean(words))]
        return self._saved(self._store.record(notes, clear_drafts=[key], rewrite_drafts={key: left or {}}))

    def let_draft_go(self, key: str) -> None:
        """The person has looked at it and does not want it: the only way but recording it in which a draft ends."""
        self._store.save_draft(key, {})

    def _to_answer(self, operation_id: str) -> JournalEntry | None:
        entry = self._store.entry(operation_id)
        if entry is None or entry.state is not EntryState.REFUSED or entry.answer is not None:
            return None
        return entry

    def _refusal(self, entry: JournalEntry) -> Refusal:
        operation = entry.envelope.operation if entry.envelope is not None else None
        return Refusal(
            entry=entry,
            typed="" if operation is None else typed_in(operation),
            photo=operation.sha256 if isinstance(operation, op.AddPhoto) else None,
            ways=self._ways(entry),
        )

    def _ways(self, entry: JournalEntry) -> tuple[Way, ...]:
        operation = entry.envelope.operation if entry.envelope is not None else None
        if operation is None or not self._store.would_take(entry.ticket, op.AddNote("?")):
            return (Way.WITHDRAW,)
        once_more: tuple[Way, ...] = ()
        if self._store.would_take(entry.ticket, operation):
            once_more = (Way.AGAIN if form_of(operation) is None else Way.CORRECT,)
        return (*once_more, Way.NOTE, Way.WITHDRAW)

    # -- recording ----------------------------------------------------------------------------------------------------

    def _record(
        self,
        ticket: str,
        operation: Operation,
        *,
        photos: Sequence[PhotoBytes] = (),
        clear_drafts: Sequence[str] = (),
    ) -> Saved | Rejection:
        return self._saved(self._store.record([(ticket, operation)], photos=photos, clear_drafts=clear_drafts))

    def _saved(self, recorded: list[Recorded] | Rejection) -> Saved | Rejection:
        if not isinstance(recorded, list):
            return recorded
        self._engine.wake()
        return Saved(tuple(entry.id for entry in recorded))


def next_action(ticket: Ticket) -> str | None:
    """The one next step of the visit: an operation kind or "hand_over"; None when it is not the technician's turn."""
    if ticket.status is Status.ARRIVED:
        return "show_credential" if ticket.credential_shown_at is None else "confirm_problem"
    return _NEXT.get(ticket.status)


_NEXT = {
    Status.ASSIGNED: "accept_ticket",
    Status.ACCEPTED: "start_travel",
    Status.TRAVELLING: "arrive",
    Status.WORKING: "finish_work",
    Status.WAITING: "resume_work",
    Status.OBJECTED: "resume_work",
    Status.WORK_DONE: "hand_over",
}


def media_type_of(data: bytes) -> str | None:
    """By the first bytes: ISO 10918 (JPEG), ISO 15948 (PNG), RFC 9649 (WebP); None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


def _clean(text: str) -> str:
    """Without the white space around it, and without halves of characters that a keyboard or a cut may leave."""
    return text.strip().encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
