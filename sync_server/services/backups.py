"""Backups: everything an office must not lose, of one moment, in a folder that is complete or is not there.

    doorstep-20260302T010000Z/
        manifest.json     written last: format, time, schema, feed position, size and SHA-256 of every file
        doorstep.db       a SQLite file, whichever database the office runs on
        photos/ab/abcd…   as in the data folder, and so are set-aside/ and damaged/

Database first, files after it. A phone's photo is in its place before the database says so, and is never altered or
taken away: what the copy of the database knows to have arrived is then there to be copied. (The other way round, a
photo that arrives in between would be known to the database and missing in the set.) What is still arriving is left
out: its phone has it and sends it again. So is a photo whose disk has damaged it: it would be taken for the photo.
What is kept in damaged/ is kept as what it is.

A restore goes the same way back: the files, and then the database under a name that is given to it at the very end,
or on PostgreSQL in one transaction. So half a restore is no office, and making it again finishes it.
"""

import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from sync_server.clock import milliseconds
from sync_server.services.file_hashes import UNREADABLE, file_hash
from sync_server.services.verification import Tell
from sync_server.settings import Settings
from sync_server.storage import Storage, StorageUnavailable, Writing, copies
from sync_server.storage.engine import UNFINISHED

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "doorstep.db"
FOLDERS = ("photos", "set-aside", "damaged")
"""What is kept beside the database. The rest is arriving (uploads) or can be made again (thumbnails, app)."""

NUMBERS_SKIPPED = 1000
"""Ticket numbers of the day of a restore that are not given out again: customers may have been told them."""

_UNFINISHED = ".doorstep-backup-unfinished"
_NAME = re.compile(r"doorstep-\d{8}T\d{6}Z(-\d+)?")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_KEPT = re.compile(r"[0-9a-f]{64}(-\d+)?\Z")
_BLOCK = 1 << 20
_ROOM_TO_SPARE = 50_000_000


class BackupFault(Exception):
    """A backup or a restore cannot be made; the message is a sentence for the administrator."""


class BackupDamaged(BackupFault):
    """Files of a backup that are not what its manifest says."""

    def __init__(self, files: tuple[str, ...]) -> None:
        super().__init__(f"{len(files)} of its files are missing or not what they were")
        self.files = files


class KeptFile(Struct, frozen=True):
    path: str
    """Relative to the backup, with slashes."""
    size_bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    format: int
    made_at: datetime
    schema: str
    """The revision of the tables (sync_server.storage.migrations)."""
    feed: int
    """The feed's newest position."""
    files: list[KeptFile]


class Backup(Struct, frozen=True):
    """One that is complete."""

    folder: Path
    manifest: Manifest
    left_out: tuple[str, ...] = ()
    """Photos of the office (SHA-256) whose bytes are not what their name says."""
    missing: tuple[str, ...] = ()
    """Photos the database knows to have arrived, and the office does not have."""


# -- making one --------------------------------------------------------------------------------------------------------


def back_up(settings: Settings, destination: Path, now: datetime, tell: Tell) -> Backup:
    """Make a backup in a new folder of its own under `destination`, while the office may go on writing.

    Photos an earlier backup there has are linked and not copied, where the file system can. Raises BackupFault,
    StorageUnavailable or OSError, and then leaves nothing that looks like a backup.
    """
    file = settings.database_file
    if file is not None and not file.exists():
        raise BackupFault(f"there is no office in {settings.data} (DOORSTEP_DATA or --data names its folder)")
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(destination):
        unfinished = destination / _UNFINISHED
        shutil.rmtree(unfinished, ignore_errors=True)  # of a backup that was killed
        try:
            unfinished.mkdir(mode=0o700)
            return _made(settings, destination, unfinished, now, tell)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _made(settings: Settings, destination: Path, unfinished: Path, now: datetime, tell: Tell) -> Backup:
    tell("database", 0, 0)
    copied = _copy_database(settings, unfinished / DATABASE)
    files = [_described(unfinished, unfinished / DATABASE)]
    left_out: list[str] = []
    places = [path.relative_to(settings.data) for folder in FOLDERS for path in _contents(settings.data / folder)]
    earlier = _newest(destination) or unfinished
    _require_room(settings.data, [place for place in places if not (earlier / place).is_file()], destination)
    for done, place in enumerate(places):
        if done % 50 == 0:
            tell("photos", done, len(places))
        sha256 = _keep(settings.data / place, unfinished / place, earlier / place)
        if sha256 is None:
            left_out += [place.name] if _SHA256.match(place.name) else []
        else:
            files.append(KeptFile(place.as_posix(), (unfinished / place).stat().st_size, sha256))
    _flush_folders(unfinished)
    manifest = Manifest(format=FORMAT, made_at=now.astimezone(UTC), schema=copied.schema, feed=copied.feed, files=files)
    _write(unfinished / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    _flush_folder(unfinished)
    folder = _free_name(destination, now)
    unfinished.rename(folder)
    _flush_folder(destination)
    missing = copied.photos - {Path(each.path).name for each in files} - set(left_out)
    return Backup(folder, manifest, tuple(sorted(left_out)), tuple(sorted(missing)))


def _copy_database(settings: Settings, target: Path) -> copies.Copied:
    target.touch(mode=0o600)
    try:
        copies.copy_out(settings.database, target)
        copied = copies.describe(target)
    except copies.NoOffice:
        raise BackupFault("the database is not that of an office") from None
    _flush_file(target)
    if copied.faults:
        raise BackupFault(f"the database is damaged, and a copy of it would be: {copied.faults[0]}")
    return copied


def _keep(source: Path, target: Path, earlier: Path) -> str | None:
    """Have the file's bytes under `target`; their SHA-256, or None where they are not what the name says, or the disk
    cannot read them."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = source.name if _SHA256.match(source.name) else file_hash(source)
    if earlier.is_file():
        with contextlib.suppress(OSError):  # not every file system can link; and an earlier copy may have rotted
            if _sha256(earlier) == wanted:
                os.link(earlier, target)
                return wanted
    try:
        copied = _copy(source, target)
    except OSError as fault:
        if fault.errno not in UNREADABLE or file_hash(source):  # it is the other disk's fault, or something else
            raise
        copied = ""
    if not copied or copied != wanted:
        target.unlink(missing_ok=True)
        return None
    return wanted


def _contents(folder: Path) -> list[Path]:
    """Files named by a SHA-256, wherever they are below `folder`."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob("*") if _KEPT.match(path.name) and path.is_file())


def _free_name(destination: Path, now: datetime) -> Path:
    name = f"doorstep-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    return next(destination / name for name in names if not (destination / name).exists())


def _newest(destination: Path) -> Path | None:
    made = [path for path in destination.iterdir() if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file()]
    return max(made, default=None, key=lambda path: path.name)


def _require_room(data: Path, places: list[Path], destination: Path) -> None:
    needed = sum((data / place).stat().st_size for place in places)
    free = shutil.disk_usage(destination).free
    if free < needed + _ROOM_TO_SPARE:
        raise BackupFault(f"{destination} has {free // 1_000_000} MB left, and {needed // 1_000_000} MB are needed")


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Nobody else makes a backup there, or restores one into it, at the same time."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupFault(f"another backup or restore is at work in {folder}") from None
    finally:
        os.close(handle)


# -- looking at one ----------------------------------------------------------------------------------------------------


def manifest_of(folder: Path) -> Manifest:
    """Raises BackupFault."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupFault(f"{folder} is not a backup: it has no {MANIFEST}") from None
    except (msgspec.MsgspecError, UnicodeError, NotADirectoryError):
        raise BackupFault(f"{folder} is not a backup: its {MANIFEST} cannot be read") from None
    if manifest.format > FORMAT:
        raise BackupFault(f"{folder} was made by a newer version of Doorstep (format {manifest.format})")
    if not copies.is_known(manifest.schema):
        raise BackupFault(f"{folder} was made by a newer version of Doorstep (schema {manifest.schema})")
    if any(Path(each.path).is_absolute() or ".." in Path(each.path).parts for each in manifest.files):
        raise BackupFault(f"{folder} is not a backup: its {MANIFEST} names files elsewhere")
    return manifest


def damaged_files(folder: Path, manifest: Manifest, tell: Tell) -> tuple[str, ...]:
    """Those that are missing, or are not what the manifest says."""
    damaged: list[str] = []
    for done, each in enumerate(manifest.files):
        if done % 50 == 0:
            tell("files", done, len(manifest.files))
        try:
            path = folder / each.path
            if path.stat().st_size != each.size_bytes or _sha256(path) != each.sha256:
                damaged.append(each.path)
        except OSError:
            damaged.append(each.path)
    return tuple(damaged)


# -- putting one back --------------------------------------------------------------------------------------------------


def opened(settings: Settings) -> Storage:
    """The office's database, brought to the newest form. Raises StorageUnavailable, also while a restore into the
    office's folder has not finished: PostgreSQL's is empty until its last step, and would begin an office from nothing.
    """
    if _staged(settings).exists():
        raise StorageUnavailable("a restore into its folder has not finished; run doorstep restore again")
    return Storage.open(settings.database)


def _staged(settings: Settings) -> Path:
    """The database that is being put together. It is there from a restore's first step to its last."""
    return Path(f"{settings.database_file or settings.data / DATABASE}{UNFINISHED}")


def restore(folder: Path, settings: Settings, now: datetime, tell: Tell, *, despite_damage: bool = False) -> Manifest:
    """Make the office in the empty data folder (and empty database) of `settings` what it was when `folder` was made.

    With `despite_damage` photos that are damaged in the backup are left out; a damaged database never is put back.
    Raises BackupFault (BackupDamaged), StorageUnavailable or OSError; made again after that, or after being killed, it
    starts anew in the same folder.
    """
    manifest = manifest_of(folder)
    staged = _staged(settings)
    if _was_filled(settings, staged, manifest):
        with _alone_in(settings.data):
            staged.unlink(missing_ok=True)
            _flush_folder(staged.parent)
        return manifest
    _require_empty(settings, staged)
    damaged = damaged_files(folder, manifest, tell)
    if DATABASE in damaged or DATABASE not in {each.path for each in manifest.files}:
        raise BackupFault(f"the database in {folder} is damaged: take another backup")
    if damaged and not despite_damage:
        raise BackupDamaged(damaged)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone_in(settings.data):
        wanted = [each for each in manifest.files if each.path != DATABASE and each.path not in damaged]
        _put_all_back(folder, wanted, settings, staged, tell)
        tell("restored database", 0, 0)
        _copy(folder / DATABASE, staged)
        _resume(staged, settings, manifest, now)
        _flush_file(staged)
        if settings.database_file is None:
            try:
                copies.fill(settings.database, staged)
            except copies.NotEmpty:
                raise _database_not_empty() from None
            staged.unlink()
        else:
            staged.rename(settings.database_file)
        _flush_folder(staged.parent)
    return manifest


def _put_all_back(folder: Path, wanted: list[KeptFile], settings: Settings, staged: Path, tell: Tell) -> None:
    """Everything but the database; from here on nothing serves this folder until the database has its name."""
    for left in staged.parent.glob(f"{staged.name}*"):  # of a restore that was killed
        left.unlink()
    staged.touch(mode=0o600)
    _flush_folder(staged.parent)
    for done, each in enumerate(wanted):
        if done % 50 == 0:
            tell("restored files", done, len(wanted))
        _put_back(folder / each.path, settings.data / each.path, each.sha256)
    for kept in FOLDERS:
        _flush_folders(settings.data / kept)


def _was_filled(settings: Settings, staged: Path, manifest: Manifest) -> bool:
    """Whether all that a killed restore of this backup has left undone is to say that it has finished.

    A restore goes on in the feed where no other does, so that it is known again.
    """
    if settings.database_file is not None or not staged.exists():
        return False
    filled = copies.last_restore(settings.database)
    if filled is None or filled.backed_up_at_ms != milliseconds(manifest.made_at):
        return False
    try:
        return copies.last_restore(f"sqlite:///{staged}") == filled
    except StorageUnavailable:  # not even that was copied whole: what is in the database came another way
        return False


def _require_empty(settings: Settings, staged: Path) -> None:
    there = {path.name for path in settings.data.iterdir()} if settings.data.is_dir() else set()
    if not staged.exists() and there - {"lost+found"}:
        raise BackupFault(
            f"{settings.data} is not empty ({', '.join(sorted(there)[:5])}): a restore never overwrites anything."
            " Name a new folder with --data, or move what is there out of the way"
        )
    if settings.database_file is None:
        if not copies.is_empty(settings.database):
            raise _database_not_empty()
    elif settings.database_file.exists():
        raise BackupFault(f"{settings.database_file} is there already: a restore never overwrites anything")


def _database_not_empty() -> BackupFault:
    return BackupFault("the database of DOORSTEP_DATABASE_URL is not empty: create a new one, and name that")


def _put_back(source: Path, target: Path, sha256: str) -> None:
    if target.is_file() and _sha256(target) == sha256:  # a restore that was killed had come so far
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _copy(source, target) != sha256:
        raise BackupFault(f"{source} has changed while it was read")


def _resume(staged: Path, settings: Settings, manifest: Manifest, now: datetime) -> None:
    """Make the copy an office that goes on: of today's form, and not to be mistaken for what was lost."""
    today = now.astimezone(ZoneInfo(settings.time_zone)).strftime("%y%m%d")

    def resume(writing: Writing) -> None:
        writing.feed.resume_after_restore(milliseconds(manifest.made_at), milliseconds(now))
        writing.tickets.skip_numbers(today, NUMBERS_SKIPPED)
        writing.people.end_all_sessions()
        writing.uploads.forget_unfinished()

    storage = Storage.open(f"sqlite:///{staged}")
    try:
        storage.write_now(resume)
    finally:
        storage.close()


# -- files -------------------------------------------------------------------------------------------------------------


def _copy(source: Path, target: Path) -> str:
    """Copy and flush; the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, open(target, "wb", opener=_for_the_owner) as writing:
        while block := reading.read(_BLOCK):
            digest.update(block)
            writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    return digest.hexdigest()


def _write(target: Path, data: bytes) -> None:
    with open(target, "wb", opener=_for_the_owner) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _described(folder: Path, path: Path) -> KeptFile:
    return KeptFile(path.relative_to(folder).as_posix(), path.stat().st_size, _sha256(path))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flush_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _flush_folders(folder: Path) -> None:
    """The folder and all below it: their names survive the loss of power."""
    for parent, _, _ in os.walk(folder, topdown=False):
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
