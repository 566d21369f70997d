"""What came from the office and could not be read: kept whole, blocking nothing, for a version of the app that can."""

from datetime import datetime

from msgspec import Struct

from field_app.store.database import StoreFile
from field_app.store.journal import milliseconds
from shared_schema.wire import decode


class _TicketHead(Struct, frozen=True):
    id: str
    version: int


class _ChangeHead(Struct, frozen=True):
    ticket: _TicketHead


class _VerdictHead(Struct, frozen=True):
    id: str


class KeptAside:
    """Rows go when something newer about the same ticket or operation came, or when they could be read at last: a
    ticket's hold the customer's number and address."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file

    def keep_change(self, raw: bytes, at: datetime) -> None:
        head = decode(raw, _ChangeHead)
        if isinstance(head, _ChangeHead):
            self.newer_came(head.ticket.id)
            self._keep("change", head.ticket.id, head.ticket.version, raw, at)
        else:
            self._keep("change", "", None, raw, at)

    def keep_verdict(self, raw: bytes, at: datetime) -> None:
        head = decode(raw, _VerdictHead)
        if isinstance(head, _VerdictHead):
            self.verdict_came(head.id)
            self._keep("verdict", head.id, None, raw, at)
        else:
            self._keep("verdict", "", None, raw, at)

    def _keep(self, form: str, about: str, version: int | None, raw: bytes, at: datetime) -> None:
        self._file.write(
            "INSERT INTO kept_aside (form, about, version, raw, kept_at) VALUES (?, ?, ?, ?, ?)",
            (form, about, version, raw, milliseconds(at)),
        )

    def newer_came(self, ticket_id: str) -> None:
        self._file.write("DELETE FROM kept_aside WHERE about = ? AND form = 'change'", (ticket_id,))

    def verdict_came(self, operation_id: str) -> None:
        self._file.write("DELETE FROM kept_aside WHERE about = ? AND form = 'verdict'", (operation_id,))

    def begin_again(self) -> None:
        """Everything is being told anew, what could not be read included."""
        self._file.write("DELETE FROM kept_aside WHERE form = 'change'")

    def was_read(self, row: int) -> None:
        self._file.write("DELETE FROM kept_aside WHERE row = ?", (row,))

    def current(self, form: str) -> list[tuple[int, bytes]]:
        """(row, bytes), oldest first."""
        rows = self._file.rows(
            "SELECT row, raw FROM kept_aside WHERE is_current = 1 AND form = ? ORDER BY row", (form,)
        )
        return [(row, bytes(raw)) for row, raw in rows]

    def versions(self) -> dict[str, int]:
        """Ticket id to version, of the tickets that could not be read."""
        return dict(
            self._file.rows(
                "SELECT about, version FROM kept_aside"
                " WHERE is_current = 1 AND form = 'change' AND version IS NOT NULL ORDER BY row"
            )
        )
