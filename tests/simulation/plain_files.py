"""The simulated disks for field_app.store.kept_copy, which reads and writes files without SQLite.

It is given these in the place of pathlib's Path and of os.fsync: all that it uses of them, and no more.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import ParamSpec, TypeVar
from unittest.mock import patch

from msgspec import Struct

from field_app.store import kept_copy
from tests.simulation import sqlite_vfs
from tests.simulation.disks import PlainFile, SimulatedDisk
from tests.simulation.sqlite_vfs import FULL, DiskFault

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def in_the_kept_copys_place() -> Iterator[None]:
    with (
        patch.object(kept_copy, "Path", _Path),
        patch.object(kept_copy, "os", SimpleNamespace(fsync=_told(_File.sync))),
    ):
        yield


def _told(work: Callable[P, T]) -> Callable[P, T]:
    """A disk's fault as Python tells of it."""

    def telling(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except DiskFault as fault:
            raise OSError(errno.ENOSPC if fault.code == FULL else errno.EIO, "simulated") from fault

    return telling


class _Found(Struct, frozen=True):
    st_size: int


class _Path:
    def __init__(self, path: object) -> None:
        self._path = str(path)
        place = sqlite_vfs.mounted(self._path)
        assert place is not None, path
        disk, self._name = place
        assert isinstance(disk, SimulatedDisk), path
        self._disk = disk

    def __str__(self) -> str:
        return self._path

    def exists(self) -> bool:
        return self._disk.size(self._name) is not None

    def stat(self) -> _Found:
        size = self._disk.size(self._name)
        if size is None:
            raise FileNotFoundError(self._name)
        return _Found(size)

    @contextmanager
    def open(self, mode: str) -> Iterator["_File"]:
        yield _File(_told(self._disk.plain)(self._name, anew=mode == "w+b"))


class _File:
    def __init__(self, file: PlainFile) -> None:
        self._file = file
        self.read = _told(file.read)
        self.write = _told(file.write)
        self.truncate = _told(file.truncate)
        self.seek = file.seek

    def flush(self) -> None:
        """Nothing is held back."""

    def fileno(self) -> "_File":
        return self

    def sync(self) -> None:
        self._file.sync()
