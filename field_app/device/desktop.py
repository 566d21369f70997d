"""An ordinary Python process: the development mode (`make app`) and tests. The store is a plain file."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import httpx

from field_app.device.contract import Persistence, StorageMissing, StoreInUse

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
        self._path.touch()
        _sync_folder(self._path.parent)
        return str(self._path)

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


def _sync_folder(folder: Path) -> None:
    """A file just made is not there after a power cut until its folder is on the disk too."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class DesktopDevice:
    def __init__(self, store_path: str | Path, office_url: str = OFFICE_URL, enrolment_key: str | None = None) -> None:
        self._persistence = FilePersistence(Path(store_path))
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

    def enrolment_key(self) -> str | None:
        return self._enrolment_key

    def belong_to(self, _link: str, /) -> bool:
        return False  # DOORSTEP_OFFICE_URL names the office

    def on_maybe_online(self, callback: Callable[[], None]) -> None:
        """A desktop gives no hint; the engine's own patience serves."""
