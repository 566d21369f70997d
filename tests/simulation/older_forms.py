"""What an older app, or an older office, would have left behind: today's, without what the newest steps have added.

Only where nothing is lost by it that somebody was promised; the production code then does those steps again. And steps
that go wrong half-way, as a newer app's might.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import msgspec
from sqlite_utils import Database, Migrations

from field_app.store import migrations as steps
from field_app.store import store
from shared_schema.sync_protocol import Change
from shared_schema.wire import Unreadable, decode_change

_WITHOUT_DEALT_WITH = (
    "DROP INDEX journal_undealt",
    "DROP TABLE corrections",
    "ALTER TABLE journal DROP COLUMN dealt_as",
    "ALTER TABLE journal DROP COLUMN dealt_by",
    "DELETE FROM _sqlite_migrations WHERE name = 'refusals_dealt_with'",
)
_WITHOUT_PHOTOS_TOLD = (
    "ALTER TABLE photos DROP COLUMN trouble",
    "ALTER TABLE photos DROP COLUMN freed_at",
    "DELETE FROM _sqlite_migrations WHERE name = 'photos_told'",
)
_AS_OF_0004 = (
    *(f"DROP TABLE {table}" for table in ("scrubs", "photo_faults", "photo_recalls")),
    "UPDATE alembic_version SET version_num = '0004'",
)
_AS_OF_0003 = (
    *_AS_OF_0004,
    "DROP INDEX ix_tickets_duplicate_of",
    "DROP INDEX ix_tickets_late",
    "ALTER TABLE tickets DROP COLUMN duplicate_of",
    "ALTER TABLE devices DROP COLUMN holds_since_ms",
    "UPDATE alembic_version SET version_num = '0003'",
)
_AS_OF_0002 = (
    *_AS_OF_0003,
    *(
        f"DROP TABLE {table}"
        for table in ("device_keys", "secrets", "refusals", "rescued_drafts", "rescued_operations", "rescues")
    ),
    *(
        f"ALTER TABLE journals DROP COLUMN {column}"
        for column in (
            "signed_through",
            "signed_hash",
            "signed_key",
            "signature",
            "signed_at_ms",
            "signature_failed_at_ms",
            "signature_fault",
        )
    ),
    "UPDATE alembic_version SET version_num = '0002'",
)


def make_store_older(path: str) -> None:
    """Of a phone; an older app has never let go of a photo's bytes."""
    connection = sqlite3.connect(path, isolation_level=None)
    ((freed,),) = connection.execute("SELECT count(*) FROM photos WHERE freed_at IS NOT NULL")
    connection.close()
    _do(path, _WITHOUT_DEALT_WITH if freed else _WITHOUT_DEALT_WITH + _WITHOUT_PHOTOS_TOLD)


def make_office_older(path: str, *, has_rescue_key: bool) -> None:
    _do(path, _AS_OF_0003 if has_rescue_key else _AS_OF_0002)


def _do(path: str, statements: Sequence[str]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("BEGIN", *statements, "COMMIT"):
        connection.execute(statement)
    connection.close()


def make_entries_newer(path: str, ids: Sequence[str]) -> list[bytes]:
    """The journal's last entries become of a kind that only a newer app knows; their operations."""
    connection = sqlite3.connect(path, isolation_level=None)
    (guard,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'journal_is_never_altered'").fetchone()
    connection.execute("BEGIN")
    connection.execute("DROP TRIGGER journal_is_never_altered")
    made: list[bytes] = []
    before: str | None = None
    for number, operation_id in enumerate(ids):
        (raw,) = connection.execute("SELECT raw FROM journal WHERE id = ?", (operation_id,)).fetchone()
        envelope = msgspec.json.decode(raw)
        envelope["operation"] = {"kind": "measure_humidity", "percent": number}
        envelope["previous_hash"] = before or envelope["previous_hash"]
        raw = msgspec.json.encode(envelope)
        before = hashlib.sha256(raw).hexdigest()
        connection.execute(
            "UPDATE journal SET raw = ?, kind = 'measure_humidity', hash = ? WHERE id = ?", (raw, before, operation_id)
        )
        made.append(msgspec.json.encode(envelope["operation"]))
    connection.execute(guard)
    connection.execute("COMMIT")
    connection.close()
    return made


@contextmanager
def reading_as_older(count: Callable[[], None]) -> Iterator[None]:
    """Of the tickets it is told, an older app cannot read about every second; `count` hears of each."""

    def read(raw: bytes | memoryview | msgspec.Raw) -> Change | Unreadable:
        data = bytes(raw)
        if data.startswith(b'{"change":"put_ticket"') and hashlib.sha256(data).digest()[0] % 2:
            count()
            return Unreadable("$.ticket", "a form of the future")
        return decode_change(data)

    with patch.object(store, "decode_change", read):
        yield


@contextmanager
def steps_that_fail() -> Iterator[None]:
    """The first of them destroys and is kept, the last one fails: where the first has been done already, it alone."""

    def destroys(database: Database) -> None:
        steps.refusals_dealt_with(database)
        database.execute("DELETE FROM drafts")
        database.execute("DELETE FROM photo_bytes")

    def fails(database: Database) -> None:
        database.execute("CREATE TABLE colours (name TEXT)")
        raise ValueError("a mistake of ours")

    faulty = Migrations("field_app")
    faulty()(steps.first_tables)
    faulty(name=steps.refusals_dealt_with.__name__)(destroys)
    faulty()(steps.photos_told)
    faulty()(fails)
    with (
        patch.object(steps, "migrations", faulty),
        patch.object(steps, "NAMES", steps.NAMES | {fails.__name__}),
    ):
        yield
