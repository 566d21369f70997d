"""The file, its one connection, and what a commit means here.

Only this module and `migrations` import sqlite_utils. That takes a second in a browser, so it happens when a store is
opened and not when the app is imported; a snapshot of the interpreter imports `field_app.store.migrations` beforehand.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from field_app.store.values import StorageUnavailable, StoreTooNew


class StoreFile:
    """One connection for reading and writing, on one thread."""

    def __init__(self, path: str, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._depth = 0
        try:
            # isolation_level None: transactions begin where we say, never by themselves.
            connection = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as fault:
            raise StorageUnavailable(str(fault)) from fault
        from sqlite_utils import Database

        try:
            self._prepare(connection)
            self._database = Database(connection, recursive_triggers=False, execute_plugins=False)
            self._migrate()
        except sqlite3.Error as fault:
            connection.close()
            raise StorageUnavailable(str(fault)) from fault
        except StorageUnavailable:
            connection.close()
            raise
        self._connection = connection

    @staticmethod
    def _prepare(connection: sqlite3.Connection) -> None:
        # Only `path` and `path-journal` may ever exist: in a browser the handles of exactly these are open beforehand.
        # TRUNCATE keeps the journal file, FULL orders its writes, MEMORY keeps temporary tables out of the way.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    def _migrate(self) -> None:
        from field_app.store.migrations import NAMES, migrations

        # A store of a newer app is told by the steps it has taken and this app has never heard of.
        applied = {migration.name for migration in migrations.applied(self._database)}
        if unknown := applied - NAMES:
            raise StoreTooNew(", ".join(sorted(unknown)))
        if NAMES - applied:
            migrations.apply(self._database)
            self._flush()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; past the end of the outermost one it survives the loss of power."""
        self._depth += 1
        try:
            with self._database.atomic():
                yield
        except sqlite3.Error as fault:
            raise StorageUnavailable(str(fault)) from fault
        finally:
            self._depth -= 1
        if self._depth == 0:
            try:
                self._flush()
            except Exception as fault:  # what a browser throws has no common ancestor
                raise StorageUnavailable(str(fault)) from fault

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as fault:
            raise StorageUnavailable(str(fault)) from fault

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows changed. Only inside `transaction`."""
        assert self._depth > 0, sql
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
        try:
            with self._connection.blobopen(table, column, row, readonly=True) as blob:
                blob.seek(offset)
                return blob.read(length)
        except sqlite3.Error as fault:
            raise StorageUnavailable(str(fault)) from fault

    def close(self) -> None:
        self._connection.close()
