"""Everything there is, row by row, for whoever checks that it is sound (services.verification).

Unlike the other areas this one reads whole tables, in the orders in which their rows depend on each other.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from shared_schema import wire
from shared_schema.ticket import Ticket
from shared_schema.wire import Unreadable
from sync_server.storage import migrations
from sync_server.storage.attention import refusals, rescued_drafts, rescued_operations
from sync_server.storage.journal import Entry, Head, journals, operations, set_aside
from sync_server.storage.metadata import Number
from sync_server.storage.people import devices
from sync_server.storage.tickets import Kept, columns_of, tickets, withdrawals
from sync_server.storage.uploads import UploadState, uploads

_AT_ONCE = 500
"""Rows fetched at a time."""


class TicketRow(Struct, frozen=True):
    """A ticket as it is saved, and whether what it is found by agrees with it."""

    id: str
    position: int
    ticket: Ticket | None
    """None where its bytes cannot be read."""
    misfiled: tuple[str, ...]
    """Columns that are not what the ticket says."""


class UploadRow(Struct, frozen=True):
    id: str
    device: str
    sha256: str
    size_bytes: int
    state: UploadState


class Audit:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def schema(self) -> str | None:
        """The revision of the tables; None where there are none."""
        return migrations.revision(self._connection)

    def faults(self) -> list[str]:
        """What the database's own check finds. SQLite only: PostgreSQL checks its pages as it reads them."""
        if self._connection.dialect.name != "sqlite":
            return []
        said = [str(row[0]) for row in self._connection.exec_driver_sql("PRAGMA integrity_check(20)")]
        orphans = self._connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return [
            *(line for line in said if line != "ok"),
            *(f"{table}, row {row}: no such {parent}" for table, row, parent, _ in orphans),
        ]

    # -- journals ------------------------------------------------------------------------------------------------------

    def by_device(self) -> Iterator[Entry]:
        """Every operation, journal after journal, each in its order."""
        return self._entries(sa.select(*_entry()).order_by(operations.c.device, operations.c.sequence))

    def by_ticket(self) -> Iterator[Entry]:
        """Every operation that names a ticket, ticket after ticket, in the order of the feed."""
        wanted = sa.select(*_entry()).where(operations.c.ticket.is_not(None))
        return self._entries(wanted.order_by(self._bytewise(operations.c.ticket), operations.c.position))

    def put_aside(self) -> Iterator[tuple[Entry, str]]:
        """What could not take its place, and the hash it is kept under."""
        names = [
            set_aside.c[name] if name != "position" else sa.literal(0, Number).label(name)
            for name in Entry.__struct_fields__
        ]
        for row in self._stream(sa.select(*names, set_aside.c.hash)):
            yield Entry(*row[:-1]), row[-1]

    def repeated_ids(self) -> list[str]:
        """Operation ids under which more than one operation has its place."""
        counted = sa.select(operations.c.id).group_by(operations.c.id).having(sa.func.count() > 1)
        return list(self._connection.scalars(counted))

    def with_id(self, operation_id: str) -> list[Entry]:
        return list(self._entries(sa.select(*_entry()).where(operations.c.id == operation_id)))

    def heads(self) -> dict[str, Head]:
        rows = self._stream(
            sa.select(journals.c.device, journals.c.received_through, journals.c.last_hash, journals.c.broken_at_ms)
        )
        return {row[0]: Head(*row[1:]) for row in rows}

    def refusals(self) -> Iterator[tuple[str, int, str]]:
        """What is filed as refused: device, number and hash."""
        for row in self._stream(sa.select(refusals.c.device, refusals.c.sequence, refusals.c.hash)):
            yield row[0], row[1], row[2]

    def rescued(self) -> Iterator[tuple[str, str, bytes]]:
        """What rescue files brought that has no place elsewhere: the device, the hash it is kept under, its bytes."""
        for table, content in ((rescued_operations, rescued_operations.c.raw), (rescued_drafts, rescued_drafts.c.body)):
            for row in self._stream(sa.select(table.c.device, table.c.hash, content)):
                yield row[0], row[1], bytes(row[2])

    def devices(self) -> set[str]:
        return set(self._connection.scalars(sa.select(devices.c.id)))

    def positions(self) -> Iterator[int]:
        """Every position of the feed that something has, in order."""
        taken = sa.union(sa.select(operations.c.position), sa.select(withdrawals.c.position)).subquery()
        for (position,) in self._stream(sa.select(taken.c.position).order_by(taken.c.position)):
            yield position

    # -- tickets and uploads -------------------------------------------------------------------------------------------

    def tickets(self) -> Iterator[TicketRow]:
        """In the order of their ids, as `by_ticket` has them."""
        names = [column.name for column in tickets.c]
        for values in self._stream(sa.select(tickets).order_by(self._bytewise(tickets.c.id))):
            row = dict(zip(names, values, strict=True))
            ticket = wire.decode(row["data"], Ticket)
            if isinstance(ticket, Unreadable):
                yield TicketRow(row["id"], row["position"], None, ())
                continue
            expected = columns_of(
                Kept(ticket, row["position"], row["technician"] is not None and row["holder"] is None)
            )
            misfiled = tuple(name for name in names if name != "data" and row[name] != expected[name])
            yield TicketRow(row["id"], row["position"], ticket, misfiled)

    def uploads(self) -> Iterator[UploadRow]:
        columns = (uploads.c.id, uploads.c.device, uploads.c.sha256, uploads.c.size_bytes, uploads.c.state)
        for row in self._stream(sa.select(*columns)):
            yield UploadRow(row[0], row[1], row[2], row[3], UploadState(row[4]))

    # -- reading -------------------------------------------------------------------------------------------------------

    def _entries(self, wanted: sa.Select[Any]) -> Iterator[Entry]:
        for row in self._stream(wanted):
            yield Entry(*row)

    def _bytewise(self, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        """In the order of Python's strings, whatever language PostgreSQL was told to sort in."""
        return column.collate("C") if self._connection.dialect.name == "postgresql" else column

    def _stream(self, wanted: sa.Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Raises ValueError at text that is none."""
        try:
            for row in self._connection.execute(wanted.execution_options(yield_per=_AT_ONCE)):
                yield tuple(row)
        except sa.exc.OperationalError as fault:
            if "Could not decode to UTF-8" not in str(fault.orig):
                raise
            raise ValueError(str(fault.orig)) from fault


def _entry() -> list[sa.Column[Any]]:
    return [operations.c[name] for name in Entry.__struct_fields__]
