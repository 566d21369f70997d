"""SQLite's pages, what it reads beforehand, and its log, which takes a burst of writes and is copied into the database
afterwards."""

import logging
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared_schema.operations import AddNote
from sync_server.services.operations import Brought, arrived, receive_together
from sync_server.storage import Storage, areas, dialects, engine
from sync_server.storage.copies import copy_out, describe
from sync_server.storage.engine import GROUP
from tests.builders.tickets import a_request
from tests.sync_server.conftest import MONDAY
from tests.sync_server.office import CHEN, LIN, Journal, StandingClock, decide, hire, new_id
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


# -- pages -------------------------------------------------------------------------------------------------------------


def asked(database: Path, pragma: str) -> int:
    connection = sqlite3.connect(database)
    try:
        ((answer,),) = connection.execute(f"PRAGMA {pragma}")
    finally:
        connection.close()
    return int(answer)


def log_bytes(storage: Storage) -> int:
    """How long the log gets before a write copies it."""
    with storage._writing.connect() as connection:
        pages, each = (
            connection.exec_driver_sql(f"PRAGMA {it}").scalar_one() for it in ("wal_autocheckpoint", "page_size")
        )
    return int(pages) * int(each)


def test_a_new_database_has_large_pages(storage: Storage, database: Path) -> None:
    assert asked(database, "page_size") == engine.PAGE_BYTES
    assert 0.99 * engine._LOG_BYTES < log_bytes(storage) <= engine._LOG_BYTES


def test_a_database_with_other_pages_is_served_as_it_is(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those before were made with the engine's own; a copy of it has ours."""
    with monkeypatch.context() as before:
        before.setattr(engine, "PAGE_BYTES", 4096)
        storage = Storage.open(f"sqlite:///{database}")
    through = write(storage, 3)
    storage.close()
    storage = Storage.open(f"sqlite:///{database}")
    assert 0.99 * engine._LOG_BYTES < log_bytes(storage) <= engine._LOG_BYTES
    is_as_it_was(storage, database, through)
    copy_out(f"sqlite:///{database}", tmp_path / "copy.db")
    storage.close()
    copied = describe(tmp_path / "copy.db")
    assert (copied.feed, copied.faults) == (through + 1, ())
    assert asked(database, "page_size") == 4096
    assert asked(tmp_path / "copy.db", "page_size") == engine.PAGE_BYTES


# -- what it reads beforehand ------------------------------------------------------------------------------------------


def test_what_is_told_of_many_phones_has_been_read_beforehand_and_nothing_came_of_it(
    storage: Storage, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_now(hire)
    ticket = new_id()
    storage.write_now(lambda writing: decide(writing, LIN, ticket, a_request(), MONDAY))
    storage.close()
    before = database.read_bytes()
    storage = Storage.open(f"sqlite:///{database}")
    told: list[str] = []
    driver_of = dialects._driver_of

    class Overheard:
        def __init__(self, connection: sa.Connection) -> None:
            self._driver = driver_of(connection)

        def execute(self, text: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
            told.append(text)
            return self._driver.execute(text, values)

    monkeypatch.setattr(dialects, "_driver_of", Overheard)
    storage.rehearse()
    rehearsed = set(told)
    storage.close()
    assert database.read_bytes() == before

    storage = Storage.open(f"sqlite:///{database}")
    told.clear()
    all_brought = []
    for place in range(GROUP):
        journal = Journal(f"phone-{place}", CHEN, StandingClock(MONDAY))
        operations = [arrived(journal.write(ticket, AddNote("写"))) for _ in range(50)]
        all_brought.append(Brought(journal.device, CHEN, operations, 0))
    assert len(storage.write_now(lambda writing: receive_together(writing, all_brought))) == GROUP
    about_many = {text for text in told if text.count("?") > GROUP}
    assert len(about_many) >= 5
    assert about_many <= rehearsed
    storage.close()


def test_an_office_starts_also_where_nothing_can_be_rehearsed(
    storage: Storage, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_connection: object, _texts: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as busy:
        busy.setattr(areas, "rehearse", fail)
        storage.rehearse()
    is_as_it_was(storage, database, 0)


# -- its room ----------------------------------------------------------------------------------------------------------


def room_taken(database: Path) -> int:
    its_log = Path(f"{database}-wal")
    return its_log.stat().st_size if its_log.exists() else 0


def is_as_it_was(storage: Storage, database: Path, through: int) -> None:
    """All that was written is there and nothing else, and there can be written more."""
    assert write(storage, 1) == through + 1
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'room'").fetchall() == []
    connection.close()


def test_the_log_has_its_room_before_there_is_much_to_write(storage: Storage, database: Path) -> None:
    through = write(storage, 3)
    storage.take_room()
    taken = room_taken(database)
    assert taken >= engine._ROOM
    is_as_it_was(storage, database, through)
    storage.take_room()
    assert room_taken(database) == taken, "once is enough"
    storage.close()
    assert not room_taken(database)


_TAKES_ROOM_AND_DIES = """
import os, signal, sys
from sync_server.storage import Storage

storage = Storage.open(f"sqlite:///{sys.argv[1]}")
for _ in range(3):
    storage.write_now(lambda writing: writing.feed.take(1))
connection = storage._writing.raw_connection()
connection.driver_connection.set_progress_handler(
    lambda: os.kill(os.getpid(), signal.SIGKILL) if os.path.getsize(sys.argv[1] + "-wal") > int(sys.argv[2]) else 0, 5
)
connection.close()
storage.take_room()
"""


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_killed_while_it_takes_room_the_office_has_lost_nothing(database: Path, share: float) -> None:
    words = [sys.executable, "-c", _TAKES_ROOM_AND_DIES, str(database), str(int(engine._ROOM * share))]
    assert subprocess.run(words).returncode == -signal.SIGKILL
    assert engine._ROOM * share < room_taken(database) < engine._ROOM
    storage = Storage.open(f"sqlite:///{database}")
    is_as_it_was(storage, database, 3)
    storage.take_room()
    assert room_taken(database) >= engine._ROOM
    is_as_it_was(storage, database, 4)
    storage.close()


def test_on_a_disk_with_little_left_no_room_is_taken(
    storage: Storage, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = shutil.disk_usage(database.parent)._replace(free=engine._ROOM * 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: little)
    storage.take_room()
    assert room_taken(database) < engine._ROOM
    is_as_it_was(storage, database, 0)


def test_whoever_is_writing_is_not_kept_waiting_by_it(storage: Storage, database: Path) -> None:
    somebody = sqlite3.connect(database, isolation_level=None)
    somebody.execute("BEGIN IMMEDIATE")
    storage.take_room()
    assert room_taken(database) < engine._ROOM
    somebody.execute("COMMIT")
    somebody.close()
    is_as_it_was(storage, database, 0)
