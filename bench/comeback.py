"""Phones that come back at once: each pushes 50 operations, then pulls until both sides agree.

Every turn starts from a copy of the same database and a server just started. The yardsticks in between are sqlite3 in
this process with nothing around it (raw_sqlite), 50 operations to a transaction: a log row and a ticket row for each
operation in tables of their own, and the rows of the server's in its own tables.
"""

import re
import shutil
import sqlite3
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench import load, office, raw_sqlite, serving
from bench.office import OPERATIONS_PER_ROUND, Plan
from shared_schema.sync_protocol import Holding

ROUND = "/sync/v1/round"
_NO_CURSOR = 123_456_789
_CURSOR_HERE = b'"cursor":%d' % _NO_CURSOR
_CURSOR = re.compile(rb'"cursor":(\d+)')


class Turn(Struct):
    """One coming back of all phones."""

    operations_per_second: float
    raw_operations_per_second: float
    raw_operations_per_second_in_our_tables: float
    p99_seconds: float
    """Until a phone is done, from the moment that all began."""
    cpu_ms_per_operation: float
    """The server's, all threads, user and system."""
    bytes_per_operation: float
    """Up and down, heads and bodies, before compression."""
    wire_bytes_per_operation: float
    peak_memory_bytes: int

    @property
    def ratio(self) -> float:
        return self.operations_per_second / self.raw_operations_per_second

    @property
    def ratio_in_our_tables(self) -> float:
        return self.operations_per_second / self.raw_operations_per_second_in_our_tables


def measure(phones: int, turns: int) -> list[Turn]:
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
        place = Path(folder)
        template = place / "template.db"
        plans = office.build(f"sqlite:///{template}", phones, rounds=1)
        return [_turn(template, place / str(turn), plans) for turn in range(turns)]


def _turn(template: Path, data: Path, plans: Sequence[Plan]) -> Turn:
    operations = len(plans) * OPERATIONS_PER_ROUND
    data.mkdir()
    serving.settle()
    raw_seconds = raw_sqlite.bare(data / "bare.db", plans)
    database = data / "doorstep.db"
    shutil.copy(template, database)
    latest = latest_position(database)
    phones = [comes_back(plan, latest) for plan in plans]
    with serving.doorstep(data) as served:
        serving.settle()
        before = served.cpu_seconds()
        met = load.drive(served.address, phones)
        cpu_seconds = served.cpu_seconds() - before
        peak = served.peak_memory_bytes()
    _require_all_accepted(database, operations)
    again = data / "again.db"
    shutil.copy(template, again)
    serving.settle()
    raw_seconds_in_our_tables = raw_sqlite.same_tables(again, database)
    _require_all_accepted(again, operations)
    return Turn(
        operations_per_second=operations / met.seconds,
        raw_operations_per_second=operations / raw_seconds,
        raw_operations_per_second_in_our_tables=operations / raw_seconds_in_our_tables,
        p99_seconds=percentile([phone.done_after for phone in met.phones], 99),
        cpu_ms_per_operation=cpu_seconds * 1000 / operations,
        bytes_per_operation=sum(phone.bytes_up + phone.bytes_down for phone in met.phones) / operations,
        wire_bytes_per_operation=sum(phone.bytes_on_the_wire for phone in met.phones) / operations,
        peak_memory_bytes=peak,
    )


def comes_back(plan: Plan, cursor: int) -> load.Phone:
    """The phone's operations up, with what it will hold then, and rounds until the office says that both hold the
    same."""
    holding = plan.holding_afterwards
    pulls = request_with_cursor(plan, [], holding)
    pushes = [request_with_cursor(plan, ops) for ops in plan.rounds[:-1]]
    pushes.append(request_with_cursor(plan, plan.rounds[-1], holding))

    def phone() -> load.Phone:
        at = b"%d" % cursor
        waiting = len(plan.rounds) * OPERATIONS_PER_ROUND
        for head, tail in pushes:
            answer = yield sync_request(head + at + tail, plan, waiting)
            at = told_cursor(answer)
            waiting -= OPERATIONS_PER_ROUND
        while b'"in_step":true' not in answer:
            assert b'"in_step":false' not in answer, answer[:500]
            answer = yield sync_request(pulls[0] + at + pulls[1], plan, 0)
            at = told_cursor(answer)

    return phone()


def request_with_cursor(plan: Plan, ops: Sequence[bytes], holding: Holding | None = None) -> tuple[bytes, bytes]:
    """A request prepared beforehand, before and after the cursor that is not known yet."""
    before, after = office.body(plan, _NO_CURSOR, ops, holding).split(_CURSOR_HERE)
    return before + b'"cursor":', after


def sync_request(body: bytes, plan: Plan, waiting: int = 0) -> bytes:
    return load.post(
        ROUND, body, plan.token, "Accept-Encoding: gzip, br", f"Doorstep-Holding: operations={waiting}; photos=0"
    )


def told_cursor(answer: bytes) -> bytes:
    found = _CURSOR.search(answer)
    assert found is not None, answer[:500]
    return found.group(1)


def latest_position(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        (latest,) = connection.execute("SELECT value FROM counters WHERE name = 'feed'").fetchone()
    connection.close()
    return int(latest)


def _require_all_accepted(database: Path, operations: int) -> None:
    connection = sqlite3.connect(database)
    (kept,) = connection.execute(
        "SELECT count(*) FROM operations WHERE instr(verdict, CAST('\"applied\"' AS BLOB))"
    ).fetchone()
    connection.close()
    assert kept == operations, (kept, operations)


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
