"""The revisions lead exactly to the tables the code speaks of, on both engines."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sync_server.storage import Storage
from sync_server.storage.metadata import metadata


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
