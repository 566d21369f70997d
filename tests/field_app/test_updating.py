"""A newer app changes the store: with a copy that is kept until it has proven itself, and is put back where it failed.

The old store is made out of a new one by taking its last step back. "Killed" is a process that ends between two lines
of the code that does it, at every one of them.
"""

import errno
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest
from sqlite_utils import Database, Migrations

from field_app.store import NoRoomToUpdate, StorageUnavailable, Store, StoreTooNew, UpdateFailed
from field_app.store import migrations as steps
from shared_schema.evidence import PhotoSlot
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.scripted_office import ScriptedOffice
from tests.field_app.single_phone import SinglePhone, saved

TICKET = an_assigned_ticket()
LAST_STEP = "refusals_dealt_with"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store as the app of the first step has left it, with work in it."""
    path = tmp_path / "store.db"
    phone = SinglePhone(path)
    phone.given(TICKET)
    saved(phone.actions.accept(TICKET.id))
    saved(phone.actions.add_photo(TICKET.id, a_picture(60_000), PhotoSlot.BEFORE))
    phone.store.save_draft("note:1", {"text": "写到一半"})
    phone.store.close()
    with sqlite3.connect(path) as file:
        file.execute("DROP INDEX journal_undealt")
        file.execute("DROP TABLE corrections")
        file.execute("ALTER TABLE journal DROP COLUMN dealt_as")
        file.execute("ALTER TABLE journal DROP COLUMN dealt_by")
        file.execute("DELETE FROM _sqlite_migrations WHERE name = ?", (LAST_STEP,))
    file.close()
    return path


def copy_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-copy")


def opened(path: Path, room: int | None = None) -> Store:
    return Store.open(str(path), lambda: None, room_bytes=lambda: room)


def is_whole(store: Store) -> bool:
    """Everything the old app had recorded, and nothing else."""
    entries = [entry.kind for entry in reversed(store.journal())]
    photos = [store.photo(photo.sha256) for photo in store.photo_states()]
    draft = store.draft("note:1")
    return (entries, photos, draft) == (["accept_ticket", "add_photo"], [a_picture(60_000)], {"text": "写到一半"})


def instead(monkeypatch: pytest.MonkeyPatch, step: Callable[[Database], None]) -> None:
    """A version of the app whose last step is this one."""
    newer = Migrations("field_app")
    newer()(steps.first_tables)
    newer(name=LAST_STEP)(step)
    monkeypatch.setattr(steps, "migrations", newer)


def fails(database: Database) -> None:
    database.execute("ALTER TABLE tickets ADD COLUMN colour TEXT")
    raise ValueError("a mistake of ours")


def damages(database: Database) -> None:
    """As a fault in a library, or in a step that is too clever, might."""
    database.execute("PRAGMA writable_schema = ON")
    database.execute("UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'drafts')"
                     " WHERE name = 'facts'")  # fmt: skip


def with_a_lost_page(path: Path) -> None:
    """As flash memory loses one: where the photo goes on, by the page."""
    data = bytearray(path.read_bytes())
    page = data.index(a_picture(60_000)[30_000:30_100]) // 4096 * 4096
    data[page : page + 4] = b"\xff\xff\xff\x00"
    path.write_bytes(data)


# -- what is kept, and how long ---------------------------------------------------------------------------------------


def test_the_copy_is_the_old_store_and_stays_until_a_whole_round_is_done(old: Path, tmp_path: Path) -> None:
    """Not while there is no network; after one exchange with the office it goes."""
    before = old.read_bytes()
    office = ScriptedOffice(tmp_path)
    assert is_whole(office.phone.store)
    assert before in copy_of(old).read_bytes()
    office.says(httpx.ConnectError("no route"))
    office.run(office.engine.run_round())
    assert copy_of(old).stat().st_size > len(before)
    office.phone.restart()
    assert before in copy_of(old).read_bytes()
    office.close()
    office = ScriptedOffice(tmp_path)
    office.says(lambda request: office.accepts(request), lambda request: office.accepts(request))
    office.phone.store.photo_received(office.phone.store.photo_states()[0].sha256)
    office.run(office.engine.run_round())
    assert copy_of(old).stat().st_size == 0
    assert is_whole(office.phone.store)
    office.close()


def test_a_new_store_and_one_that_is_up_to_date_need_no_copy(phone: SinglePhone) -> None:
    phone.restart()
    assert not copy_of(phone.path).exists()


def test_without_room_for_the_copy_nothing_is_changed_and_it_is_said(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(NoRoomToUpdate) as told:
        opened(old, room=1_000_000)
    assert told.value.needed_bytes > len(before)
    assert told.value.room_bytes == 1_000_000
    assert old.read_bytes() == before
    assert is_whole(opened(old, room=50_000_000))


def test_a_disk_that_fills_up_under_the_copy_is_no_room_either(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it said before was too much."""
    before, sync = old.read_bytes(), os.fsync

    def full(handle: int) -> None:
        if os.fstat(handle).st_size > 1000:
            raise OSError(errno.ENOSPC, "no space")
        sync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NoRoomToUpdate):
            opened(old)
    assert old.read_bytes() == before
    assert copy_of(old).stat().st_size == 0
    assert is_whole(opened(old))


# -- where it goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [fails, damages])
def test_a_change_that_goes_wrong_is_taken_back(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[[Database], None]
) -> None:
    """Byte for byte, as often as it is tried; the app before it, or the one after it, goes on with it."""
    before = old.read_bytes()
    with monkeypatch.context() as patched:
        instead(patched, step)
        for _ in range(2):
            with pytest.raises(UpdateFailed):
                opened(old)
            assert old.read_bytes() == before
    assert is_whole(opened(old))


def test_a_store_found_damaged_before_anything_was_recorded_is_put_back(old: Path) -> None:
    """It was changed, and its first pages were overwritten while the app was closed."""
    before = old.read_bytes()
    opened(old).close()
    damaged = bytearray(old.read_bytes())
    damaged[4096:8192] = bytes(4096)
    old.write_bytes(damaged)
    with pytest.raises(UpdateFailed):
        opened(old)
    assert old.read_bytes() == before
    assert is_whole(opened(old))


def test_a_store_that_is_used_already_is_never_overwritten(old: Path) -> None:
    """What was recorded since is in it alone: damaged or not, it is left, and the copy beside it."""
    store = opened(old)
    store.save_draft("note:2", {"text": "更新之后"})
    store.close()
    damaged = bytearray(old.read_bytes())
    damaged[:4096] = bytes(4096)
    old.write_bytes(damaged)
    for _ in range(2):
        with pytest.raises(StorageUnavailable) as told:
            opened(old)
        assert not isinstance(told.value, UpdateFailed)
    assert old.read_bytes() == damaged
    assert copy_of(old).stat().st_size > 0


def test_a_copy_that_is_damaged_itself_is_not_put_back(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = old.read_bytes()

    def spoils(database: Database) -> None:
        copy = bytearray(copy_of(old).read_bytes())
        copy[-1] ^= 1
        copy_of(old).write_bytes(copy)
        fails(database)

    with monkeypatch.context() as patched:
        instead(patched, spoils)
        with pytest.raises(StorageUnavailable) as told:
            opened(old)
    assert not isinstance(told.value, UpdateFailed)
    assert old.read_bytes() == before  # SQLite had rolled the step back by itself
    assert is_whole(opened(old))


def test_a_copy_of_an_earlier_update_is_made_anew_for_the_next(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first update never met the office; what was recorded since must be in the copy for the second."""
    store = opened(old)
    store.save_draft("note:2", {"text": "更新之后"})
    store.close()
    newer = Migrations("field_app")
    newer()(steps.first_tables)
    newer()(steps.refusals_dealt_with)
    newer(name="van_stock")(fails)
    with monkeypatch.context() as patched:
        patched.setattr(steps, "migrations", newer)
        patched.setattr(steps, "NAMES", steps.NAMES | {"van_stock"})
        with pytest.raises(UpdateFailed):
            opened(old)
    assert opened(old).draft("note:2") == {"text": "更新之后"}


def test_a_flush_that_fails_in_the_middle_of_an_update_says_so_and_loses_nothing(old: Path) -> None:
    """Whatever it is that a browser throws, at the first, the second, ... flush of the update."""

    class ThrownByTheBrowser(Exception):
        pass

    before, flushes = old.read_bytes(), 0

    def flush() -> None:
        nonlocal flushes
        flushes -= 1
        if flushes < 0:
            raise ThrownByTheBrowser

    for good in range(20):
        flushes = good
        try:
            Store.open(str(old), flush).close()
        except StorageUnavailable:
            continue
        break
    assert good > 2
    assert is_whole(opened(old))
    assert before in copy_of(old).read_bytes()


def test_killed_between_two_steps_the_copy_is_still_that_of_the_old_store(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two steps destroys something and is kept; the process ends; at the next start the second fails."""

    def destroys(database: Database) -> None:
        steps.refusals_dealt_with(database)
        database.execute("DELETE FROM drafts")

    def ends(_database: Database) -> None:
        raise SystemExit

    before = old.read_bytes()
    for second, outcome in ((ends, SystemExit), (fails, UpdateFailed)):
        newer = Migrations("field_app")
        newer()(steps.first_tables)
        newer(name=LAST_STEP)(destroys)
        newer(name="van_stock")(second)
        with monkeypatch.context() as patched:
            patched.setattr(steps, "migrations", newer)
            patched.setattr(steps, "NAMES", steps.NAMES | {"van_stock"})
            with pytest.raises(outcome):
                opened(old)
    assert old.read_bytes() == before
    assert is_whole(opened(old))


def test_an_older_app_neither_touches_the_store_nor_its_copy(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(old).close()
    store, copy = old.read_bytes(), copy_of(old).read_bytes()
    older = Migrations("field_app")
    older()(steps.first_tables)
    with monkeypatch.context() as patched:
        patched.setattr(steps, "migrations", older)
        patched.setattr(steps, "NAMES", frozenset({"first_tables"}))
        with pytest.raises(StoreTooNew):
            opened(old)
    assert (old.read_bytes(), copy_of(old).read_bytes()) == (store, copy)


# -- killed -----------------------------------------------------------------------------------------------------------

_TRACED = ("/field_app/store/database.py", "/field_app/store/kept_copy.py")


@pytest.fixture
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing it has written: hundreds of them need no disk to wait for."""
    prepare = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = prepare(*arguments, factory=_Hasty, **named)
        assert isinstance(connection, sqlite3.Connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


class _Hasty(sqlite3.Connection):
    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous = FULL", "synchronous = OFF"), *arguments)


def lines_until(line: int, work: Callable[[], object]) -> int:
    """Do the work in a process of its own and kill it before the line with this number; how many lines it came to."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        passed = 0

        def trace(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal passed
            if not frame.f_code.co_filename.endswith(_TRACED):
                return None
            if event == "line":
                passed += 1
                if passed == line:
                    os._exit(9)
            return trace

        sys.settrace(trace)
        try:
            work()
        except StorageUnavailable:
            pass
        finally:
            os.write(writing, passed.to_bytes(4, "big"))
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        passed = int.from_bytes(told.read(), "big")
    os.waitpid(child, 0)
    return passed


@pytest.mark.usefixtures("no_waiting_for_the_disk")
def test_killed_at_any_moment_the_update_loses_nothing(old: Path, tmp_path: Path) -> None:
    """Whatever lies there after it: the next start finds everything, in the new form."""
    work = tmp_path / "killed" / "store.db"

    def anew() -> None:
        shutil.rmtree(work.parent, ignore_errors=True)
        work.parent.mkdir()
        shutil.copy(old, work)

    anew()
    total = lines_until(0, lambda: opened(work))
    assert total > 100
    for line in range(1, total + 1):
        anew()
        lines_until(line, lambda: opened(work))
        store = opened(work)
        assert is_whole(store), line
        store.close()


@pytest.mark.usefixtures("no_waiting_for_the_disk")
@pytest.mark.parametrize("step", [fails, damages])
def test_killed_at_any_moment_while_it_is_put_back_the_old_store_is_there(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[[Database], None]
) -> None:
    """An update that goes wrong, killed at every line, and killed again at its next start."""
    before = old.read_bytes()
    work = tmp_path / "killed" / "store.db"

    def anew() -> None:
        shutil.rmtree(work.parent, ignore_errors=True)
        work.parent.mkdir()
        shutil.copy(old, work)

    anew()
    with monkeypatch.context() as patched:
        instead(patched, step)
        total = lines_until(0, lambda: opened(work))
    for line in range(1, total + 1):
        anew()
        with monkeypatch.context() as patched:
            instead(patched, step)
            lines_until(line, lambda: opened(work))
            lines_until(total - line, lambda: opened(work))
            with pytest.raises(UpdateFailed):
                opened(work)
            assert work.read_bytes() == before, line
        if line % 10 == 0:
            store = opened(work)
            assert is_whole(store), line
            store.close()


def test_what_the_disk_had_damaged_before_does_not_keep_a_newer_app_from_all_the_rest(old: Path) -> None:
    """One photo is lost. The app must open all the same: everything else is to reach the office, and can only by it."""
    with_a_lost_page(old)
    for _ in range(2):
        store = opened(old)
        assert [entry.kind for entry in reversed(store.journal())] == ["accept_ticket", "add_photo"]
        assert store.draft("note:1") == {"text": "写到一半"}
        assert len(store.next_exchange().entries) == 2
        store.close()


@pytest.mark.parametrize("step", [fails, damages])
def test_a_step_that_goes_wrong_on_a_damaged_store_leaves_it_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch, step: Callable[[Database], None]
) -> None:
    with_a_lost_page(old)
    before = old.read_bytes()
    instead(monkeypatch, step)
    with pytest.raises(UpdateFailed):
        opened(old)
    assert old.read_bytes() == before
