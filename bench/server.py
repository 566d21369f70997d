"""The server's figures: durable rounds against raw sqlite3, idle rounds against an empty handler, by turns.

Every turn starts from a copy of the same database. The server is a process of its own (`python -m sync_server serve`),
with authentication, validation and everything else as in life; the phones are in this one.
"""

import asyncio
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import load, office, raw_sqlite
from bench.office import OPERATIONS_PER_ROUND, Plan
from shared_schema.sync_protocol import Holding, RoundReply, holding
from sync_server.clock import milliseconds
from sync_server.storage import Storage

_CURSOR = re.compile(rb'"cursor":(\d+)')
_READY_SECONDS = 30.0


class ServerFigures(Struct):
    phones: int
    rounds_of_50: list[float]
    """Operations per second through HTTP, one figure for each turn."""
    raw_sqlite: list[float]
    """Operations per second by sqlite3 in process, in the turns between."""
    round_median_ms: float
    round_p95_ms: float
    idle_rounds: list[float]
    """Requests per second."""
    empty_handler: list[float]
    idle_median_ms: float

    @property
    def rounds_ratio(self) -> float:
        return _median_ratio(self.rounds_of_50, self.raw_sqlite)

    @property
    def idle_ratio(self) -> float:
        return _median_ratio(self.idle_rounds, self.empty_handler)


def _median_ratio(ours: Sequence[float], yardstick: Sequence[float]) -> float:
    """Turn by turn, so that a machine that is busy for a while is so for both."""
    return statistics.median(one / other for one, other in zip(ours, yardstick, strict=True))


def measure(*, phones: int = 8, rounds: int = 25, idle: int = 250, turns: int = 5) -> ServerFigures:
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
        place = Path(folder)
        template = place / "template.db"
        plans = office.build(template, phones, rounds)
        worked = _copy(template, place / "worked.db")
        prepared = raw_sqlite.prepare(worked, plans, milliseconds(office.NOW))
        operations = phones * rounds * OPERATIONS_PER_ROUND
        through_http: list[float] = []
        raw: list[float] = []
        latencies: list[float] = []
        for turn in range(turns):
            raw.append(operations / raw_sqlite.run(_copy(template, place / f"raw-{turn}.db"), prepared))
            seconds, each = _rounds(template, place / f"http-{turn}", plans)
            through_http.append(operations / seconds)
            latencies += each
        quiet, empty, idle_latencies = _idle(template, place / "idle", plans, idle, turns)
    return ServerFigures(
        phones=phones,
        rounds_of_50=through_http,
        raw_sqlite=raw,
        round_median_ms=statistics.median(latencies) * 1000,
        round_p95_ms=statistics.quantiles(latencies, n=20)[-1] * 1000,
        idle_rounds=quiet,
        empty_handler=empty,
        idle_median_ms=statistics.median(idle_latencies) * 1000,
    )


def _copy(template: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, target)
    return target


def _rounds(template: Path, data: Path, plans: Sequence[Plan]) -> tuple[float, list[float]]:
    _copy(template, data / "doorstep.db")
    start = _latest(data / "doorstep.db")
    with _serving(data) as address:
        return asyncio.run(load.drive(address, [_sender(plan, start) for plan in plans]))


def _sender(plan: Plan, start: int) -> list[Callable[[bytes], bytes]]:
    """Each round's request; only the cursor is taken from the answer before it."""

    def make(ops: list[bytes]) -> Callable[[bytes], bytes]:
        before, after = office.body(plan, -1, ops).split(b'"cursor":-1', 1)

        def request(answer: bytes) -> bytes:
            found = _CURSOR.search(answer)
            cursor = found.group(1) if found else b"%d" % start
            return load.request("/sync/v1/round", before + b'"cursor":' + cursor + after, plan.token)

        return request

    return [make(ops) for ops in plan.rounds]


def _idle(
    template: Path, data: Path, plans: Sequence[Plan], count: int, turns: int
) -> tuple[list[float], list[float], list[float]]:
    """Rounds such as a phone sends every few seconds when nothing happens, and an empty handler, by turns."""
    path = _copy(template, data / "doorstep.db")
    _keep_few(path, len(plans))
    latest = _latest(path)
    scopes = _scopes(path, plans)
    quiet: list[float] = []
    empty: list[float] = []
    latencies: list[float] = []
    with _serving(data) as address, _serving_nothing() as nothing:
        senders = [asyncio.run(_said_hello(address, plan, latest, scopes[plan.person.id])) for plan in plans]
        for _ in range(turns):
            for where, path_, rates in ((nothing, "/empty", empty), (address, "/sync/v1/round", quiet)):
                phones = [
                    [_always(load.request(path_, body, plan.token))] * count
                    for plan, body in zip(plans, senders, strict=True)
                ]
                seconds, each = asyncio.run(load.drive(where, phones))
                rates.append(count * len(plans) / seconds)
                if rates is quiet:
                    latencies += each
    return quiet, empty, latencies


def _keep_few(database: Path, phones: int, few: int = 12) -> None:
    """A technician has a dozen tickets, not the hundreds that the rounds of the other benchmark need."""
    unneeded: list[str] = []
    storage = Storage.open(f"sqlite:///{database}")
    try:
        for number in range(phones):
            scope = sorted(storage.read_now(lambda reading: reading.tickets.scope(f"t-{number:03d}")))  # noqa: B023
            unneeded.extend(ticket for ticket, _ in scope[few:])
    finally:
        storage.close()
    connection = sqlite3.connect(database)
    with connection:
        connection.executemany("DELETE FROM tickets WHERE id = ?", [(ticket,) for ticket in unneeded])
    connection.close()


def _latest(database: Path) -> int:
    storage = Storage.open(f"sqlite:///{database}")
    try:
        return storage.read_now(lambda reading: reading.feed.latest())
    finally:
        storage.close()


def _scopes(database: Path, plans: Sequence[Plan]) -> dict[str, Holding]:
    storage = Storage.open(f"sqlite:///{database}")
    try:
        return {
            plan.person.id: holding(storage.read_now(lambda reading: reading.tickets.scope(plan.person.id)))  # noqa: B023
            for plan in plans
        }
    finally:
        storage.close()


async def _said_hello(address: str, plan: Plan, latest: int, held: Holding) -> bytes:
    """The body of the phone's quiet rounds, after a first one that gave it its reference data."""
    answers: list[bytes] = []

    def second(answer: bytes) -> bytes:
        answers.append(answer)
        return first(b"")

    def first(_answer: bytes) -> bytes:
        return load.request("/sync/v1/round", office.body(plan, latest, []), plan.token)

    await load.drive(address, [[first, second]])
    reply = msgspec.json.decode(answers[0], type=RoundReply)
    assert reply.reference is not None
    return office.body(plan, latest, [], reply.reference.version, held)


def _always(request: bytes) -> Callable[[bytes], bytes]:
    return lambda _answer: request


# -- processes --------------------------------------------------------------------------------------------------------


@contextmanager
def _serving(data: Path) -> Iterator[str]:
    environment = os.environ | {"DOORSTEP_DATA": str(data), "DOORSTEP_PORT": "0", "DOORSTEP_HOST": "127.0.0.1"}
    with _process([sys.executable, "-m", "sync_server", "serve"], environment) as address:
        yield address


@contextmanager
def _serving_nothing() -> Iterator[str]:
    with _process([sys.executable, "-m", "bench.serve_nothing"], dict(os.environ)) as address:
        yield address


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[str]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = line.split()[-1]
        _wait_for(address)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(address: str) -> None:
    until = time.monotonic() + _READY_SECONDS
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    while True:
        try:
            asyncio.run(load.drive(address, [[_always(request)]]))
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
