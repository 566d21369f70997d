"""The store as the rest of the app sees it: what is on this phone, and the few ways in which it changes.

Two transactions matter. `record` keeps what a person entered: the journal's entries, the photos' bytes and the end of
their drafts, together. `take_reply` files what the office said: verdicts, changes, cursor, together. Both return only
when the loss of power can take nothing back. Which entries are sent when is field_app.sync's; what an operation makes
of a ticket is shared_schema's.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from msgspec.structs import replace

from field_app.store import facts
from field_app.store.clock import DeviceClock
from field_app.store.database import StoreFile
from field_app.store.facts import Facts
from field_app.store.journal import Journal, milliseconds, moment
from field_app.store.kept_aside import KeptAside
from field_app.store.photos import Photos
from field_app.store.tickets import Tickets
from field_app.store.values import (
    Answering,
    Counts,
    Exchange,
    Held,
    Identity,
    Incident,
    JournalEntry,
    PhotoBytes,
    PhotoState,
    Recorded,
    Rescued,
    StorageDamaged,
    StorageUnavailable,
    Stranded,
    Taken,
)
from shared_schema.apply import Filing, apply, filing
from shared_schema.credentials import Reference
from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import ON_VISIT, OVER, Role, Status
from shared_schema.operations import (
    Actor,
    AddNote,
    AddPhoto,
    AnswerRefusal,
    Clock,
    Envelope,
    Operation,
    RefusalAnswer,
    kind_of,
)
from shared_schema.rebase import rebase
from shared_schema.rejections import MalformedOperation, MoveNotAllowed, Rejection, UnknownTicket
from shared_schema.sync_protocol import (
    OPERATIONS_PER_ROUND,
    Change,
    Holding,
    OwnWork,
    PutTicket,
    RoundReply,
    Verdict,
    WithdrawTicket,
    digest_of_ticket,
)
from shared_schema.ticket import Ticket
from shared_schema.wire import (
    Unreadable,
    UnreadableOperation,
    decode,
    decode_change,
    decode_envelope,
    decode_verdict,
    hash_of,
)
from shared_schema.wire import encode as to_json

BYTES_PER_ROUND = 1_500_000
"""So that a slow network still finishes a round within a patient minute."""

WITHDRAWN_STAYS = timedelta(days=1)
"""How long a withdrawn ticket's number can still be read on this phone after nothing of it is waiting."""

_DAMAGED = "damaged:"
_OTHERS = "of-others:"
_OWN_DRAFTS = f"key NOT LIKE '{_OTHERS}%'"

_PERSIST_ROUND_AFTER = timedelta(minutes=1)
"""An idle round every few seconds is no reason to write to a phone's flash memory."""


def _now() -> datetime:
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class Store:
    def __init__(
        self,
        file: StoreFile,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
        monotonic: Callable[[], float],
    ) -> None:
        self._file = file
        self._now = now
        self._random_bytes = random_bytes
        self._monotonic = monotonic
        self._facts = Facts(file)
        self._clock = DeviceClock(self._facts.clock)
        self._journal = Journal(file)
        self._aside = KeptAside(file)
        self._tickets = Tickets(file, self._journal, self._aside)
        self._photos = Photos(file)
        self._listeners: list[Callable[[], None]] = []
        self._reference: Reference | None = None
        self._last_round_at = self._facts.last_round_at
        self.works_out = True
        """Whether this app works out what its own operations make of a ticket; not any more once the office's result
        was another, as after an update of one of the two."""

    @classmethod
    def open(
        cls,
        path: str,
        flush: Callable[[], None],
        *,
        now: Callable[[], datetime] = _now,
        random_bytes: Callable[[int], bytes] = os.urandom,
        monotonic: Callable[[], float] = time.monotonic,
        room_bytes: Callable[[], int | None] = lambda: None,
    ) -> "Store":
        """`flush` returns when everything committed survives the loss of power; give the device's `now`,
        `random_bytes` and `monotonic`, and its persistence's `room_bytes`.

        Raises StorageUnavailable (StoreTooNew, NoRoomToUpdate, UpdateFailed); everything recorded is then as it was.
        """
        store = cls(StoreFile(path, flush, room_bytes), now, random_bytes, monotonic)
        store._begin()
        return store

    def close(self) -> None:
        self._file.close()

    def proven(self) -> None:
        """One whole exchange with the office has been done: the copy kept during an update is not needed any more."""
        self._file.drop_copy()

    def _begin(self) -> None:
        """What a newer version of the app, or a new day, makes possible."""
        at = self._now()
        changes = [(row, decode_change(raw)) for row, raw in self._aside.current("change")]
        verdicts = [(row, decode_verdict(raw), raw) for row, raw in self._aside.current("verdict")]
        try:
            old, unreadable = self._old_and_unreadable(at)
        except StorageDamaged:
            # They are the office's to tell anew, and must not stand in the way of what it has yet to be told.
            rows = self._tickets.readable_rows()
            with self._transaction():
                self._tickets.make_anew(rows, self._facts.generation)
                self._begin_pull("tickets that the disk has damaged", at)
            old, unreadable = self._old_and_unreadable(at)
        if not changes and not verdicts and not old and not unreadable:
            return
        # Where there is no room for it now: everything recorded can be read and sent all the same.
        with suppress(StorageUnavailable), self._transaction():
            for row, change in changes:
                if not isinstance(change, Unreadable):
                    self._aside.was_read(row)
                    self._apply_change(change, at)
            for row, verdict, raw in verdicts:
                if not isinstance(verdict, Unreadable):
                    self._aside.was_read(row)
                    self._journal.answer(verdict, raw, at)
            self._tickets.forget_withdrawn_before(at - WITHDRAWN_STAYS)
            self._journal.settle()
            if unreadable:
                self._begin_pull(f"{unreadable} tickets that cannot be read", at)
        self._tickets.answers_taken()

    def _old_and_unreadable(self, at: datetime) -> tuple[bool, int]:
        return self._tickets.has_withdrawn_before(at - WITHDRAWN_STAYS), self._tickets.count_unreadable()

    # -- listeners ----------------------------------------------------------------------------------------------------

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Called after every commit that changes what a screen may show; returns the way to stop it."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    def _changed(self) -> None:
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception as fault:  # what has been kept is kept: nobody must be told that it is not
                with suppress(StorageUnavailable):
                    self.record_incident("listener-failed", f"{type(fault).__name__}: {fault}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._file.transaction():
                yield
        except BaseException:
            # What is remembered was perhaps written and rolled back, or committed and not flushed.
            self._facts.forget()
            self._tickets.forget()
            self._reference = None
            raise

    # -- tickets ------------------------------------------------------------------------------------------------------

    def tickets(self) -> list[Ticket]:
        """This person's tickets as the phone shows them, by the start of the visit."""
        return self._tickets.all()

    def ticket(self, ticket_id: str) -> Ticket | None:
        return self._tickets.shown(ticket_id)

    def confirmed(self, ticket_id: str) -> Ticket | None:
        """As the office last confirmed it."""
        return self._tickets.confirmed(ticket_id)

    def withdrawn(self, ticket_id: str) -> Ticket | None:
        """A ticket that has left this person's list a moment ago: what is being entered on it can still be recorded."""
        return self._tickets.withdrawn(ticket_id)

    # -- recording ----------------------------------------------------------------------------------------------------

    def record(
        self,
        operations: Sequence[tuple[str, Operation]],
        *,
        photos: Sequence[PhotoBytes] = (),
        clear_drafts: Sequence[str] = (),
        rewrite_drafts: Mapping[str, dict[str, Any]] | None = None,
        answering: Answering | None = None,
    ) -> list[Recorded] | Rejection:
        """Keep the operations, each given with its ticket's id, all of them or none; and with them what becomes of
        drafts: those to clear, and those of which only a part is still to be recorded.

        The refused entry that `answering` names, and any that one of the drafts corrects (see `correct`), is answered
        by the first of them in the same transaction. A rejection is returned before anything is written. Raises
        StorageUnavailable when it is not certain that they are kept.
        """
        identity = self._facts.identity
        if identity is None:
            return UnknownTicket()
        at = self._now()
        making = self._making(identity, at)
        for ticket_id, operation in operations:
            refusal = making.add(ticket_id, operation)
            if refusal is not None:
                return refusal
        answered = self._answered(operations, making.made, clear_drafts, answering)
        for refused, answer, by in answered:
            refusal = making.answer(refused, answer, by)
            if refusal is not None:
                return refusal
        numbers = {refused.ticket: refused.ticket_number for refused, _, _ in answered}
        with self._transaction():
            self._look_at_clocks(at)
            for envelope, raw, after in making.made:
                self._journal.append(envelope, raw, after.number if after is not None else numbers[envelope.ticket])
            for photo in photos:
                envelope, after = _naming(photo, making.made)
                self._photos.add(photo, envelope.ticket, after.number, envelope.id, at)
            for key in clear_drafts:
                self._file.write("DELETE FROM drafts WHERE key = ?", (key,))
                self._journal.forget_correction(key)
            for key, value in (rewrite_drafts or {}).items():
                self._write_draft(key, value)
            for envelope, _, _ in making.made:
                if isinstance(envelope.operation, AnswerRefusal):
                    self._journal.deal_with(envelope.operation.refused, envelope.operation.answer, envelope.id)
        for envelope, _, after in making.made:
            if after is not None:
                self._tickets.recorded(envelope, after)
        self._changed()
        return [Recorded(envelope.id, envelope.sequence) for envelope, _, _ in making.made]

    def _making(self, identity: Identity, at: datetime) -> "_Making":
        clock = self._clock.at(at, self._monotonic())
        return _Making(identity, at, clock, self._journal.end(identity.device), self._tickets, self._new_id)

    def _answered(
        self,
        operations: Sequence[tuple[str, Operation]],
        made: Sequence["_Made"],
        drafts: Sequence[str],
        answering: Answering | None,
    ) -> list[tuple[JournalEntry, RefusalAnswer, str | None]]:
        """The refused entries that are answered by what has just been made, and by which operation."""
        found: dict[str, tuple[JournalEntry, RefusalAnswer, str | None]] = {}
        first = made[0][0].id if made else None
        if answering is not None:
            refused = self._journal.entry(answering.refused)
            assert refused is not None, answering
            found[refused.id] = (refused, answering.answer, first)
        for draft in drafts:
            refused = self._journal.corrected_by(draft)
            # In the customer's form, what was a signature may become an objection: that answers no refused signature.
            if refused is not None and operations and kind_of(operations[0][1]) == refused.kind:
                found[refused.id] = (refused, RefusalAnswer.CORRECTED, first)
        return [each for each in found.values() if each[0].answer is None]

    # -- the journal --------------------------------------------------------------------------------------------------

    def waiting(self, *, ticket: str | None = None) -> list[JournalEntry]:
        """Not answered by the office yet, oldest first."""
        if ticket is None:
            return self._journal.entries("state = 'waiting'")
        return self._journal.entries("state = 'waiting' AND ticket = ?", (ticket,))

    def journal(self, *, ticket: str | None = None, limit: int = 200) -> list[JournalEntry]:
        """Newest first."""
        if ticket is None:
            return self._journal.entries(order="row DESC LIMIT ?", parameters=(limit,))
        return self._journal.entries("ticket = ?", (ticket, limit), "row DESC LIMIT ?")

    def would_take(self, ticket_id: str, operation: Operation) -> bool:
        """Whether `record` would keep this now."""
        identity = self._facts.identity
        return identity is not None and self._making(identity, self._now()).add(ticket_id, operation) is None

    def refusals(self, limit: int = 200) -> list[JournalEntry]:
        """Refused, and nothing made of it yet, newest first; read ones too."""
        return self._journal.refused(self._facts.others_through, limit)

    def entry(self, operation_id: str) -> JournalEntry | None:
        return self._journal.entry(operation_id)

    def correct(self, operation_id: str, draft: str, values: dict[str, Any]) -> bool:
        """Put what was typed into a refused entry into the draft of its form; what is recorded out of that draft then
        answers it. False where something else is being typed in that form: it is left as it is."""
        held, correcting = self.draft(draft), self._journal.corrected_by(draft)
        if held and (correcting is None or correcting.id != operation_id):
            return False
        with self._transaction():
            self._journal.correct_by(draft, operation_id)
            if not held and values:  # else it was begun before, and what was typed since is worth more
                row = {"key": draft, "body": to_json(values), "saved_at": milliseconds(self._now())}
                self._file.upsert("drafts", row, "key")
        self._changed()
        return True

    def raw_journal(self) -> list[bytes]:
        """Every envelope ever recorded here, byte for byte, in order: for checking the chain and for export."""
        return self._journal.raw()

    def counts(self) -> Counts:
        return Counts(
            operations=self._count_waiting(),
            photos=self._photos.count_waiting(),
            refused=self._journal.count_refused(self._facts.others_through),
            stranded=sum(self._is_stranded(key) for key, _ in self.drafts()),
        )

    def _count_waiting(self) -> int:
        rescued = self._facts.rescued
        return self._journal.count_waiting(
            self.device_of_journal() or "", rescued.through if rescued is not None else 0
        )

    # -- what the office has not got ----------------------------------------------------------------------------------

    def held(self) -> Held:
        """What the office has not received, or has refused and nobody here has dealt with."""
        return Held(
            operations=self._count_waiting(),
            photos=self._photos.count_waiting(),
            photo_bytes=self._photos.bytes_waiting(),
            drafts=len(self.drafts()),
            refused=self._journal.count_refused(self._facts.others_through),
        )

    def rescued(self) -> Rescued | None:
        """The newest rescue file that was handed on."""
        return self._facts.rescued

    def is_rescued(self) -> bool:
        """Whether that file holds everything that is held now."""
        rescued = self._facts.rescued
        return (
            rescued is not None
            and rescued.through >= self._journal.last_row()
            and {photo.sha256 for photo in self._photos.waiting()} <= set(rescued.photos)
            and rescued.drafts_digest == self.drafts_digest()
        )

    def rescue_taken(self, rescued: Rescued) -> None:
        with self._transaction():
            self._facts.put(facts.RESCUED, rescued)
        self._changed()

    def drafts(self) -> list[tuple[str, bytes]]:
        """Everything typed and not recorded: (key, JSON), by key."""
        rows = self._file.rows(f"SELECT key, body FROM drafts WHERE {_OWN_DRAFTS} ORDER BY key")  # noqa: S608
        return [(key, bytes(body)) for key, body in rows]

    def drafts_digest(self) -> str:
        return hash_of(b"".join(key.encode() + b"\0" + body + b"\0" for key, body in self.drafts()))

    def last_row(self) -> int:
        """The journal's last entry, as `journal_after` counts them."""
        return self._journal.last_row()

    def journal_after(self, row: int, through: int, limit: int = 100) -> list[tuple[int, bytes]]:
        """(row, envelope's bytes) in the order of recording, of the device this phone is or last was: the journals of
        those it was before begin at 1 as well, and would be taken for this one."""
        return self._journal.raw_between(self.device_of_journal() or "", row, through, limit)

    # -- photos -------------------------------------------------------------------------------------------------------

    def photo(self, sha256: str) -> bytes | None:
        return self._photos.data(sha256)

    def photo_part(self, sha256: str, offset: int, length: int) -> bytes:
        return self._photos.part(sha256, offset, length)

    def photo_state(self, sha256: str) -> PhotoState | None:
        return self._photos.state(sha256)

    def photos_waiting(self) -> list[PhotoState]:
        """Not wholly received by the office, in the order in which they are sent."""
        return self._photos.waiting()

    def photos_waiting_on(self, ticket_id: str) -> frozenset[str]:
        """SHA-256 of each of this ticket's photos that the office has not wholly received."""
        return self._photos.waiting_on(ticket_id)

    def photo_states(self, limit: int = 500) -> list[PhotoState]:
        """Newest first, received or not."""
        return self._photos.states(limit)

    def photo_progress(self, sha256: str, *, location: str | None, offset: int, restarts: int) -> None:
        with self._transaction():
            self._photos.progress(sha256, location, offset, restarts)

    def photo_set_back(self, sha256: str, trouble: str) -> None:
        """The office did not take it, or this phone could not send it; `trouble` is why, as a stable code."""
        with self._transaction():
            self._photos.set_back(sha256, trouble)
        self._changed()

    def photos_to_spare(self, received_before: datetime) -> list[PhotoState]:
        """Photos whose bytes may make room, once the office says again that it holds them; oldest receipt first.

        Never one of a visit that is still open, or of a ticket on which something waits to be sent.
        """
        return [
            photo
            for photo in self._photos.received_before(received_before)
            if not any(self._is_open(ticket) for ticket in self._photos.tickets_of(photo.sha256))
        ]

    def _is_open(self, ticket_id: str) -> bool:
        shown = self._tickets.shown(ticket_id)
        if shown is not None and shown.status not in OVER:
            return True
        return bool(self._journal.entries("ticket = ? AND state = 'waiting'", (ticket_id,), "row LIMIT 1"))

    def free_photo(self, sha256: str) -> None:
        with self._transaction():
            self._photos.free(sha256, self._now())
        self._changed()

    def photo_missed(self, sha256: str) -> None:
        """The office was said to hold the photo, and does not: it is sent again."""
        with self._transaction():
            self._photos.missed(sha256)
        self._changed()

    def spare_bytes(self) -> int:
        """Room inside the store's file, from what has been deleted: the file itself never gets smaller."""
        ((pages,),) = self._file.rows("PRAGMA freelist_count")
        ((page_bytes,),) = self._file.rows("PRAGMA page_size")
        return int(pages) * int(page_bytes)

    def photo_received(self, sha256: str) -> None:
        with self._transaction():
            self._photos.received(sha256, self._now())
        self._changed()

    # -- drafts and settings ------------------------------------------------------------------------------------------

    def draft(self, key: str) -> dict[str, Any] | None:
        row = self._file.row("SELECT body FROM drafts WHERE key = ?", (key,))
        read = None if row is None else decode(row[0], dict[str, Any])
        return None if isinstance(read, Unreadable) else read

    def save_draft(self, key: str, value: dict[str, Any]) -> None:
        """Survives the process being killed the moment after. An empty one, also of emptied fields, is removed."""
        was_kept, is_kept = self.draft(key) is not None, any(value.values())
        with self._transaction():
            self._write_draft(key, value)
        if was_kept != is_kept and self._is_stranded(key):
            self._changed()

    def _write_draft(self, key: str, value: dict[str, Any]) -> None:
        held = self._file.row("SELECT body FROM drafts WHERE key = ?", (key,))
        if held is not None and isinstance(decode(held[0], dict[str, Any]), Unreadable):
            # What the disk has left of it is not written over: it is shown among what is stranded.
            aside = f"{_DAMAGED}{self._new_id(self._now())}:{key}"
            self._file.write("UPDATE drafts SET key = ? WHERE key = ?", (aside, key))
        if any(value.values()):
            row = {"key": key, "body": to_json(value), "saved_at": milliseconds(self._now())}
            self._file.upsert("drafts", row, "key")
        else:
            self._file.write("DELETE FROM drafts WHERE key = ?", (key,))
            self._journal.forget_correction(key)

    def stranded(self) -> list[Stranded]:
        """The drafts whose forms no page leads to any more, newest first."""
        rows = self._file.rows(
            f"SELECT key, body, saved_at FROM drafts WHERE {_OWN_DRAFTS} ORDER BY saved_at DESC, key"  # noqa: S608
        )
        return [self._stranded(*row) for row in rows if self._is_stranded(row[0])]

    def _stranded(self, key: str, body: bytes, saved_at: int) -> Stranded:
        form, ticket_id = ("", key, *key.split(":"))[-2:]
        ticket = self._tickets.shown(ticket_id) or self._tickets.withdrawn(ticket_id)
        number = ticket.number if ticket is not None else self._journal.ticket_number(ticket_id)
        read = decode(body, dict[str, Any])
        values = {"words": body.decode(errors="replace")} if isinstance(read, Unreadable) else read
        return Stranded(key, form, ticket_id, number, values, moment(saved_at))

    def _is_stranded(self, key: str) -> bool:
        ticket = self._tickets.shown(key.partition(":")[2])
        return ticket is None or ticket.status not in _WITH_FORMS

    def setting(self, key: str) -> str | None:
        return self._facts.get(f"setting.{key}", str)

    def set_setting(self, key: str, value: str) -> None:
        with self._transaction():
            self._facts.put(f"setting.{key}", value)
        self._changed()

    def _look_at_clocks(self, at: datetime) -> None:
        jumped_ms = self._clock.look(at, self._monotonic())
        if jumped_ms is not None:
            self._incident("clock-jumped", f"about {round(jumped_ms / 1000)} s", at)

    def _new_id(self, at: datetime) -> str:
        return uuid7(max(0, milliseconds(at)), self._random_bytes(10))

    # -- who this phone is --------------------------------------------------------------------------------------------

    def identity(self) -> Identity | None:
        return self._facts.identity

    def device_of_journal(self) -> str | None:
        """The device id this phone has, or last had; None before the first enrolment."""
        identity = self._facts.identity
        return identity.device if identity is not None else self._facts.get(facts.LEFT_DEVICE, str)

    def person_of_journal(self) -> str | None:
        """Whose phone it is, or last was."""
        identity = self._facts.identity
        return identity.person if identity is not None else self._facts.get(facts.LEFT_PERSON, str)

    def enrolling_device(self) -> str:
        """The device id to enrol with: the same until an enrolment has succeeded, however often it is tried.

        A phone that still holds entries the office has not received keeps its name, because the entries carry it; also
        where it was about to get another and they were recorded since.
        """
        chosen = self._facts.get(facts.ENROLLING_DEVICE, str)
        identity = self._facts.identity
        if chosen is not None and (identity is None or chosen == identity.device or self.may_become_another()):
            return chosen
        left = self._facts.get(facts.LEFT_DEVICE, str) if self._count_waiting() else None
        chosen = left or self._new_id(self._now()) if identity is None else identity.device
        with self._transaction():
            self._facts.put(facts.ENROLLING_DEVICE, chosen)
        return chosen

    def may_become_another(self) -> bool:
        """Whether this phone may be somebody else's: all of it has been received and nothing is left to be dealt with,
        or it is in a rescue file."""
        return self.held().is_nothing or self.is_rescued()

    def enrol_as_new_device(self) -> None:
        """Let the next enrolment be that of a new device. Only when `may_become_another`. Nothing is deleted."""
        assert self.may_become_another(), self.held()
        with self._transaction():
            new = self._new_id(self._now())
            self._facts.put(facts.ENROLLING_DEVICE, new)

    def leave(self) -> None:
        """Forget who this phone is to the office, and what only its technician may know of customers.

        What was recorded stays, for good. Only when nothing is held, or all of it is in a rescue file.
        """
        assert self.held().is_nothing or self.is_rescued(), self.held()
        identity = self._facts.identity
        if identity is None:
            return
        with self._transaction():
            self._facts.put(facts.LEFT_DEVICE, identity.device)
            self._facts.put(facts.LEFT_PERSON, identity.person)
            self._facts.remove(facts.IDENTITY)
            self._facts.put(facts.GENERATION, self._facts.generation + 1)
            self._aside.begin_again()
            self._tickets.withdraw_older_than(self._facts.generation, self._now())
        self._tickets.answers_taken()
        self._changed()

    def enrolled(self, identity: Identity) -> None:
        with self._transaction():
            before, person = self._facts.identity, self.person_of_journal()
            self._facts.put(facts.IDENTITY, identity)
            self._facts.remove(facts.ENROLLING_DEVICE)
            self._facts.remove(facts.LEFT_DEVICE)
            self._facts.remove(facts.LEFT_PERSON)
            if before is None or (before.device, before.person) != (identity.device, identity.person):
                self._facts.put(facts.CURSOR, 0)
                self._facts.put(facts.RECEIVED_THROUGH, 0)
                self._facts.put(facts.SIGNED_THROUGH, 0)
                self._facts.put(facts.GENERATION, self._facts.generation + 1)
                self._facts.put(facts.PULLING_AGAIN, True)
                self._aside.begin_again()
                if person is not None and person != identity.person:
                    self._tickets.withdraw_older_than(self._facts.generation, self._now())
                    self._file.write("DELETE FROM reference")
                    self._set_work_of_others_apart()
        self._reference = None
        self._tickets.answers_taken()
        self._changed()

    def _set_work_of_others_apart(self) -> None:
        """What the one before had typed, or had been refused, is in a rescue file: it stays, and is on no screen."""
        self._facts.put(facts.OTHERS_THROUGH, self._journal.last_row())
        self._file.write(
            f"UPDATE drafts SET key = ? || key WHERE {_OWN_DRAFTS}",  # noqa: S608
            (f"{_OTHERS}{self._facts.generation}:",),
        )
        self._file.write("DELETE FROM corrections")  # they name drafts, of which no other may answer these refusals
        rescued = self._facts.rescued
        if rescued is not None:
            self._facts.put(facts.RESCUED, replace(rescued, drafts_digest=self.drafts_digest()))

    def reference(self) -> Reference | None:
        if self._reference is None:
            row = self._file.row("SELECT body FROM reference LIMIT 1")
            if row is not None:
                read = decode(row[0], Reference)
                self._reference = None if isinstance(read, Unreadable) else read
        return self._reference

    # -- the exchange with the office ---------------------------------------------------------------------------------

    def received_through(self) -> int:
        """The office durably holds this phone's journal up to this number, by its last word."""
        return self._facts.received_through

    def signed_through(self) -> int:
        """The office holds this phone's journal up to this number under the phone's own signature, by its last word."""
        return self._facts.signed_through

    def last_round_at(self) -> datetime | None:
        return self._last_round_at

    def has_unsent(self) -> bool:
        identity = self._facts.identity
        return identity is not None and self._journal.has_after(identity.device, self._facts.received_through)

    def last_sequence(self) -> int:
        """The number of the newest entry."""
        identity = self._facts.identity
        return 0 if identity is None else self._journal.end(identity.device)[0]

    def is_behind(self) -> bool:
        """Whether another exchange is needed: entries to send, or everything being pulled again."""
        return self._facts.is_pulling_again or self.has_unsent()

    def next_exchange(self, *, limit: int = OPERATIONS_PER_ROUND, bytes_limit: int = BYTES_PER_ROUND) -> Exchange:
        """What to tell and ask the office next. Everything it has not acknowledged is sent, in order, from there on."""
        identity = self._facts.identity
        assert identity is not None
        entries, more = (
            self._journal.after(identity.device, self._facts.received_through, limit=limit, bytes_limit=bytes_limit)
            if limit
            else ([], False)
        )
        reference = self.reference()
        return Exchange(
            self._facts.cursor,
            tuple(entries),
            more,
            reference.version if reference else "",
            self._unsigned_head(identity.device, entries),
        )

    def _unsigned_head(self, device: str, entries: Sequence[tuple[int, bytes]]) -> tuple[int, str] | None:
        if entries:
            sequence, raw = entries[-1]
            return sequence, hash_of(raw)
        received = self._facts.received_through
        if self._facts.signed_through >= received:
            return None
        hash_ = self._journal.hash_at(device, received)
        return None if hash_ is None else (received, hash_)

    def holding(self, entries: Sequence[tuple[int, bytes]] = ()) -> Holding:
        """What this phone holds, or will hold when the office has accepted these entries of an exchange."""
        identity = self._facts.identity
        if not entries or identity is None:
            return self._tickets.holding({})
        return self._tickets.holding(self._journal.per_ticket(identity.device, entries[0][0], entries[-1][0]))

    def take_reply(self, asked: Exchange, reply: RoundReply, clock: Clock) -> Taken:
        """File everything the office said, in one transaction. Whatever cannot be read is kept aside, alone.

        `clock` is what this exchange has measured, at this moment.
        """
        identity = self._facts.identity
        assert identity is not None
        at = self._now()
        self._last_round_at = at
        set_by_ms = self._clock.take(clock, self._monotonic())
        if set_by_ms is None and self._says_nothing_new(asked, reply, at):
            return Taken()
        verdicts = [(decode_verdict(raw), bytes(raw)) for raw in reply.verdicts]
        changes = [(decode_change(raw), bytes(raw)) for raw in reply.changes]
        cursor_before, through_before = self._facts.cursor, self._facts.received_through
        with self._transaction():
            for verdict, raw in verdicts:
                self._take_verdict(verdict, raw, at)
            for change, raw in changes:
                if isinstance(change, Unreadable):
                    self._aside.keep_change(raw, at)
                    self._incident("change-unreadable", change.reason, at)
                elif not isinstance(change, OwnWork):
                    self._apply_change(change, at)
            differing = self._work_out(asked, verdicts, [each for each, _ in changes if isinstance(each, OwnWork)])
            self._take_receipt(identity.device, asked, reply, at)
            self._take_cursor(asked, reply, at)
            if differing:
                self.works_out = False
                self._begin_pull(f"own work comes to something else: {differing[0]}", at)
            if reply.reference is not None:
                self._file.write("DELETE FROM reference")
                self._file.write(
                    "INSERT INTO reference (version, body) VALUES (?, ?)",
                    (reply.reference.version, to_json(reply.reference)),
                )
            self._journal.settle()
            self._look_at_clocks(at)
            if set_by_ms is not None:
                self._incident("clock-set", f"by about {round(set_by_ms / 1000)} s", at)
            self._facts.put(facts.CLOCK, self._clock.measured)
            self._facts.put(facts.LAST_ROUND_AT, at)
        if reply.reference is not None:
            self._reference = None
        self._tickets.answers_taken()
        self._changed()
        advanced = (cursor_before, through_before) != (self._facts.cursor, self._facts.received_through)
        return Taken(len(verdicts), len(changes), advanced)

    def _says_nothing_new(self, asked: Exchange, reply: RoundReply, at: datetime) -> bool:
        written_at = self._facts.last_round_at
        return (
            not reply.verdicts
            and not reply.changes
            and reply.reference is None
            and not asked.entries
            and reply.cursor == self._facts.cursor
            and reply.received_through == self._facts.received_through
            and reply.signed_through == self._facts.signed_through
            and not self._facts.is_pulling_again
            and written_at is not None
            and abs(at - written_at) < _PERSIST_ROUND_AFTER
        )

    def _take_verdict(self, verdict: Verdict | Unreadable, raw: bytes, at: datetime) -> None:
        if isinstance(verdict, Unreadable):
            self._aside.keep_verdict(raw, at)
            self._incident("verdict-unreadable", verdict.reason, at)
        elif self._journal.answer(verdict, raw, at) is None:
            self._incident("verdict-unexpected", verdict.id, at)
        else:
            self._aside.verdict_came(verdict.id)

    def _apply_change(self, change: Change, at: datetime) -> None:
        match change:
            case PutTicket(ticket=ticket):
                self._tickets.put(ticket, self._facts.generation)
            case WithdrawTicket(ticket=ticket_id):
                self._tickets.withdraw(ticket_id, at)
            case OwnWork(ticket=ticket_id):  # kept aside, and read too late: the work it speaks of has been settled
                self._begin_pull(f"own work read late: {ticket_id}", at)

    def _work_out(
        self, asked: Exchange, verdicts: Sequence[tuple[Verdict | Unreadable, bytes]], changes: Sequence[OwnWork]
    ) -> list[str]:
        """Make of each of these tickets what this round's accepted operations make of it; those that then differ."""
        if not changes:
            return []
        accepted = {
            verdict.id
            for verdict, _ in verdicts
            if isinstance(verdict, Verdict) and verdict.filing is not Filing.REFUSED
        }
        brought: dict[str, list[Envelope]] = {}
        for _, raw in asked.entries:
            envelope = decode_envelope(raw)
            if isinstance(envelope, Envelope) and envelope.id in accepted:
                brought.setdefault(envelope.ticket, []).append(envelope)
        differing: list[str] = []
        for change in changes:
            worked_out = rebase(self._tickets.confirmed(change.ticket), brought.get(change.ticket, ())).ticket
            if worked_out is not None and digest_of_ticket(to_json(worked_out)) == change.digest:
                self._tickets.put(worked_out, self._facts.generation)
            else:
                differing.append(change.ticket)
        return differing

    def _take_receipt(self, device: str, asked: Exchange, reply: RoundReply, at: datetime) -> None:
        through, before, (last, _) = reply.received_through, self._facts.received_through, self._journal.end(device)
        if through > last:
            # This store is older than what the office holds of this device. Numbers after `last` are given out again
            # and refused there, visibly; to stop numbering would lose them in silence.
            self._incident("journal-behind-office", f"{last} < {through}", at)
        # What this exchange did not bring is brought by the next, whatever the office has under those numbers: it may
        # be other work (recorded here while a restored phone was answered), or be known to it without our having heard
        # its verdict (a reply that was lost, a rescue file).
        through = min(through, asked.entries[-1][0] if asked.entries else before)
        if through < before:
            self._incident("office-lost-entries", f"{through} < {before}", at)
            self._photos.lost_by_office(device, through)
            self._journal.lost_by_office(device, through)
        unanswered = self._journal.received_without_words(device, (number for number, _ in asked.entries), through, at)
        if unanswered:
            self._incident("verdicts-missing", str(unanswered), at)
        self._facts.put(facts.RECEIVED_THROUGH, through)
        self._facts.put(facts.SIGNED_THROUGH, min(reply.signed_through, through))

    def _take_cursor(self, asked: Exchange, reply: RoundReply, at: datetime) -> None:
        if reply.cursor < asked.cursor:
            # The office's list is younger than what we have seen of it (a restored backup): nothing we hold is certain,
            # nor is what we were told to have arrived. A photo may have come after the backup of the entry naming it.
            self._photos.offer_again()
            self._begin_pull(f"cursor {reply.cursor} < {asked.cursor}", at)
            return
        self._facts.put(facts.CURSOR, reply.cursor)
        if self._facts.is_pulling_again and not reply.more:
            self._tickets.withdraw_older_than(self._facts.generation, at)
            self._facts.put(facts.PULLING_AGAIN, False)

    def pull_everything_again(self, reason: str) -> None:
        """What is held is in doubt: take the whole scope anew; what does not come along is then withdrawn."""
        with self._transaction():
            self._begin_pull(reason, self._now())

    def _begin_pull(self, reason: str, at: datetime) -> None:
        self._incident("pulled-everything-again", reason, at)
        self._aside.begin_again()
        self._facts.put(facts.CURSOR, 0)
        self._facts.put(facts.GENERATION, self._facts.generation + 1)
        self._facts.put(facts.PULLING_AGAIN, True)

    # -- incidents ----------------------------------------------------------------------------------------------------

    def record_incident(self, kind: str, detail: str) -> None:
        with self._transaction():
            self._incident(kind, detail, self._now())

    def _incident(self, kind: str, detail: str, at: datetime) -> None:
        time_ms = milliseconds(at)
        self._file.write(
            "INSERT INTO incidents (kind, detail, times, first_at, last_at) VALUES (?, ?, 1, ?, ?)"
            " ON CONFLICT (kind, detail) DO UPDATE SET times = times + 1, last_at = excluded.last_at",
            (kind, detail[:500], time_ms, time_ms),
        )

    def incidents(self, limit: int = 100) -> list[Incident]:
        return [
            Incident(kind, detail, times, moment(first_at), moment(last_at))
            for kind, detail, times, first_at, last_at in self._file.rows(
                "SELECT kind, detail, times, first_at, last_at FROM incidents ORDER BY last_at DESC LIMIT ?", (limit,)
            )
        ]


_Made: TypeAlias = tuple[Envelope, bytes, Ticket | None]
"""An entry, its bytes, and what it makes of the ticket on the screen; None where this phone does not know that."""


class _Making:
    """The entries of one recording, each on top of the one before it."""

    def __init__(
        self,
        identity: Identity,
        at: datetime,
        clock: Clock,
        end: tuple[int, str],
        tickets: Tickets,
        new_id: Callable[[datetime], str],
    ) -> None:
        self._actor = Actor(identity.person, Role.TECHNICIAN)
        self._device = identity.device
        self._at = at
        self._clock = clock
        self._sequence, self._hash = end
        self._tickets = tickets
        self._new_id = new_id
        self.made: list[_Made] = []

    def add(self, ticket_id: str, operation: Operation) -> Rejection | None:
        before = self._before(ticket_id)
        envelope = self._envelope(ticket_id, operation)
        after = _judged(envelope, before)
        return self._keep(envelope, after) if isinstance(after, Ticket) else after

    def answer(self, refused: JournalEntry, answer: RefusalAnswer, by: str | None) -> Rejection | None:
        """Also on a ticket this phone does not know any more: the office does."""
        envelope = self._envelope(refused.ticket, AnswerRefusal(refused.id, answer, by))
        before = self._before(refused.ticket)
        after = _judged(envelope, before) if before is not None else None
        return self._keep(envelope, after) if after is None or isinstance(after, Ticket) else after

    def _before(self, ticket_id: str) -> Ticket | None:
        made = next((after for envelope, _, after in reversed(self.made) if envelope.ticket == ticket_id), None)
        return made or self._tickets.shown(ticket_id) or self._tickets.withdrawn(ticket_id)

    def _envelope(self, ticket_id: str, operation: Operation) -> Envelope:
        return Envelope(
            id=self._new_id(self._at),
            device=self._device,
            sequence=self._sequence + 1,
            ticket=ticket_id,
            actor=self._actor,
            base_version=self._tickets.base_version(ticket_id),
            occurred_at=self._at,
            clock=self._clock,
            previous_hash=self._hash,
            operation=operation,
        )

    def _keep(self, envelope: Envelope, after: Ticket | None) -> Rejection | None:
        raw = _written(envelope)
        if not isinstance(raw, bytes):
            return raw
        self._sequence, self._hash = envelope.sequence, hash_of(raw)
        self.made.append((envelope, raw, after))
        return None


_WITH_FORMS = ON_VISIT | {Status.ASSIGNED}
"""Where a visit's pages lead to its forms, or will when it comes to them."""

_OWN_DOING = _WITH_FORMS | {Status.SIGNED_OFF}


def _judged(envelope: Envelope, before: Ticket | None) -> Ticket | Rejection:
    """`apply`, as it must answer the person who looks at `before` at this moment.

    A step that does not fit what is on the screen is a slip (a second tap), not news: it is turned away. Evidence made
    on a ticket which the office has meanwhile closed or cancelled is kept, and the office files it as late.
    """
    after = apply(envelope, before)
    if not isinstance(after, Ticket) or isinstance(envelope.operation, AddNote | AddPhoto):
        return after
    assert before is not None, envelope.id
    filed = filing(envelope.id, after)
    if filed is Filing.PROPOSAL or (filed is Filing.LATE and before.status in _OWN_DOING):
        return MoveNotAllowed(kind_of(envelope.operation), before.status)
    return after


def _written(envelope: Envelope) -> bytes | Rejection:
    """The bytes for good, once it is certain that the office will be able to read them."""
    try:
        raw = to_json(envelope)
    except UnicodeEncodeError:  # half of a surrogate pair, from a text cut by a keyboard
        return MalformedOperation("$.operation")
    read = decode_envelope(raw)
    return read.rejection if isinstance(read, UnreadableOperation) else raw


def _naming(photo: PhotoBytes, made: Sequence[_Made]) -> tuple[Envelope, Ticket]:
    """The entry that names the photo: its bytes are never kept without one."""
    for envelope, _, after in made:
        operation = envelope.operation
        if isinstance(operation, AddPhoto) and operation.sha256 == photo.sha256 and after is not None:
            return envelope, after
    raise AssertionError(photo.sha256)
