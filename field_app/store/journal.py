"""Everything ever recorded on this phone: numbered without gaps, each entry naming the hash of the one before it.

Entries are added and answered, never altered and never deleted (the tables refuse it too). What they make of a
ticket is computed in `tickets`; how they reach the office is in field_app.sync.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from field_app.store.database import StoreFile
from field_app.store.values import EntryState, JournalEntry
from shared_schema.apply import Filing
from shared_schema.operations import FIRST_HASH, AnswerRefusal, Envelope, RefusalAnswer, kind_of
from shared_schema.sync_protocol import Verdict
from shared_schema.wire import UnreadableOperation, decode_envelope, decode_verdict, hash_of

_COLUMNS = "id, device, sequence, ticket, ticket_number, kind, state, verdict, recorded_at, answered_at, raw, dealt_as"

_ANSWER_REFUSAL = str(AnswerRefusal.__struct_config__.tag)
_UNDEALT = f"state = 'refused' AND dealt_as IS NULL AND kind <> '{_ANSWER_REFUSAL}'"
"""A technician's answer to a refusal is not itself to be answered: one would ask for another, for ever."""

_STATES = {
    Filing.APPLIED: EntryState.ACCEPTED,
    Filing.LATE: EntryState.LATE,
    Filing.PROPOSAL: EntryState.PROPOSAL,
    Filing.REFUSED: EntryState.REFUSED,
}


class Journal:
    def __init__(self, file: StoreFile) -> None:
        self._file = file

    # -- recording ----------------------------------------------------------------------------------------------------

    def end(self, device: str) -> tuple[int, str]:
        """The last number of this device, and the hash the next entry must name."""
        row = self._file.row(
            "SELECT sequence, hash FROM journal WHERE device = ? ORDER BY sequence DESC LIMIT 1", (device,)
        )
        return (row[0], row[1]) if row else (0, FIRST_HASH)

    def append(self, envelope: Envelope, raw: bytes, ticket_number: str) -> None:
        self._file.write(
            "INSERT INTO journal (id, device, sequence, ticket, ticket_number, kind, raw, hash, recorded_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                envelope.id,
                envelope.device,
                envelope.sequence,
                envelope.ticket,
                ticket_number,
                kind_of(envelope.operation),
                raw,
                hash_of(raw),
                milliseconds(envelope.occurred_at),
            ),
        )

    # -- sending ------------------------------------------------------------------------------------------------------

    def after(self, device: str, number: int, *, limit: int, bytes_limit: int) -> tuple[list[tuple[int, bytes]], bool]:
        """The entries that follow the number, at least one if there is one, and whether more are left."""
        chosen: list[tuple[int, bytes]] = []
        size = 0
        rows = self._file.rows(
            "SELECT sequence, length(raw) FROM journal WHERE device = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (device, number, limit + 1),
        )
        for sequence, length in rows[:limit]:
            if chosen and size + length > bytes_limit:
                return chosen, True
            row = self._file.row("SELECT raw FROM journal WHERE device = ? AND sequence = ?", (device, sequence))
            assert row is not None, sequence
            chosen.append((sequence, bytes(row[0])))
            size += length
        return chosen, len(rows) > limit

    def per_ticket(self, device: str, first: int, last: int) -> dict[str, int]:
        """How many of the entries with these numbers are about which ticket."""
        return dict(
            self._file.rows(
                "SELECT ticket, count(*) FROM journal WHERE device = ? AND sequence BETWEEN ? AND ? GROUP BY ticket",
                (device, first, last),
            )
        )

    def has_after(self, device: str, sequence: int) -> bool:
        row = self._file.row("SELECT 1 FROM journal WHERE device = ? AND sequence > ? LIMIT 1", (device, sequence))
        return row is not None

    # -- answers ------------------------------------------------------------------------------------------------------

    def answer(self, verdict: Verdict, raw: bytes, at: datetime) -> str | None:
        """File the office's verdict; the ticket it concerns, or None where this phone has no such entry."""
        row = self._file.row("SELECT ticket FROM journal WHERE id = ?", (verdict.id,))
        if row is None:
            return None
        is_refused = verdict.filing is Filing.REFUSED
        self._file.write(
            "UPDATE journal SET state = ?, version = ?, verdict = ?, answered_at = ?, settled = ? WHERE id = ?",
            (_STATES[verdict.filing].value, verdict.version, raw, milliseconds(at), int(is_refused), verdict.id),
        )
        return str(row[0])

    def received_without_words(self, device: str, sequences: Iterable[int], through: int, at: datetime) -> int:
        """The office holds these but its answer is missing or unreadable: they need not wait or be sent for ever."""
        return sum(
            self._file.write(
                "UPDATE journal SET state = 'received', settled = 1, answered_at = ?"
                " WHERE device = ? AND sequence = ? AND state = 'waiting'",
                (milliseconds(at), device, sequence),
            )
            for sequence in sequences
            if sequence <= through
        )

    def lost_by_office(self, device: str, through: int) -> int:
        """Entries the office once answered and holds no more: they wait again, whatever it said about them."""
        return self._file.write(
            "UPDATE journal SET state = 'waiting', version = 0, verdict = NULL, answered_at = NULL, settled = 0"
            " WHERE device = ? AND sequence > ? AND state <> 'waiting'",
            (device, through),
        )

    def settle(self) -> None:
        """Entries which the confirmed ticket contains by now need not be put on top of it any more."""
        self._file.write(
            "UPDATE journal SET settled = 1 WHERE settled = 0 AND state <> 'waiting' AND NOT EXISTS ("
            " SELECT 1 FROM tickets WHERE tickets.id = journal.ticket AND tickets.withdrawn_at IS NULL"
            " AND tickets.version < journal.version)"
        )

    # -- refusals -----------------------------------------------------------------------------------------------------

    def refused(self, after: int, limit: int) -> list[JournalEntry]:
        """Those behind the row `after` of which nothing has been made yet, newest first."""
        return self.entries(f"{_UNDEALT} AND row > ?", (after, limit), "row DESC LIMIT ?")

    def entry(self, operation_id: str) -> JournalEntry | None:
        found = self.entries("id = ?", (operation_id,))
        return found[0] if found else None

    def deal_with(self, operation_id: str, answer: RefusalAnswer, by: str) -> None:
        self._file.write("UPDATE journal SET dealt_as = ?, dealt_by = ? WHERE id = ?", (answer.value, by, operation_id))

    def correct_by(self, draft: str, operation_id: str) -> None:
        """From now on what is recorded out of this draft takes the refused entry's place."""
        self._file.upsert("corrections", {"draft": draft, "refused": operation_id}, "draft")

    def corrected_by(self, draft: str) -> JournalEntry | None:
        row = self._file.row("SELECT refused FROM corrections WHERE draft = ?", (draft,))
        return None if row is None else self.entry(row[0])

    def forget_correction(self, draft: str) -> None:
        self._file.write("DELETE FROM corrections WHERE draft = ?", (draft,))

    # -- reading ------------------------------------------------------------------------------------------------------

    def unsettled(self) -> list[Envelope]:
        """What is to be shown on top of the confirmed tickets, in order."""
        envelopes: list[Envelope] = []
        for (raw,) in self._file.rows("SELECT raw FROM journal WHERE settled = 0 ORDER BY row"):
            envelope = decode_envelope(raw)
            if not isinstance(envelope, UnreadableOperation):  # else made by a newer app: sent all the same
                envelopes.append(envelope)
        return envelopes

    def entries(self, where: str = "1", parameters: tuple[Any, ...] = (), order: str = "row") -> list[JournalEntry]:
        rows = self._file.rows(
            f"SELECT {_COLUMNS} FROM journal WHERE {where} ORDER BY {order}",  # noqa: S608
            parameters,
        )
        return [_entry(row) for row in rows]

    def ticket_number(self, ticket: str) -> str:
        """As the newest entry on this ticket has it; empty where there is none."""
        row = self._file.row("SELECT ticket_number FROM journal WHERE ticket = ? ORDER BY row DESC LIMIT 1", (ticket,))
        return "" if row is None else str(row[0])

    def hash_at(self, device: str, sequence: int) -> str | None:
        row = self._file.row("SELECT hash FROM journal WHERE device = ? AND sequence = ?", (device, sequence))
        return None if row is None else str(row[0])

    def last_row(self) -> int:
        row = self._file.row("SELECT max(row) FROM journal")
        return 0 if row is None or row[0] is None else int(row[0])

    def raw_between(self, device: str, after: int, through: int, limit: int) -> list[tuple[int, bytes]]:
        """(row, envelope) of at most `limit` entries in the order in which they were recorded."""
        rows = self._file.rows(
            "SELECT row, raw FROM journal WHERE device = ? AND row > ? AND row <= ? ORDER BY row LIMIT ?",
            (device, after, through, limit),
        )
        return [(row, bytes(raw)) for row, raw in rows]

    def raw(self) -> list[bytes]:
        """Every envelope ever recorded, byte for byte, in order."""
        return [bytes(raw) for (raw,) in self._file.rows("SELECT raw FROM journal ORDER BY row")]

    def count_waiting(self, device: str, rescued_through: int) -> int:
        """Without what an earlier device of this phone has left in a rescue file: only the office can take that in."""
        row = self._file.row(
            "SELECT count(*) FROM journal WHERE state = 'waiting' AND NOT (device <> ? AND row <= ?)",
            (device, rescued_through),
        )
        return int(row[0]) if row else 0

    def count_refused(self, after: int) -> int:
        row = self._file.row(f"SELECT count(*) FROM journal WHERE {_UNDEALT} AND row > ?", (after,))  # noqa: S608
        return int(row[0]) if row else 0


def _entry(row: tuple[Any, ...]) -> JournalEntry:
    envelope = decode_envelope(row[10])
    verdict = decode_verdict(row[7]) if row[7] is not None else None
    return JournalEntry(
        id=row[0],
        device=row[1],
        sequence=row[2],
        ticket=row[3],
        ticket_number=row[4],
        kind=row[5],
        state=EntryState(row[6]),
        rejection=verdict.rejection if isinstance(verdict, Verdict) else None,
        recorded_at=moment(row[8]),
        answered_at=None if row[9] is None else moment(row[9]),
        envelope=None if isinstance(envelope, UnreadableOperation) else envelope,
        answer=None if row[11] is None else RefusalAnswer(row[11]),
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(at: datetime) -> int:
    """As the tables keep a moment: whole milliseconds since 1970, exact for any year."""
    return (at - _EPOCH) // _MILLISECOND


def moment(time_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=time_ms)
