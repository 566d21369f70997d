"""The revisions lead exactly to the tables the code speaks of, on both engines."""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from shared_schema.lifecycle import Status
from sync_server.storage import Storage
from sync_server.storage.metadata import metadata
from sync_server.storage.tickets import Kept
from tests.builders.tickets import an_assigned_ticket


def test_the_revisions_lead_to_the_tables_of_the_code(open_database: Callable[[], Storage]) -> None:
    """A column added to the code without a revision would be missing from every office that is already running."""
    engine = sa.create_engine(open_database().address)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing(open_database: Callable[[], Storage]) -> None:
    first = open_database()
    first.write_now(lambda writing: writing.feed.take(3))
    assert open_database().read_now(lambda reading: reading.feed.latest()) == 3


def test_processes_that_start_at_once_do_not_get_in_each_others_way(open_database: Callable[[], Storage]) -> None:
    with ThreadPoolExecutor(3) as pool:
        opened = [pool.submit(open_database) for _ in range(3)]
        assert [each.result().read_now(lambda reading: reading.feed.latest()) for each in opened] == [0, 0, 0]


def test_whoever_opens_a_database_that_another_process_is_just_making_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is made; SQLite by itself would say at once that it is locked."""
    with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr(time, "sleep", wait)
        Storage.open(f"sqlite:///{tmp_path / 'new.db'}").close()
    assert len(waits) == 3


def test_what_was_merged_before_there_was_a_column_for_it_is_found(open_database: Callable[[], Storage]) -> None:
    """The desk could merge duplicates a while before it kept a column to find them by."""
    storage = open_database()
    going_on = an_assigned_ticket(id="t-1", number="260302-001")
    merged = an_assigned_ticket(id="t-2", number="260302-002", status=Status.CANCELLED, duplicate_of="t-1")
    other = an_assigned_ticket(id="t-3", number="260302-003", status=Status.CANCELLED)
    kept = [Kept(ticket, position) for position, ticket in enumerate((going_on, merged, other), 1)]
    storage.write_now(lambda writing: writing.tickets.save(kept))
    engine = sa.create_engine(storage.address)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE tickets SET duplicate_of = NULL"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0005'"))
    engine.dispose()
    assert open_database().read_now(lambda reading: reading.tickets.duplicates_of("t-1")) == [merged]
