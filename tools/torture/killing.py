"""The killing itself: who is started when, who dies when, and that nobody dies of anything else."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from msgspec import Struct, field

from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import Channel, Kind, Role, Severity
from shared_schema.operations import AssignTicket, ConfirmTicket, CreateTicket, Operation
from shared_schema.ticket import Customer, Product, Window
from sync_server.accounts import Accounts
from sync_server.clock import SystemClock
from sync_server.services.desk import Desk
from sync_server.services.photo_files import PhotoFiles
from sync_server.settings import PREFIX, Settings
from sync_server.storage import Storage
from sync_server.storage.people import Person
from tools.side_by_side import free_port
from tools.torture.judge import Judge, Looked, PhoneKnown
from tools.torture.network import Fault, Network

ROOT = Path(__file__).resolve().parents[2]
PHONES = 2
TICKETS = 40
"""Of each technician."""
PATIENCE_SECONDS = 120.0
"""For what takes a second or two: a start, one exchange when all is calm. Bounds a hang, measures nothing."""
DELIVERIES = 20
"""How many whole exchanges it may take, when all is calm, until a phone has nothing left."""
ENTRIES_AT_LEAST = 10
"""Called saved on each phone, a photo among them, before the killing ends: on a slow machine a life is short."""

_OFFICE_LIVES_SECONDS = 2.5
_PHONE_LIVES_SECONDS = 1.0
"""On average, from the moment it is up."""
_DIES_STARTING = 0.15
_TOGETHER = 0.15


class Killed(Struct):
    """What was done, and what came of it."""

    seed: int
    kills: int = 0
    office_kills: int = 0
    phone_kills: int = 0
    while_starting: int = 0
    together: int = 0
    """Moments at which office and phone died at once."""
    connections: int = 0
    nobody_there: int = 0
    struck: Counter[Fault] = field(default_factory=Counter)
    seconds: float = 0.0
    looked: Looked = field(default_factory=Looked)
    faults: list[str] = []
    """Empty: every promise was kept."""


class Victim:
    """A process that is started, killed and started again."""

    def __init__(self, name: str, folder: Path, lives_seconds: float, heard: Callable[[str], None]) -> None:
        self.name = name
        self.is_up = False
        self._usually_seconds = lives_seconds
        self._log = folder / f"{name}.log"
        self._heard = heard
        self._process: subprocess.Popen[str] | None = None
        self._listening = threading.Thread()
        self._dies_at: float | None = None
        self._lives_seconds: float | None = None

    @property
    def is_there(self) -> bool:
        return self._process is not None

    def start(self, *module: str, dice: random.Random | None = None) -> None:
        """`dice` say how long it is to live; without them it is not killed by itself."""
        assert self._process is None, self.name
        self.is_up = False
        self._dies_at = self._lives_seconds = None
        if dice is not None:
            self._lives_seconds = dice.expovariate(1 / self._usually_seconds)
            if dice.random() < _DIES_STARTING:
                self._dies_at = time.monotonic() + dice.uniform(0, 1)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._listening = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listening.start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith("\n"):  # it died in the middle of saying it
                break
            if not self.is_up:
                self.is_up = True
                if self._dies_at is None and self._lives_seconds is not None:
                    self._dies_at = time.monotonic() + self._lives_seconds
            self._heard(line.strip())

    def is_to_die(self) -> bool:
        return self._dies_at is not None and time.monotonic() >= self._dies_at

    def kill(self) -> bool:
        """By SIGKILL; whether it was still running. Everything it said has been heard when this returns."""
        assert self._process is not None, self.name
        was_running = self._process.poll() is None
        self._process.send_signal(signal.SIGKILL)
        self._gone()
        return was_running

    def stop(self) -> int:
        """As an administrator does; its exit status."""
        assert self._process is not None, self.name
        self._process.terminate()
        return self._gone()

    def wait(self) -> int:
        """Until it ends by itself; its exit status."""
        return self._gone()

    def _gone(self) -> int:
        assert self._process is not None
        status = self._process.wait(PATIENCE_SECONDS)
        self._listening.join(PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.is_up:
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} ended by itself: {self._log}"
            assert time.monotonic() < deadline, f"{self.name} does not come up: {self._log}"
            time.sleep(0.02)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


class Torture:
    """One run in one folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - dice, not secrets
        self._folder = folder
        self.data = folder / "office"
        self.known = [PhoneKnown(folder / f"phone-{number}.db") for number in range(PHONES)]
        self.judge = Judge(self.data, self.known)
        self._said: list[str] = []
        self._office = Victim("office", folder, _OFFICE_LIVES_SECONDS, lambda _line: None)
        self._phones = [
            Victim(known.store.stem, folder, _PHONE_LIVES_SECONDS, self._listener(known)) for known in self.known
        ]
        self.outcome = Killed(seed)

    def run(self, kills: int, progress: Callable[[Killed], None] = lambda _outcome: None) -> Killed:
        began = time.monotonic()
        port = free_port()
        keys = _move_in(self.data, self._dice)
        self._network = Network(port, random.Random(self._dice.getrandbits(32)))  # noqa: S311 - dice, not secrets
        self._serve = ["sync_server", "serve", "--port", str(port), "--data", str(self.data)]
        try:
            self._enrol(keys, f"http://127.0.0.1:{port}")
            self._kill(kills, progress)
            if not self.outcome.faults:
                self._heal()
                self.judge.settled()
        finally:
            self._end()
            self._network.close()
        self.outcome.seconds = time.monotonic() - began
        self._sum_up()
        return self.outcome

    def _enrol(self, keys: list[str], address: str) -> None:
        self._office.start(*self._serve)
        self._office.wait_until_up()
        for phone, known, key in zip(self._phones, self.known, keys, strict=True):
            phone.start("tools.torture.worker", "enrol", str(known.store), address, "--key", key)
            assert phone.wait() == 0, phone.log()
        self._office.kill()

    def _sum_up(self) -> None:
        self.outcome.connections = self._network.connections
        self.outcome.nobody_there = self._network.nobody_there
        self.outcome.struck = self._network.struck
        self.outcome.looked = self.judge.looked
        self.outcome.faults += self.judge.faults
        self.judge.faults = []

    def _listener(self, known: PhoneKnown) -> Callable[[str], None]:
        def heard(line: str) -> None:
            match line.split():
                case ["saved", operation_id, photo]:
                    known.saved.append((operation_id, photo))
                case ["left", *counts]:
                    self._said = counts
                case _:
                    pass

        return heard

    # -- the killing ----------------------------------------------------------------------------------------------

    def _kill(self, kills: int, progress: Callable[[Killed], None]) -> None:
        victims = [self._office, *self._phones]
        for victim in victims:
            self._start(victim)
        while not (self._has_enough(kills) or self.outcome.faults):
            assert self.outcome.kills < kills + 1000, "the phones record next to nothing"
            time.sleep(0.002)
            doomed = [victim for victim in victims if victim.is_to_die()]
            if doomed and self._dice.random() < _TOGETHER:
                others = [self._office] if self._office not in doomed else self._phones
                doomed = list(dict.fromkeys([*doomed, self._dice.choice(others)]))
            if doomed:
                self._kill_at_once(doomed)
                progress(self.outcome)

    def _has_enough(self, kills: int) -> bool:
        return self.outcome.kills >= kills and all(
            len(known.saved) >= ENTRIES_AT_LEAST and any(photo != "-" for _, photo in known.saved)
            for known in self.known
        )

    def _start(self, victim: Victim) -> None:
        if victim is self._office:
            victim.start(*self._serve, dice=self._dice)
            return
        known = self.known[self._phones.index(victim)]
        seed = str(self._dice.getrandbits(32))
        work = ["tools.torture.worker", "work", str(known.store), self._network.address, "--seed", seed]
        victim.start(*work, dice=self._dice)

    def _kill_at_once(self, doomed: list[Victim]) -> None:
        for victim in doomed:
            self.outcome.while_starting += not victim.is_up
            if not victim.kill():
                self.outcome.faults.append(f"{victim.name} had died by itself:\n{victim.log()[-3000:]}")
            self.outcome.kills += 1
            self.outcome.office_kills += victim is self._office
            self.outcome.phone_kills += victim is not self._office
        self.outcome.together += self._office in doomed and len(doomed) > 1
        for phone, known in zip(self._phones, self.known, strict=True):
            if phone in doomed:
                self.judge.phone_died(known)
        if self._office in doomed:
            self.judge.office_died()
        self._sum_up()
        for victim in doomed:
            self._start(victim)

    # -- the end --------------------------------------------------------------------------------------------------

    def _heal(self) -> None:
        """The network is calm, nobody is killed any more: phones deliver until nothing is left."""
        self._network.calm()
        for phone in self._phones:
            phone.kill()
        self._office.wait_until_up()
        for phone, known in zip(self._phones, self.known, strict=True):
            for _ in range(DELIVERIES):
                phone.start("tools.torture.worker", "deliver", str(known.store), self._network.address)
                assert phone.wait() == 0, phone.log()[-3000:]
                if self._said == ["0", "0"]:
                    break
            else:
                self.outcome.faults.append(f"{phone.name} still holds {self._said}:\n{phone.log()[-3000:]}")
        if (status := self._office.stop()) not in {0, -signal.SIGTERM}:
            self.outcome.faults.append(f"the office ended with {status}:\n{self._office.log()[-3000:]}")

    def _end(self) -> None:
        for victim in (self._office, *self._phones):
            if victim.is_there:
                victim.kill()


# -- before it begins ------------------------------------------------------------------------------------------------


def _move_in(data: Path, dice: random.Random) -> list[str]:
    """An office with technicians and their tickets; one enrolment key for each phone."""
    return asyncio.run(_prepared(data, dice))


async def _prepared(data: Path, dice: random.Random) -> list[str]:
    settings, clock = Settings(data=data), SystemClock()
    storage = Storage.open(settings.database)
    accounts, photo_files = Accounts(storage, settings, clock), PhotoFiles(data)
    desk = Desk(storage, photo_files, clock, settings.time_zone)
    dispatcher = Person(id="p-lin", role=Role.DISPATCHER, name="林晓", login="lin")
    keys = []
    try:
        await accounts.add_person(dispatcher)
        for number in range(PHONES):
            technician = Person(id=f"t-{number}", role=Role.TECHNICIAN, name=f"师傅{number}", number=f"{number:04d}")
            await accounts.add_person(technician)
            for place in range(TICKETS):
                await _assigned(desk, dispatcher, technician, place, dice)
            offer = await accounts.offer_enrolment(technician.id, by=None)
            assert offer is not None
            keys.append(offer.key)
    finally:
        accounts.close()
        photo_files.close()
        storage.close()
    return keys


async def _assigned(desk: Desk, dispatcher: Person, technician: Person, place: int, dice: random.Random) -> None:
    now = datetime.now(UTC).replace(microsecond=0)

    def new_id() -> str:
        return uuid7(int(now.timestamp() * 1000), dice.randbytes(10))

    ticket = new_id()
    product = Product("灯具", "LX-200 吊灯", f"SN{place:04d}", "", date(2025, 7, 11), None)
    customer = Customer(f"客户{place}", "13800138000", "上海市徐汇区", f"桂平路 {place} 号")
    request = CreateTicket("-", Kind.REPAIR, Channel.PHONE, customer, product, "客厅吊灯一闪一闪，整流器有响声")
    await desk.create(dispatcher, request, operation_id=new_id(), ticket_id=ticket)
    window = Window(now + timedelta(hours=1), now + timedelta(hours=3))
    decisions: list[Operation] = [ConfirmTicket(Severity.ORDINARY), AssignTicket(technician.id, window)]
    for version, operation in enumerate(decisions, start=1):
        verdict = await desk.perform(dispatcher, ticket, operation, operation_id=new_id(), base_version=version)
        assert verdict.rejection is None, verdict
