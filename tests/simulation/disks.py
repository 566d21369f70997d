"""Disks that lose power: what was flushed is there afterwards; of what was written since, any part of it, or none.

`DESKTOP` does what SQLite expects of an operating system. `BROWSER` is the origin private file system as
field_app/device/opfs.js uses it, which says why: SQLite's fsync does nothing, and a file is flushed before certain
writes and by the store's `flush` (tests/browser holds the two against each other). `Power` is what a machine runs on;
when it goes, whatever still runs reaches no disk any more.
"""

import ctypes
import math
import random
from collections.abc import Callable
from enum import Enum

from tests.simulation.sqlite_vfs import BUSY, CANTOPEN, FULL, IOERR, DiskFault

_SECTOR = 512
"""Bytes that are written whole or not at all."""

_NONE, _SHARED, _RESERVED, _PENDING, _EXCLUSIVE = range(5)
_UNLOCK, _SHARED_LOCK = 1, 4


class Manner(Enum):
    DESKTOP = "desktop"
    BROWSER = "browser"


class Power:
    """Whether a machine still runs, and after how many more writes it will not."""

    def __init__(self) -> None:
        self.is_on = True
        self.fuse: int | None = None
        """Writes, flushes and cuts that still succeed; None for as many as it takes."""
        self.when_gone: Callable[[], None] = _nobody_to_tell

    def cut(self) -> None:
        if self.is_on:
            self.is_on = False
            self.when_gone()

    def used(self) -> None:
        """Called before anything is changed on a disk. Raises DiskFault without power."""
        if not self.is_on:
            raise DiskFault(IOERR)
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.cut()
                raise DiskFault(IOERR)


def _nobody_to_tell() -> None:
    pass


class _Content:
    """One file: as programs see it, as it would be found after a loss of power, and what lies between the two."""

    def __init__(self, data: bytes = b"") -> None:
        self.seen = bytearray(data)
        self.safe = bytearray(data)
        self.unflushed: list[tuple[int, bytes | None]] = []
        """(offset, bytes) of a write; (size, None) of a cut."""

    def change(self, at: int, data: bytes | None) -> None:
        _apply(self.seen, at, data)
        self.unflushed.append((at, data))

    def flush(self) -> None:
        for at, data in self.unflushed:
            _apply(self.safe, at, data)
        self.unflushed.clear()

    def lose_power(self, dice: random.Random) -> bool:
        """Whether anything was lost. Each change may have reached the disk, whatever became of those before it."""
        lost = False
        likely = dice.choice((0.0, 0.3, 0.7, 1.0))
        # The only one that is missing is what a checksum overlooks most easily.
        missing = dice.randrange(len(self.unflushed)) if self.unflushed and dice.random() < 0.3 else None
        for number, (at, data) in enumerate(self.unflushed):
            if dice.random() < likely if missing is None else number != missing:
                if data is not None and dice.random() < 0.2:  # a torn page
                    data = data[: _SECTOR * dice.randrange(1 + len(data) // _SECTOR)]
                    lost = True
                if data != b"":
                    _apply(self.safe, at, data)
            else:
                lost = True
        self.unflushed.clear()
        self.seen = bytearray(self.safe)
        return lost


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        if at < len(content):
            del content[at:]
        else:
            content.extend(bytes(at - len(content)))
        return
    if at > len(content):
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


class SimulatedDisk:
    """A folder of files. Implements sqlite_vfs.Disk."""

    def __init__(self, power: Power, manner: Manner = Manner.DESKTOP) -> None:
        self.power = power
        self.manner = manner
        self.is_full = False
        self.files: dict[str, _Content] = {}
        self._handles: list[_Handle] = []
        self._shared: dict[str, _SharedMemory] = {}
        self._written_last: str | None = None
        self._end: float = 0
        """Of the last write."""
        self.writes = 0

    # -- for SQLite ----------------------------------------------------------------------------------------------------

    def open(self, name: str, create: bool) -> "_Handle":
        if not self.power.is_on:
            raise DiskFault(CANTOPEN)
        if name not in self.files:
            if not create:
                raise DiskFault(CANTOPEN)
            self.files[name] = _Content()
        handle = _Handle(self, name, self._shared.setdefault(name, _SharedMemory()))
        self._handles.append(handle)
        return handle

    def delete(self, name: str) -> None:
        if self.manner is Manner.BROWSER and name in self.files:  # as in opfs.js: cut to no bytes, and flushed
            self.change(name, self.files[name], 0, None)
        self.power.used()
        self.files.pop(name, None)

    def exists(self, name: str) -> bool:
        # As in opfs.js: a file of no bytes is one that is not there.
        content = self.files.get(name)
        return content is not None and (self.manner is Manner.DESKTOP or len(content.seen) > 0)

    def change(self, name: str, content: _Content, at: int, data: bytes | None) -> None:
        self.power.used()
        if data is not None and self.is_full and at + len(data) > len(content.seen):
            raise DiskFault(FULL)
        self.writes += 1
        if self.manner is Manner.BROWSER:
            self._turn_to(name, at)
            self._end = math.inf if data is None else at + len(data)
        content.change(at, data)

    def _turn_to(self, name: str, at: int) -> None:
        """Before another file than the last is written to, that one is flushed; a journal before its header is written
        again, and after it was cut."""
        written = self._written_last
        if written in self.files and (written != name or (name.endswith("-journal") and at < self._end)):
            self.files[written].flush()
        self._written_last = name

    def sync(self, content: _Content) -> None:
        self.power.used()
        if self.manner is Manner.DESKTOP:
            content.flush()

    def others(self, handle: "_Handle") -> list["_Handle"]:
        return [each for each in self._handles if each.name == handle.name and each is not handle]

    def closed(self, handle: "_Handle") -> None:
        if handle in self._handles:
            self._handles.remove(handle)

    # -- for who reads and writes files as they are -----------------------------------------------------------------

    def plain(self, name: str, *, anew: bool) -> "PlainFile":
        """Open at its beginning; `anew`: as an empty file. Raises DiskFault, FileNotFoundError."""
        if not self.power.is_on:
            raise DiskFault(IOERR)
        if anew:
            self.files[name] = _Content()
        if name not in self.files:
            raise FileNotFoundError(name)
        return PlainFile(self, name, self.files[name])

    def size(self, name: str) -> int | None:
        """Bytes; None where there is no such file."""
        return len(self.files[name].seen) if name in self.files else None

    # -- for the machine -----------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Everything written so far survives."""
        self.power.used()
        for content in self.files.values():
            content.flush()

    def come_back(self, power: Power, dice: random.Random | None) -> bool:
        """After its machine stopped: with what the operating system had, or, given dice, with what the power's going
        has left. Whether anything written was lost.

        What the system had is flushed: by the phone's `Persistence` as it is opened.
        """
        self.power = power
        self._handles.clear()
        self._shared = {}
        self._written_last = None
        lost = False
        for content in self.files.values():
            if dice is not None:
                lost |= content.lose_power(dice)
            else:
                content.flush()
        return lost

    def image(self) -> dict[str, bytes]:
        """A copy of everything, as a backup finds it."""
        return {name: bytes(content.seen) for name, content in self.files.items()}

    def replace(self, image: dict[str, bytes]) -> None:
        """Everything as it was in the copy. Only while the machine is off."""
        self.files = {name: _Content(data) for name, data in image.items()}


class PlainFile:
    """Any method may raise DiskFault."""

    def __init__(self, disk: SimulatedDisk, name: str, content: _Content) -> None:
        self._disk = disk
        self._name = name
        self._content = content
        self._power = disk.power
        self._at = 0

    def read(self, length: int) -> bytes:
        if not self._power.is_on:
            raise DiskFault(IOERR)
        data = bytes(self._content.seen[self._at : self._at + length])
        self._at += len(data)
        return data

    def write(self, data: bytes) -> None:
        self._disk.change(self._name, self._content, self._at, data)
        self._at += len(data)

    def truncate(self, size: int) -> None:
        self._disk.change(self._name, self._content, size, None)

    def seek(self, at: int) -> None:
        self._at = at

    def sync(self) -> None:
        self._disk.sync(self._content)


class _SharedMemory:
    """The index of a write-ahead log, which all connections look into."""

    def __init__(self) -> None:
        self.regions: list[ctypes.Array[ctypes.c_char]] = []
        self.holders: dict[int, list[tuple[_Handle, bool]]] = {}
        """Slot → who holds it, and whether alone."""


class _Handle:
    """Implements sqlite_vfs.File."""

    def __init__(self, disk: SimulatedDisk, name: str, shared: _SharedMemory) -> None:
        self.disk = disk
        self.name = name
        self.level = _NONE
        self._power = disk.power
        self._content = disk.files[name]
        self._shared = shared

    def _still_on(self) -> None:
        if not self._power.is_on:
            raise DiskFault(IOERR)

    def read(self, offset: int, length: int) -> bytes:
        self._still_on()
        return bytes(self._content.seen[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        self._still_on()
        self.disk.change(self.name, self._content, offset, data)

    def truncate(self, size: int) -> None:
        self._still_on()
        self.disk.change(self.name, self._content, size, None)

    def sync(self) -> None:
        self._still_on()
        self.disk.sync(self._content)

    def size(self) -> int:
        self._still_on()
        return len(self._content.seen)

    def lock(self, level: int) -> None:
        self._still_on()
        if level <= self.level:
            return
        highest = max((each.level for each in self.disk.others(self)), default=_NONE)
        if (level == _SHARED and highest >= _PENDING) or (level >= _RESERVED and highest >= _RESERVED):
            raise DiskFault(BUSY)
        if level == _EXCLUSIVE and highest >= _SHARED:
            self.level = _PENDING
            raise DiskFault(BUSY)
        self.level = level

    def unlock(self, level: int) -> None:
        self.level = min(self.level, level)

    def is_reserved(self) -> bool:
        return any(each.level >= _RESERVED for each in self.disk.others(self))

    def shared_memory(self, region: int, size: int, extend: bool) -> int | None:
        self._still_on()
        regions = self._shared.regions
        while len(regions) <= region:
            if not extend:
                return None
            regions.append(ctypes.create_string_buffer(size))
        return ctypes.addressof(regions[region])

    def lock_shared_memory(self, offset: int, count: int, flags: int) -> None:
        if flags & _UNLOCK:
            for slot in range(offset, offset + count):
                held = self._shared.holders.get(slot, [])
                self._shared.holders[slot] = [each for each in held if each[0] is not self]
            return
        self._still_on()
        alone = not flags & _SHARED_LOCK
        slots = range(offset, offset + count)
        for slot in slots:
            others = [each for each in self._shared.holders.get(slot, []) if each[0] is not self]
            if any(alone or is_alone for _, is_alone in others):
                raise DiskFault(BUSY)
        for slot in slots:
            self._shared.holders.setdefault(slot, []).append((self, alone))

    def close(self) -> None:
        for slot, held in self._shared.holders.items():
            self._shared.holders[slot] = [each for each in held if each[0] is not self]
        self.disk.closed(self)
