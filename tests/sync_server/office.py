"""The office as a test tells its story: people, tickets, phones that keep a journal, and rounds over HTTP."""

import hashlib
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Litestar
from litestar.testing import TestClient

from shared_schema import wire
from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import Role, Severity
from shared_schema.operations import (
    FIRST_HASH,
    Actor,
    AssignTicket,
    Clock,
    ConfirmTicket,
    Envelope,
    Operation,
)
from shared_schema.sync_protocol import Holding, PutTicket, RoundReply, SignedHead, Verdict, WithdrawTicket
from shared_schema.ticket import Ticket, Window
from sync_server.clock import milliseconds
from sync_server.services.operations import arrived, receive
from sync_server.storage import Storage, Writing
from sync_server.storage.journal import OFFICE
from sync_server.storage.people import DeviceIdentity, Person
from tests.builders.tickets import a_request

LIN = Person(id="p-lin", role=Role.DISPATCHER, name="林晓", login="lin")
CHEN = Person(id="t-chen", role=Role.TECHNICIAN, name="陈师傅", number="0017", phone="13900000001")
WANG = Person(id="t-wang", role=Role.TECHNICIAN, name="王师傅", number="0018", phone="13900000002")
GONE = Person(id="t-gone", role=Role.TECHNICIAN, name="前师傅", number="0009", active=False)
EVERYBODY = (LIN, CHEN, WANG, GONE)

_numbers = itertools.count(1)


def new_id() -> str:
    """An id nobody has used yet, the same in every run."""
    count = next(_numbers)
    return uuid7(1_770_000_000_000 + count, hashlib.sha256(str(count).encode()).digest()[:10])


class StandingClock:
    """Stands still until a test moves it."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def move(self, by: timedelta) -> None:
        self._at += by


def decide(
    writing: Writing, person: Person, ticket: str, operation: Operation, at: datetime, base_version: int = 0
) -> Verdict:
    """What the desk does, without its services: one operation of the office's own journal."""
    head = writing.journal.head(OFFICE)
    envelope = Envelope(
        id=new_id(),
        device=OFFICE,
        sequence=head.received_through + 1,
        ticket=ticket,
        actor=Actor(person.id, person.role),
        base_version=base_version,
        occurred_at=at,
        clock=Clock(0, 0),
        previous_hash=head.last_hash,
        operation=operation,
    )
    (raw,) = receive(writing, OFFICE, person, [arrived(wire.encode(envelope))], milliseconds(at))
    verdict = wire.decode_verdict(raw)
    assert isinstance(verdict, Verdict)
    return verdict


class Journal:
    """What a phone writes: numbered envelopes, each naming the hash of the one before it."""

    def __init__(self, device: str, person: Person, clock: StandingClock) -> None:
        self.device = device
        self.person = person
        self.clock = clock
        self.raw: list[bytes] = []
        self.ids: list[str] = []

    def write(self, ticket: str, operation: Operation, **different: Any) -> bytes:
        """The next envelope; `different` puts something else into its fields."""
        usual: dict[str, Any] = {
            "id": new_id(),
            "device": self.device,
            "sequence": len(self.raw) + 1,
            "ticket": ticket,
            "actor": Actor(self.person.id, self.person.role),
            "base_version": 3,
            "occurred_at": self.clock.now(),
            "clock": Clock(0, 20),
            "previous_hash": self.last_hash,
            "operation": operation,
        }
        envelope = Envelope(**(usual | different))
        return self.take(wire.encode(envelope), envelope.id)

    def take(self, raw: bytes, operation_id: str) -> bytes:
        self.raw.append(raw)
        self.ids.append(operation_id)
        return raw

    @property
    def last_hash(self) -> str:
        return wire.hash_of(self.raw[-1]) if self.raw else FIRST_HASH


class Phone:
    """A phone as the protocol knows it: a journal, a cursor, the tickets it was given."""

    def __init__(self, office: "Office", person: Person, device: str, token: str) -> None:
        self.office = office
        self.token = token
        self.journal = Journal(device, person, office.clock)
        self.cursor = 0
        self.tickets: dict[str, Ticket] = {}
        self.reference = ""
        self.sent_through = 0

    def write(self, ticket: str, operation: Operation, **different: Any) -> bytes:
        return self.journal.write(ticket, operation, **different)

    def post(self, body: bytes, **headers: str) -> Any:
        return self.office.client.post(
            "/sync/v1/round",
            content=body,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers},
        )

    def ask(
        self,
        ops: Sequence[bytes] = (),
        *,
        cursor: int | None = None,
        holding: Holding | None = None,
        protocol: int = 1,
        head: SignedHead | None = None,
        works_out: bool = False,
    ) -> RoundReply:
        """One round, its reply not yet taken to heart."""
        body = wire.encode(
            {
                "protocol": protocol,
                "device": self.journal.device,
                "cursor": self.cursor if cursor is None else cursor,
                "ops": [msgspec.Raw(raw) for raw in ops],
                "reference": self.reference,
                "holding": holding,
                **({} if head is None else {"head": head}),
                **({"works_out": True} if works_out else {}),
            }
        )
        answer = self.post(body)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=RoundReply)

    def sync(self) -> list[Verdict]:
        """Rounds until nothing is left to say, everything of the journal sent and everything told taken over."""
        verdicts: list[Verdict] = []
        while True:
            reply = self.ask(self.journal.raw[self.sent_through :])
            verdicts += verdicts_of(reply)
            self.sent_through = reply.received_through
            self.heed(reply)
            if not reply.more:
                return verdicts

    def heed(self, reply: RoundReply) -> None:
        for change in changes_of(reply):
            if isinstance(change, PutTicket):
                self.tickets[change.ticket.id] = change.ticket
            else:
                self.tickets.pop(change.ticket, None)
        self.cursor = reply.cursor
        if reply.reference is not None:
            self.reference = reply.reference.version


def verdicts_of(reply: RoundReply) -> list[Verdict]:
    verdicts = [wire.decode_verdict(raw) for raw in reply.verdicts]
    return [verdict for verdict in verdicts if isinstance(verdict, Verdict)]


def changes_of(reply: RoundReply) -> list[PutTicket | WithdrawTicket]:
    changes = [wire.decode_change(raw) for raw in reply.changes]
    return [change for change in changes if isinstance(change, PutTicket | WithdrawTicket)]


class Office:
    def __init__(self, storage: Storage, clock: StandingClock, client: TestClient[Litestar]) -> None:
        self.storage = storage
        self.clock = clock
        self.client = client
        storage.write_now(hire)

    def phone(self, person: Person = CHEN, device: str = "") -> Phone:
        """A phone that has been enrolled."""
        device = device or f"phone-{person.id}"
        token = f"token-of-{device}"
        self.storage.write_now(
            lambda writing: writing.people.enrol_device(
                device,
                person.id,
                name=f"{person.name}的手机",
                platform="browser",
                token_sha256=hashlib.sha256(token.encode()).hexdigest(),
                at_ms=milliseconds(self.clock.now()),
            )
        )
        return Phone(self, person, device, token)

    def decide(self, ticket: str, operation: Operation, person: Person = LIN) -> Verdict:
        return self.storage.write_now(lambda writing: decide(writing, person, ticket, operation, self.clock.now()))

    def ticket(self, ticket: str) -> Ticket:
        return self.storage.read_now(lambda reading: reading.tickets.by_id([ticket])[ticket])

    def received(self, **different: Any) -> str:
        """A new ticket's id."""
        ticket = new_id()
        number = f"T{next(_numbers):06d}"
        verdict = self.decide(ticket, a_request(**({"number": number} | different)))
        assert verdict.rejection is None, verdict
        return ticket

    def assigned(self, technician: Person = CHEN, **different: Any) -> str:
        """A ticket that has been confirmed and given to a technician for this afternoon."""
        ticket = self.received(**different)
        self.decide(ticket, ConfirmTicket(Severity.ORDINARY))
        self.assign(ticket, technician)
        return ticket

    def assign(self, ticket: str, technician: Person, *, replaces: Person | None = None) -> Verdict:
        verdict = self.decide(
            ticket, AssignTicket(technician.id, self.this_afternoon(), replaces.id if replaces else None)
        )
        assert verdict.rejection is None, verdict
        return verdict

    def this_afternoon(self) -> Window:
        now = self.clock.now()
        return Window(now + timedelta(hours=5), now + timedelta(hours=7))

    def identity(self, phone: Phone) -> DeviceIdentity:
        return DeviceIdentity(phone.journal.device, phone.journal.person)


def hire(writing: Writing) -> None:
    for person in EVERYBODY:
        writing.people.save(person, 0)
    writing.feed.reference_changed()
