"""SQLite's own way of being put on another disk: a virtual file system (https://sqlite.org/vfs.html), in Python.

The sqlite3 module's library is asked to call us for files in mounted folders; every other file goes where it always
went. So the stores and the office's database are real SQLite files written by the real SQLite, on disks that can lose
power between any two of its writes. What the disks do is `disks`' business.
"""

import _sqlite3
import ctypes
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, memmove, sizeof, string_at
from typing import Any, Protocol

OK, ERROR, BUSY, NOTFOUND, IOERR, FULL, CANTOPEN = 0, 1, 5, 12, 10, 13, 14
IOERR_SHORT_READ = IOERR | 2 << 8
_OPEN_CREATE = 0x4
_OPEN_DELETE_ON_CLOSE = 0x8
_SECTOR_BYTES = 4096
_POWERSAFE_OVERWRITE = 0x1000
"""As SQLite assumes of every disk: bytes beside those being written survive."""


class DiskFault(Exception):
    """What SQLite is told instead of OK."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class File(Protocol):
    """One open file of a mounted disk. Any method may raise DiskFault."""

    def read(self, offset: int, length: int) -> bytes: ...
    def write(self, offset: int, data: bytes) -> None: ...
    def truncate(self, size: int) -> None: ...
    def sync(self) -> None: ...
    def size(self) -> int: ...
    def lock(self, level: int) -> None: ...
    def unlock(self, level: int) -> None: ...
    def is_reserved(self) -> bool: ...
    def shared_memory(self, region: int, size: int, extend: bool) -> int | None: ...
    def lock_shared_memory(self, offset: int, count: int, flags: int) -> None: ...
    def close(self) -> None: ...


class Disk(Protocol):
    def open(self, name: str, create: bool) -> File: ...
    def delete(self, name: str) -> None: ...
    def exists(self, name: str) -> bool: ...


_mounted: dict[str, Disk] = {}
_open: dict[int, File] = {}
_faults: list[BaseException] = []


def mount(folder: str, disk: Disk) -> None:
    """From now on SQLite finds this disk in `folder`."""
    _mounted[folder] = disk


def unmount(folder: str) -> None:
    del _mounted[folder]


@contextmanager
def mounting() -> Iterator[None]:
    """Within this, SQLite knows the mounted folders; afterwards all is as it was, and our own mistakes are raised."""
    _register(byref(_ours), 1)
    try:
        yield
    finally:
        _register(_theirs, 1)
        _mounted.clear()
        if _faults:
            fault = _faults[0]
            _faults.clear()
            raise fault


def _answer(work: Any) -> Any:
    """What `work` does as an answer SQLite understands; an exception must not get into its C code."""

    def answer(*arguments: Any) -> int:
        try:
            work(*arguments)
        except DiskFault as fault:
            return fault.code
        except BaseException as mistake:
            _faults.append(mistake)
            return IOERR
        return OK

    return answer


# -- the methods of a file --------------------------------------------------------------------------------------------


@_answer
def _close(file: int) -> None:
    opened = _open.pop(file, None)
    if opened is not None:
        opened.close()


def _read(file: int, into: int, amount: int, offset: int) -> int:
    try:
        data = _open[file].read(offset, amount)
    except DiskFault as fault:
        return fault.code
    except BaseException as mistake:
        _faults.append(mistake)
        return IOERR
    memmove(into, data, len(data))
    if len(data) < amount:
        ctypes.memset(into + len(data), 0, amount - len(data))
        return IOERR_SHORT_READ
    return OK


@_answer
def _write(file: int, data: int, amount: int, offset: int) -> None:
    _open[file].write(offset, string_at(data, amount))


@_answer
def _truncate(file: int, size: int) -> None:
    _open[file].truncate(size)


@_answer
def _sync(file: int, _flags: int) -> None:
    _open[file].sync()


@_answer
def _file_size(file: int, answer: Any) -> None:
    answer[0] = _open[file].size()


@_answer
def _lock(file: int, level: int) -> None:
    _open[file].lock(level)


@_answer
def _unlock(file: int, level: int) -> None:
    _open[file].unlock(level)


@_answer
def _check_reserved(file: int, answer: Any) -> None:
    answer[0] = int(_open[file].is_reserved())


def _file_control(_file: int, _operation: int, _argument: int) -> int:
    return NOTFOUND


def _sector_size(_file: int) -> int:
    return _SECTOR_BYTES


def _characteristics(_file: int) -> int:
    return _POWERSAFE_OVERWRITE


@_answer
def _shm_map(file: int, region: int, size: int, extend: int, answer: Any) -> None:
    answer[0] = _open[file].shared_memory(region, size, bool(extend))


@_answer
def _shm_lock(file: int, offset: int, count: int, flags: int) -> None:
    _open[file].lock_shared_memory(offset, count, flags)


def _shm_barrier(_file: int) -> None:
    """One thread needs none."""


def _shm_unmap(_file: int, _delete: int) -> int:
    return OK


_OUT_INT = POINTER(c_int)
_METHODS: list[tuple[str, Any, Any]] = [
    ("xClose", CFUNCTYPE(c_int, c_void_p), _close),
    ("xRead", CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64), _read),
    ("xWrite", CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64), _write),
    ("xTruncate", CFUNCTYPE(c_int, c_void_p, c_int64), _truncate),
    ("xSync", CFUNCTYPE(c_int, c_void_p, c_int), _sync),
    ("xFileSize", CFUNCTYPE(c_int, c_void_p, POINTER(c_int64)), _file_size),
    ("xLock", CFUNCTYPE(c_int, c_void_p, c_int), _lock),
    ("xUnlock", CFUNCTYPE(c_int, c_void_p, c_int), _unlock),
    ("xCheckReservedLock", CFUNCTYPE(c_int, c_void_p, _OUT_INT), _check_reserved),
    ("xFileControl", CFUNCTYPE(c_int, c_void_p, c_int, c_void_p), _file_control),
    ("xSectorSize", CFUNCTYPE(c_int, c_void_p), _sector_size),
    ("xDeviceCharacteristics", CFUNCTYPE(c_int, c_void_p), _characteristics),
    ("xShmMap", CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, POINTER(c_void_p)), _shm_map),
    ("xShmLock", CFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int), _shm_lock),
    ("xShmBarrier", CFUNCTYPE(None, c_void_p), _shm_barrier),
    ("xShmUnmap", CFUNCTYPE(c_int, c_void_p, c_int), _shm_unmap),
]


class _Methods(Structure):
    """sqlite3_io_methods, version 2: with shared memory, without memory maps."""

    _fields_ = [("iVersion", c_int), *((name, form) for name, form, _ in _METHODS)]


class _Opened(Structure):
    """sqlite3_file: SQLite makes the room, we say whose methods it has."""

    _fields_ = [("methods", c_void_p)]


class _Vfs(Structure):
    """sqlite3_vfs, version 1; what is not ours is copied from SQLite's own."""


# Names are handed on as the addresses they came as: SQLite keeps more before and behind them than the text.
_OPEN_FORM = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, _OUT_INT)
_DELETE_FORM = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_ACCESS_FORM = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, _OUT_INT)
_FULL_NAME_FORM = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_void_p)
_SLEEP_FORM = CFUNCTYPE(c_int, c_void_p, c_int)

_Vfs._fields_ = [
    ("iVersion", c_int),
    ("szOsFile", c_int),
    ("mxPathname", c_int),
    ("pNext", c_void_p),
    ("zName", c_char_p),
    ("pAppData", c_void_p),
    ("xOpen", _OPEN_FORM),
    ("xDelete", _DELETE_FORM),
    ("xAccess", _ACCESS_FORM),
    ("xFullPathname", _FULL_NAME_FORM),
    ("xDlOpen", c_void_p),
    ("xDlError", c_void_p),
    ("xDlSym", c_void_p),
    ("xDlClose", c_void_p),
    ("xRandomness", c_void_p),
    ("xSleep", _SLEEP_FORM),
    ("xCurrentTime", c_void_p),
    ("xGetLastError", c_void_p),
]


def _library() -> Any:
    """The very library the sqlite3 module uses, whether it is a file of its own or part of the interpreter."""
    for name in (getattr(_sqlite3, "__file__", None), None):
        library = ctypes.CDLL(name)
        if hasattr(library, "sqlite3_vfs_register"):
            return library
    raise RuntimeError(f"the SQLite {sqlite3.sqlite_version} of this Python cannot be given a file system")


_sqlite = _library()
_sqlite.sqlite3_vfs_find.restype = POINTER(_Vfs)
_sqlite.sqlite3_vfs_find.argtypes = [c_char_p]
_register = _sqlite.sqlite3_vfs_register
_theirs = _sqlite.sqlite3_vfs_find(None)

_methods = _Methods(2, *(form(work) for _, form, work in _METHODS))
_methods_address = ctypes.addressof(_methods)


def mounted(path: str) -> tuple[Disk, str] | None:
    """The disk of that file, and the file's name there; None where it is on no disk of ours."""
    folder, file = os.path.split(path)
    disk = _mounted.get(folder)
    return None if disk is None else (disk, file)


def _place(name: int | None) -> tuple[Disk, str] | None:
    if not _mounted or name is None:
        return None
    return mounted(os.fsdecode(string_at(name)))


def _vfs_open(_vfs: int, name: int | None, file: int, flags: int, flags_out: Any) -> int:
    place = _place(name)
    if place is None:
        return int(_theirs.contents.xOpen(ctypes.cast(_theirs, c_void_p), name, file, flags, flags_out))
    opened = _Opened.from_address(file)
    opened.methods = None
    disk, own_name = place
    try:
        _open[file] = disk.open(own_name, bool(flags & _OPEN_CREATE))
    except DiskFault as fault:
        return fault.code
    except BaseException as mistake:
        _faults.append(mistake)
        return CANTOPEN
    opened.methods = _methods_address
    if flags_out:
        flags_out[0] = flags
    return OK


def _vfs_delete(_vfs: int, name: int | None, sync: int) -> int:
    place = _place(name)
    if place is None:
        return int(_theirs.contents.xDelete(ctypes.cast(_theirs, c_void_p), name, sync))
    return int(_answer(place[0].delete)(place[1]))


def _vfs_access(_vfs: int, name: int | None, flags: int, answer: Any) -> int:
    place = _place(name)
    if place is None:
        return int(_theirs.contents.xAccess(ctypes.cast(_theirs, c_void_p), name, flags, answer))
    answer[0] = int(place[0].exists(place[1]))
    return OK


def _vfs_full_name(_vfs: int, name: int | None, room: int, into: int) -> int:
    if _place(name) is None or name is None:
        return int(_theirs.contents.xFullPathname(ctypes.cast(_theirs, c_void_p), name, room, into))
    memmove(into, name, len(string_at(name)) + 1)
    return OK


def _vfs_sleep(_vfs: int, microseconds: int) -> int:
    """A lock that is held stays held while we sleep: there is nobody else who could let go of it."""
    return microseconds


_ours = _Vfs(
    1,
    max(sizeof(_Opened), _theirs.contents.szOsFile),
    _theirs.contents.mxPathname,
    None,
    b"simulated",
    None,
    _OPEN_FORM(_vfs_open),
    _DELETE_FORM(_vfs_delete),
    _ACCESS_FORM(_vfs_access),
    _FULL_NAME_FORM(_vfs_full_name),
    _theirs.contents.xDlOpen,
    _theirs.contents.xDlError,
    _theirs.contents.xDlSym,
    _theirs.contents.xDlClose,
    _theirs.contents.xRandomness,
    _SLEEP_FORM(_vfs_sleep),
    _theirs.contents.xCurrentTime,
    _theirs.contents.xGetLastError,
)
