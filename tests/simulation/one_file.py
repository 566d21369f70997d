"""One phone's file alone, ended at as many moments as it has: afterwards it holds what was promised, and is whole.

A life opens the store and does a few things to it, all by the production code. It is lived once undisturbed, to know
what is in the file after each of them; then again and again from the same disk, until at one of its writes, flushes and
cuts the process is killed or the power goes; and the next starts, which repair what they find, may end likewise. Then
SQLite must find nothing wrong, and the file holds exactly what it held after the last thing that was acknowledged, or
after the one that was being done.
"""

import hashlib
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct

from field_app.store import Identity, PhotoBytes, StorageUnavailable, Store, UpdateFailed
from shared_schema.apply import Filing
from shared_schema.evidence import PhotoSlot
from shared_schema.identifiers import uuid7
from shared_schema.operations import AddNote, AddPhoto, Clock
from shared_schema.sync_protocol import PROTOCOL, PutTicket, RoundReply, Verdict
from shared_schema.wire import encode
from tests.builders.clocks import MONDAY, StoryClock
from tests.builders.phones import StoryDevice
from tests.builders.tickets import an_assigned_ticket
from tests.simulation import plain_files, sqlite_vfs
from tests.simulation.disks import Manner, Power, SimulatedDisk
from tests.simulation.older_forms import make_store_older, steps_that_fail

_TICKET = an_assigned_ticket(id=uuid7(1_772_413_200_000, bytes(10)))
_ME = Identity("device-1", "t-chen", "陈师傅", "token-1")
_TABLES = (
    "tickets",
    "journal",
    "photos",
    "photo_bytes",
    "drafts",
    "facts",
    "reference",
    "incidents",
    "kept_aside",
    "corrections",
)
_NEVER = 2**31
_FULL_AFTER_BYTES = 6_000_000
"""A story's file is begun anew then: what is at stake are the pages written, not those that lie there."""

Content: TypeAlias = dict[str, int]
"""Table → its rows, as one number."""

Act: TypeAlias = Callable[["OneFile", Store, random.Random], None]
"""At most one transaction."""


# -- what is done to a store ------------------------------------------------------------------------------------------


def _words(dice: random.Random, most: int) -> str:
    return "灯" * dice.choice((1, 20, dice.randrange(1, most)))


def _note(_file: "OneFile", store: Store, dice: random.Random) -> None:
    store.record([(_TICKET.id, AddNote(_words(dice, 600)))])


def _note_out_of_a_draft(_file: "OneFile", store: Store, dice: random.Random) -> None:
    typed = [key for key, _ in store.drafts()] or ["note.0"]
    store.record([(_TICKET.id, AddNote(_words(dice, 600)))], clear_drafts=[dice.choice(typed)])


def _draft(_file: "OneFile", store: Store, dice: random.Random) -> None:
    store.save_draft(f"note.{dice.randrange(3)}", {"text": _words(dice, 6000)})


def _draft_given_up(_file: "OneFile", store: Store, dice: random.Random) -> None:
    store.save_draft(f"note.{dice.randrange(3)}", {})


def _setting(_file: "OneFile", store: Store, dice: random.Random) -> None:
    store.set_setting("language", dice.choice(("zh", "en")))


def _picture(dice: random.Random, size: int) -> PhotoBytes:
    # Much of some is nothing: a checksum does not tell that from pages which never arrived.
    data = dice.choice((bytes(size - 8), dice.randbytes(size - 8))) + dice.randbytes(8)
    return PhotoBytes(hashlib.sha256(data).hexdigest(), "image/jpeg", data)


def _naming(photo: PhotoBytes) -> tuple[str, AddPhoto]:
    return _TICKET.id, AddPhoto(photo.sha256, len(photo.data), photo.media_type, PhotoSlot.BEFORE)


def _photo(_file: "OneFile", store: Store, dice: random.Random) -> None:
    photo = _picture(dice, dice.choice((500, 5_000, 60_000)))
    store.record([_naming(photo)], photos=[photo])


def _photo_larger_than_the_cache(_file: "OneFile", store: Store, dice: random.Random) -> None:
    """Pages then get into the file before the commit."""
    photo = _picture(dice, 2_400_000)
    store.record([_naming(photo)], photos=[photo])


def _recording_given_up(_file: "OneFile", store: Store, dice: random.Random) -> None:
    """It fails half-way by a mistake of ours, and is rolled back."""
    photo, unnamed = _picture(dice, dice.choice((60_000, 60_000, 2_400_000))), _picture(dice, 500)
    try:
        store.record([_naming(photo)], photos=[photo, unnamed])
    except AssertionError:
        return
    raise RuntimeError("a photo that no entry names was kept")


def _on_a_full_disk(file: "OneFile", store: Store, dice: random.Random) -> None:
    file.disk.is_full = True
    try:
        _photo(file, store, dice)
    except StorageUnavailable:
        if not file.disk.power.is_on:
            raise
    finally:
        file.disk.is_full = False


def _sending(_file: "OneFile", store: Store, dice: random.Random) -> None:
    if waiting := store.photos_waiting():
        photo = dice.choice(waiting)
        store.photo_progress(photo.sha256, location="/uploads/1", offset=dice.randrange(photo.size_bytes), restarts=0)


def _sent(_file: "OneFile", store: Store, dice: random.Random) -> None:
    if waiting := store.photos_waiting():
        store.photo_received(dice.choice(waiting).sha256)


def _room_made(_file: "OneFile", store: Store, dice: random.Random) -> None:
    if spare := [photo for photo in store.photo_states() if photo.received_at and not photo.freed_at]:
        store.free_photo(dice.choice(spare).sha256)


def _round(_file: "OneFile", store: Store, dice: random.Random) -> None:
    """The office answers for everything sent, and tells of tickets."""
    asked = store.next_exchange()
    sent = [entry for entry in store.waiting() if entry.sequence <= (asked.entries[-1][0] if asked.entries else 0)]
    verdicts = [Verdict(each.id, each.sequence, Filing.APPLIED, 4) for each in sent]
    tickets = [msgspec.structs.replace(_TICKET, problem=_words(dice, 2000))] * dice.randrange(2)
    reply = RoundReply(
        protocol=PROTOCOL,
        server_time_ms=0,
        received_through=sent[-1].sequence if sent else store.received_through(),
        cursor=asked.cursor + 1,
        verdicts=[msgspec.Raw(encode(verdict)) for verdict in verdicts],
        changes=[msgspec.Raw(encode(PutTicket(asked.cursor + 1, ticket))) for ticket in tickets],
    )
    store.take_reply(asked, reply, Clock(0, 20))


def _enrolled(_file: "OneFile", store: Store, _dice: random.Random) -> None:
    store.enrolled(_ME)


def _given_a_ticket(_file: "OneFile", store: Store, _dice: random.Random) -> None:
    told = [msgspec.Raw(encode(PutTicket(1, _TICKET)))]
    store.take_reply(store.next_exchange(), RoundReply(PROTOCOL, 0, 0, 1, changes=told), Clock(0, 20))


def _proven(_file: "OneFile", store: Store, _dice: random.Random) -> None:
    store.proven()


_ACTS: dict[Act, int] = {
    _note: 6,
    _note_out_of_a_draft: 6,
    _draft: 6,
    _draft_given_up: 2,
    _setting: 2,
    _photo: 6,
    _photo_larger_than_the_cache: 1,
    _recording_given_up: 3,
    _on_a_full_disk: 3,
    _sending: 3,
    _sent: 4,
    _room_made: 4,
    _round: 6,
    _proven: 1,
}
"""What → how often."""

_BEGINNING: Sequence[Act] = (_enrolled, _given_a_ticket, _note)


# -- lives and their ends ---------------------------------------------------------------------------------------------


class _Life(Struct, frozen=True):
    number: int
    acts: Sequence[Act]
    fails_to_update: bool


class FileLost(AssertionError):
    """With all it takes to see it again."""


class OneFile:
    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.path = folder / "store.db"
        self.ended: Counter[str] = Counter()
        self._is_faulty = False
        """The version of the app that is installed has steps that fail; once that was told, another one is."""
        self._dice = random.Random(f"{seed}/one file")
        self.disk = SimulatedDisk(Power(), self._dice.choice((Manner.BROWSER, Manner.BROWSER, Manner.DESKTOP)))
        sqlite_vfs.mount(str(folder), self.disk)
        self._backup: dict[str, bytes] | None = None

    def lives(self, number: int, ends: int) -> None:
        """One life, ended so often. Raises FileLost."""
        dice = self._dice
        acts = dice.choices(list(_ACTS), list(_ACTS.values()), k=dice.randrange(1, 6))
        before = dice.random()
        self.disk.come_back(Power(), None)
        is_first = number == 1 or (self.disk.size(self.path.name) or 0) > _FULL_AFTER_BYTES
        life = _Life(number, _BEGINNING if is_first else acts, fails_to_update=not is_first and before < 0.1)
        if is_first:
            self.disk.replace({})
            self._backup = None
        elif before < 0.25:
            make_store_older(str(self.path))
        elif before < 0.35 or self._backup is None:
            self._backup = self.disk.image()
        elif before < 0.4:
            self.disk.replace(self._backup)
        image = self.disk.image()
        held, moments = self._undisturbed(life)
        for _ in range(ends):
            self.disk.replace(image)
            self._ends(life, dice.randrange(moments + 1), held)
        if is_first:  # what follows needs all of it
            self.disk.replace(image)
            self._undisturbed(life)

    def _undisturbed(self, life: _Life) -> tuple[list[Content], int]:
        """What is in the file once it is open, and after each act; and at how many moments it could have ended."""
        power = Power()
        power.fuse = _NEVER
        self.disk.come_back(power, None)
        held = [self._content() for _ in self._told(life)]
        return held, _NEVER - power.fuse

    def _ends(self, life: _Life, moment: int, held: Sequence[Content]) -> None:
        dice = random.Random(f"{self.seed}/{life.number}/{moment}/{sum(self.ended.values())}")
        power, acknowledged = Power(), -1
        power.fuse = moment
        self.disk.come_back(power, None)
        try:
            for _ in self._told(life):
                acknowledged += 1
        except StorageUnavailable:
            if power.is_on:
                raise
        power.cut()
        told = [f"life {life.number} ends at {moment} after {acknowledged} of {[act.__name__ for act in life.acts]}"]
        while dice.random() < 0.4:
            power = Power()
            power.fuse = dice.randrange(60)
            told.append(self._after_an_end(power, dice))
            try:
                self._started(life.number).close()
            except StorageUnavailable as fault:
                if power.is_on:
                    raise FileLost(self._words(told, fault)) from fault
            power.cut()
        told.append(self._after_an_end(Power(), dice))
        try:
            self._started(life.number).close()
            found = self._content()
        except (StorageUnavailable, sqlite3.Error) as fault:
            raise FileLost(self._words(told, fault)) from fault
        expected = held[max(0, acknowledged) : acknowledged + 2]
        if found not in expected:
            differing = [table for table in _TABLES if found[table] not in {each[table] for each in expected}]
            raise FileLost(self._words(told, f"not what was acknowledged: {differing}"))

    def _after_an_end(self, power: Power, dice: random.Random) -> str:
        lost_power = dice.random() < 0.8
        lost = self.disk.come_back(power, dice if lost_power else None)
        self.ended["loss of power" if lost_power else "kill"] += 1
        self.ended["with writes lost"] += lost
        return ("the power went" if lost_power else "killed") + (", writes lost" if lost else "")

    def _told(self, life: _Life) -> Iterator[None]:
        """Its course, telling as soon as it is open, and of each act when it is acknowledged. Raises
        StorageUnavailable."""
        self._is_faulty = life.fails_to_update
        store = self._started(life.number)
        try:
            yield
            for number, act in enumerate(life.acts):
                act(self, store, random.Random(f"{self.seed}/{life.number}/act {number}"))
                yield
        finally:
            store.close()

    def _started(self, life: int) -> Store:
        try:
            with steps_that_fail() if self._is_faulty else nullcontext():
                return self._opened(life)
        except UpdateFailed:
            self._is_faulty = False
            self.ended["update taken back"] += 1
            return self._opened(life)

    def _opened(self, life: int) -> Store:
        """With the time and the randomness that this life has whenever it is lived."""
        device = StoryDevice(StoryClock(MONDAY + timedelta(minutes=life)), life)
        return Store.open(
            str(self.path),
            self.disk.flush if self.disk.manner is Manner.BROWSER else lambda: None,
            now=device.now,
            random_bytes=device.random_bytes,
            monotonic=device.monotonic,
        )

    def _content(self) -> Content:
        """Raises sqlite3.DatabaseError where SQLite finds anything wrong."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            wrong = connection.execute("PRAGMA integrity_check").fetchall()
            wrong += connection.execute("PRAGMA foreign_key_check").fetchall()
            if wrong != [("ok",)]:
                raise sqlite3.DatabaseError(str(wrong))
            return {table: hash(tuple(connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2"))) for table in _TABLES}
        finally:
            connection.close()

    def _words(self, told: Sequence[str], fault: object) -> str:
        return f"seed {self.seed}, {self.disk.manner.value}: {'; '.join(told)}: {fault}"


@contextmanager
def one_file(seed: int) -> Iterator[OneFile]:
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="doorstep-one-file-", dir=memory if memory.is_dir() else None))
    try:
        with sqlite_vfs.mounting(), plain_files.in_the_kept_copys_place():
            yield OneFile(seed, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def live_and_end(seed: int, lives: int, ends: int) -> Counter[str]:
    """So many lives, one after another, each of them ended so often; how they ended. Raises FileLost."""
    with one_file(seed) as file:
        for number in range(1, lives + 1):
            file.lives(number, ends)
        return file.ended
