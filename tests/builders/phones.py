"""A technician's phone: the real store on a real file, real engine, actions and httpx; only the network is ours."""

import asyncio
import hashlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from field_app.actions import Actions, Saved
from field_app.device.contract import (
    Persistence,
    Sealer,
    Shared,
    Sharing,
    Signer,
    StorageState,
)
from field_app.device.key_file import LibrarySealer
from field_app.store import Identity, JournalEntry, Store
from field_app.sync import OfficeOverHttp, RoundOutcome, SyncEngine
from shared_schema.evidence import PhotoSlot
from shared_schema.ticket import Ticket
from tests.builders.clocks import StoryClock
from tests.builders.networks import Network
from tests.builders.tickets import a_picture, a_signature, a_statement

T = TypeVar("T")

Run = Callable[[Coroutine[Any, Any, T]], T]


class KeyInMind:
    """The device's key, as it would be on its disk; `fault` is what goes wrong with it."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.can_sign = True
        self.fault: Exception | None = None
        self.hangs = False
        self.signatures = 0

    async def public_key(self) -> bytes | None:
        return self._key.public_key().public_bytes_raw() if self.can_sign else None

    async def sign(self, text: bytes) -> bytes:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        self.signatures += 1
        return self._key.sign(text)


class StoryDevice:
    """The device's contract, with a clock of the story and randomness that is the same in every run."""

    platform = "desktop"
    office_url = "http://office.test"

    def __init__(self, clock: StoryClock, seed: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self.clock_wrong_by = timedelta()
        self.maybe_online: Callable[[], None] = lambda: None
        self.key = KeyInMind(random.Random(f"key {seed}").randbytes(32))
        self.state = StorageState(1_000_000, 100_000_000, persisted=False, may_be_evicted=True)
        self.asked_to_persist = 0
        self.looked_for_update = 0
        self.spoken = ""
        self.shared: dict[str, bytes] = {}
        self.sharing = Sharing.SHARED

    @property
    def persistence(self) -> Persistence:
        raise NotImplementedError  # the phone opens its file itself

    def now(self) -> datetime:
        at = self._clock.now() + self.clock_wrong_by
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def http_transport(self) -> httpx.AsyncBaseTransport | None:
        return None

    @property
    def signer(self) -> Signer:
        return self.key

    @property
    def sealer(self) -> Sealer:
        return LibrarySealer()

    async def storage(self) -> StorageState:
        return self.state

    async def ask_to_persist(self) -> bool:
        self.asked_to_persist += 1
        return bool(self.state.persisted)

    async def share(self, name: str, chunks: AsyncIterator[bytes]) -> Shared:
        self.shared[name] = b"".join([chunk async for chunk in chunks])
        return Shared(self.sharing, name)

    def enrolment_key(self) -> str | None:
        return None

    def belong_to(self, _link: str, /) -> bool:
        return False

    def look_for_update(self) -> None:
        self.looked_for_update += 1

    def speak(self, language: str) -> None:
        self.spoken = language

    def on_maybe_online(self, callback: Callable[[], None]) -> None:
        self.maybe_online = callback


class Phone:
    """Verbs of the story; each asserts that what it does was saved."""

    def __init__(
        self, path: Path, network: Network, clock: StoryClock, run: Callable[[Coroutine[Any, Any, Any]], Any]
    ) -> None:
        self.path = path
        self.network = network
        self._run = run
        self.device = StoryDevice(clock, seed=int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:4], "big"))
        self._open()

    def _open(self) -> None:
        self.store = Store.open(
            str(self.path),
            lambda: None,
            now=self.device.now,
            random_bytes=self.device.random_bytes,
            monotonic=self.device.monotonic,
        )
        self.client = httpx.AsyncClient(base_url=self.device.office_url, transport=self.network)
        self.engine = SyncEngine(self.store, OfficeOverHttp(self.client, self.store), self.device)
        self.actions = Actions(self.store, self.engine)

    def restart(self) -> None:
        """The process dies and the app is opened again: only what is in the file is left."""
        self.store.close()
        self._open()

    def close(self) -> None:
        self.store.close()

    # -- the network ----------------------------------------------------------------------------------------------

    def enrol(self, key: str) -> Identity:
        identity = self._run(self.engine.enrol(key, "陈师傅的手机"))
        assert isinstance(identity, Identity), identity
        return identity

    def sync(self) -> RoundOutcome:
        outcome: RoundOutcome = self._run(self.engine.run_round())
        return outcome

    def go_online(self) -> RoundOutcome:
        self.network.up = True
        return self.sync()

    def go_offline(self) -> None:
        self.network.up = False

    async def until(self, has_come: Callable[[], bool]) -> None:
        """Wait, inside the event loop, for something that the engine brings about by itself."""
        changed = asyncio.Event()
        stop = self.engine.subscribe(changed.set)
        while not has_come():
            changed.clear()
            await changed.wait()
        stop()

    # -- the visit ------------------------------------------------------------------------------------------------

    def accept(self, ticket: str) -> str:
        return _saved(self.actions.accept(ticket))

    def start_travel(self, ticket: str) -> str:
        return _saved(self.actions.start_travel(ticket))

    def arrive(self, ticket: str) -> str:
        return _saved(self.actions.arrive(ticket))

    def show_credential(self, ticket: str) -> str:
        return _saved(self.actions.show_credential(ticket))

    def confirm_problem(self, ticket: str, words: str = "整流器老化") -> str:
        return _saved(self.actions.confirm_problem(ticket, words))

    def go_to_work(self, ticket: str) -> None:
        """From acceptance to the problem confirmed at the door."""
        self.accept(ticket)
        self.start_travel(ticket)
        self.arrive(ticket)
        self.show_credential(ticket)
        self.confirm_problem(ticket)

    def add_note(self, ticket: str, text: str) -> str:
        return _saved(self.actions.add_note(ticket, text))

    def take_photo(self, ticket: str, picture: bytes | None = None, slot: PhotoSlot = PhotoSlot.BEFORE) -> str:
        """The photo's SHA-256."""
        data = a_picture() if picture is None else picture
        _saved(self.actions.add_photo(ticket, data, slot))
        return hashlib.sha256(data).hexdigest()

    def finish_work(self, ticket: str, found: str = "整流器老化", done: str = "更换整流器") -> str:
        return _saved(self.actions.finish_work(ticket, found, done))

    def sign_off(self, ticket: str, signer: str = "何女士", rating: int = 5) -> str:
        statement = a_statement(self.ticket(ticket))
        return _saved(self.actions.sign_off(ticket, statement, signer, rating, "谢谢", a_signature()))

    def object_to(self, ticket: str, words: str = "灯还是闪") -> str:
        return _saved(self.actions.raise_objection(ticket, a_statement(self.ticket(ticket)), words))

    def resume_work(self, ticket: str) -> str:
        return _saved(self.actions.resume_work(ticket))

    # -- what it shows --------------------------------------------------------------------------------------------

    def ticket(self, ticket: str) -> Ticket:
        shown = self.store.ticket(ticket)
        assert shown is not None, "not on this phone's list"
        return shown

    def shows(self, ticket: str) -> bool:
        return self.store.ticket(ticket) is not None

    def entry(self, operation_id: str) -> JournalEntry:
        return next(entry for entry in self.store.journal() if entry.id == operation_id)

    def incidents(self) -> set[str]:
        return {incident.kind for incident in self.store.incidents()}

    # -- what only a newer app would do ---------------------------------------------------------------------------

    def record_from_the_future(self, ticket: str, kind: str = "measure_humidity") -> str:
        """An operation of a kind that neither this phone nor the office knows."""
        operation_id = _saved(self.actions.add_note(ticket, "湿度 61%"))
        envelope = msgspec.json.decode(self.store.raw_journal()[-1])
        envelope["operation"] = {"kind": kind, "percent": 61}
        raw = msgspec.json.encode(envelope)
        self.store.close()
        with sqlite3.connect(self.path) as file:
            (guard,) = file.execute("SELECT sql FROM sqlite_master WHERE name = 'journal_is_never_altered'").fetchone()
            file.execute("DROP TRIGGER journal_is_never_altered")
            file.execute(
                "UPDATE journal SET raw = ?, kind = ?, hash = ? WHERE id = ?",
                (raw, kind, hashlib.sha256(raw).hexdigest(), operation_id),
            )
            file.execute(guard)
        file.close()
        self._open()
        return operation_id


def _saved(result: object) -> str:
    assert isinstance(result, Saved), result
    (operation_id,) = result.operation_ids
    return operation_id
