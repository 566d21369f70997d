"""A copy of the whole database at one moment, in one form for both engines: a SQLite file with the same tables.

Taken while others write. Of SQLite by VACUUM INTO (its backup interface starts anew after every write, and so never
ends in a busy office); of PostgreSQL by reading every table in one REPEATABLE READ snapshot. The copy has the schema
the database has, whatever this program's is; before it is put into a database it is brought to the newest.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from msgspec import Struct

from sync_server.storage import migrations
from sync_server.storage.engine import PAGE_BYTES, StorageUnavailable, address_of, translated
from sync_server.storage.feed import Feed, Restore, restores
from sync_server.storage.metadata import metadata
from sync_server.storage.migrations import is_known, newest
from sync_server.storage.uploads import UploadState

__all__ = [
    "Copied",
    "NoOffice",
    "NotEmpty",
    "copy_out",
    "describe",
    "fill",
    "is_empty",
    "is_known",
    "last_restore",
    "newest",
]

_ROWS = 500
_BUSY_SECONDS = 30.0


class NoOffice(Exception):
    """What is there is no database of an office."""


class NotEmpty(Exception):
    """A database that is to be filled has tables already."""


class Copied(Struct, frozen=True):
    """What a copy is of."""

    schema: str
    feed: int
    """The newest position."""
    photos: frozenset[str]
    """SHA-256 of those whose bytes had arrived from phones."""
    faults: tuple[str, ...]
    """What SQLite finds wrong with the copy; nothing where it is sound."""


def copy_out(url: str, target: Path) -> None:
    """Write the database at `url` into the file `target`, which must be empty or not be there.

    Raises NoOffice or StorageUnavailable.
    """
    address = address_of(url)
    with _speaking():
        if address.get_backend_name() == "sqlite":
            assert address.database, address
            with closing(_opened(Path(address.database), "rw")) as source:
                _schema(source)
                source.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of the copy
                source.execute("VACUUM INTO ?", (str(target),))
            return
        with _connected(address, isolation_level="REPEATABLE READ") as office, _reading(office):
            _export(office, target)


def describe(copy: Path) -> Copied:
    """Raises NoOffice or StorageUnavailable."""
    with _speaking(), closing(_opened(copy, "ro&immutable=1")) as file:
        schema = _schema(file)
        ((feed,),) = file.execute("SELECT value FROM counters WHERE name = 'feed'")
        arrived = file.execute("SELECT sha256 FROM uploads WHERE state = ?", (UploadState.RECEIVED.value,))
        photos = frozenset(sha256 for (sha256,) in arrived)
        found = [line for (line,) in file.execute("PRAGMA integrity_check(20)")]
    return Copied(schema, feed, photos, tuple(line for line in found if line != "ok"))


def fill(url: str, copy: Path) -> None:
    """Put a copy of the newest schema into the empty PostgreSQL database at `url`: all of it, or nothing.

    Raises NotEmpty or StorageUnavailable.
    """
    with _speaking(), _plain(copy) as source, _connected(address_of(url)) as target, target.begin():
        if sa.inspect(target).get_table_names():
            raise NotEmpty
        migrations.upgrade(target)
        for table in reversed(metadata.sorted_tables):
            target.execute(table.delete())  # the first migration has put rows there
        for table in metadata.sorted_tables:
            for rows in source.execute(sa.select(table)).mappings().partitions(_ROWS):
                target.execute(table.insert(), [dict(row) for row in rows])
            _count_on(target, table)


def is_empty(url: str) -> bool:
    """Whether the PostgreSQL database there has no table yet. Raises StorageUnavailable."""
    with _speaking(), _connected(address_of(url)) as connection:
        return not sa.inspect(connection).get_table_names()


def last_restore(url: str) -> Restore | None:
    """The newest restore by which the database at `url` came to be; None where there was none. Raises
    StorageUnavailable."""
    with _speaking(), _connected(address_of(url)) as connection:
        known = sa.inspect(connection).has_table(restores.name)
        return next(reversed(Feed(connection).restores()), None) if known else None


@contextmanager
def _speaking() -> Iterator[None]:
    """Faults of either driver as those of the storage."""
    try:
        yield
    except sqlite3.Error as fault:
        raise StorageUnavailable(str(fault)) from fault
    except sa.exc.DBAPIError as fault:
        raise translated(fault) from fault


@contextmanager
def _connected(address: sa.URL, **options: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(address, poolclass=sa.NullPool, **options)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _reading(connection: sa.Connection) -> sa.RootTransaction:
    return connection.execution_options(postgresql_readonly=True).begin()


def _export(source: sa.Connection, target: Path) -> None:
    revision = migrations.revision(source)
    if revision is None:
        raise NoOffice
    with _plain(target) as copy:
        migrations.upgrade(copy, revision)
        inspector = sa.inspect(copy)
        for name in inspector.get_table_names():
            if name == migrations.TABLE:
                continue
            table = sa.table(name, *(sa.column(each["name"]) for each in inspector.get_columns(name)))
            copy.execute(sa.delete(table))
            wanted = sa.select(table).execution_options(yield_per=_ROWS)
            for rows in source.execute(wanted).mappings().partitions():
                copy.execute(sa.insert(table), [dict(row) for row in rows])


def _count_on(target: sa.Connection, table: sa.Table) -> None:
    """Numbers the database gives out itself go on after those that came with the copy."""
    number = table.autoincrement_column
    if number is None or number.autoincrement is not True:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, number.name)
    following = sa.select(sa.func.coalesce(sa.func.max(number), 0) + 1).scalar_subquery()
    target.execute(sa.select(sa.func.setval(sequence, following, sa.false())))


@contextmanager
def _plain(file: Path) -> Iterator[sa.Connection]:
    """A SQLite file in one transaction, without a log beside it; whoever needs it on the disk flushes it."""
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(file)), poolclass=sa.NullPool)
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("synchronous = OFF", f"page_size = {PAGE_BYTES}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _opened(file: Path, mode: str) -> sqlite3.Connection:
    where = f"file:{quote(str(file))}?mode={mode}"
    return sqlite3.connect(where, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)


def _schema(file: sqlite3.Connection) -> str:
    try:
        row = file.execute(f"SELECT version_num FROM {migrations.TABLE}").fetchone()  # noqa: S608
    except sqlite3.OperationalError as fault:
        if "no such table" not in str(fault):
            raise
        row = None
    if row is None:
        raise NoOffice
    return str(row[0])
