"""The copy of the store that is kept while a newer app has changed it and not yet proven itself.

One file beside the store, empty at other times (in a browser no file can be made later, none renamed). It begins with
three marks of 512 bytes each, written or cleared one at a time, each of them once its predecessor is on the disk:

    kept        the copy is whole; the store may have been changed since
    used        something has been recorded since: to put the copy back would lose that
    restoring   the copy is being put back, and what stands in the store's place may be half of each

Killed at any point, the next start finds what to do by the marks (see database). Plain reading and writing of files:
only while no SQLite connection is open.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

_MARK_BYTES = 512
_BEGIN = 4096
_PIECE = 1_000_000
_SLACK_BYTES = 4_000_000
"""What the change itself may need beside the copy."""

_KEPT, _USED, _RESTORING = range(3)


class _Kept(Struct, frozen=True):
    size: int
    sha256: str


class CopyDamaged(Exception):
    """Its bytes are not those that were copied."""


class KeptCopy:
    def __init__(self, store: str, flush: Callable[[], None]) -> None:
        self._store = Path(store)
        self._path = Path(f"{store}-copy")
        self._flush = flush
        self._kept = self._read_mark(_KEPT)
        self._is_used = self._kept is not None and self._read_mark(_USED) is not None
        self._is_restoring = self._kept is not None and self._read_mark(_RESTORING) is not None

    @property
    def is_kept(self) -> bool:
        return self._kept is not None

    @property
    def may_be_put_back(self) -> bool:
        return self._kept is not None and not self._is_used

    @property
    def is_restoring(self) -> bool:
        return self._is_restoring

    def needed_bytes(self) -> int:
        """Room for `make` and for what comes after it; what an older copy takes is used again."""
        taken = self._path.stat().st_size if self._path.exists() else 0
        return max(0, self._store.stat().st_size + _BEGIN - taken) + _SLACK_BYTES

    def make(self) -> None:
        """Copy the store as it is. Raises OSError, and there is then no copy."""
        self._kept, self._is_used, self._is_restoring = None, False, False
        digest = hashlib.sha256()
        with self._writing(self._path) as copy:
            copy.truncate(0)
        try:
            with self._writing(self._path) as copy, self._store.open("rb") as store:
                copy.write(bytes(_BEGIN))
                while piece := store.read(_PIECE):
                    copy.write(piece)
                    digest.update(piece)
        except OSError:
            with self._writing(self._path) as copy:
                copy.truncate(0)
            raise
        kept = _Kept(self._store.stat().st_size, digest.hexdigest())
        self._write_mark(_KEPT, kept)
        self._kept = kept

    def use(self) -> None:
        """Something is about to be recorded in the store."""
        if self._kept is not None and not self._is_used:
            self._write_mark(_USED, self._kept)
            self._is_used = True

    def put_back(self) -> None:
        """Make the store what it was. Raises CopyDamaged, before anything is touched, and OSError."""
        kept = self._kept
        assert kept is not None
        if self._digest(kept) != kept.sha256:
            raise CopyDamaged
        self._write_mark(_RESTORING, kept)
        self._is_restoring = True
        journal = Path(f"{self._store}-journal")
        if journal.exists():  # of the store that is given up: it must not be rolled back into this one
            with self._writing(journal) as file:
                file.truncate(0)
        with self._writing(self._store) as store:
            for piece in self._pieces(kept):
                store.write(piece)
            store.truncate(kept.size)
        self._write_mark(_RESTORING, None)
        self._is_restoring = False

    def drop(self) -> None:
        if self._path.exists() and self._path.stat().st_size:
            with self._writing(self._path) as copy:
                copy.truncate(0)
        self._kept, self._is_used = None, False

    # -- files --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, path: Path) -> Iterator[IO[bytes]]:
        """What was written survives the loss of power once this is over."""
        with path.open("r+b" if path.exists() else "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            self._flush()  # where fsync reaches nothing

    def _write_mark(self, number: int, mark: _Kept | None) -> None:
        data = b"" if mark is None else msgspec.json.encode(mark)
        if data:
            data = b"%08x %s" % (_check(data), data)
        with self._writing(self._path) as copy:
            copy.seek(number * _MARK_BYTES)
            copy.write(data.ljust(_MARK_BYTES, b"\0"))

    def _read_mark(self, number: int) -> _Kept | None:
        if not self._path.exists():
            return None
        with self._path.open("rb") as copy:
            copy.seek(number * _MARK_BYTES)
            check, _, data = copy.read(_MARK_BYTES).rstrip(b"\0").partition(b" ")
        if check != b"%08x" % _check(data):
            return None  # never written, or not to its end
        return msgspec.json.decode(data, type=_Kept)

    def _pieces(self, kept: _Kept) -> Iterator[bytes]:
        left = kept.size
        with self._path.open("rb") as copy:
            copy.seek(_BEGIN)
            while left and (piece := copy.read(min(_PIECE, left))):
                left -= len(piece)
                yield piece

    def _digest(self, kept: _Kept) -> str:
        digest = hashlib.sha256()
        for piece in self._pieces(kept):
            digest.update(piece)
        return digest.hexdigest()


def _check(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big")
