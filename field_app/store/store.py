"""The store as the rest of the app sees it: what is on this phone, and the few ways in which it changes.

Two transactions matter. `record` keeps what a person entered: the journal's entries, the photos' bytes and the end of
their drafts, together. `take_reply` files what the office said: verdicts, changes, cursor, together. Both return only
when the loss of power can take nothing back. Which entries are sent when is field_app.sync's; what an operation makes
of a ticket is shared_schema's.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from field_app.store import facts
from field_app.store.database import StoreFile
from field_app.store.facts import Facts
from field_app.store.journal import Journal, milliseconds, moment
from field_app.store.kept_aside import KeptAside
from field_app.store.photos import Photos
from field_app.store.tickets import Tickets
from field_app.store.values import (
    Counts,
    Exchange,
    Identity,
    Incident,
    JournalEntry,
    PhotoBytes,
    PhotoState,
    Recorded,
    Taken,
)
from shared_schema.apply import Filing, apply, filing
from shared_schema.credentials import Reference
from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import ON_VISIT, Role, Status
from shared_schema.operations import Actor, AddNote, AddPhoto, Clock, Envelope, Operation, kind_of
from shared_schema.rejections import MalformedOperation, MoveNotAllowed, Rejection, UnknownTicket
from shared_schema.sync_protocol import (
    OPERATIONS_PER_ROUND,
    Holding,
    PutTicket,
    RoundReply,
    Verdict,
    WithdrawTicket,
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

_PERSIST_ROUND_AFTER = timedelta(minutes=1)
"""An idle round every few seconds is no reason to write to a phone's flash memory."""


def _now() -> datetime:
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class Store:
    def __init__(self, file: StoreFile, now: Callable[[], datetime], random_bytes: Callable[[int], bytes]) -> None:
        self._file = file
        self._now = now
        self._random_bytes = random_bytes
        self._facts = Facts(file)
        self._journal = Journal(file)
        self._aside = KeptAside(file)
        self._tickets = Tickets(file, self._journal, self._aside)
        self._photos = Photos(file)
        self._listeners: list[Callable[[], None]] = []
        self._reference: Reference | None = None
        self._last_round_at = self._facts.last_round_at

    @classmethod
    def open(
        cls,
        path: str,
        flush: Callable[[], None],
        *,
        now: Callable[[], datetime] = _now,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> "Store":
        """`flush` returns when everything committed survives the loss of power; give the device's `now` and
        `random_bytes`. Raises StorageUnavailable (StoreTooNew) and then has touched nothing."""
        store = cls(StoreFile(path, flush), now, random_bytes)
        store._begin()
        return store

    def close(self) -> None:
        self._file.close()

    def _begin(self) -> None:
        """What a newer version of the app, or a new day, makes possible."""
        at = self._now()
        changes = [(row, decode_change(raw)) for row, raw in self._aside.current("change")]
        verdicts = [(row, decode_verdict(raw), raw) for row, raw in self._aside.current("verdict")]
        old = self._tickets.has_withdrawn_before(at - WITHDRAWN_STAYS)
        if not changes and not verdicts and not old:
            return
        with self._transaction():
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
        self._tickets.answers_taken()

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
            listener()

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
    ) -> list[Recorded] | Rejection:
        """Keep the operations, each given with its ticket's id, all of them or none.

        A rejection is returned before anything is written. Raises StorageUnavailable when it is not certain that they
        are kept.
        """
        identity = self._facts.identity
        if identity is None:
            return UnknownTicket()
        at = self._now()
        sequence, previous_hash = self._journal.end(identity.device)
        made: list[tuple[Envelope, bytes, Ticket]] = []
        for ticket_id, operation in operations:
            before = next(
                (after for envelope, _, after in reversed(made) if envelope.ticket == ticket_id),
                self._tickets.shown(ticket_id) or self._tickets.withdrawn(ticket_id),
            )
            sequence += 1
            envelope = Envelope(
                id=self._new_id(at),
                device=identity.device,
                sequence=sequence,
                ticket=ticket_id,
                actor=Actor(identity.person, Role.TECHNICIAN),
                base_version=self._tickets.base_version(ticket_id),
                occurred_at=at,
                clock=self._facts.clock,
                previous_hash=previous_hash,
                operation=operation,
            )
            after = _judged(envelope, before)
            if not isinstance(after, Ticket):
                return after
            raw = _written(envelope)
            if not isinstance(raw, bytes):
                return raw
            previous_hash = hash_of(raw)
            made.append((envelope, raw, after))
        with self._transaction():
            for envelope, raw, after in made:
                self._journal.append(envelope, raw, after.number)
            for photo in photos:
                envelope, _, after = _naming(photo, made)
                self._photos.add(photo, envelope.ticket, after.number, envelope.id, at)
            for key in clear_drafts:
                self._file.write("DELETE FROM drafts WHERE key = ?", (key,))
        for envelope, _, after in made:
            self._tickets.recorded(envelope, after)
        self._changed()
        return [Recorded(envelope.id, envelope.sequence) for envelope, _, _ in made]

    # -- the journal --------------------------------------------------------------------------------------------------

    def waiting(self) -> list[JournalEntry]:
        """Not answered by the office yet, oldest first."""
        return self._journal.entries("state = 'waiting'")

    def journal(self, *, ticket: str | None = None, limit: int = 200) -> list[JournalEntry]:
        """Newest first."""
        if ticket is None:
            return self._journal.entries(order="row DESC LIMIT ?", parameters=(limit,))
        return self._journal.entries("ticket = ?", (ticket, limit), "row DESC LIMIT ?")

    def refused_unread(self) -> list[JournalEntry]:
        return self._journal.entries("state = 'refused' AND read_at IS NULL")

    def mark_read(self, operation_id: str) -> None:
        with self._transaction():
            self._journal.mark_read(operation_id, self._now())
        self._changed()

    def raw_journal(self) -> list[bytes]:
        """Every envelope ever recorded here, byte for byte, in order: for checking the chain and for export."""
        return self._journal.raw()

    def counts(self) -> Counts:
        return Counts(
            operations=self._journal.count_waiting(),
            photos=self._photos.count_waiting(),
            refused=self._journal.count_refused_unread(),
        )

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

    def photo_states(self, limit: int = 500) -> list[PhotoState]:
        """Newest first, received or not."""
        return self._photos.states(limit)

    def photo_progress(self, sha256: str, *, location: str | None, offset: int, restarts: int) -> None:
        with self._transaction():
            self._photos.progress(sha256, location, offset, restarts)

    def photo_received(self, sha256: str) -> None:
        with self._transaction():
            self._photos.received(sha256, self._now())
        self._changed()

    # -- drafts and settings ------------------------------------------------------------------------------------------

    def draft(self, key: str) -> dict[str, Any] | None:
        row = self._file.row("SELECT body FROM drafts WHERE key = ?", (key,))
        return None if row is None else msgspec.json.decode(row[0], type=dict[str, Any])

    def save_draft(self, key: str, value: dict[str, Any]) -> None:
        """Survives the process being killed the moment after. An empty one is removed."""
        with self._transaction():
            if value:
                row = {"key": key, "body": to_json(value), "saved_at": milliseconds(self._now())}
                self._file.upsert("drafts", row, "key")
            else:
                self._file.write("DELETE FROM drafts WHERE key = ?", (key,))

    def setting(self, key: str) -> str | None:
        return self._facts.get(f"setting.{key}", str)

    def set_setting(self, key: str, value: str) -> None:
        with self._transaction():
            self._facts.put(f"setting.{key}", value)
        self._changed()

    def _new_id(self, at: datetime) -> str:
        return uuid7(max(0, milliseconds(at)), self._random_bytes(10))

    # -- who this phone is --------------------------------------------------------------------------------------------

    def identity(self) -> Identity | None:
        return self._facts.identity

    def enrolling_device(self) -> str:
        """The device id to enrol with: the same until an enrolment has succeeded, however often it is tried.

        A phone that still holds entries the office has not received keeps its name, because the entries carry it.
        """
        chosen = self._facts.get(facts.ENROLLING_DEVICE, str)
        if chosen is not None:
            return chosen
        identity = self._facts.identity
        chosen = self._new_id(self._now()) if identity is None else identity.device
        with self._transaction():
            self._facts.put(facts.ENROLLING_DEVICE, chosen)
        return chosen

    def enrol_as_new_device(self) -> None:
        """Let the next enrolment be that of a new device. Only when everything recorded here has been received."""
        counts = self.counts()
        assert counts.operations == counts.photos == 0, counts
        with self._transaction():
            new = self._new_id(self._now())
            self._facts.put(facts.ENROLLING_DEVICE, new)

    def enrolled(self, identity: Identity) -> None:
        with self._transaction():
            before = self._facts.identity
            self._facts.put(facts.IDENTITY, identity)
            self._facts.remove(facts.ENROLLING_DEVICE)
            if before is None or (before.device, before.person) != (identity.device, identity.person):
                self._facts.put(facts.CURSOR, 0)
                self._facts.put(facts.RECEIVED_THROUGH, 0)
                self._facts.put(facts.GENERATION, self._facts.generation + 1)
                self._facts.put(facts.PULLING_AGAIN, True)
                if before is not None and before.person != identity.person:
                    self._tickets.withdraw_older_than(self._facts.generation, self._now())
                    self._file.write("DELETE FROM reference")
        self._reference = None
        self._tickets.answers_taken()
        self._changed()

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
        return Exchange(self._facts.cursor, tuple(entries), more, reference.version if reference else "")

    def holding(self) -> Holding:
        return self._tickets.holding()

    def take_reply(self, asked: Exchange, reply: RoundReply, clock: Clock) -> Taken:
        """File everything the office said, in one transaction. Whatever cannot be read is kept aside, alone."""
        identity = self._facts.identity
        assert identity is not None
        at = self._now()
        self._last_round_at = at
        if self._says_nothing_new(asked, reply, at):
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
                else:
                    self._apply_change(change, at)
            self._take_receipt(identity.device, asked, reply.received_through, at)
            self._take_cursor(asked, reply, at)
            if reply.reference is not None:
                self._file.write("DELETE FROM reference")
                self._file.write(
                    "INSERT INTO reference (version, body) VALUES (?, ?)",
                    (reply.reference.version, to_json(reply.reference)),
                )
            self._journal.settle()
            self._facts.put(facts.CLOCK, clock)
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

    def _apply_change(self, change: PutTicket | WithdrawTicket, at: datetime) -> None:
        match change:
            case PutTicket(ticket=ticket):
                self._tickets.put(ticket, self._facts.generation)
            case WithdrawTicket(ticket=ticket_id):
                self._tickets.withdraw(ticket_id, at)

    def _take_receipt(self, device: str, asked: Exchange, through: int, at: datetime) -> None:
        last, _ = self._journal.end(device)
        if through > last:
            # This store is older than what the office holds of this device. Numbers after `last` are given out again
            # and refused there, visibly; to stop numbering would lose them in silence.
            self._incident("journal-behind-office", f"{last} < {through}", at)
            through = last
        if through < self._facts.received_through:
            self._incident("office-lost-entries", f"{through} < {self._facts.received_through}", at)
            self._photos.lost_by_office(device, through)
            self._journal.lost_by_office(device, through)
        unanswered = self._journal.received_without_words(device, (number for number, _ in asked.entries), through, at)
        if unanswered:
            self._incident("verdicts-missing", str(unanswered), at)
        self._facts.put(facts.RECEIVED_THROUGH, through)

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


_OWN_DOING = ON_VISIT | {Status.ASSIGNED, Status.SIGNED_OFF}


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


def _naming(photo: PhotoBytes, made: list[tuple[Envelope, bytes, Ticket]]) -> tuple[Envelope, bytes, Ticket]:
    """The entry that names the photo: its bytes are never kept without one."""
    for entry in made:
        operation = entry[0].operation
        if isinstance(operation, AddPhoto) and operation.sha256 == photo.sha256:
            return entry
    raise AssertionError(photo.sha256)
