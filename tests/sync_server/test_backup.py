"""`doorstep backup` and `doorstep restore`: what was in the office is in the office again, on either database.

And what is no complete backup, or no complete office, is never taken for one.
"""

import asyncio
import errno
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from sync_server import backup_commands
from sync_server.__main__ import main
from sync_server.backup_commands import FAILED, UNSOUND
from sync_server.services import backups
from sync_server.services.photo_files import PhotoFiles, Stored
from sync_server.services.verification import Note, verify
from sync_server.settings import Settings
from sync_server.storage import Storage, StorageUnavailable, copies, migrations
from sync_server.storage.copies import describe
from sync_server.storage.metadata import metadata
from sync_server.storage.uploads import BEGIN, StoredUpload, UploadState, begun_row
from tests.builders.tickets import a_picture
from tests.sync_server.conftest import MONDAY
from tests.sync_server.killed import killed_at
from tests.sync_server.office import CHEN, LIN, WANG, Office, StandingClock, new_id
from tests.sync_server.serving import PATIENCE_SECONDS, until
from tests.sync_server.test_killed_server import Camera, Running, Sender, Telephone, opened, serving, sign_in
from tests.sync_server.test_verify import SHA256, fill

LATER = MONDAY + timedelta(hours=3)
CHANGED_BY_A_RESTORE = {"counters", "restores", "sessions", "ticket_numbers", "uploads"}


def quietly(_stage: str, _done: int, _of: int) -> None:
    pass


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def photos(data: Path) -> dict[str, bytes]:
    return {
        path: content for path, content in files(data).items() if path.startswith(("photos/", "set-aside/")) and content
    }


@pytest.fixture
def data(office: Office, settings: Settings) -> Path:
    """An office with something of everything in it."""
    fill(office, settings.data)
    sign_in(office.storage)
    office.storage.write_now(lambda writing: writing.people.note_views(LIN.id, ["t-1", "t-2"], "ticket", 5))
    return settings.data


@pytest.fixture
def backup(data: Path, settings: Settings, tmp_path: Path) -> Path:
    return backups.back_up(settings, tmp_path / "backups", MONDAY, quietly).folder


@pytest.fixture
def empty_postgresql(postgresql: str) -> Iterator[Callable[[], str]]:
    """Addresses of empty databases."""
    server = sa.make_url(postgresql).set(drivername="postgresql+psycopg")
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    made: list[str] = []

    def create() -> str:
        made.append(f"backup_{new_id().replace('-', '')}")
        with administration.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{made[-1]}"')
        address = server.set(drivername="postgresql", database=made[-1])
        return address.render_as_string(hide_password=False)

    yield create
    with administration.connect() as connection:
        for name in made:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    administration.dispose()


# -- there and back ---------------------------------------------------------------------------------------------------


def test_what_was_in_the_office_is_in_it_again(
    data: Path, backup: Path, settings: Settings, tmp_path: Path, storage: Storage
) -> None:
    """All but what must not come back: sign-ins, and uploads of which nothing is there."""
    before = contents(settings.database)
    restored = replace(settings, data=tmp_path / "restored")
    manifest = backups.restore(backup, restored, LATER, quietly)
    assert (manifest.made_at, manifest.feed) == (MONDAY, storage.read_now(lambda reading: reading.feed.latest()))
    after = contents(restored.database)
    assert {name for name in before if before[name] != after[name]} <= CHANGED_BY_A_RESTORE
    assert photos(restored.data) == photos(data)
    again = Storage.open(restored.database)
    found = verify(again, restored.data, tell=quietly)
    again.close()
    assert found.problems == ()
    assert Note.RESTORED in {note.what for note in found.notes}
    assert before["sessions"]
    assert not after["sessions"], "whoever was signed out since stays out"
    assert (restored.data.stat().st_mode | backup.stat().st_mode) & 0o077 == 0, "customers' data is its owner's alone"


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
def test_a_backup_of_either_database_is_restored_into_either(
    source: str, target: str, tmp_path: Path, clock: StandingClock, empty_postgresql: Callable[[], str]
) -> None:
    one = Settings(data=tmp_path / "one", database_url=empty_postgresql() if source == "postgresql" else "")
    two = Settings(data=tmp_path / "two", database_url=empty_postgresql() if target == "postgresql" else "")
    storage = Storage.open(one.database)
    office = Office(storage, clock, None)  # type: ignore[arg-type]
    ticket = office.assigned(CHEN)
    office.phone(CHEN)
    storage.write_now(lambda writing: writing.people.set_photo(CHEN.id, b"\xff\xd8\x00portrait"))
    storage.write_now(lambda writing: writing.people.note_views(LIN.id, [ticket] * 3, "ticket", 5))
    files = PhotoFiles(one.data)
    assert isinstance(asyncio.run(files.store(a_picture())), Stored)
    files.close()
    made = backups.back_up(one, tmp_path / "backups", MONDAY, quietly)
    storage.close()
    backups.restore(made.folder, two, LATER, quietly)
    before, after = contents(one.database), contents(two.database)
    assert {name for name in before if before[name] != after[name]} <= CHANGED_BY_A_RESTORE
    assert photos(two.data) == photos(one.data)
    again = Storage.open(two.database)
    assert verify(again, two.data, tell=quietly).problems == ()
    again.write_now(lambda writing: writing.people.note_views(LIN.id, [ticket], "ticket", 9))
    assert len(again.read_now(lambda reading: reading.people.views_of(ticket))) == 4, "numbers go on, none is taken"
    again.close()


def test_an_older_backup_is_brought_to_the_newest_form(backup: Path, settings: Settings, tmp_path: Path) -> None:
    """Made by the first version there was."""
    database = backup / "doorstep.db"
    database.unlink()
    engine = sa.create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        migrations.upgrade(connection, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE counters SET value = 7 WHERE name = 'feed'")
    engine.dispose()
    assert describe(database).schema == "0001"
    described_anew(backup, schema="0001")
    restored = replace(settings, data=tmp_path / "restored")
    backups.restore(backup, restored, LATER, quietly)
    assert describe(tmp_path / "restored" / "doorstep.db").schema == migrations.newest()
    storage = Storage.open(restored.database)
    assert [jump.feed_through for jump in storage.read_now(lambda reading: reading.feed.restores())] == [7]
    storage.close()


def described_anew(backup: Path, **different: object) -> None:
    """The manifest, after a test has changed a file."""
    manifest = json.loads((backup / "manifest.json").read_bytes()) | different
    for file in manifest["files"]:
        path = backup / file["path"]
        file |= {"size_bytes": path.stat().st_size, "sha256": backups._sha256(path)}
    (backup / "manifest.json").write_text(json.dumps(manifest))


def test_a_restored_office_gives_out_no_number_a_customer_may_have_been_told(
    backup: Path, settings: Settings, tmp_path: Path
) -> None:
    restored = replace(settings, data=tmp_path / "restored")
    backups.restore(backup, restored, LATER, quietly)
    storage = Storage.open(restored.database)
    assert storage.write_now(lambda writing: writing.tickets.next_number("260302")) == "260302-1001"
    assert storage.write_now(lambda writing: writing.tickets.next_number("260303")) == "260303-001"
    storage.close()


def test_uploads_that_were_arriving_begin_anew(
    data: Path, settings: Settings, storage: Storage, tmp_path: Path
) -> None:
    """Their bytes are not in the backup; a record of them would be a promise not kept."""
    upload = StoredUpload(
        id="0" * 32, device="d", person=CHEN.id, sha256="a" * 64, size_bytes=9, begun_at_ms=0, expires_at_ms=9**15
    )
    storage.write_now(lambda writing: writing.execute(BEGIN, [begun_row(upload)]))
    (data / "uploads" / upload.id).write_bytes(b"half")
    made = backups.back_up(settings, tmp_path / "backups", MONDAY, quietly)
    restored = replace(settings, data=tmp_path / "restored")
    backups.restore(made.folder, restored, LATER, quietly)
    again = Storage.open(restored.database)
    assert again.read_now(lambda reading: reading.uploads.upload(upload.id)) is None
    states = {each.state for each in again.read_now(lambda reading: list(reading.audit.uploads()))}
    assert states == {UploadState.RECEIVED, UploadState.SET_ASIDE}
    assert Note.UPLOADS_WITHOUT_FILE not in {note.what for note in verify(again, restored.data, tell=quietly).notes}
    again.close()


def test_the_next_backup_links_what_has_not_changed_and_takes_no_copy_that_has_rotted(
    data: Path, backup: Path, settings: Settings, tmp_path: Path
) -> None:
    photo = Path("photos", SHA256[:2], SHA256)
    second = backups.back_up(settings, tmp_path / "backups", LATER, quietly).folder
    assert (second / photo).stat().st_ino == (backup / photo).stat().st_ino
    (backup / photo).write_bytes(b"rotten")
    third = backups.back_up(settings, tmp_path / "backups", LATER, quietly).folder
    assert third.name == f"{second.name}-2", "two in one second do not get in each other's way"
    assert (third / photo).read_bytes() == (data / photo).read_bytes()


def test_a_photo_that_has_rotted_in_the_office_is_left_out_and_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a backup it would be taken for the photo that the phones need not send any more."""
    (data / "photos" / SHA256[:2] / SHA256).write_bytes(b"rotten")
    status = main(["backup", str(tmp_path / "backups"), "--data", str(data), "--quiet"])
    said = capsys.readouterr()
    assert status == UNSOUND
    assert said.err == f"doorstep: not in the backup: photo {SHA256} is damaged: its bytes do not have this hash\n"
    assert SHA256 not in (Path(said.out.strip()) / "manifest.json").read_text()
    (data / "photos" / SHA256[:2] / SHA256).unlink()
    assert main(["backup", str(tmp_path / "backups"), "--data", str(data), "--quiet"]) == UNSOUND
    assert f"not in the backup: photo {SHA256} was received, and its file is missing" in capsys.readouterr().err


def test_a_photo_that_its_disk_cannot_read_any_more_does_not_end_the_backup(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nightly backup that is made no more for the sake of one photo would be worse."""
    read = backups._copy
    (data / "damaged" / f"{SHA256}-1").write_bytes(b"half of it")

    def copy(source: Path, target: Path) -> str:
        if source.name.startswith(SHA256):
            raise OSError(errno.EIO, "Input/output error")
        return read(source, target)

    monkeypatch.setattr(backups, "_copy", copy)
    with monkeypatch.context() as full:
        full.setattr(backups, "file_hash", lambda _: "the source can be read")
        assert main(["backup", str(tmp_path / "backups"), "--data", str(data), "--quiet"]) == FAILED
    monkeypatch.setattr(backups, "file_hash", lambda _: "")
    capsys.readouterr()
    assert main(["backup", str(tmp_path / "backups"), "--data", str(data), "--quiet"]) == UNSOUND
    said = capsys.readouterr()
    assert said.err == f"doorstep: not in the backup: photo {SHA256} is damaged: its bytes do not have this hash\n"
    assert SHA256 not in (Path(said.out.strip()) / "manifest.json").read_text()


def test_what_was_damaged_and_brought_anew_is_in_every_backup_as_what_it_is(
    data: Path, settings: Settings, tmp_path: Path
) -> None:
    damaged = Path("damaged", f"{SHA256}-1")
    (data / damaged).write_bytes(b"half of it")
    first = backups.back_up(settings, tmp_path / "backups", MONDAY, quietly)
    second = backups.back_up(settings, tmp_path / "backups", LATER, quietly)
    assert (first.left_out, first.missing, second.left_out) == ((), (), ())
    assert (second.folder / damaged).stat().st_ino == (first.folder / damaged).stat().st_ino
    assert backups.damaged_files(second.folder, second.manifest, quietly) == ()
    backups.restore(second.folder, replace(settings, data=tmp_path / "restored"), LATER, quietly)
    assert files(tmp_path / "restored" / "damaged") == {damaged.name: b"half of it"}


# -- what is refused --------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The complaint: sentences, no traceback."""
    capsys.readouterr()
    assert main([*words, "--quiet"]) == FAILED
    complaint = capsys.readouterr().err
    assert complaint.startswith("doorstep: ")
    assert "Traceback" not in complaint
    return complaint


def test_a_restore_overwrites_nothing(data: Path, backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(data)
    complaint = refused(capsys, "restore", str(backup), "--data", str(data))
    assert "is not empty (damaged, doorstep.db, " in complaint
    assert "Name a new folder with --data" in complaint
    assert files(data) == before


def test_a_new_disk_is_an_empty_folder(backup: Path, tmp_path: Path) -> None:
    """A file system freshly made has a folder of its own in it."""
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    assert main(["restore", str(backup), "--data", str(tmp_path / "disk"), "--quiet"]) == 0


def test_a_database_that_is_not_empty_is_not_touched(
    backup: Path, tmp_path: Path, empty_postgresql: Callable[[], str]
) -> None:
    settings = Settings(data=tmp_path / "restored", database_url=empty_postgresql())
    Storage.open(settings.database).close()
    before = contents(settings.database)
    with pytest.raises(backups.BackupFault, match="is not empty"):
        backups.restore(backup, settings, LATER, quietly)
    assert contents(settings.database) == before
    assert not settings.data.exists()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda backup: (backup / "manifest.json").unlink(), "is not a backup: it has no manifest.json"),
        (lambda backup: (backup / "manifest.json").write_text('{"format":'), "its manifest.json cannot be read"),
        (lambda backup: described_anew(backup, format=2), "made by a newer version of Doorstep (format 2)"),
        (lambda backup: described_anew(backup, schema="9999"), "made by a newer version of Doorstep (schema 9999)"),
        (lambda backup: (backup / "doorstep.db").unlink(), "is damaged: take another backup"),
        (lambda backup: (backup / "doorstep.db").write_bytes(b"x"), "is damaged: take another backup"),
        (lambda backup: (backup / "photos" / SHA256[:2] / SHA256).unlink(), f"\ndoorstep:   photos/{SHA256[:2]}/"),
        (
            lambda backup: (backup / "photos" / SHA256[:2] / SHA256).write_bytes(b"x"),
            "1 of its files are missing or not what they were; --despite-damage restores the others",
        ),
        (
            lambda backup: (backup / "manifest.json").write_text(
                (backup / "manifest.json").read_text().replace("photos/", "../photos/")
            ),
            "names files elsewhere",
        ),
    ],
)
def test_what_is_no_whole_backup_of_ours_is_not_restored(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], complaint: str
) -> None:
    spoil(backup)
    assert complaint in refused(capsys, "restore", str(backup), "--data", str(tmp_path / "restored"))
    assert not (tmp_path / "restored").exists()
    outcome = main(["verify", "--backup", str(backup), "--quiet"])
    assert outcome in {FAILED, UNSOUND}, "and verify says so before it is needed"


def test_what_is_left_of_a_damaged_backup_can_be_had(
    backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (backup / "photos" / SHA256[:2] / SHA256).write_bytes(b"x")
    status = main(["restore", str(backup), "--data", str(tmp_path / "restored"), "--despite-damage", "--quiet"])
    assert status == UNSOUND
    assert f"problem: photo {SHA256} was received, and its file is missing" in capsys.readouterr().out
    assert not (tmp_path / "restored" / "photos" / SHA256[:2] / SHA256).exists()


def test_there_must_be_an_office_and_room_and_nobody_else_at_it(
    data: Path, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    into = str(tmp_path / "backups")
    assert "there is no office in" in refused(capsys, "backup", into, "--data", str(tmp_path / "nowhere"))
    with backups._alone_in(tmp_path):
        assert "another backup or restore is at work" in refused(capsys, "backup", str(tmp_path), "--data", str(data))
    (tmp_path / "file").write_text("")
    assert "file: " in refused(capsys, "backup", str(tmp_path / "file"), "--data", str(data))
    monkeypatch.setattr(backups, "_ROOM_TO_SPARE", 10**15)
    assert "MB left, and" in refused(capsys, "backup", into, "--data", str(data))
    assert list(Path(into).iterdir()) == []


def test_a_newer_database_is_not_opened_by_an_older_program(data: Path, storage: Storage, settings: Settings) -> None:
    storage.close()
    with closing(sqlite3.connect(data / "doorstep.db", isolation_level=None)) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageUnavailable, match="a newer version of Doorstep made it"):
        Storage.open(settings.database)
    assert main(["verify", "--data", str(data), "--quiet"]) == FAILED


# -- killed -----------------------------------------------------------------------------------------------------------

COMMAND = "count_flushes(); from sync_server.__main__ import main; sys.exit(main(sys.argv[1:]))"


def killed_everywhere(*words: str, steps: int) -> Iterator[int]:
    """The same command killed at one flush after the other, until it is not reached any more."""
    flush = 1
    while (status := killed_at(flush, COMMAND, *words)) == -signal.SIGKILL:
        yield flush
        flush += steps
    assert status == 0


def test_a_backup_that_is_killed_is_none(data: Path, tmp_path: Path, storage: Storage) -> None:
    """At whichever flush: nothing is there that restore would take, and the next backup is made as ever."""
    into = tmp_path / "backups"
    kills = 0
    for _ in killed_everywhere("backup", str(into), "--data", str(data), steps=1):
        kills += 1
        for left in into.iterdir():
            if left.name.startswith("doorstep-"):  # killed after it was complete
                assert main(["verify", "--backup", str(left), "--quiet"]) == 0
            else:
                assert not (left / "manifest.json").exists() or main(["verify", "--backup", str(left)]) == 0
    assert kills > 8
    complete = [path for path in into.iterdir() if path.name.startswith("doorstep-")]
    assert [path for path in into.iterdir() if path not in complete] == [], "what was left has been cleared away"
    assert all(main(["verify", "--backup", str(path), "--quiet"]) == 0 for path in complete)


def test_a_restore_that_is_killed_is_no_office_and_is_finished_by_making_it_again(
    data: Path, backup: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing opens the folder meanwhile: a server would find it empty, and begin an office from nothing."""
    target = tmp_path / "restored"
    settings = Settings(data=target)
    kills = 0
    for flush in killed_everywhere("restore", str(backup), "--data", str(target), steps=1):
        kills += 1
        if settings.database_file is not None and settings.database_file.exists():
            break  # killed after it was complete
        if any(target.glob("*")):
            with pytest.raises(StorageUnavailable, match="has not finished"):
                Storage.open(settings.database)
            assert main(["serve", "--port", "0", "--data", str(target)]) == 1
        if flush % 3 == 0:  # also from nothing, and not only from where the last one was killed
            for path in sorted(target.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
    assert kills > 5
    capsys.readouterr()
    assert main(["verify", "--data", str(target), "--quiet"]) == 0, capsys.readouterr().out
    assert photos(target) == photos(data)
    assert not list(target.glob("*restoring*"))


class Killed(BaseException):
    pass


def killed(*_: object) -> None:
    raise Killed


def test_a_restore_into_postgresql_that_is_killed_is_no_office_either(
    data: Path,
    backup: Path,
    tmp_path: Path,
    empty_postgresql: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before the database is filled, and when it has been and nobody has said so: the same command finishes it."""
    target = Settings(data=tmp_path / "restored", database_url=empty_postgresql())
    monkeypatch.setenv("DOORSTEP_DATABASE_URL", target.database)
    filling = copies.fill
    for last_step in (killed, lambda url, copy: killed(filling(url, copy))):
        monkeypatch.setattr(copies, "fill", last_step)
        with pytest.raises(Killed):
            backups.restore(backup, target, LATER, quietly)
        for command in (["serve", "--port", "0"], ["people", "list"]):
            assert main([*command, "--data", str(target.data)]) == 1
            assert "has not finished" in capsys.readouterr().err
    monkeypatch.undo()
    other = backups.back_up(Settings(data=data), tmp_path / "backups", LATER, quietly).folder
    with pytest.raises(backups.BackupFault, match="is not empty"):
        backups.restore(other, target, LATER, quietly)
    backups.restore(backup, target, LATER, quietly)
    assert not list(target.data.glob("*restoring*"))
    again = backups.opened(target)
    assert verify(again, target.data, tell=quietly).problems == ()
    again.close()


# -- while others write -----------------------------------------------------------------------------------------------


def test_backups_made_while_phones_bring_their_work_are_each_of_one_moment(tmp_path: Path) -> None:
    """A server process, phones and a camera at full speed, and the command line beside it."""
    data, into = tmp_path / "data", tmp_path / "backups"
    clock = StandingClock(datetime.now(UTC))
    with opened(data) as storage:
        office = Office(storage, clock, None)  # type: ignore[arg-type]
        tickets = [office.assigned(person) for person in (CHEN, WANG, CHEN)]
        owners = [(CHEN, "one"), (WANG, "two"), (CHEN, "three")]
        phones = [office.phone(person, name) for person, name in owners]
    running = Running()
    telephones = [Telephone(running, phone, ticket) for phone, ticket in zip(phones, tickets, strict=True)]
    cameras = [Camera(running, phone) for phone in phones[:2]]
    senders: list[Sender] = [*telephones, *cameras]
    made: list[tuple[Path, list[int], list[int]]] = []
    with serving(data) as (running.address, _):
        for sender in senders:
            sender.thread.start()
        for _ in range(3):
            until(partial(_has_gone_on, telephones, [telephone.sent_through for telephone in telephones]))
            sent = [telephone.sent_through for telephone in telephones]
            shot = [len(camera.delivered) for camera in cameras]
            words = [sys.executable, "-m", "sync_server", "backup", str(into), "--data", str(data), "--quiet"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), done
            made.append((Path(done.stdout.strip()), sent, shot))
        running.is_over = True
        for sender in senders:
            sender.thread.join(PATIENCE_SECONDS)
            assert sender.fault is None, sender.fault
            assert not sender.thread.is_alive(), sender
    for number, (folder, sent, shot) in enumerate(made):
        target = tmp_path / f"restored-{number}"
        assert main(["restore", str(folder), "--data", str(target), "--quiet"]) == 0
        with opened(target) as storage:
            for telephone, through in zip(telephones, sent, strict=True):
                entries = storage.read_now(lambda reading: list(reading.audit.by_device()))
                held = [entry.raw for entry in entries if entry.device == telephone.journal.device]
                assert len(held) >= through, "everything acknowledged before the backup began is in it"
                assert held == telephone.journal.raw[: len(held)]
        for camera, count in zip(cameras, shot, strict=True):
            for photo in camera.delivered[:count]:
                assert photo in photos(target).values()


def _has_gone_on(telephones: Sequence[Telephone], before: Sequence[int]) -> bool:
    """Each has brought more since."""
    for telephone in telephones:
        assert telephone.fault is None, telephone.fault
    return all(telephone.sent_through > through for telephone, through in zip(telephones, before, strict=True))


def test_the_command_line_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("backup", "restore", "verify"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert "Exit status: 0" in shown
        assert "--data" in shown
        assert "--port" not in shown


def test_progress_is_one_line_on_a_terminal_and_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = backup_commands.Progress(is_quiet=False)
    progress.tell("photos", 50, 400)
    progress.end()
    assert capsys.readouterr().err == "\r\x1b[Kphotos 50 of 400 …\r\x1b[K"
