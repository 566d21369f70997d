"""SQLite's log, which takes a burst of writes and is copied into the database afterwards."""

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_server.storage import Storage, engine
from tests.sync_server.serving import until

MANY = engine._WORTH_COPYING


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "doorstep.db"


@pytest.fixture
def storage(database: Path) -> Iterator[Storage]:
    storage = Storage.open(f"sqlite:///{database}")
    yield storage
    storage.close()


def without_its_log(database: Path) -> int:
    """The feed's newest position in the database's own file."""
    connection = sqlite3.connect(f"file:{database}?immutable=1", uri=True)
    try:
        ((latest,),) = connection.execute("SELECT value FROM counters WHERE name = 'feed'")
    finally:
        connection.close()
    return int(latest)


def write(storage: Storage, times: int) -> int:
    return [storage.write_now(lambda writing: writing.feed.take(1)) for _ in range(times)][-1]


def test_what_was_written_is_copied_into_the_database_when_it_is_quiet(storage: Storage, database: Path) -> None:
    through = write(storage, MANY)
    until(lambda: without_its_log(database) == through)


def test_where_it_cannot_be_copied_writing_goes_on(
    storage: Storage, database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as on_a_bad_disk, caplog.at_level(logging.WARNING):

        def fail(_connection: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        on_a_bad_disk.setattr(engine, "_copy_log", fail)
        write(storage, MANY)
        until(lambda: "could not be copied" in caplog.text)
    through = write(storage, MANY)
    until(lambda: without_its_log(database) == through)
