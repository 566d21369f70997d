"""The yardsticks: the least there is to do, by the standard library's sqlite3 in this process, and nothing else.

50 operations to a transaction, as durable as the server (`synchronous=FULL`). Nothing is judged or answered. `bare`
writes a row in a log and a row of a ticket for each operation into the narrowest tables that could do; `same_tables`
writes into the office's own, with their indexes, the very rows that the office has written.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.office import Plan

_BARE = """
    CREATE TABLE op (
        position INTEGER PRIMARY KEY, device TEXT NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL,
        ticket TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (device, number)
    );
    CREATE TABLE ticket (
        id TEXT PRIMARY KEY, technician TEXT, position INTEGER, version INTEGER, title TEXT, customer TEXT,
        address TEXT, status TEXT, priority INTEGER, due INTEGER, notes TEXT, operation TEXT
    ) WITHOUT ROWID;
    CREATE INDEX ticket_of ON ticket (technician, position);
    CREATE TABLE device (id TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE feed (position INTEGER NOT NULL);
    INSERT INTO feed VALUES (0);
"""
_JOURNAL = "device, received_through, last_hash, signed_through, signed_hash, signed_key, signature, signed_at_ms"
"""A journal's columns, in the order of its row."""


def bare(database: Path, plans: Sequence[Plan]) -> float:
    """Seconds for all operations of the plans."""
    connection = _connected(database)
    connection.executescript(_BARE)
    connection.executemany(
        "INSERT INTO ticket VALUES (?, ?, 0, 3, ?, ?, ?, 'assigned', 2, 0, ?, '')",
        [
            (each.id, each.technician, each.product.model, each.customer.name, each.customer.address, each.problem)
            for plan in plans
            for each in plan.tickets
        ],
    )
    work = [[_read(raw) for raw in ops] for place in range(len(plans[0].rounds)) for ops in _turn_of(plans, place)]
    started = time.perf_counter()
    position = 0
    for operations in work:
        connection.execute("BEGIN IMMEDIATE")
        device = operations[0][0]
        connection.execute("SELECT last FROM device WHERE id = ?", (device,)).fetchone()
        connection.executemany(
            "INSERT INTO op VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(position + place, *operation) for place, operation in enumerate(operations, 1)],
        )
        connection.executemany(
            "UPDATE ticket SET position = ?, version = version + 1, status = ?, notes = ?, operation = ? WHERE id = ?",
            [
                (position + place, kind, body, id_, ticket)
                for place, (_, _, id_, ticket, kind, _, body) in enumerate(operations, 1)
            ],
        )
        position += len(operations)
        connection.execute(
            "INSERT INTO device VALUES (?, ?) ON CONFLICT DO UPDATE SET last = excluded.last",
            (device, operations[-1][1]),
        )
        connection.execute("UPDATE feed SET position = ?", (position,))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def same_tables(database: Path, written: Path) -> float:
    """Seconds for what the office at `written` has made of `database`, the one it began with, which is changed."""
    rounds = _written(written)
    connection = _connected(database)
    started = time.perf_counter()
    for each in rounds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("SELECT received_through, last_hash FROM journals WHERE device = ?", each.journal[:1])
        connection.executemany("INSERT INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", each.operations)
        connection.executemany(
            "UPDATE tickets SET version = ?, position = ?, status = ?, late = ?, data = ? WHERE id = ?", each.tickets
        )
        connection.execute(f"INSERT INTO journals ({_JOURNAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", each.journal)  # noqa: S608
        connection.execute("UPDATE counters SET value = value + ? WHERE name = 'feed'", (len(each.operations),))
        connection.execute("COMMIT")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


class _Written(Struct):
    """The rows of one phone's round."""

    operations: list[tuple[Any, ...]]
    tickets: list[tuple[Any, ...]]
    journal: tuple[Any, ...]


def _written(database: Path) -> list[_Written]:
    """By phone, in the order of the feed: of its operations, of the tickets they changed, and of its journal."""
    connection = sqlite3.connect(database)
    operations: dict[str, list[tuple[Any, ...]]] = {}
    for row in connection.execute(
        "SELECT position, id, device, sequence, ticket, received_at_ms, verdict, raw FROM operations ORDER BY position"
    ):
        operations.setdefault(row[2], []).append(row)
    journals = {row[0]: row for row in connection.execute(f"SELECT {_JOURNAL} FROM journals")}  # noqa: S608
    tickets = {
        row[-1]: row for row in connection.execute("SELECT version, position, status, late, data, id FROM tickets")
    }
    connection.close()
    return [
        _Written(rows, [tickets[ticket] for ticket in sorted({row[4] for row in rows})], journals[device])
        for device, rows in operations.items()
    ]


def _turn_of(plans: Sequence[Plan], place: int) -> list[list[bytes]]:
    return [plan.rounds[place] for plan in plans]


def _read(raw: bytes) -> tuple[str, int, str, str, str, str, str]:
    """(device, number, id, ticket, kind, at, what was typed)"""
    envelope = msgspec.json.decode(raw)
    operation = envelope["operation"]
    typed = operation.get("text") or operation.get("sha256") or ""
    device, number, id_, ticket = (envelope[name] for name in ("device", "sequence", "id", "ticket"))
    return device, number, id_, ticket, operation["kind"], envelope["occurred_at"], typed


def _connected(database: Path) -> sqlite3.Connection:
    """As durable as the server."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
