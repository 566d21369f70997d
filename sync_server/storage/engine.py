"""One database, opened once: many readers, one writer thread with group commit.

Writes that arrive together share one transaction, so they share the wait for the disk; when one of them fails, all are
redone singly and only the culprit fails. Nobody hears of a write before it is committed (`synchronous=FULL` on SQLite).
The same tables and statements serve SQLite and PostgreSQL; on PostgreSQL several processes may each have their writer.
"""

import asyncio
import logging
import os
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar, TypeVarTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from sync_server.storage import migrations
from sync_server.storage.areas import Looking, Reading, Rows, Values, Writing

log = logging.getLogger("sync_server.storage")

A = TypeVar("A")
T = TypeVar("T")
R = TypeVarTuple("R")

GROUP = 64
"""Most writes that share a transaction."""

SOON_SECONDS = 0.5
"""How long a write that nobody waits for may be put off, to share a transaction."""

_NAMED_SQLITE = sqlite.dialect(paramstyle="named")
_READERS = 4
_BUSY_MS = 30_000
PAGE_BYTES = 16_384
"""Of a SQLite database made by this program: a ticket is about a kilobyte and an operation half of one, so that of the
engine's own 4 KB much is left empty, and a burst has four times as many pages to find, sum up and hand to the disk."""
_LOG_BYTES = 80 * 10**6
"""How long SQLite's log gets before a write has to wait while its pages are copied into the database: when very much
comes at once most pages change many times, and are copied once, in the first quiet moment after it."""
_STATEMENTS = 512
"""How many the writer's connection keeps that SQLite has read."""
_OPERATIONS_OF_A_DAY = 50
"""Of one phone."""
_ROOM = 60 * 10**6
"""Bytes of the log that are taken from the disk beforehand: what 500 phones that come back with a day's work each make
of it."""
_SPARE = 20
"""Only where so many times as much is free."""
_QUIET_SECONDS = 1.0
"""After so long without a write the log's pages are copied, which nobody waits for then..."""
_WORTH_COPYING = 100
"""...where so many writes have been made since: of a few, most pages will soon change again."""
_ATTEMPTS = 8
_RETRYABLE = {"40001", "40P01"}
"""PostgreSQL: serialization failure, deadlock detected. The transaction left nothing behind and may be made again."""


_FAULTS = (sa.exc.DBAPIError, sqlite3.Error)
"""Of a database; SQLite's driver is spoken to with and without SQLAlchemy."""
_Fault: TypeAlias = sa.exc.DBAPIError | sqlite3.Error


class StorageUnavailable(Exception):
    """The database cannot be reached, is full or is locked; nothing of the write was kept. Trying later may work."""


UNFINISHED = ".restoring"
"""Behind the name of a SQLite database: one that a restore is still putting together, or was killed over."""


class _Write(Generic[T]):
    """A write waiting for its turn, and whom to tell."""

    def __init__(
        self,
        work: Callable[[Writing, list[Any]], Sequence[T]],
        about: object,
        tell: Callable[[T | None, BaseException | None], None],
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`work` is done once for all writes of a group that name it, with what each is about. `tell` is called in
        `loop`, where there is none in the writer's thread."""
        self.work = work
        self.about = about
        self.tell = tell
        self.loop = loop


def _each(writing: Writing, works: list[Callable[[Writing], T]]) -> list[T]:
    return [work(writing) for work in works]


class _Driver:
    """One SQLite connection without SQLAlchemy around it."""

    _compiled: ClassVar[dict[object, tuple[str, Mapping[str, Any]]]] = {}

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def begin(self) -> None:
        self._connection.execute("BEGIN")

    def end(self) -> None:
        self._connection.execute("COMMIT")

    def row(self, statement: sa.Select[*R], values: Values) -> tuple[*R]:
        (row,) = self.rows(statement, values)
        return row

    def rows(self, statement: "sa.Select[*R] | sa.CompoundSelect[*R]", values: Values) -> list[tuple[*R]]:
        if statement not in self._compiled:
            compiled = statement.compile(dialect=_NAMED_SQLITE, compile_kwargs={"render_postcompile": True})
            self._compiled[statement] = str(compiled), compiled.params
        text, constants = self._compiled[statement]
        return self._connection.execute(text, {**constants, **values}).fetchall()


class Storage:
    """`work` handed to a write may run more than once (a group redone, a deadlock retried), so it changes the database
    and nothing else."""

    def __init__(self, url: str, *, on_waiting: Callable[[], None] | None = None) -> None:
        """`on_waiting`, in place of a writer's thread: called whenever a write begins to wait. Whoever gives it calls
        `write_waiting` when it is time to, and is then the one thread that writes."""
        address = address_of(url)
        self.is_embedded = address.get_backend_name() == "sqlite"
        if self.is_embedded and address.database:
            try:  # for its owner alone: customers' data is in there
                Path(address.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                unfinished = Path(address.database + UNFINISHED).exists()
            except OSError as fault:
                raise StorageUnavailable(str(fault)) from fault
            if unfinished:
                raise StorageUnavailable("a restore into its folder has not finished; run doorstep restore again")
        self.address = address
        self._writing = _writing_engine(address)
        self._reading = _reading_engine(address)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="storage-read")
        self._here = threading.local()
        self._connections: set[sa.Connection] = set()
        self._writers_own: sa.Connection | None = None
        self._waiting: queue.SimpleQueue[_Write[Any] | None] = queue.SimpleQueue()
        self._soon: list[_Write[Any]] = []
        self._on_feed: list[Callable[[int], None]] = []
        self._on_waiting = on_waiting
        self._writer: threading.Thread | None = None
        if on_waiting is None:
            self._writer = threading.Thread(target=self._write_forever, name="storage-write", daemon=True)
            self._writer.start()

    @classmethod
    def open(cls, url: str, *, on_waiting: Callable[[], None] | None = None) -> "Storage":
        """The database at `url`, brought to the newest form first. Raises StorageUnavailable."""
        storage = cls(url, on_waiting=on_waiting)
        try:
            storage.prepare()
        except BaseException:
            storage.close()
            raise
        return storage

    def prepare(self) -> None:
        """Bring the database to the newest form. Raises StorageUnavailable."""
        try:
            with self._writing.begin() as connection:
                migrations.upgrade(connection)
            if self.is_embedded:
                self._make_certain()
        except migrations.SchemaUnknown as newer:
            raise StorageUnavailable(f"a newer version of Doorstep made it (schema {newer})") from newer
        except sa.exc.DBAPIError as fault:
            raise translated(fault) from fault

    def _make_certain(self) -> None:
        """Have everything on the disk that can be read. A process killed between writing a transaction and flushing it
        leaves one that is there as long as the power is, and phones are about to be told that it is held."""
        connection = self._writing.raw_connection()
        try:
            _copy_log(connection.driver_connection)
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_FULL:  # then the log has been flushed, which is done first
                raise StorageUnavailable(str(fault)) from fault
        finally:
            connection.close()

    def rehearse(self) -> None:
        """Have SQLite read beforehand what it will be told when many phones come at once: a statement about 512 rows
        takes it two milliseconds to read, and the first phones would wait for a dozen of them. Where somebody else
        keeps it from doing so, it will be read then."""
        if not self.is_embedded:
            return
        try:
            self.write_now(lambda writing: writing.rehearse(GROUP, GROUP * _OPERATIONS_OF_A_DAY))
        except StorageUnavailable as fault:
            log.info("no statements were read beforehand: %s", fault)

    def take_room(self) -> None:
        """Have the log's room on the disk before there is much to write, because phones would wait while the file
        system finds it. Where it cannot be had, or somebody else is writing, it is left to be found then."""
        if not self.is_embedded or not self.address.database:
            return
        connection = self._writing.raw_connection()  # it goes back to the pool: the last one closed takes the log along
        try:
            _take_room(connection.driver_connection, Path(self.address.database))
        except (sqlite3.Error, OSError) as fault:
            log.info("no room was taken for the database's log: %s", fault)
            connection.invalidate()
        finally:
            connection.close()

    def on_feed(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Have `listener` called, in the writer's thread, with the feed's newest position after each commit.

        What is returned ends it.
        """
        self._on_feed.append(listener)
        return lambda: self._on_feed.remove(listener)

    async def read(self, work: Callable[[Reading], T]) -> T:
        """What `work` finds in one snapshot, on a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    async def glance(self, work: Callable[[Reading], T]) -> T:
        """The same for a few look-ups by key: with SQLite cheaper done here than handed to a thread and back."""
        if self.is_embedded:
            return self.read_now(work)
        return await self.read(work)

    async def rows(self, statement: sa.Select[*R], values: Values) -> list[tuple[*R]]:
        """What one statement finds; a snapshot of its own."""
        if not self.is_embedded:
            return await self.read(lambda reading: reading.rows(statement, values))
        with self._driver() as driver:
            return driver.rows(statement, values)

    async def look(self, work: Callable[[Looking], T]) -> T:
        """What `work` finds in one snapshot by statements alone.

        For what is asked at every knock of every phone: on SQLite they go straight to the driver, because SQLAlchemy's
        share of a look-up by key is ten times SQLite's.
        """
        if not self.is_embedded:
            return await self.read(work)
        with self._driver() as driver:
            driver.begin()
            try:
                return work(driver)
            finally:
                driver.end()

    @contextmanager
    def _driver(self) -> "Iterator[_Driver]":
        try:
            connection = self._connected().connection.driver_connection
            assert isinstance(connection, sqlite3.Connection)
            yield _Driver(connection)
        except sqlite3.OperationalError as fault:
            self._let_go()
            raise StorageUnavailable(str(fault)) from fault

    async def write(self, work: Callable[[Writing], T]) -> T:
        """What `work` returned, once it is committed. Raises what `work` raised, and then nothing of it was kept."""
        return await self._written(_each, work)

    async def write_together(self, work: Callable[[Writing, list[A]], Sequence[T]], about: A) -> T:
        """As `write`; but where several such writes share a transaction, `work` is called once for all of them.

        It is given what each is about and returns as many results. For work of which much costs little more than
        little, because it is a few statements in either case.
        """
        return await self._written(work, about)

    def write_soon(self, work: Callable[[Writing, list[A]], Sequence[object]], about: A) -> None:
        """As `write_together`, within SOON_SECONDS, and nobody waits for it: where it fails, or the process dies
        before it, whoever asked for it finds that out in another way, or can do without."""
        if not self._soon:
            asyncio.get_running_loop().call_later(SOON_SECONDS, self._take_up)
        self._soon.append(_Write(work, about, _complain))

    def _take_up(self) -> None:
        soon, self._soon = self._soon, []
        for write in soon:
            self._wait(write)

    async def _written(self, work: Callable[[Writing, list[Any]], Sequence[T]], about: object) -> T:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, fault: BaseException | None) -> None:
            if outcome.done():  # whoever asked has gone away; the write stands
                return
            if fault is None:
                outcome.set_result(result)
            else:
                outcome.set_exception(fault)

        self._wait(_Write(work, about, settle, loop))
        return await outcome

    def _wait(self, write: _Write[Any]) -> None:
        self._waiting.put(write)
        if self._on_waiting is not None:
            self._on_waiting()

    def write_waiting(self) -> bool:
        """Make the writes that wait, as many as share a transaction; whether there were any. See `on_waiting`."""
        assert self._writer is None, "the writer's thread does this"
        group, _ = self._next_group(within=0)
        if group:
            self._write_group(group)
        return bool(group)

    def read_now(self, work: Callable[[Reading], T]) -> T:
        try:
            connection = self._connected()
            with connection.begin():
                return work(Reading(connection))
        except _FAULTS as fault:
            self._let_go()
            raise translated(fault) from fault

    def _connected(self) -> sa.Connection:
        """This thread's connection for reading."""
        connection: sa.Connection | None = getattr(self._here, "connection", None)
        if connection is None or connection.invalidated or connection.closed:
            connection = self._here.connection = self._reading.connect()
            self._connections.add(connection)
        return connection

    def _let_go(self) -> None:
        """After a fault: the next read of this thread opens a connection anew."""
        connection: sa.Connection | None = getattr(self._here, "connection", None)
        self._here.connection = None
        if connection is not None:
            self._connections.discard(connection)
            connection.invalidate()
            connection.close()

    def write_now(self, work: Callable[[Writing], T]) -> T:
        """As `write`, for callers without an event loop."""
        assert self._writer is not None, "whoever writes is waiting here"
        outcome: Future[T] = Future()

        def settle(result: Any, fault: BaseException | None) -> None:
            if fault is None:
                outcome.set_result(result)
            else:
                outcome.set_exception(fault)

        self._waiting.put(_Write(_each, work, settle))
        return outcome.result()

    def close(self) -> None:
        """Finish the writes that wait, then let go of the database."""
        self._take_up()
        if self._writer is None:
            while self.write_waiting():
                pass
        else:
            self._waiting.put(None)
            self._writer.join()
        self._readers.shutdown()
        self._let_go_of_writers_own()
        for connection in self._connections:
            connection.close()
        self._reading.dispose()
        self._writing.dispose()

    # -- the writer's thread -------------------------------------------------------------------------------------------

    def _write_forever(self) -> None:
        not_copied = 0
        is_closing = False
        while not is_closing:
            is_worth_copying = self.is_embedded and not_copied >= _WORTH_COPYING
            group, is_closing = self._next_group(within=_QUIET_SECONDS if is_worth_copying else None)
            if group:
                self._write_group(group)
                not_copied += len(group)
            elif not is_closing:
                self._copy_log_in_a_quiet_moment()
                not_copied = 0

    def _copy_log_in_a_quiet_moment(self) -> None:
        try:
            with self._for_writing() as connection:
                _copy_log(connection.connection.driver_connection)
        except _FAULTS:  # everything is in the log as before
            log.warning("what has been written could not be copied out of the database's log", exc_info=True)

    def _next_group(self, *, within: float | None) -> tuple[list[_Write[Any]], bool]:
        """The writes that wait by now, or the first to come `within` so many seconds, None meaning that there is no
        hurry; and whether they are the last."""
        group: list[_Write[Any]] = []
        while len(group) < GROUP:
            try:
                following = self._waiting.get(timeout=0 if group else within)
            except queue.Empty:
                break
            if following is None:
                return group, True
            group.append(following)
        return group, False

    def _write_group(self, group: list[_Write[Any]]) -> None:
        rows = _only_rows(group) if self.is_embedded else None
        if rows is not None or len(group) > 1:
            try:
                results = self._commit(group) if rows is None else self._commit_rows(rows, group)
            except Exception:  # noqa: S110 - each is made again alone below, and then the culprit hears of it
                pass
            else:
                _tell([(write, result, None) for write, result in zip(group, results, strict=True)])
                return
        for write in group:
            try:
                (result,) = self._commit([write])
            except BaseException as fault:  # it belongs to whoever asked for the write
                _tell([(write, None, fault)])
            else:
                _tell([(write, result, None)])

    def _commit(self, group: list[_Write[Any]]) -> list[Any]:
        attempt = 1
        while True:
            try:
                with self._for_writing() as connection, connection.begin():
                    writing = Writing(connection)
                    results = _done(writing, group)
                break
            except _FAULTS as fault:
                if attempt < _ATTEMPTS and getattr(_as_sqlalchemys(fault).orig, "sqlstate", None) in _RETRYABLE:
                    attempt += 1
                    continue
                raise translated(fault) from fault
        if writing.feed.taken_through is not None:
            for listener in tuple(self._on_feed):
                listener(writing.feed.taken_through)
        return results

    def _commit_rows(self, rows: Rows[Any], group: list[_Write[Any]]) -> list[None]:
        with self._for_writing() as connection:
            driver_connection = connection.connection.driver_connection
            assert isinstance(driver_connection, sqlite3.Connection)
            rows.write(driver_connection, [write.about for write in group])
        return [None] * len(group)

    @contextmanager
    def _for_writing(self) -> Iterator[sa.Connection]:
        """The writer's connection. On SQLite it is kept from one write to the next: to take it from the pool, and to
        have it put in order there, costs as much as writing a few rows. After a fault that is done."""
        if not self.is_embedded:
            with self._writing.connect() as connection:
                yield connection
            return
        if self._writers_own is None:
            self._writers_own = self._writing.connect()
        try:
            yield self._writers_own
        except BaseException:
            self._let_go_of_writers_own()
            raise

    def _let_go_of_writers_own(self) -> None:
        connection, self._writers_own = self._writers_own, None
        if connection is not None:
            connection.close()


def _only_rows(group: list[_Write[Any]]) -> Rows[Any] | None:
    """What all of the group do, where that is one and the same and rows alone."""
    work = group[0].work
    return work if isinstance(work, Rows) and all(write.work is work for write in group) else None


def _done(writing: Writing, group: list[_Write[Any]]) -> list[Any]:
    """What each of the group came to."""
    alike: dict[Callable[..., Any], list[int]] = {}
    for place, write in enumerate(group):
        alike.setdefault(write.work, []).append(place)
    results: dict[int, Any] = {}
    for work, places in alike.items():
        results.update(zip(places, work(writing, [group[place].about for place in places]), strict=True))
    return [results[place] for place in range(len(group))]


def _complain(_result: object, fault: BaseException | None) -> None:
    if fault is not None:
        log.warning("a write that nobody waits for failed", exc_info=fault)


_Outcome: TypeAlias = tuple[_Write[Any], Any, BaseException | None]


def _tell(outcomes: Sequence[_Outcome]) -> None:
    """What became of the writes. A loop is woken once for all of them, or it and the writer's thread would take turns
    at every one."""
    loops: dict[asyncio.AbstractEventLoop | None, list[_Outcome]] = {}
    for each in outcomes:
        loops.setdefault(each[0].loop, []).append(each)
    for loop, its in loops.items():
        if loop is None:
            _tell_here(its)
            continue
        try:
            loop.call_soon_threadsafe(_tell_here, its)
        except RuntimeError:  # the loop has been closed: nobody waits any more
            if not loop.is_closed():
                raise


def _tell_here(outcomes: Sequence[_Outcome]) -> None:
    for write, result, fault in outcomes:
        write.tell(result, fault)


def translated(fault: _Fault) -> Exception:
    """What it is to whoever asked: the database out of reach, or a mistake of ours."""
    known = _as_sqlalchemys(fault)
    is_damaged = type(known) is sa.exc.DatabaseError  # SQLite: "disk image is malformed", "file is not a database"
    if is_damaged or isinstance(known, sa.exc.OperationalError | sa.exc.InterfaceError):
        return StorageUnavailable(str(known.orig))
    return known


def _as_sqlalchemys(fault: _Fault) -> sa.exc.DBAPIError:
    """What SQLite's driver has raised by itself, as it would have come through SQLAlchemy."""
    if isinstance(fault, sqlite3.Error):
        fault = cast(sa.exc.DBAPIError, sa.exc.DBAPIError.instance(None, None, fault, sqlite3.Error))
    return fault


def address_of(url: str) -> sa.URL:
    """Raises StorageUnavailable where that is no address of a database we can use."""
    try:
        address = sa.make_url(url)
        backend = address.get_backend_name()
    except (sa.exc.ArgumentError, ValueError) as fault:
        raise StorageUnavailable("its address cannot be read") from fault  # not repeated: a password may be in it
    if backend not in {"sqlite", "postgresql"}:
        raise StorageUnavailable(f"{backend} is neither sqlite nor postgresql")
    return address.set(drivername="postgresql+psycopg") if backend == "postgresql" else address


def _writing_engine(address: sa.URL) -> sa.Engine:
    if address.get_backend_name() != "sqlite":
        engine = sa.create_engine(address, pool_size=1, max_overflow=0, pool_pre_ping=True)
        sa.event.listen(engine, "connect", _prepare_postgresql)
        return engine
    # One is the writer's; the other for what is done to the database as a whole.
    kept = {"cached_statements": _STATEMENTS}
    engine = sa.create_engine(address, pool_size=1, max_overflow=1, poolclass=sa.QueuePool, connect_args=kept)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    # IMMEDIATE: the writer takes its lock first, and never finds out halfway that another process was faster.
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _reading_engine(address: sa.URL) -> sa.Engine:
    if address.get_backend_name() != "sqlite":
        engine = sa.create_engine(address, pool_size=_READERS + 2, max_overflow=8, pool_pre_ping=True)
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    engine = sa.create_engine(address, pool_size=_READERS + 2, max_overflow=-1, poolclass=sa.QueuePool)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


def _prepare_postgresql(connection: Any, _record: object) -> None:
    """A server told not to wait for its own disk is asked to wait for it here: phones let go of what was received."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(name, 'local', false) FROM pg_settings"
            " WHERE name = 'synchronous_commit' AND setting = 'off'"
        )
    connection.commit()


def _copy_log(connection: Any) -> None:
    """Have on the disk, and in the database as far as no reader is in the way, what is in SQLite's log."""
    assert isinstance(connection, sqlite3.Connection)
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").close()


def _take_room(connection: Any, database: Path) -> None:
    """By a transaction that is larger than the cache, and so goes into the log, and is then taken back."""
    assert isinstance(connection, sqlite3.Connection)
    its_log = database.with_name(f"{database.name}-wal")
    there = its_log.stat().st_size if its_log.exists() else 0
    if there >= _ROOM or shutil.disk_usage(database.parent).free < _SPARE * _ROOM:
        return
    for pragma in ("busy_timeout = 0", "cache_size = 16"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE room (taken)")
        connection.executemany("INSERT INTO room VALUES (zeroblob(?))", [(10**6,)] * (_ROOM // 10**6))
    finally:
        connection.execute("ROLLBACK")
    with its_log.open("rb") as file:
        os.fsync(file.fileno())
    _prepare_sqlite(connection, None)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver would begin transactions of its own, and deferred ones
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}").close()
    _keep_a_log(connection)
    ((page_bytes,),) = connection.execute("PRAGMA page_size")
    for pragma in (
        "synchronous = FULL",
        "secure_delete = OFF",  # some systems' SQLite overwrites with zeros what it has moved elsewhere
        "foreign_keys = ON",
        "temp_store = MEMORY",
        "cache_size = -24576",
        f"wal_autocheckpoint = {_LOG_BYTES // page_bytes}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """For this alone SQLite does not wait: of several who make a database at once, one would be let in and the others
    turned away."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}").close()  # heeded by a database that has nothing in it yet
    until = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
