"""An ordinary Python process: the development mode (`make app`) and tests. The store is a plain file."""

import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import httpx

from field_app.device.contract import (
    Persistence,
    Sealer,
    Shared,
    Sharing,
    SharingFailed,
    Signer,
    StorageMissing,
    StorageState,
    StoreInUse,
)
from field_app.device.key_file import KeyFile, LibrarySealer, sync_folder

OFFICE_URL = "http://localhost:8000"


class FilePersistence:
    """One file in a folder that may not exist yet, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: IO[bytes] | None = None

    async def open(self) -> str:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._path.with_name(f"{self._path.name}-lock").open("ab")
        except OSError as fault:
            raise StorageMissing("denied") from fault
        try:
            _hold(lock)
        except OSError as fault:
            lock.close()
            raise StoreInUse from fault
        self._lock = lock
        for end in ("", "-journal", "-copy"):
            with self._path.with_name(f"{self._path.name}{end}").open("ab") as file:
                # What a process before this one has written and, being killed, not flushed is read as if it were there
                # for good.
                os.fsync(file.fileno())
        sync_folder(self._path.parent)
        return str(self._path)

    def room_bytes(self) -> int | None:
        return shutil.disk_usage(self._path.parent).free

    def flush(self) -> None:
        """Nothing is left to do: with synchronous=FULL SQLite's commit has waited for the disk."""

    async def close(self) -> None:
        if self._lock is not None:
            self._lock.close()  # lets go of the lock
            self._lock = None


def _hold(lock: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


class DesktopDevice:
    def __init__(
        self,
        store_path: str | Path,
        office_url: str = OFFICE_URL,
        enrolment_key: str | None = None,
        downloads: Path | None = None,
    ) -> None:
        """`downloads`: where `share` puts files; the user's own folder if not told."""
        path = Path(store_path)
        self._path = path
        self._persistence = FilePersistence(path)
        self._signer = KeyFile(path.with_name(f"{path.name}-key"))
        self._downloads = downloads
        self._office_url = office_url.rstrip("/")
        self._enrolment_key = enrolment_key

    @property
    def platform(self) -> str:
        return f"desktop · {sys.platform}"

    @property
    def office_url(self) -> str:
        return self._office_url

    @property
    def persistence(self) -> Persistence:
        return self._persistence

    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)

    def http_transport(self) -> httpx.AsyncBaseTransport | None:
        return None

    @property
    def signer(self) -> Signer:
        return self._signer

    @property
    def sealer(self) -> Sealer:
        return LibrarySealer()

    async def storage(self) -> StorageState:
        files = self._path.parent.glob(f"{self._path.name}*")
        used = sum(file.stat().st_size for file in files)
        free = shutil.disk_usage(self._path.parent).free
        return StorageState(used, used + free, persisted=None, may_be_evicted=False)

    async def ask_to_persist(self) -> bool:
        return True  # nobody clears a folder of the user's own

    async def share(self, name: str, chunks: AsyncIterator[bytes]) -> Shared:
        """Into the downloads folder, under another name where that one is taken."""
        folder = self._downloads or Path.home() / "Downloads"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path, file = _created(folder, name)
        except OSError as fault:
            raise SharingFailed(str(fault)) from fault
        try:
            with file:
                async for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(folder)
        except BaseException as fault:
            path.unlink(missing_ok=True)  # half a file would look like a whole one
            if isinstance(fault, OSError):
                raise SharingFailed(str(fault)) from fault
            raise
        return Shared(Sharing.SAVED, str(path))

    def enrolment_key(self) -> str | None:
        return self._enrolment_key

    def belong_to(self, _link: str, /) -> bool:
        return False  # DOORSTEP_OFFICE_URL names the office

    def look_for_update(self) -> None:
        """What was installed is updated by whoever installed it."""

    def speak(self, _language: str) -> None:
        """Nothing is said around an app of its own."""

    def on_maybe_online(self, callback: Callable[[], None]) -> None:
        """A desktop gives no hint; the engine's own patience serves."""


def _created(folder: Path, name: str) -> tuple[Path, IO[bytes]]:
    """A new file that only this user may read, "name", "name (2)" and so on."""
    path = folder / name
    number = 1
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            number += 1
            path = folder / f"{Path(name).stem} ({number}){Path(name).suffix}"
        else:
            return path, os.fdopen(handle, "wb")
