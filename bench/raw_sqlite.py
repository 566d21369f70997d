"""The yardstick: the same rows into the same tables by the standard library's sqlite3, in this process, nothing else.

What a round reads and writes is worked out beforehand by the server's own code; here only SQLite works. Durable as the
server is: one transaction for each round, `synchronous=FULL`.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.office import Plan
from sync_server.services.operations import arrived, receive
from sync_server.storage import Storage, Writing
from sync_server.storage.people import Person


class Prepared(Struct):
    """What one round comes to, as the parameters of its statements."""

    device: str
    person: str
    cursor: int
    head: tuple[int, str]
    ids: list[str]
    tickets: list[str]
    operations: list[tuple[Any, ...]]
    changed: list[tuple[Any, ...]]


_OPERATIONS = "position, id, device, sequence, ticket, received_at_ms, verdict, raw"
_TICKETS = (
    "id, number, version, position, status, kind, severity, technician, holder, region, created_at_ms, "
    "window_start_ms, window_end_ms, over_at_ms, late, linked_ticket, phone, serial, search, data"
)


def prepare(database: Path, plans: Sequence[Plan], at_ms: int) -> list[Prepared]:
    """Let the server's code take the rounds, one at a time, and note which rows came of each."""
    storage = Storage.open(f"sqlite:///{database}")
    looking = sqlite3.connect(database)
    prepared: list[Prepared] = []
    cursors: dict[str, int] = {}
    try:
        for place in range(len(plans[0].rounds)):
            for plan in plans:
                cursor = cursors.get(plan.device) or storage.read_now(lambda reading: reading.feed.latest())
                storage.write_now(_taking(plan.device, plan.person, plan.rounds[place], at_ms))
                operations = looking.execute(
                    f"SELECT {_OPERATIONS} FROM operations WHERE position > ? ORDER BY position",  # noqa: S608
                    (cursor if place == 0 else _last(prepared),),
                ).fetchall()
                operations = [row for row in operations if row[2] == plan.device]
                changed = looking.execute(
                    f"SELECT {_TICKETS} FROM tickets WHERE position >= ?",  # noqa: S608
                    (operations[0][0],),
                ).fetchall()
                head = looking.execute(
                    "SELECT received_through, last_hash FROM journals WHERE device = ?", (plan.device,)
                ).fetchone()
                prepared.append(
                    Prepared(
                        plan.device,
                        plan.person.id,
                        cursor,
                        head,
                        [row[1] for row in operations],
                        sorted({row[4] for row in operations}),
                        operations,
                        changed,
                    )
                )
                cursors[plan.device] = operations[-1][0]
    finally:
        looking.close()
        storage.close()
    return prepared


def _last(prepared: list[Prepared]) -> int:
    return int(prepared[-1].operations[-1][0])


def _taking(device: str, person: Person, ops: list[bytes], at_ms: int) -> Any:
    brought = [arrived(raw) for raw in ops]

    def take(writing: Writing) -> list[bytes]:
        return receive(writing, device, person, brought, at_ms)

    return take


def run(database: Path, prepared: Sequence[Prepared]) -> float:
    """Seconds for all rounds."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    insert = f"INSERT INTO operations ({_OPERATIONS}) VALUES ({_marks(_OPERATIONS)})"  # noqa: S608
    names = [name.strip() for name in _TICKETS.split(",")]
    update = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
    save = (
        f"INSERT INTO tickets ({_TICKETS}) VALUES ({_marks(_TICKETS)}) "  # noqa: S608
        f"ON CONFLICT (id) DO UPDATE SET {update}"
    )
    started = time.perf_counter()
    for each in prepared:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "SELECT received_through, last_hash FROM journals WHERE device = ?", (each.device,)
        ).fetchone()
        connection.execute(f"SELECT id FROM operations WHERE id IN ({_asks(each.ids)})", each.ids).fetchall()  # noqa: S608
        connection.execute(
            f"SELECT data, position, technician, holder FROM tickets WHERE id IN ({_asks(each.tickets)})",  # noqa: S608
            each.tickets,
        ).fetchall()
        (through,) = connection.execute(
            "UPDATE counters SET value = value + ? WHERE name = 'feed' RETURNING value", (len(each.operations),)
        ).fetchone()
        connection.executemany(insert, each.operations)
        connection.executemany(save, each.changed)
        connection.execute(
            "INSERT INTO journals (device, received_through, last_hash) VALUES (?, ?, ?) ON CONFLICT (device) "
            "DO UPDATE SET received_through = excluded.received_through, last_hash = excluded.last_hash",
            (each.device, *each.head),
        )
        connection.execute("COMMIT")
        connection.execute(
            "SELECT position, id, status, data FROM tickets WHERE holder = ? AND position > ? AND position <= ? "
            "ORDER BY position LIMIT 201",
            (each.person, each.cursor, through),
        ).fetchall()
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _marks(columns: str) -> str:
    return ", ".join("?" for _ in columns.split(","))


def _asks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values)
