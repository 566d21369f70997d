"""The file, its one connection, and what a commit means here.

Only this module and `migrations` import sqlite_utils. That takes a second in a browser, so it happens when a store is
opened and not when the app is imported; a snapshot of the interpreter imports `field_app.store.migrations` beforehand.
"""

import errno
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from field_app.store.kept_copy import CopyDamaged, KeptCopy
from field_app.store.values import NoRoomToUpdate, StorageDamaged, StorageUnavailable, StoreTooNew, UpdateFailed


class StoreFile:
    """One connection for reading and writing, on one thread."""

    def __init__(self, path: str, flush: Callable[[], None], room_bytes: Callable[[], int | None]) -> None:
        """A newer app changes what is in the file by steps (migrations), and keeps a copy of it meanwhile (kept_copy).

        The copy is put back where a step failed or has damaged the file, and dropped by `drop_copy`.
        """
        self._path = path
        self._flush_device = flush
        self._depth = 0
        try:
            self._copy = KeptCopy(path, self._flush)
            if self._copy.is_restoring:
                self._put_back("a start was lost while the copy was put back")
            self._bring_up_to_date(room_bytes)
        except (sqlite3.Error, OSError) as fault:
            self._close()
            raise StorageUnavailable(str(fault)) from fault
        except StorageUnavailable:
            self._close()
            raise

    _connection: sqlite3.Connection | None = None

    def _open(self) -> None:
        from sqlite_utils import Database

        # isolation_level None: transactions begin where we say, never by themselves.
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        # Only `path` and `path-journal` may ever exist: in a browser the handles of exactly these are open beforehand.
        # TRUNCATE keeps the journal file, FULL orders its writes, MEMORY keeps temporary tables out of the way.
        self._connection.execute("PRAGMA temp_store = MEMORY")
        self._connection.execute("PRAGMA journal_mode = TRUNCATE")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._database = Database(self._connection, recursive_triggers=False, execute_plugins=False)

    def _flush(self) -> None:
        """Everything written so far survives. Raises StorageUnavailable."""
        try:
            self._flush_device()
        except Exception as fault:  # what a browser throws has no common ancestor
            raise StorageUnavailable(str(fault)) from fault

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- a newer version of the app -----------------------------------------------------------------------------------

    def _bring_up_to_date(self, room_bytes: Callable[[], int | None]) -> None:
        from field_app.store.migrations import NAMES

        try:
            self._open()
            applied = self._applied()
            if self._copy.may_be_put_back:
                self._check()
        except sqlite3.DatabaseError as fault:
            # An OperationalError is the disk's, or somebody else's lock: no sign of damage.
            if isinstance(fault, sqlite3.OperationalError) or not self._copy.may_be_put_back:
                raise
            self._put_back(str(fault))
            raise UpdateFailed(str(fault)) from fault
        # A store of a newer app is told by the steps it has taken and this app has never heard of.
        if unknown := applied - NAMES:
            raise StoreTooNew(", ".join(sorted(unknown)))
        if not NAMES - applied:
            if not self._copy.is_kept:
                self._copy.drop()  # the rest of one that was never whole
        elif applied:
            if not self._copy.may_be_put_back:  # else the store is half changed, and what it was is in the copy
                self._keep_copy(room_bytes())
            self._change_with_copy()
        else:
            self._migrate()

    def _applied(self) -> set[str]:
        from field_app.store.migrations import migrations

        return {migration.name for migration in migrations.applied(self._database)}

    def _migrate(self) -> None:
        from field_app.store.migrations import migrations

        migrations.apply(self._database)
        self._flush()

    def _keep_copy(self, room_bytes: int | None) -> None:
        self._close()
        needed_bytes = self._copy.needed_bytes()
        if room_bytes is not None and room_bytes < needed_bytes:
            raise NoRoomToUpdate(needed_bytes, room_bytes)
        try:
            self._copy.make()
        except OSError as fault:
            if fault.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise NoRoomToUpdate(needed_bytes, 0) from fault
            raise
        self._open()

    def _change_with_copy(self) -> None:
        try:
            self._change(set())
        except Exception as fault:  # a step is our code, and may be wrong in any way
            self._put_back(str(fault))
            self._open()
            # What the disk had damaged before is no step's fault, and must not close the way to all the rest.
            damaged_before = self._faults()
            if not damaged_before:
                raise UpdateFailed(str(fault)) from fault
            self._change_damaged(damaged_before)

    def _change_damaged(self, damaged_before: set[str]) -> None:
        try:
            self._change(damaged_before)
        except Exception as fault:
            self._put_back(str(fault))
            raise UpdateFailed(str(fault)) from fault
        self._copy.use()  # the next start would find the damage, and put it down to the change

    def _change(self, damaged_before: set[str]) -> None:
        self._migrate()
        self._close()
        self._open()  # the connection that changed it would believe what it remembers of the file
        self._check(damaged_before)

    def _check(self, damaged_before: set[str] | None = None) -> None:
        """Raises sqlite3.DatabaseError where anything in the file contradicts itself that did not before."""
        if found := self._faults() - (damaged_before or set()):
            raise sqlite3.DatabaseError(str(found))

    def _faults(self) -> set[str]:
        """Where anything in the file contradicts itself."""
        assert self._connection is not None, "closed"
        found = {line for (line,) in self._connection.execute("PRAGMA integrity_check")} - {"ok"}
        if lost := self._connection.execute("PRAGMA foreign_key_check").fetchall():
            found.add(f"{len(lost)} rows refer to nothing")
        return found

    def _put_back(self, reason: str) -> None:
        self._close()
        try:
            self._copy.put_back()
        except CopyDamaged as fault:
            raise StorageUnavailable(f"{reason}; and the copy is damaged too") from fault

    def drop_copy(self) -> None:
        """Raises StorageUnavailable."""
        try:
            self._copy.drop()
        except OSError as fault:
            raise StorageUnavailable(str(fault)) from fault

    # -- reading and writing ------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; past the end of the outermost one it survives the loss of power."""
        try:
            self._copy.use()
        except OSError as fault:
            raise StorageUnavailable(str(fault)) from fault
        self._depth += 1
        try:
            with self._database.atomic():
                yield
        except sqlite3.Error as fault:
            raise StorageUnavailable(str(fault)) from fault
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._flush()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        assert self._connection is not None, "closed"
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as fault:
            # Not one of its subclasses: those speak of the statement, of the disk or of somebody else's lock.
            raise (StorageDamaged if type(fault) is sqlite3.DatabaseError else StorageUnavailable)(
                str(fault)
            ) from fault

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows changed. Only inside `transaction`."""
        assert self._depth > 0, sql
        assert self._connection is not None, "closed"
        return self._connection.execute(sql, parameters).rowcount

    def upsert(self, table: str, row: dict[str, Any], key: str) -> None:
        assert self._depth > 0, table
        columns = ", ".join(row)
        marks = ", ".join("?" * len(row))
        updates = ", ".join(f"{column} = excluded.{column}" for column in row if column != key)
        self.write(
            f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {updates}",  # noqa: S608
            tuple(row.values()),
        )

    def part_of_blob(self, table: str, column: str, row: int, offset: int, length: int) -> bytes:
        """A slice of a large value without reading the whole of it."""
        assert self._connection is not None, "closed"
        try:
            with self._connection.blobopen(table, column, row, readonly=True) as blob:
                blob.seek(offset)
                return blob.read(length)
        except sqlite3.Error as fault:
            raise StorageUnavailable(str(fault)) from fault

    def close(self) -> None:
        self._close()
