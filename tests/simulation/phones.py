"""A technician's phone: the production store, engine and actions on hardware that fails.

The store's file is on a disk that may lose power between any two writes. Whatever the person was told is saved goes
into the ledger, and after every restart it is looked whether it is there.
"""

import asyncio
import hashlib
import random
import sqlite3
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from field_app.actions import Actions, Saved
from field_app.device.contract import Persistence, StoreInUse
from field_app.device.desktop import FilePersistence
from field_app.store import Exchange, StorageUnavailable, Store, Taken, UpdateFailed
from field_app.sync import NotPossible, OfficeOverHttp, SyncEngine, make_rescue_file
from field_app.sync.rescue_file import covered, rescue_name
from shared_schema import wire
from shared_schema.operations import Clock
from shared_schema.sync_protocol import OLDEST_PROTOCOL, RoundReply
from tests.builders.clocks import StoryClock
from tests.builders.phones import StoryDevice
from tests.simulation import sqlite_vfs
from tests.simulation.disks import Manner, Power, SimulatedDisk
from tests.simulation.ledger import Promise, RescueFile
from tests.simulation.network import Line
from tests.simulation.older_forms import make_entries_newer, make_store_older, reading_as_older, steps_that_fail

if TYPE_CHECKING:
    from tests.simulation.world import World


RIGHT_AFTER_SAVING = "phone lost power right after it said that something is saved"
WHILE_SAVING = "phone lost power while something was being saved"
_EVERYTHING = 2**31
_STARTS = 200
"""One second apart: longer than a disk stays full."""


class PhoneClock(StoryClock):
    """The world's time, as StoryDevice asks for it."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    def now(self) -> datetime:
        return self._world.clock.now()

    def monotonic(self) -> float:
        return self._world.loop.time()


class App:
    """One life of the app on a phone."""

    def __init__(self, phone: "Phone", store: Store, persistence: Persistence) -> None:
        self.store = store
        self.persistence = persistence
        take_reply = store.take_reply

        def take_as_it_can(asked: Exchange, reply: RoundReply, clock: Clock) -> Taken:
            is_older = phone.line.protocol == OLDEST_PROTOCOL
            with reading_as_older(phone.could_not_read) if is_older else nullcontext():
                return take_reply(asked, reply, clock)

        store.take_reply = take_as_it_can  # type: ignore[method-assign]
        self.client = httpx.AsyncClient(base_url=phone.device.office_url, transport=phone.line)
        self.engine = SyncEngine(store, OfficeOverHttp(self.client, store), phone.device)
        self.actions = Actions(store, self.engine)
        self.task = asyncio.get_running_loop().create_task(self.engine.run_forever())
        self.enrolling: asyncio.Task[Any] | None = None
        self.task.add_done_callback(phone.world.invariants.syncing_ended)


class Phone:
    def __init__(self, world: "World", name: str, person: str, folder: Path, dice: random.Random) -> None:
        self.world = world
        self.name = name
        self.person = person
        self._dice = dice
        self.folder = folder / name
        self.folder.mkdir()
        self.disk = SimulatedDisk(Power(), dice.choice([Manner.BROWSER, Manner.BROWSER, Manner.DESKTOP]))
        sqlite_vfs.mount(str(self.folder), self.disk)
        self.device = StoryDevice(PhoneClock(world), dice.getrandbits(32))
        self.line = Line(world, name, random.Random(dice.randbytes(8)))
        self.line.dies_soon = self._dies_soon
        self.app: App | None = None
        self.is_gone = False
        """Lost for good."""
        self.backup: dict[str, bytes] | None = None
        self.kept_off = 0
        """How many want it to stay off."""
        self.was_restored = False
        """Its store was put back to an old copy, and has not been looked at since."""
        self.was_ever_restored = False
        self.freed: set[str] = set()
        """Photos whose bytes have made room: the office was to hold them."""
        self.missing: set[str] = set()
        """What was saved here once and went when the store was put back."""
        self.power_was_lost = False
        self.dies_once_it_has_saved = False
        self.dies_while_it_saves = False
        self.fuses: list[int] = []
        """After how many writes its power goes at the next starts."""
        self._faulty_updates = 0
        """How many versions of the app come before one that can change the store."""
        self.photos_waiting: set[str] = set()

    @property
    def path(self) -> Path:
        return self.folder / "store.db"

    # -- lives ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """The app is opened. Raises StorageUnavailable where the power goes again meanwhile."""
        assert self.app is None, self.name
        assert not self.is_gone, self.name
        power = Power()
        lost = self.disk.come_back(power, self._dice if self.power_was_lost else None)
        if self.power_was_lost:
            self.world.trace.count("phone came back with writes lost", int(lost))
        self.power_was_lost = bool(self.fuses) and self._dice.random() < 0.6
        power.fuse = self.fuses.pop() if self.fuses else None
        persistence = FilePersistence(self.path)
        path = await persistence.open()
        flush = self.disk.flush if self.disk.manner is Manner.BROWSER else persistence.flush
        try:
            with steps_that_fail() if self._faulty_updates else nullcontext():
                store = Store.open(
                    path,
                    flush,
                    now=self.device.now,
                    random_bytes=self.device.random_bytes,
                    monotonic=self.device.monotonic,
                )
        except StorageUnavailable as fault:
            self.world.trace.note("phone", f"{self.name} not opened: {type(fault).__name__} {fault}")
            if isinstance(fault, UpdateFailed):
                self.world.trace.count("updates of an app that failed")
                self._faulty_updates = max(0, self._faulty_updates - 1)
            await persistence.close()
            raise
        self.world.invariants.app_starts(self.name)
        self.app = App(self, store, persistence)
        power.when_gone = self._power_went
        self.photos_waiting = {photo.sha256 for photo in store.photos_waiting()}
        store.on_change(self._looked_at)
        self.world.trace.note("phone", f"{self.name} opened with {len(store.raw_journal())}")
        self.world.invariants.phone_opened(self)

    def _power_went(self) -> None:
        self.world.trace.note("phone", f"{self.name} died")
        app, self.app = self.app, None
        if app is not None:
            self.world.later(0.0, self._bury(app))

    async def _bury(self, app: App) -> None:
        """What the operating system does; then, after a while, the app is opened again."""
        app.task.cancel()
        if app.enrolling is not None:
            app.enrolling.cancel()
        await asyncio.gather(app.task, *([app.enrolling] if app.enrolling else []), return_exceptions=True)
        app.store.close()
        await app.client.aclose()
        await app.persistence.close()
        if not (self.is_gone or self.kept_off):
            await asyncio.sleep(self._dice.uniform(0.2, 30))
            await self.opens()

    async def opens(self) -> None:
        """The app is opened, as often as it takes."""
        tries = 0
        while self.app is None and not (self.is_gone or self.kept_off):
            try:
                await self.start()
            except StorageUnavailable as fault:
                tries += 1
                if tries == _STARTS:
                    self.world.invariants.fails("the app starts again", f"{self.name}: {fault}")
                    return
                await asyncio.sleep(1)

    def kill(self, *, power_lost: bool) -> None:
        """Between two writes, or, by the disk's fuse, in the middle of some."""
        self.power_was_lost = power_lost
        self.disk.power.cut()

    async def updates(self, dice: random.Random) -> None:
        """An older app ran here until now. The newer one changes its store, is perhaps killed meanwhile, or wrong."""
        self.switch_off()
        await asyncio.sleep(1)
        was_full, self.disk.is_full = self.disk.is_full, False
        self.disk.come_back(Power(), None)
        make_store_older(str(self.path))
        self.disk.is_full = was_full
        self._faulty_updates = dice.choice((0, 0, 1, 2))
        self.fuses = [dice.randrange(150) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
        self.switch_on()

    async def records_what_only_a_newer_app_knows(self, ticket: str, count: int) -> bool:
        """A newer app ran here for a moment, was offline, and was taken back. The office knows as little of it."""
        if self.app is None:
            return False
        was_up, self.line.is_up = self.line.is_up, False
        try:
            await asyncio.sleep(30)  # in which what is under way arrives
            if self.app is None or self.disk.power.fuse is not None or self.disk.is_full:
                return False
            recorded: list[str] = []
            for number in range(count):
                result = self.app.actions.add_note(ticket, f"湿度 {number}") if self.app is not None else None
                if isinstance(result, Saved) and self.saves(result):
                    recorded += result.operation_ids
            self.switch_off()
            await asyncio.sleep(1)
            self.disk.come_back(Power(), None)
            was_full, self.disk.is_full = self.disk.is_full, False
            newer = make_entries_newer(str(self.path), recorded)
            self.disk.is_full = was_full
            for operation_id, operation in zip(recorded, newer, strict=True):
                known = self.world.ledger.saved[operation_id]
                self.world.ledger.saved[operation_id] = msgspec.structs.replace(known, operation=operation)
            self.switch_on()
            return bool(recorded)
        finally:
            self.line.is_up = was_up

    @property
    def keeps_a_copy(self) -> bool:
        """Of the store as it was before an update."""
        return bool(self.disk.size(f"{self.path.name}-copy"))

    def _dies_soon(self, dice: random.Random) -> None:
        if self.app is not None:
            self.power_was_lost = True
            self.disk.power.fuse = dice.randrange(30)

    def switch_off(self) -> None:
        """And leave it off until whoever did it switches it on."""
        self.kept_off += 1
        self.kill(power_lost=False)

    def switch_on(self) -> None:
        self.kept_off -= 1
        self.world.later(0.5, self.opens())

    def _looked_at(self) -> None:
        """After each commit: what is no longer waiting has been said to be received."""
        if self.app is None:
            return
        waiting = {photo.sha256 for photo in self.app.store.photos_waiting()}
        for sha256 in sorted(self.photos_waiting - waiting):
            self.world.invariants.photo_said_received(self, sha256)
        self.photos_waiting = waiting
        freed = {photo.sha256 for photo in self.app.store.photo_states(_EVERYTHING) if photo.freed_at is not None}
        for sha256 in sorted(freed - self.freed):
            self.world.invariants.photo_made_room(self, sha256)
        self.freed = freed

    # -- what a person does --------------------------------------------------------------------------------------------

    def saves(self, result: object, photo: bytes | None = None) -> bool:
        """Whether the person was told that it is saved; then it is in the ledger."""
        if not isinstance(result, Saved) or self.app is None:
            return False
        for operation_id in result.operation_ids:
            entry = self.app.store.entry(operation_id)
            assert entry is not None, operation_id
            assert entry.envelope is not None, operation_id
            operation = wire.encode(entry.envelope.operation)
            self.world.ledger.saved[entry.id] = Promise(
                entry.id, self.name, entry.device, entry.sequence, entry.ticket, operation, self.world.clock.now()
            )
            self.world.trace.count("operations saved on phones")
            if photo is not None:
                sha256 = hashlib.sha256(photo).hexdigest()
                self.world.ledger.photos[sha256] = photo
                self.world.ledger.photo_of.setdefault(sha256, entry.id)
                self.world.trace.count("photos saved on phones")
        if self.dies_once_it_has_saved:
            self.dies_once_it_has_saved = False
            self.world.loop.call_soon(self._lose_power)
        return True

    def could_not_read(self) -> None:
        self.world.trace.count("tickets that an older app could not read")

    def begins_to_save(self) -> None:
        """A person is about to do something."""
        if self.dies_while_it_saves:
            self.dies_while_it_saves = False
            self.world.trace.count(WHILE_SAVING)
            self.power_was_lost = True
            self.disk.power.fuse = self._dice.randrange(60)

    def _lose_power(self) -> None:
        if self.app is not None:
            self.world.trace.count(RIGHT_AFTER_SAVING)
            self.kill(power_lost=True)

    def answers(self, refused: str, way: Callable[[str], object]) -> None:
        """What becomes of a refused operation. Where the disk fails nobody knows whether it was kept."""
        answered = self.world.ledger.answered
        was_answered = refused in answered
        answered.add(refused)
        if not self.saves(way(refused)) and not was_answered:
            answered.discard(refused)

    async def hands_on_a_rescue_file(self) -> RescueFile | None:
        """Everything the office has not confirmed; None where that is not possible. Raises StorageUnavailable."""
        if self.app is None or self.world.office.has_lost_its_key:
            return None
        store, ledger = self.app.store, self.world.ledger
        operations = frozenset(entry.id for entry in store.journal(limit=_EVERYTHING))
        holds = covered(store, self.device, rescue_name(store, self.device))
        drafts = frozenset((key, wire.hash_of(body)) for key, body in store.drafts())
        made = await make_rescue_file(store, self.device, store.reference())
        if isinstance(made, NotPossible):
            return None
        data = b"".join([piece async for piece in made])
        path = self.folder.with_name(f"rescue-{len(ledger.rescue_files):02d}")
        path.write_bytes(data)
        self.world.trace.note("rescue", f"{self.name} {len(operations)} {hashlib.sha256(data).hexdigest()[:12]}")
        file = RescueFile(path, self.name, operations, frozenset(holds.photos), drafts)
        ledger.rescue_files.append(file)
        store.rescue_taken(holds)
        return file

    async def second_tab(self) -> None:
        other = FilePersistence(self.path)
        try:
            await other.open()
        except StoreInUse:
            return
        await other.close()
        self.world.invariants.fails("one app at a time", f"{self.name} was opened twice")

    def has_intact_file(self) -> str:
        """SQLite's own opinion."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        finally:
            connection.close()
