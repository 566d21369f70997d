"""An office under load: technicians, their tickets, and the rounds their phones will send, all made beforehand."""

import hashlib
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET, Struct

from shared_schema import wire
from shared_schema.evidence import PhotoSlot
from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import Channel, Kind, Role, Severity, Status
from shared_schema.operations import (
    FIRST_HASH,
    AcceptTicket,
    Actor,
    AddNote,
    AddPhoto,
    Clock,
    Envelope,
    Operation,
    StartTravel,
)
from shared_schema.sync_protocol import PROTOCOL, Holding, RoundRequest, SignedHead, head_text, holding
from shared_schema.ticket import Assignment, Customer, Product, Ticket, Window
from sync_server.clock import milliseconds
from sync_server.services.reference import References
from sync_server.settings import Settings
from sync_server.storage import Reading, Storage, Writing
from sync_server.storage.keys import RESCUE, LearntBy, Secret
from sync_server.storage.people import Person
from sync_server.storage.tickets import Kept

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
TICKETS_PER_ROUND = 20
OPERATIONS_PER_ROUND = 50


class Plan(Struct):
    """One phone: who has it, what it holds, and its rounds in order: the bytes of their operations."""

    device: str
    person: Person
    token: str
    reference: str
    """The version of what it has to look things up in."""
    tickets: list[Ticket]
    rounds: list[list[bytes]]
    key: Ed25519PrivateKey

    def head_after(self, ops: Sequence[bytes]) -> SignedHead:
        """The phone's word that its journal, up to the last of these, is this one."""
        last, hash_ = msgspec.json.decode(ops[-1], type=_Numbered), wire.hash_of(ops[-1])
        return SignedHead(
            last.sequence,
            hash_,
            self.key.public_key().public_bytes_raw(),
            self.key.sign(head_text(self.device, last.sequence, hash_)),
        )

    @property
    def holding_afterwards(self) -> Holding:
        """What it holds when every operation has been accepted."""
        versions = {ticket.id: ticket.version for ticket in self.tickets}
        for ops in self.rounds:
            for raw in ops:
                versions[msgspec.json.decode(raw, type=_Named).ticket] += 1
        return holding(versions.items())


class _Named(Struct):
    ticket: str


class _Numbered(Struct):
    sequence: int


def plans(phones: int, rounds: int) -> list[Plan]:
    """Phones and what they will bring; they hold no reference data yet."""
    random_ = same_every_time(7)
    made = []
    for number in range(phones):
        person = Person(id=f"t-{number:03d}", role=Role.TECHNICIAN, name=f"师傅{number}", number=f"{number:04d}")
        device, token = f"phone-{number:03d}", f"token-{number:03d}"
        tickets = [ticket_of(random_, number, place, person.id) for place in range(rounds * TICKETS_PER_ROUND)]
        key = Ed25519PrivateKey.from_private_bytes(random_.randbytes(32))
        made.append(Plan(device, person, token, "", tickets, _rounds(random_, device, person, tickets), key))
    return made


def build(database_url: str, phones: int, rounds: int) -> list[Plan]:
    """A new database with everything the rounds are about."""
    made = plans(phones, rounds)
    storage = Storage.open(database_url)
    try:
        for plan in made:
            storage.write_now(partial(_take_on, plan=plan))
        versions = reference_versions(storage, [plan.person for plan in made])
    finally:
        storage.close()
    for plan, version in zip(made, versions, strict=True):
        plan.reference = version
    return made


def _take_on(writing: Writing, plan: Plan) -> None:
    move_in(writing, plan.person, [(plan.device, plan.token)])
    writing.keys.learn(plan.device, plan.key.public_key().public_bytes_raw(), LearntBy.ENROLMENT, 0)
    put_tickets(writing, plan.tickets)


def same_every_time(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - nothing here is a secret


def move_in(writing: Writing, person: Person, devices: Sequence[tuple[str, str]]) -> None:
    """Somebody who works here, with phones as (device, token)."""
    writing.people.save(person, 0)
    for device, token in devices:
        writing.people.enrol_device(
            device,
            person.id,
            name="手机",
            platform="browser",
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            at_ms=0,
        )


def put_tickets(writing: Writing, tickets: Sequence[Ticket]) -> None:
    first = writing.feed.take(len(tickets))
    writing.tickets.save([Kept(ticket, first + place) for place, ticket in enumerate(tickets)])


def reference_versions(storage: Storage, people: Sequence[Person]) -> list[str]:
    """Of what each has to look things up in, in an office that has its key for rescue files."""
    storage.write_now(lambda writing: writing.keys.keep_secret(RESCUE, Secret(bytes(32), bytes(32), 0)))
    references = References(Settings())

    def look(reading: Reading) -> list[str]:
        references.look_up(reading)
        revision = reading.feed.reference_revision()
        found = [references.of(person, reading, revision) for person in people]
        return [each.version for each in found if each is not None]

    return storage.read_now(look)


def _id(random_: random.Random) -> str:
    return uuid7(1_772_413_200_000 + random_.randrange(10**6), random_.randbytes(10))


def ticket_of(random_: random.Random, phone: int, place: int, technician: str) -> Ticket:
    window = Window(NOW + timedelta(hours=place % 9), NOW + timedelta(hours=place % 9 + 2))
    return Ticket(
        id=_id(random_),
        number=f"B{phone:03d}-{place:05d}",
        kind=Kind.REPAIR,
        channel=Channel.PHONE,
        status=Status.ASSIGNED,
        version=3,
        created_at=NOW,
        created_by="p-lin",
        customer=Customer(
            f"客户{place}", f"138{random_.randrange(10**8):08d}", "上海市徐汇区", f"桂平路 {place} 号 501 室"
        ),
        product=Product(
            "灯具", "LX-200 吊灯", f"SN{random_.randrange(10**9):09d}", f"D{place:08d}", date(2025, 7, 11), None
        ),
        problem="客厅吊灯一闪一闪,整流器有响声,换过灯泡没有用,希望下午来看一下",
        severity=Severity.ORDINARY,
        assignment=Assignment(technician, window, "p-lin", NOW),
    )


def _rounds(random_: random.Random, device: str, person: Person, tickets: list[Ticket]) -> list[list[bytes]]:
    """50 operations on 20 tickets each: half of the visits are begun, on the others something is written down."""
    rounds = []
    sequence, previous = 0, FIRST_HASH
    for start in range(0, len(tickets), TICKETS_PER_ROUND):
        round_: list[bytes] = []
        for place, ticket in enumerate(tickets[start : start + TICKETS_PER_ROUND]):
            for operation in _done(random_, begins=place % 2 == 0):
                sequence += 1
                raw = envelope(random_, device, person, sequence, ticket, previous, operation)
                previous = wire.hash_of(raw)
                round_.append(raw)
        assert len(round_) == OPERATIONS_PER_ROUND
        rounds.append(round_)
    return rounds


def envelope(
    random_: random.Random,
    device: str,
    person: Person,
    sequence: int,
    ticket: Ticket,
    previous_hash: str,
    operation: Operation,
) -> bytes:
    return wire.encode(
        Envelope(
            id=_id(random_),
            device=device,
            sequence=sequence,
            ticket=ticket.id,
            actor=Actor(person.id, person.role),
            base_version=ticket.version,
            occurred_at=NOW + timedelta(seconds=sequence),
            clock=Clock(120, 40, milliseconds(NOW), sequence * 1000),
            previous_hash=previous_hash,
            operation=operation,
        )
    )


def _done(random_: random.Random, *, begins: bool) -> list[Operation]:
    if begins:
        return [AcceptTicket(), StartTravel(), AddNote("已联系客户,客户说下午在家,楼下可以停车")]
    photo = AddPhoto(random_.randbytes(32).hex(), 240_000, "image/jpeg", PhotoSlot.BEFORE)
    return [AddNote("换了整流器,观察十分钟没有再闪"), photo]


def body(plan: Plan, cursor: int, ops: Sequence[bytes], holding: Holding | None = None) -> bytes:
    """A RoundRequest, encoded."""
    newest = ops or (plan.rounds[-1] if plan.rounds else ())
    return wire.encode(
        RoundRequest(
            protocol=PROTOCOL,
            device=plan.device,
            cursor=cursor,
            ops=[msgspec.Raw(raw) for raw in ops],
            reference=plan.reference,
            holding=holding,
            head=plan.head_after(newest) if newest else UNSET,
            works_out=True if ops else UNSET,
        )
    )
