"""An office under load: technicians, their tickets, and the rounds their phones will send, all made beforehand."""

import hashlib
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

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
from shared_schema.ticket import Assignment, Customer, Product, Ticket, Window
from sync_server.storage import Storage, Writing
from sync_server.storage.people import Person
from sync_server.storage.tickets import Kept

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
TICKETS_PER_ROUND = 20
OPERATIONS_PER_ROUND = 50


class Plan(Struct):
    """One phone's rounds, in order: the bytes of their operations."""

    device: str
    person: Person
    token: str
    rounds: list[list[bytes]]


def build(database: Path, phones: int, rounds: int) -> list[Plan]:
    """A new database with everything the rounds are about."""
    random_ = random.Random(7)  # noqa: S311 - the same office in every run
    storage = Storage.open(f"sqlite:///{database}")
    plans = []
    try:
        for number in range(phones):
            person = Person(id=f"t-{number:03d}", role=Role.TECHNICIAN, name=f"师傅{number}", number=f"{number:04d}")
            device, token = f"phone-{number:03d}", f"token-{number:03d}"
            tickets = [ticket_of(random_, number, place, person.id) for place in range(rounds * TICKETS_PER_ROUND)]
            storage.write_now(lambda writing: _move_in(writing, person, device, token, tickets))  # noqa: B023
            plans.append(Plan(device, person, token, _rounds(random_, device, person, tickets)))
    finally:
        storage.close()
    return plans


def _move_in(writing: Writing, person: Person, device: str, token: str, tickets: list[Ticket]) -> None:
    writing.people.save(person, 0)
    writing.people.enrol_device(
        device,
        person.id,
        name="手机",
        platform="browser",
        token_sha256=hashlib.sha256(token.encode()).hexdigest(),
        at_ms=0,
    )
    first = writing.feed.take(len(tickets))
    writing.tickets.save([Kept(ticket, first + place) for place, ticket in enumerate(tickets)])


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
                envelope = Envelope(
                    id=_id(random_),
                    device=device,
                    sequence=sequence,
                    ticket=ticket.id,
                    actor=Actor(person.id, person.role),
                    base_version=ticket.version,
                    occurred_at=NOW + timedelta(seconds=sequence),
                    clock=Clock(120, 40),
                    previous_hash=previous,
                    operation=operation,
                )
                raw = wire.encode(envelope)
                previous = wire.hash_of(raw)
                round_.append(raw)
        assert len(round_) == OPERATIONS_PER_ROUND
        rounds.append(round_)
    return rounds


def _done(random_: random.Random, *, begins: bool) -> list[Operation]:
    if begins:
        return [AcceptTicket(), StartTravel(), AddNote("已联系客户,客户说下午在家,楼下可以停车")]
    photo = AddPhoto(random_.randbytes(32).hex(), 240_000, "image/jpeg", PhotoSlot.BEFORE)
    return [AddNote("换了整流器,观察十分钟没有再闪"), photo]


def body(plan: Plan, cursor: int, ops: list[bytes], reference: str = "", holding: object = None) -> bytes:
    """A RoundRequest, encoded."""
    return msgspec.json.encode(
        {
            "protocol": 1,
            "device": plan.device,
            "cursor": cursor,
            "ops": [msgspec.Raw(raw) for raw in ops],
            "reference": reference,
            "holding": holding,
        }
    )
