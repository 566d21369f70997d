"""An office with people in it, reached through its real HTTP interface, and phones on networks that come and go."""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from shared_schema.lifecycle import Role, Severity
from shared_schema.operations import (
    AssignTicket,
    CancelTicket,
    CloseTicket,
    ConfirmTicket,
    CorrectDetails,
    GradeTicket,
    Operation,
    ReopenTicket,
)
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Customer, Ticket
from sync_server.accounts import Accounts
from sync_server.app import create_app
from sync_server.services.backups import back_up, restore
from sync_server.services.desk import Desk, HistoryEntry
from sync_server.services.photo_files import PhotoFiles
from sync_server.services.verification import verify
from sync_server.settings import Settings
from sync_server.storage import Reading, Storage
from sync_server.storage.people import Person
from tests.builders.clocks import StoryClock
from tests.builders.networks import Network
from tests.builders.phones import Phone
from tests.builders.tickets import a_request, a_window, new_id

LIN = Person(id="p-lin", role=Role.DISPATCHER, name="林晓", login="lin")
CHEN = Person(id="t-chen", role=Role.TECHNICIAN, name="陈师傅", number="0017", phone="13900000001")
WANG = Person(id="t-wang", role=Role.TECHNICIAN, name="王师傅", number="0018", phone="13900000002")
EVERYBODY = (LIN, CHEN, WANG)

T = TypeVar("T")


class World:
    """One event loop, one office, any number of phones. To be closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runner = asyncio.Runner()
        self._phones: list[Phone] = []
        self.clock = StoryClock()
        self.settings = Settings(data=folder / "office", company="上门家居服务", office_phone="400-820-0000")
        self._open_office()
        for person in EVERYBODY:
            self.run(self.accounts.add_person(person))
        self.dispatcher = Dispatcher(self, LIN)
        self.server = Server(self)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _open_office(self) -> None:
        self.storage = Storage.open(self.settings.database)
        self.application = create_app(self.settings, self.storage, self.clock, monotonic=self.clock.monotonic)
        self._running = self.run(self._start())
        self.accounts = Accounts(self.storage, self.settings, self.clock)
        self.photo_files = PhotoFiles(self.settings.data)
        self.desk = Desk(self.storage, self.photo_files, self.clock, self.settings.time_zone)

    async def _start(self) -> tuple[asyncio.Task[None], asyncio.Event]:
        """The application's life is one task from beginning to end, as under a real server."""
        started, ending = asyncio.Event(), asyncio.Event()

        async def live() -> None:
            async with self.application.lifespan():
                started.set()
                await ending.wait()

        task = asyncio.create_task(live())
        await asyncio.wait([task, asyncio.ensure_future(started.wait())], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        return task, ending

    async def _stop(self) -> None:
        task, ending = self._running
        ending.set()
        await task

    def _close_office(self) -> None:
        self.run(self._stop())
        self.accounts.close()
        self.photo_files.close()
        self.storage.close()

    def restart_office(self) -> None:
        self._close_office()
        self._open_office()
        self._reach_phones()

    def _reach_phones(self) -> None:
        for phone in self._phones:
            phone.network.swap_application(self.application)

    def back_up_office(self) -> Path:
        """As `doorstep backup` makes one, while the office is open."""
        made = back_up(self.settings, self._folder / "backups", self.clock.now(), _in_silence)
        assert not made.left_out, made
        assert not made.missing, made
        return made.folder

    def restore_office(self, backup: Path) -> None:
        """What happened at the office since the backup is gone. As `doorstep restore` does it, and sound."""
        self._close_office()
        shutil.rmtree(self.settings.data)
        restore(backup, self.settings, self.clock.now(), _in_silence)
        self._open_office()
        assert verify(self.storage, self.settings.data, tell=_in_silence).problems == ()
        self._reach_phones()

    def close(self) -> None:
        for phone in self._phones:
            phone.close()
        self._close_office()
        self._runner.close()

    def new_phone(self) -> Phone:
        """Out of its box: on the network, enrolled for nobody."""
        phone = Phone(self._folder / f"phone-{len(self._phones)}.db", Network(self.application), self.clock, self.run)
        self._phones.append(phone)
        return phone

    def phone(self, person: str = "t-chen", *, online: bool = True) -> Phone:
        """Enrolled, and in step with the office; then off the network unless `online`."""
        phone = self.new_phone()
        phone.enrol(self.enrolment_key(person))
        assert phone.sync().away is None
        phone.network.up = online
        return phone

    def enrolment_key(self, person: str) -> str:
        offer = self.run(self.accounts.offer_enrolment(person, by=None))
        assert offer is not None, person
        return offer.key


def _in_silence(_stage: str, _done: int, _of: int) -> None:
    pass


class Dispatcher:
    """What the dispatcher does at the desk; each asserts that it was accepted."""

    def __init__(self, world: World, person: Person) -> None:
        self._world = world
        self.person = person

    def do(self, ticket: str, operation: Operation) -> Verdict:
        version = self._world.server.ticket(ticket).version
        verdict = self._world.run(
            self._world.desk.perform(self.person, ticket, operation, operation_id=new_id(), base_version=version)
        )
        assert verdict.rejection is None, verdict
        return verdict

    def takes_request(self, **different: Any) -> str:
        """A new ticket's id."""
        ticket = new_id()
        request = a_request(**different)
        verdict, _ = self._world.run(
            self._world.desk.create(self.person, request, operation_id=new_id(), ticket_id=ticket)
        )
        assert verdict.rejection is None, verdict
        return ticket

    def sends(self, technician: str = "t-chen", **different: Any) -> str:
        """A new ticket that has been confirmed and assigned for this afternoon."""
        ticket = self.takes_request(**different)
        self.confirm(ticket)
        self.assign(ticket, technician)
        return ticket

    def confirm(self, ticket: str) -> None:
        self.do(ticket, ConfirmTicket(Severity.ORDINARY))

    def assign(self, ticket: str, technician: str) -> None:
        now = self._world.server.ticket(ticket).technician
        self.do(ticket, AssignTicket(technician, a_window(), now))

    def grade(self, ticket: str, severity: Severity) -> None:
        self.do(ticket, GradeTicket(severity))

    def correct_customer(self, ticket: str, customer: Customer) -> None:
        now = self._world.server.ticket(ticket)
        self.do(ticket, CorrectDetails(customer, now.product, now.customer, now.product))

    def cancel(self, ticket: str, reason: str = "客户取消") -> None:
        self.do(ticket, CancelTicket(reason))

    def close(self, ticket: str) -> None:
        self.do(ticket, CloseTicket("回访满意"))

    def reopen(self, ticket: str, reason: str = "灯又闪了") -> None:
        self.do(ticket, ReopenTicket(reason))

    def revoke(self, phone: Phone) -> None:
        identity = phone.store.identity()
        assert identity is not None
        assert self._world.run(self._world.accounts.revoke(identity.device, self.person, "手机丢失"))
        self._world.clock.move(seconds=2)  # for so long another process may still believe the phone's token


class Server:
    """What the office holds."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ticket(self, ticket: str) -> Ticket:
        file = self._world.run(self._world.desk.ticket(ticket))
        assert file is not None, ticket
        return file.ticket

    def history(self, ticket: str) -> list[HistoryEntry]:
        file = self._world.run(self._world.desk.ticket(ticket))
        assert file is not None, ticket
        return file.history

    def photo(self, sha256: str) -> bytes | None:
        path = self._world.photo_files.path(sha256)
        return None if path is None else path.read_bytes()

    def journal(self, phone: Phone) -> list[bytes]:
        """Every envelope of this phone that the office holds, byte for byte, in order."""
        identity = phone.store.identity()
        assert identity is not None
        device = identity.device

        def look(reading: Reading) -> list[bytes]:
            through = reading.journal.received_through(device)
            held = reading.journal.held(device, range(1, through + 1))
            return [held[sequence].raw for sequence in sorted(held)]

        return self._world.storage.read_now(look)
