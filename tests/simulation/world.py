"""One world, from its plan to its end: who does what when, what goes wrong, and the peace in which all must be well.

The plan is made from the seed before anything happens, and each event has dice of its own, so leaving events out
(`shrinking`) does not change the others.
"""

import asyncio
import gc
import logging
import random
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from traceback import extract_tb
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from field_app.store import Identity
from field_app.store import StorageUnavailable as PhoneStorageUnavailable
from shared_schema.identifiers import uuid7
from shared_schema.operations import Operation
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket
from sync_server.clock import milliseconds
from sync_server.services.rescue import RescueReport
from sync_server.storage import StorageUnavailable
from sync_server.storage.people import Person
from tests.simulation import plain_files, sizes, sqlite_vfs
from tests.simulation.invariants import Invariants
from tests.simulation.ledger import Ledger, RescueFile
from tests.simulation.loop import VirtualLoop
from tests.simulation.mishaps import DISK_ROTS, MISHAPS
from tests.simulation.network import OfficeGone, Parts, Sent
from tests.simulation.office import SCRUB_EVERY, Office, Process
from tests.simulation.people import (
    ANSWERS,
    DESK_MOVES,
    DISPATCHERS,
    NEW_REQUESTS,
    SUPERVISOR,
    TECHNICIAN_MOVES,
    TECHNICIANS,
    a_new_request,
    workable,
)
from tests.simulation.phones import Phone
from tests.simulation.trace import Trace

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
_MOST_TICKETS = 60
_REPLAYED = 80
"""Messages kept, of all that were answered, to be sent again at the end."""
_QUIET_WITHIN_SECONDS = 3 * 3600.0
"""Longer than anything waits by rule: deferred photos, Retry-After, pulling again."""
_DAMAGE_FOUND_WITHIN_SECONDS = (SCRUB_EVERY + timedelta(minutes=15)).total_seconds()
"""The office pauses between two looks, and begins only some time after it has started."""
_RECALLED_WITHIN_SECONDS = (60.0, 400.0)
"""By then every phone has heard that it is to offer its photos again: of one office process, and of two, of which the
other looks only now and then at what the one has found."""


class Event(Struct, frozen=True):
    """`number` names its dice; `who` says whom it happens to, out of those there are then."""

    number: int
    at: float
    kind: str
    name: str
    who: int


class Result(Struct, frozen=True):
    seed: int
    steps: int
    hash: str
    counts: dict[str, int]
    excused: dict[str, int]
    broken: str | None
    """The invariant that does not hold."""
    detail: str
    tail: tuple[str, ...]
    """The last lines of the trace, where something is broken."""


def plan(seed: int, length: int) -> list[Event]:
    dice = random.Random(f"{seed}/plan")
    pace = dice.choice((0.5, 1.0, 1.0, 2.5))
    trouble = dice.choice((0.05, 0.15, 0.3, 0.5))
    at = 0.0
    events = []
    for number in range(length):
        at += dice.expovariate(1 / pace)
        luck = dice.random()
        if luck < trouble:
            kind, name = "mishap", _chosen(dice, {name: often for name, (often, _) in MISHAPS.items()})
        elif luck < trouble + (1 - trouble) * 0.75:
            kind, name = "technician", _chosen(dice, {name: often for name, (often, _) in TECHNICIAN_MOVES.items()})
        else:
            moves = {name: often for name, (often, _) in DESK_MOVES.items()}
            kind, name = "desk", _chosen(dice, moves | {"takes a request": NEW_REQUESTS})
        events.append(Event(number, round(at, 3), kind, name, dice.randrange(10_000)))
    # By dice of their own: all else is as it was before there were disks that rot.
    dice = random.Random(f"{seed}/rot")
    rots = [
        Event(number, round(at * dice.uniform(0.3, 1), 3), "mishap", DISK_ROTS, dice.randrange(10_000))
        for number in range(length, length + round(length / 100 * dice.choice((0, 0.5, 1, 2))))
    ]
    return sorted(events + rots, key=lambda event: event.at)


def _chosen(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


class Clock:
    """sync_server.clock.Clock on simulated time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return MONDAY + timedelta(microseconds=round(self._loop.time() * 1e6))


class World:
    def __init__(self, seed: int, loop: VirtualLoop, folder: Path, postgresql: str) -> None:
        self.seed = seed
        self.loop = loop
        self.folder = folder
        self.clock = Clock(loop)
        self.trace = Trace(loop.time)
        self.ledger = Ledger()
        self.invariants = Invariants(self)
        self.office = Office(self, folder / "office", self.dice("office"), postgresql)
        self.phones: list[Phone] = []
        self.tickets: list[str] = []
        self.office_backup: Path | None = None
        self.phones_lost = 0
        self.is_peace = False
        """Nothing goes wrong any more."""
        self.sample: list[Sent] = []
        self._sampling = self.dice("sample")
        self._answered = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_day = asyncio.Event()
        self._is_day.set()
        self._reasons: list[str] = []
        """Why something may be missing, since the office went away."""

    def dice(self, name: object) -> random.Random:
        return random.Random(f"{self.seed}/{name}")

    # -- things that happen later --------------------------------------------------------------------------------------

    def later(self, seconds: float, work: Coroutine[Any, Any, Any]) -> None:
        async def waiting() -> None:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                work.close()
                raise
            await self.guarded(work)

        task = self.loop.create_task(waiting())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def guarded(self, work: Coroutine[Any, Any, Any]) -> None:
        """What the world is known to do to people is theirs to bear; anything else is a fault of somebody's code."""
        try:
            await work
        except (PhoneStorageUnavailable, StorageUnavailable, OfficeGone) as trouble:
            self.trace.note("borne", f"{type(trouble).__name__} {trouble}")
        except Exception as fault:
            places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(fault.__traceback__)[-6:]]
            self.invariants.fails("nothing crashes", f"{type(fault).__name__}: {fault} ({' '.join(places)})", fault)

    def send_later(self, sent: Sent, seconds: float) -> None:
        async def arrives() -> None:
            await self.office.serve(sent, Parts(((0.0, sent.body),)), asyncio.Event())

        self.trace.step("message", "again, later")
        self.later(seconds, arrives())

    def remember(self, sent: Sent) -> None:
        """A fair sample of everything that was ever answered (reservoir sampling)."""
        self._answered += 1
        if len(self.sample) < _REPLAYED:
            self.sample.append(sent)
        elif (place := self._sampling.randrange(self._answered)) < _REPLAYED:
            self.sample[place] = sent

    def forget_messages(self) -> None:
        """After a restore: an old message would bring what the office has lost, and should."""
        self.sample.clear()
        self._answered = 0

    # -- people --------------------------------------------------------------------------------------------------------

    async def at_desk(self, work: Callable[[Process], Coroutine[Any, Any, Any]]) -> Any:
        """Tried again until it is done, as a person would."""
        while True:
            try:
                return await self.office.do(work)
            except (OfficeGone, StorageUnavailable):
                await asyncio.sleep(2)

    async def new_phone(self, person: str) -> Phone:
        await self._is_day.wait()
        name = f"phone-{len(self.phones):02d}"
        phone = Phone(self, name, person, self.folder, self.dice(name))
        self.phones.append(phone)
        await phone.opens()
        self.later(0, self.enrols(phone))
        return phone

    async def enrols(self, phone: Phone) -> None:
        """With a key from the desk, and another one if that did not help."""
        while not phone.is_gone and not self.invariants.is_broken:
            await self._is_day.wait()
            app = phone.app
            if app is None or app.enrolling is not None:
                await asyncio.sleep(3)
                continue
            if app.store.identity() is not None and not app.engine.status.signed_out:
                return
            offer = await self.at_desk(lambda office: office.accounts.offer_enrolment(phone.person, by=None))
            for _ in range(3):
                if offer is None or phone.app is not app or app.enrolling is not None:  # somebody else is at it
                    break
                tried = app.enrolling = self.loop.create_task(app.engine.enrol(offer.key, phone.name))
                await asyncio.wait([tried])
                app.enrolling = None
                if not tried.cancelled() and tried.exception() is None and isinstance(tried.result(), Identity):
                    self.trace.note("enrolled", f"{phone.name} {tried.result().device}")
                    return
                await asyncio.sleep(1)
            await asyncio.sleep(1)

    async def turns_away(self, identity: Identity, dice: random.Random, reason: str) -> None:
        restores = self.office.restores
        by = dice.choice(DISPATCHERS)
        await self.at_desk(lambda office: office.accounts.revoke(identity.device, by, reason))
        if self.office.restores == restores:  # else an old backup may know nothing of it
            self.ledger.revoked[identity.token] = identity.device

    async def takes_in(self, file: RescueFile) -> None:
        """At the desk, where it may have been before."""
        outcome = await self.at_desk(lambda office: office.rescue.take_in(file.path, SUPERVISOR, vouched=True))
        if isinstance(outcome, RescueReport):
            self.trace.count("rescue files taken in again" if outcome.came_before else "rescue files taken in")
            self.trace.count("operations that came by a rescue file first", outcome.operations_new)
            self.trace.count("photos that came by a rescue file first", outcome.photos_new)
        elif outcome.code == "device-unknown" and self.office.restores:
            if file in self.ledger.rescue_files:  # it may have been brought by two at once
                self.ledger.rescue_files.remove(file)
            self.excuse("a lost phone's enrolment went with what an old backup did not have")
        else:
            self.invariants.fails("a rescue file is taken in", f"{file.phone}: {outcome.code}")

    async def _happens(self, event: Event) -> None:
        dice = self.dice(event.number)
        words = f"{event.number}"
        phones = [phone for phone in self.phones if not phone.is_gone]
        if event.name == ANSWERS:  # whoever has something to answer
            phones = [phone for phone in phones if phone.app is not None and phone.app.store.refusals(1)] or phones
        phone = phones[event.who % len(phones)]
        self.trace.step(event.kind, f"{event.number} {event.name} {phone.name}")
        match event.kind:
            case "mishap":
                if await MISHAPS[event.name][1](self, phone, dice):
                    self.trace.count(event.name)
            case "technician":
                self._technician(phone, event.name, dice, words)
            case _:
                await self._desk(event, dice, words)

    def _technician(self, phone: Phone, name: str, dice: random.Random, words: str) -> None:
        if phone.app is None:
            return
        store = phone.app.store
        ticket: Ticket | None
        if self.tickets and dice.random() < 0.05:  # perhaps one that has just been taken away
            chosen = dice.choice(self.tickets)
            ticket = store.ticket(chosen) or store.withdrawn(chosen)
        else:
            shown = workable(store.tickets())
            ticket = dice.choice(shown) if shown else None
        if ticket is not None:
            phone.begins_to_save()
            TECHNICIAN_MOVES[name][1](phone, ticket, dice, words)

    async def _desk(self, event: Event, dice: random.Random, words: str) -> None:
        person = DISPATCHERS[event.who % len(DISPATCHERS)]
        operation_id = self._new_id(dice)
        if event.name == "takes a request":
            if len(self.tickets) < _MOST_TICKETS:
                await self.takes_request(dice, words, operation_id)
            return
        if not self.tickets:
            return
        found, operation = await self._something_to(event.name, dice, words)
        if found is not None and operation is not None:
            await asyncio.sleep(dice.uniform(0, 3))  # in which others decide, too
            await self.performs(person_index=event.who, ticket=found, operation=operation, operation_id=operation_id)
            if dice.random() < 0.1:  # a second click, or the form sent again
                await self.performs(
                    person_index=event.who, ticket=found, operation=operation, operation_id=operation_id
                )
        self.trace.note("desk", f"{person.id} {operation_id}")

    async def _something_to(self, move: str, dice: random.Random, words: str) -> tuple[Ticket | None, Operation | None]:
        """A ticket that asks for it, among some that the dispatcher looks at."""
        for chosen in dice.sample(self.tickets, min(len(self.tickets), 8)):
            found = await self._as_it_stands(chosen)
            # None: gone with an old backup
            operation = DESK_MOVES[move][1](found, dice, words, self) if found is not None else None
            if operation is not None:
                return found, operation
        return None, None

    async def _as_it_stands(self, ticket_id: str) -> Ticket | None:
        return await self.office.do(
            lambda office: office.storage.read(lambda reading: reading.tickets.by_id([ticket_id]).get(ticket_id))
        )

    async def performs(self, *, person_index: int, ticket: Ticket, operation: Operation, operation_id: str) -> Verdict:
        person = DISPATCHERS[person_index % len(DISPATCHERS)]
        verdict = await self.at_desk(
            lambda office: office.desk.perform(
                person, ticket.id, operation, operation_id=operation_id, base_version=ticket.version
            )
        )
        assert isinstance(verdict, Verdict), verdict
        self.invariants.desk_was_told(operation_id, verdict)
        return verdict

    async def takes_request(self, dice: random.Random, words: str, operation_id: str) -> str:
        ticket = self._new_id(dice)
        request = a_new_request(dice, words, self)
        verdict, number = await self.at_desk(
            lambda office: office.desk.create(DISPATCHERS[0], request, operation_id=operation_id, ticket_id=ticket)
        )
        self.invariants.desk_was_told(operation_id, verdict)
        self.invariants.was_told_a_number(ticket, number)
        self.tickets.append(ticket)
        return ticket

    def _new_id(self, dice: random.Random) -> str:
        return uuid7(milliseconds(self.clock.now()), dice.randbytes(10))

    async def sleep_days(self, days: float) -> None:
        """Nobody does anything; the phones are off."""
        self._is_day.clear()
        switched_off = [phone for phone in self.phones if not phone.is_gone]
        for phone in switched_off:
            phone.switch_off()
        await asyncio.sleep(days * 86_400)
        self._is_day.set()
        for phone in switched_off:
            phone.switch_on()
        if self.office.process is not None:
            await self.office.expire()

    # -- what nobody can hold on to ------------------------------------------------------------------------------------

    def excuse(self, reason: str) -> None:
        """After data was destroyed outside what the product can promise: exactly what nobody holds any more."""
        if self.office.process is None:  # it is looked when it is back
            self._reasons.append(reason)
            return
        phones = {each.name: each for each in self.phones}
        held = self.invariants.ids_at_office()
        in_files = frozenset[str]().union(*(file.operations for file in self.ledger.rescue_files))
        photos_in_files = frozenset[str]().union(*(file.photos for file in self.ledger.rescue_files))
        for promise in self.ledger.saved.values():
            holder = phones[promise.phone]
            is_held = (not holder.is_gone and promise.id not in holder.missing) or promise.id in in_files
            if promise.id not in self.ledger.excused and promise.id not in held and not is_held:
                self.ledger.excused[promise.id] = reason
        for sha256, operation_id in self.ledger.photo_of.items():
            holder = phones[self.ledger.saved[operation_id].phone]
            has_bytes = not holder.is_gone and operation_id not in holder.missing and sha256 not in holder.freed
            is_held = has_bytes or sha256 in photos_in_files
            if (
                sha256 not in self.ledger.excused_photos
                and not is_held
                and not self.invariants.photo_is_at_office(sha256)
            ):
                self.ledger.excused_photos[sha256] = reason
        for operation_id in self.ledger.desk:
            if operation_id not in held and operation_id not in self.ledger.excused:
                self.ledger.excused[operation_id] = f"{reason} (the desk's own)"

    def office_is_back(self) -> None:
        reasons, self._reasons = self._reasons, []
        for reason in reasons:
            self.excuse(reason)

    # -- from beginning to end -----------------------------------------------------------------------------------------

    async def begin(self) -> None:
        for _ in range(1 if self.office.is_embedded else 2):
            await self.office.start()
        for person in (*DISPATCHERS, SUPERVISOR, *TECHNICIANS):
            await self.office.do(partial(_employ, person))
        for technician in TECHNICIANS:
            await self.new_phone(technician.id)
        dice = self.dice("beginning")
        for number in range(20):
            await self.takes_request(dice, f"first {number}", self._new_id(dice))
        for number, ticket_id in enumerate(self.tickets):
            for move in ("confirms", "assigns or reassigns"):
                ticket = await self._as_it_stands(ticket_id)
                operation = DESK_MOVES[move][1](ticket, dice, f"{number}", self) if ticket else None
                if ticket is not None and operation is not None:
                    await self.performs(
                        person_index=number, ticket=ticket, operation=operation, operation_id=self._new_id(dice)
                    )
        await asyncio.sleep(15)

    async def live(self, events: Sequence[Event]) -> None:
        began = self.loop.time()
        for event in events:
            if self.invariants.is_broken:
                return
            wait = began + event.at - self.loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if event.name == "some nights pass":
                evening = self.loop.time()
                await self.guarded(self._happens(event))
                began += self.loop.time() - evening  # whatever else was planned comes after it
            else:
                self.later(0, self._happens(event))

    async def heal(self) -> None:
        """All networks good, everybody there; then nothing happens until there is nothing left to say."""
        await asyncio.sleep(60)
        self.trace.note("peace", "")
        self.is_peace = True
        self.office.is_slow = self.office.disk.is_full = False
        for phone in self.phones:
            phone.line.calm()
            phone.line.patience = 1.0
            phone.disk.is_full = False
            phone.disk.power.fuse = None
            phone.fuses.clear()
        restarts = self.dice("peace").random() < 0.8
        for process in self.office.processes:
            process.power.fuse = None
        for phone in self.phones:
            if phone.is_gone:
                continue
            was_of_another_version, phone.line.protocol = phone.line.protocol is not None, None
            if (restarts or was_of_another_version) and phone.app is not None:
                phone.kill(power_lost=False)
            self.later(31, self.enrols(phone))
        await asyncio.sleep(40)
        for file in tuple(self.ledger.rescue_files):
            await self.takes_in(file)
        await self._come_to_rest()
        if self.ledger.damaged and not self.invariants.is_broken:
            await asyncio.sleep(_DAMAGE_FOUND_WITHIN_SECONDS)
            self.invariants.damage_is_told()
            self._switch_on()
            await asyncio.sleep(_RECALLED_WITHIN_SECONDS[len(self.office.processes) - 1])
            await self._come_to_rest()
        self._switch_on()
        await asyncio.sleep(25)

    def _switch_on(self) -> None:
        for phone in self.phones:
            if not phone.is_gone:
                phone.switch_on()

    async def _come_to_rest(self) -> None:
        """Every phone says what it has to say, and is switched off."""
        until = self.loop.time() + _QUIET_WITHIN_SECONDS
        working = [phone for phone in self.phones if not phone.is_gone]
        while working and self.loop.time() < until and not self.invariants.is_broken:
            await asyncio.sleep(15)
            for phone in tuple(working):
                if self.invariants.phone_has_nothing_to_say(phone):  # it need not listen to the others' troubles
                    phone.switch_off()
                    working.remove(phone)
        for phone in working:
            self.invariants.came_to_no_rest(phone)

    async def end(self) -> None:
        for phone in self.phones:
            phone.is_gone = True
            phone.disk.power.cut()
        await asyncio.sleep(0.1)  # in which they are buried
        for task in tuple(self._tasks):
            task.cancel()
        processes, self.office.processes = self.office.processes, []
        for process in processes:
            process.die()
            await process.bury()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _story(world: World, events: Sequence[Event]) -> None:
    try:
        await world.guarded(world.begin())
        await world.guarded(world.live(events))
        if not world.invariants.is_broken:
            await world.guarded(world.heal())
        if not world.invariants.is_broken:
            await world.guarded(world.invariants.at_the_end())
    finally:
        await world.end()


@contextmanager
def _known_secrets(dice: random.Random) -> Iterator[None]:
    """Tokens and keys that come from the dice, wherever the production code makes them."""

    def key(curve: ec.EllipticCurve, _backend: object = None) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(dice.getrandbits(curve.key_size - 1), curve)

    with (
        patch.object(secrets, "token_bytes", lambda nbytes=None: dice.randbytes(nbytes or 32)),
        patch.object(ec, "generate_private_key", key),
    ):
        yield


async def _employ(person: Person, office: Process) -> None:
    await office.accounts.add_person(person)


def run(seed: int, events: Sequence[Event], postgresql: str = "") -> Result:
    """The story of these events, which is the same whenever it is told.

    `postgresql` is the address of an empty database for two office processes; without it there is one, on SQLite.
    """
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="doorstep-simulation-", dir=memory if memory.is_dir() else None))
    was_collecting = gc.isenabled()
    logging.disable(logging.CRITICAL)
    gc.disable()  # what is collected when depends on everything that ever ran in this process
    try:
        with (
            sqlite_vfs.mounting(),
            plain_files.in_the_kept_copys_place(),
            _known_secrets(random.Random(f"{seed}/secrets")),
            sizes.of_a_world(random.Random(f"{seed}/sizes")),
        ):
            loop = VirtualLoop(random.Random(f"{seed}/threads"))
            asyncio.set_event_loop(loop)
            world = World(seed, loop, folder, postgresql)
            try:
                with world.office.files.watching():
                    loop.run_until_complete(_story(world, events))
            finally:
                loop.close()
                asyncio.set_event_loop(None)
            result = _result(world)
            del world
            gc.collect()
            return result
    finally:
        logging.disable(logging.NOTSET)
        if was_collecting:
            gc.enable()
        shutil.rmtree(folder, ignore_errors=True)


def _result(world: World) -> Result:
    broken = world.invariants.broken
    counts: Counter[str] = world.trace.counts
    return Result(
        seed=world.seed,
        steps=world.trace.steps,
        hash=world.trace.hash,
        counts=dict(sorted(counts.items())),
        excused=dict(sorted(world.ledger.excuses().items())),
        broken=broken.name if broken else None,
        detail=broken.detail if broken else "",
        tail=tuple(world.trace.lines) if broken else (),
    )
