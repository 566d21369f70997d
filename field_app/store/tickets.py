"""The tickets the office has confirmed, and what the phone shows: those with the unconfirmed operations on top.

What is shown is never stored. It is remembered per ticket, because a list of 200 is drawn after every tap.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from field_app.store.database import StoreFile
from field_app.store.journal import Journal, milliseconds
from field_app.store.kept_aside import KeptAside
from field_app.store.values import StorageUnavailable
from shared_schema.operations import Envelope
from shared_schema.rebase import rebase
from shared_schema.sync_protocol import Holding, holding
from shared_schema.ticket import Ticket
from shared_schema.wire import FAULTS, encode


class Tickets:
    def __init__(self, file: StoreFile, journal: Journal, aside: KeptAside) -> None:
        self._file = file
        self._aside = aside
        self._journal = journal
        self._confirmed: dict[str, Ticket] | None = None
        self._pending: dict[str, list[Envelope]] | None = None
        self._shown: dict[str, Ticket] = {}
        self._decoder = msgspec.json.Decoder(Ticket)

    # -- what the phone shows -----------------------------------------------------------------------------------------

    def all(self) -> list[Ticket]:
        """By the start of the visit, then by number."""
        return sorted((self._show(ticket) for ticket in self._all_confirmed().values()), key=_when)

    def shown(self, ticket_id: str) -> Ticket | None:
        confirmed = self._all_confirmed().get(ticket_id)
        return None if confirmed is None else self._show(confirmed)

    def confirmed(self, ticket_id: str) -> Ticket | None:
        return self._all_confirmed().get(ticket_id)

    def withdrawn(self, ticket_id: str) -> Ticket | None:
        """The last this phone knew of a ticket that is no longer this person's, without phone and address."""
        row = self._file.row("SELECT body FROM tickets WHERE id = ? AND withdrawn_at IS NOT NULL", (ticket_id,))
        ticket = None if row is None else self._read(row[0])
        if ticket is None:
            return None
        return rebase(ticket, self._all_pending().get(ticket_id, ())).ticket

    def base_version(self, ticket_id: str) -> int:
        """The version the office last confirmed to this phone, withdrawn or not; 0 for a ticket it never had."""
        confirmed = self._all_confirmed().get(ticket_id)
        if confirmed is not None:
            return confirmed.version
        row = self._file.row("SELECT version FROM tickets WHERE id = ?", (ticket_id,))
        return int(row[0]) if row else 0

    def _show(self, confirmed: Ticket) -> Ticket:
        shown = self._shown.get(confirmed.id)
        if shown is None:
            shown = rebase(confirmed, self._all_pending().get(confirmed.id, ())).ticket
            assert shown is not None, confirmed.id
            self._shown[confirmed.id] = shown
        return shown

    def _all_confirmed(self) -> dict[str, Ticket]:
        if self._confirmed is None:
            rows = self._file.rows("SELECT id, body FROM tickets WHERE withdrawn_at IS NULL")
            read = {ticket_id: self._read(body) for ticket_id, body in rows}
            self._confirmed = {ticket_id: ticket for ticket_id, ticket in read.items() if ticket is not None}
        return self._confirmed

    def _read(self, body: bytes) -> Ticket | None:
        """None where the disk has damaged it, or where a newer app, since taken back, has kept a form of it that this
        one does not know: one such ticket must not take the others off the screen."""
        try:
            return self._decoder.decode(body)
        except FAULTS:
            return None

    def count_unreadable(self) -> int:
        row = self._file.row("SELECT count(*) FROM tickets WHERE withdrawn_at IS NULL")
        return int(row[0] if row else 0) - len(self._all_confirmed())

    def _all_pending(self) -> dict[str, list[Envelope]]:
        if self._pending is None:
            self._pending = {}
            for envelope in self._journal.unsettled():
                self._pending.setdefault(envelope.ticket, []).append(envelope)
        return self._pending

    # -- keeping what is remembered true ------------------------------------------------------------------------------

    def recorded(self, envelope: Envelope, after: Ticket) -> None:
        """An entry has been committed, and this is what it made of the ticket."""
        self._all_pending().setdefault(envelope.ticket, []).append(envelope)
        if envelope.ticket in self._all_confirmed():
            self._shown[envelope.ticket] = after

    def answers_taken(self) -> None:
        """The journal's states or the confirmed tickets have changed: what is shown is computed anew when asked for."""
        self._pending = None
        self._shown.clear()

    def forget(self) -> None:
        """What is remembered may differ from what is stored: read it anew."""
        self._confirmed = None
        self.answers_taken()

    def readable_rows(self) -> list[tuple[Any, ...]]:
        """What the disk has left of the table. Not inside a transaction: none goes on behind a damaged place."""
        ids: list[tuple[str]] = []
        with suppress(StorageUnavailable):
            ids = self._file.rows("SELECT id FROM tickets")  # out of the index, which lies elsewhere
        rows: list[tuple[Any, ...]] = []
        for row_id in ids:
            with suppress(StorageUnavailable):
                rows += self._file.rows("SELECT * FROM tickets WHERE id = ?", row_id)
        return rows

    def make_anew(self, rows: Sequence[tuple[Any, ...]], generation: int) -> None:
        """The table, of these rows alone; the damaged one stays aside. Inside a transaction."""
        ((table,),) = self._file.rows("SELECT sql FROM sqlite_schema WHERE name = 'tickets'")
        self._file.write(f"ALTER TABLE tickets RENAME TO tickets_damaged_{generation}")
        self._file.write(table)
        for row in rows:
            self._file.write(f"INSERT INTO tickets VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
        self.forget()

    # -- what the office says (inside a transaction; `answers_taken` follows) -----------------------------------------

    def put(self, ticket: Ticket, generation: int) -> None:
        self._file.upsert(
            "tickets",
            {
                "id": ticket.id,
                "number": ticket.number,
                "version": ticket.version,
                "generation": generation,
                "withdrawn_at": None,
                "body": encode(ticket),
            },
            "id",
        )
        self._aside.newer_came(ticket.id)
        if self._confirmed is not None:
            self._confirmed[ticket.id] = ticket

    def withdraw(self, ticket_id: str, at: datetime) -> None:
        """It leaves the list and loses what only its holder may know; what was recorded on it stays and is sent."""
        self._aside.newer_came(ticket_id)
        row = self._file.row("SELECT body FROM tickets WHERE id = ? AND withdrawn_at IS NULL", (ticket_id,))
        if row is None:
            return
        ticket = self._read(row[0])
        if ticket is None:
            self._file.write("DELETE FROM tickets WHERE id = ?", (ticket_id,))
            return
        known = replace(ticket, customer=replace(ticket.customer, phone="", address=""))
        self._file.write(
            "UPDATE tickets SET withdrawn_at = ?, body = ? WHERE id = ?", (milliseconds(at), encode(known), ticket_id)
        )
        if self._confirmed is not None:
            self._confirmed.pop(ticket_id, None)

    def withdraw_older_than(self, generation: int, at: datetime) -> int:
        """After everything was pulled again: what did not come along is no longer this person's."""
        rows = self._file.rows(
            "SELECT id FROM tickets WHERE generation < ? AND withdrawn_at IS NULL"
            " AND id NOT IN (SELECT about FROM kept_aside WHERE is_current = 1 AND form = 'change')",
            (generation,),
        )
        for (ticket_id,) in rows:
            self.withdraw(ticket_id, at)
        return len(rows)

    def has_withdrawn_before(self, at: datetime) -> bool:
        row = self._file.row("SELECT 1 FROM tickets WHERE withdrawn_at < ? LIMIT 1", (milliseconds(at),))
        return row is not None

    def forget_withdrawn_before(self, at: datetime) -> None:
        """Withdrawn tickets on which nothing is waiting any more, nor half typed: that can still be made a note."""
        self._file.write(
            "DELETE FROM tickets WHERE withdrawn_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM journal WHERE journal.ticket = tickets.id AND state = 'waiting')"
            " AND NOT EXISTS (SELECT 1 FROM photos WHERE photos.ticket = tickets.id AND received_at IS NULL)"
            " AND NOT EXISTS (SELECT 1 FROM drafts WHERE substr(key, instr(key, ':') + 1) = tickets.id)",
            (milliseconds(at),),
        )

    def holding(self, accepted: Mapping[str, int]) -> Holding:
        """What this phone holds, for the office to compare, once so many operations on each of these tickets have been
        accepted; a ticket it could not read counts with its new version."""
        versions = dict(self._file.rows("SELECT id, version FROM tickets WHERE withdrawn_at IS NULL"))
        versions |= self._aside.versions()
        return holding((ticket, version + accepted.get(ticket, 0)) for ticket, version in versions.items())


def _when(ticket: Ticket) -> tuple[bool, float, str]:
    start = ticket.assignment.window.start.timestamp() if ticket.assignment else 0.0
    return (ticket.assignment is None, start, ticket.number)
