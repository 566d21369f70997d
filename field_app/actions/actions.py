"""The actions themselves. Every method is to be called on the event loop's thread."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from field_app.store import PhotoBytes, Store
from shared_schema import operations as op
from shared_schema.evidence import PHOTO_BYTES, PhotoSlot, Signature, Statement, digest
from shared_schema.lifecycle import Status
from shared_schema.operations import Operation
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
    ) -> Saved | Rejection:
        """`photos` names, by SHA-256, photos already added with the slot OBJECTION."""
        operation = op.RaiseObjection(statement, digest(statement), _clean(words), tuple(photos))
        return self._record(ticket, operation, clear_drafts=clear_drafts)

    def _record(
        self,
        ticket: str,
        operation: Operation,
        *,
        photos: Sequence[PhotoBytes] = (),
        clear_drafts: Sequence[str] = (),
    ) -> Saved | Rejection:
        recorded = self._store.record([(ticket, operation)], photos=photos, clear_drafts=clear_drafts)
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
