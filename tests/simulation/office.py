"""The office: the production application over the production storage, in processes that die and are started again.

Everything behind the application's door is production code. What is ours is when a commit happens (`Storage`'s
`on_waiting`), the disk under the database, and what becomes of photo files that were not flushed.
"""

import asyncio
import errno
import os
import random
import shutil
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from shared_schema.sync_protocol import OLDEST_PROTOCOL, PROTOCOL
from sync_server.accounts import Accounts
from sync_server.app import create_app
from sync_server.services.backups import FOLDERS, back_up, restore
from sync_server.services.desk import Desk
from sync_server.services.photo_files import PhotoFiles
from sync_server.services.rescue import RescueDesk
from sync_server.services.rounds import Rounds
from sync_server.settings import Settings
from sync_server.storage import Reading, Storage, StorageUnavailable
from tests.simulation import sqlite_vfs
from tests.simulation.disks import Power, SimulatedDisk
from tests.simulation.network import Answer, OfficeGone, Parts, Sent, call
from tests.simulation.older_forms import make_office_older
from tests.simulation.sqlite_vfs import DiskFault

if TYPE_CHECKING:
    from tests.simulation.world import World

T = TypeVar("T")

SCRUB_EVERY = timedelta(hours=1)
_STARTS = 60
"""Five seconds apart: far longer than a disk stays full."""


class Files:
    """What the flushing of the office's photo files has made certain: their lengths, by inode."""

    def __init__(self, folder: Path) -> None:
        self.power = Power()
        self._folder = str(folder)
        self._flushed: dict[tuple[int, int], int] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """os.fsync told to us. The files are in memory: there is nothing to wait for."""
        really = os.fsync

        def fsync(fd: Any) -> None:
            handle = fd if isinstance(fd, int) else fd.fileno()
            if os.readlink(f"/proc/self/fd/{handle}").startswith(self._folder):
                try:
                    self.power.used()
                except DiskFault as fault:
                    raise OSError(errno.EIO, "no power") from fault
                self.is_certain(os.fstat(handle))

        os.fsync = fsync
        try:
            yield
        finally:
            os.fsync = really

    def is_certain(self, found: os.stat_result) -> None:
        self._flushed[found.st_dev, found.st_ino] = found.st_size

    def lose_power(self, folder: Path, dice: random.Random) -> None:
        """What was written and not flushed is gone, or part of it is."""
        for name in ("uploads", "photos", "damaged"):
            for path in sorted((folder / name).rglob("*")):
                if not path.is_file():
                    continue
                found = path.stat()
                certain = self._flushed.get((found.st_dev, found.st_ino), 0)
                if certain < found.st_size:
                    os.truncate(path, dice.randint(certain, found.st_size))


class Process:
    """One life of the office's program."""

    def __init__(self, office: "Office", power: Power) -> None:
        self._office = office
        self._world = office.world
        self.power = power
        self.tasks: set[asyncio.Task[Any]] = set()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commit_is_due = False
        self._waiting = 0
        self.loses_power = False
        """How it will die, where its power has a fuse."""
        self.storage = Storage.open(office.database, on_waiting=self._write_waits)
        self.application = create_app(office.settings, self.storage, self._world.clock, monotonic=self._world.loop.time)
        self.accounts = Accounts(self.storage, office.settings, self._world.clock, monotonic=self._world.loop.time)
        self.photo_files = PhotoFiles(office.settings.data)
        self.rescue = RescueDesk(self.storage, self.photo_files, self._world.clock, _tell_nobody)
        self.desk = Desk(self.storage, self.photo_files, self._world.clock, office.settings.time_zone)

    async def begin(self) -> None:
        """Raises StorageUnavailable where it dies of it."""
        started = asyncio.get_running_loop().create_future()

        async def live() -> None:
            async with self.application.lifespan():
                started.set_result(None)
                await asyncio.Event().wait()

        living = self.spawn(live())
        await asyncio.wait([started, self.gone, living], return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            self.die()
            await self.bury()
            raise StorageUnavailable("it died as it started")

    def spawn(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def outlived(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of the work, if the process lives to tell. Raises OfficeGone."""
        task = self.spawn(work)
        either: list[asyncio.Future[Any]] = [task, self.gone]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not self.power.is_on or not task.done() or task.cancelled():
            raise OfficeGone
        return task.result()

    def _write_waits(self) -> None:
        self._waiting += 1
        if not self._commit_is_due:
            self._commit_is_due = True
            self._world.loop.call_later(self._office.commit_takes(), self._commit)

    def _commit(self) -> None:
        self._commit_is_due = False
        if not self.power.is_on:
            return
        if self._waiting > 1:
            self._world.trace.count("commits of several writes")
        self._waiting = 0
        ends = None if self.storage.is_embedded or self.power.fuse is None else self._office.dies_before_commit()
        if ends is True:
            self.power.cut()
            return
        while self.storage.write_waiting():
            self._world.trace.count("office commits")
        if ends is False:  # it has committed, and nobody will hear of it
            self.power.cut()

    def die(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        for task in tuple(self.tasks):
            task.cancel()

    async def bury(self) -> None:
        """Let go of what a dead process's operating system would have taken back."""
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.storage.is_embedded:  # it has no disk any more; another server would still take what waits
            self.storage.close()
        self.accounts.close()
        self.photo_files.close()


class Office:
    def __init__(self, world: "World", folder: Path, dice: random.Random, postgresql: str) -> None:
        """`postgresql` is the address of an empty database, on which two processes work; "" for one on SQLite."""
        self.world = world
        self.settings = Settings(
            data=folder,
            database_url=postgresql,
            company="上门家居服务",
            office_phone="400-820-0000",
            scrub_days=SCRUB_EVERY / timedelta(days=1),
            oldest_protocol=dice.choice((OLDEST_PROTOCOL, PROTOCOL)),
            expiry_days=dice.choice((1, 7)),
        )
        self.is_embedded = not postgresql
        folder.mkdir()
        (folder / "doorstep.db").touch()  # for who looks by other ways than SQLite's whether there is one
        self._dice = dice
        self.disk = SimulatedDisk(Power())
        sqlite_vfs.mount(str(folder), self.disk)
        self.files = Files(folder)
        self.processes: list[Process] = []
        self.is_slow = False
        self.restores = 0
        self.has_lost_its_key = False
        self.since: datetime | None = None
        """When it was started last."""
        self._is_seen_to = False
        """Somebody has stopped it and will start it again."""
        self._fuses: list[int] = []
        """After how many writes its power goes at the next starts."""
        self._backups = folder.with_name("backups")

    @property
    def process(self) -> Process | None:
        """One that lives."""
        return self.processes[0] if self.processes else None

    def _any(self) -> Process | None:
        """Whichever a request happens to reach."""
        return self._dice.choice(self.processes) if len(self.processes) > 1 else self.process

    def dies_before_commit(self) -> bool:
        return self._dice.random() < 0.5

    @property
    def database(self) -> str:
        return self.settings.database

    def commit_takes(self) -> float:
        """Seconds until a write that waits is committed, with all that came meanwhile."""
        return self._dice.uniform(0.3, 6.0) if self.is_slow else self._dice.uniform(0.0005, 0.012)

    # -- lives ---------------------------------------------------------------------------------------------------------

    async def start(self, *, with_power_lost: bool = False) -> None:
        power = Power()
        power.fuse = self._fuses.pop() if self._fuses else None
        if self.is_embedded:
            assert not self.processes
            lost = self.disk.come_back(power, self._dice if with_power_lost else None)
            self.files.power = power
            if with_power_lost:
                self.files.lose_power(self.settings.data, self._dice)
                self.world.trace.count("office came back with writes lost", int(lost))
        process = Process(self, power)
        power.when_gone = process.die
        await process.begin()
        power.fuse = None
        power.when_gone = lambda: self._power_went(process)
        self.processes.append(process)
        self.since = self.world.clock.now()
        self.world.trace.note("office", "started")
        self.world.invariants.office_restarted(process)
        self.world.office_is_back()

    def _power_went(self, process: Process) -> None:
        """In the middle of whatever it was doing."""
        self.world.trace.note("office", "died")
        self.processes.remove(process)
        self.world.loop.call_soon(process.die)
        if not self._is_seen_to:
            self.world.later(self._dice.uniform(0.1, 20), self._revive(process))

    async def _revive(self, process: Process) -> None:
        await process.bury()
        await self._start_at_last(with_power_lost=process.loses_power)

    async def _start_at_last(self, *, with_power_lost: bool) -> None:
        """As often as it takes: whoever runs it tries again."""
        for _ in range(_STARTS):
            try:
                await self.start(with_power_lost=with_power_lost)
            except (StorageUnavailable, OSError) as fault:  # a full disk, mostly; or it dies as it starts
                last = fault
                await asyncio.sleep(5)
            else:
                return
        self.world.invariants.fails("the office starts again", str(last))

    # -- requests ------------------------------------------------------------------------------------------------------

    def serve(self, sent: Sent, parts: Parts, hung_up: asyncio.Event) -> "asyncio.Future[Answer]":
        """The answer, or OfficeGone. It goes on when the asker has gone."""
        process = self._any()

        async def serving() -> Answer:
            if process is None:
                raise OfficeGone
            answer = await process.outlived(call(process.application, sent, parts, hung_up))
            self.world.invariants.answered(process, sent, answer)
            return answer

        served = asyncio.ensure_future(serving())
        served.add_done_callback(_retrieved)
        return served

    async def do(self, work: Callable[[Process], Coroutine[Any, Any, T]]) -> T:
        """Something done at the office's own desk. Raises OfficeGone or StorageUnavailable."""
        process = self._any()
        if process is None:
            raise OfficeGone
        return await process.outlived(work(process))

    def look(self, work: Callable[[Reading], T]) -> T:
        """What the office holds at this moment; it must be running."""
        assert self.process is not None
        return self.process.storage.read_now(work)

    # -- backups -------------------------------------------------------------------------------------------------------

    def back_up(self) -> Path:
        """By the production code, while the office runs."""
        return back_up(self.settings, self._backups, self.world.clock.now(), _tell_nobody).folder

    async def restore(self, backup: Path) -> None:
        """What happened since is gone. Only while the office runs."""
        await self._stop()
        self.restores += 1
        fresh = self._backups / f"restored-{self.restores}"
        restore(backup, replace(self.settings, data=fresh), self.world.clock.now(), _tell_nobody)
        for folder in (*FOLDERS, "uploads"):
            shutil.rmtree(self.settings.data / folder)
            (fresh / folder).mkdir(exist_ok=True)
            (fresh / folder).rename(self.settings.data / folder)
            for path in (self.settings.data / folder).rglob("*"):
                self.files.is_certain(path.stat())
        self.disk.replace({path.name: path.read_bytes() for path in fresh.glob("doorstep.db*")})
        self.world.invariants.office_restored()
        await self._start_at_last(with_power_lost=False)

    async def _stop(self) -> None:
        """For somebody to see to its database. Only while the office runs."""
        assert self.process is not None
        process = self.process
        self._is_seen_to = True
        process.power.cut()
        self._is_seen_to = False
        await asyncio.sleep(self._dice.uniform(0.1, 20))
        await process.bury()

    # -- a disk that rots ----------------------------------------------------------------------------------------------

    def damage_a_photo(self, dice: random.Random) -> str | None:
        """One that was received is altered, cut short or gone; which. Only while the office runs."""
        assert self.process is not None
        files = self.process.photo_files
        received = sorted(files.present(self.look(lambda reading: reading.scrubs.received_between("", None))))
        chosen = dice.choice(received) if received else None
        path = files.path(chosen) if chosen is not None else None
        if path is None:
            return None
        data = bytearray(path.read_bytes())
        match dice.choice(("altered", "cut short", "gone")) if data else "gone":
            case "altered":
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
                with path.open("r+b") as file:
                    file.write(data)
            case "cut short":
                os.truncate(path, dice.randrange(len(data)))
            case _:
                path.unlink()
        return chosen

    # -- a newer version -----------------------------------------------------------------------------------------------

    async def update(self, dice: random.Random) -> None:
        """An older office ran here until now; the newer one changes its database as it starts, and is perhaps killed
        meanwhile, again and again. Only while the office runs."""
        await self._stop()
        was_full, self.disk.is_full = self.disk.is_full, False
        self.disk.come_back(Power(), None)
        # An office that had no key for rescue files yet makes another: it must not be asked to open one.
        self.has_lost_its_key |= not self.world.ledger.rescue_files and dice.random() < 0.5
        make_office_older(str(self.settings.data / "doorstep.db"), has_rescue_key=not self.has_lost_its_key)
        self.disk.is_full = was_full
        self._fuses = [dice.randrange(120) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
        self.world.trace.count("deaths planned for an office that changes its database", len(self._fuses))
        await self._start_at_last(with_power_lost=dice.random() < 0.6)

    async def expire(self) -> None:
        """What the application does by the hour, at once."""
        await self.do(lambda process: _expire(process, self))


async def _expire(process: Process, office: Office) -> int:
    from sync_server.accounts import access_ticket
    from sync_server.services.reference import References

    rounds = Rounds(process.storage, References(office.settings), office.world.clock, access_ticket)
    return await rounds.expire(office.settings.expiry_days)


def _tell_nobody(*_said: object) -> None:
    """How far a backup has come, or that there are new photos."""


def _retrieved(served: "asyncio.Future[Answer]") -> None:
    if not served.cancelled():
        served.exception()
