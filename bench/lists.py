"""What one phone asks of a long list: ten changes among very many tickets, and everything at once."""

import contextlib
import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from msgspec.structs import replace

from bench import load, office, serving
from bench.comeback import latest_position, request_with_cursor, sync_request, told_cursor
from bench.office import Plan
from shared_schema.lifecycle import Role
from shared_schema.ticket import Ticket
from sync_server.storage import Storage, Writing
from sync_server.storage.people import Person
from sync_server.storage.tickets import Kept

CHANGES = 10
TICKETS_OF_ONE = 200
"""A technician's, where there are very many of others."""
IN_A_TURN = 10
"""So many times a phone asks for the same changes."""

Talk: TypeAlias = tuple[str, Callable[[], load.Phone]]
"""A server's address, and what is asked of it in a turn."""


class ListFigures(Struct):
    delta_ms: list[float]
    """Each exchange: a phone hears of CHANGES tickets among very many."""
    delta_of_few_ms: list[float]
    """The same among a tenth of them."""
    first_sync_ms: list[float]
    first_sync_bytes: int
    """Down, as they travelled (compressed where the phone can read it), heads included."""
    first_sync_plain_bytes: int


def measure(*, tickets: int, first_sync_tickets: int, times: int) -> ListFigures:
    few, many = _deltas((tickets // 10, tickets), times)
    first_ms, wire, plain = _first_sync(first_sync_tickets, max(3, times // 20))
    return ListFigures(many, few, first_ms, wire, plain)


def technician(number: int) -> Person:
    return Person(id=f"t-{number:03d}", role=Role.TECHNICIAN, name=f"师傅{number}", number=f"{number:04d}")


def _deltas(counts: Sequence[int], times: int) -> list[list[float]]:
    """For each count of tickets, in milliseconds."""
    with contextlib.ExitStack() as stack:
        talks = [asking_for_changes(stack, count) for count in counts]
        return [exchanges_ms(met) for met in by_turns(talks, times // IN_A_TURN)]


def by_turns(talks: Sequence[Talk], turns: int) -> list[list[load.Load]]:
    """What each of them met in each turn, so that whatever else the machine does falls on all."""
    met: list[list[load.Load]] = [[] for _ in talks]
    for turn in range(1 + turns):
        for place, (address, phone) in enumerate(talks):
            once = load.drive(address, [phone()])
            if turn > 0:  # before that, nothing is warm
                met[place].append(once)
    return met


def exchanges_ms(met: Sequence[load.Load]) -> list[float]:
    return [seconds * 1000 for once in met for seconds in once.exchanges]


def asking_for_changes(stack: contextlib.ExitStack, tickets: int) -> Talk:
    """A phone that has missed the newest changes, IN_A_TURN times, and a server with so many tickets."""
    data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorstep-bench-")))
    plan = _fill(data / "doorstep.db", tickets, TICKETS_OF_ONE)
    cursor = latest_position(data / "doorstep.db") - CHANGES
    address = stack.enter_context(serving.doorstep(data)).address
    return address, functools.partial(_counting, sync_request(office.body(plan, cursor, []), plan))


def _counting(asked: bytes) -> load.Phone:
    for _ in range(IN_A_TURN):
        answer = yield asked
        assert answer.count(b'"change":"put_ticket"') == CHANGES, answer[:500]


def asking_for_everything(stack: contextlib.ExitStack, tickets: int) -> Talk:
    """A phone that begins with nothing, and a server with so many tickets, all of them its own."""
    data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doorstep-bench-")))
    plan = _fill(data / "doorstep.db", tickets, tickets)
    address = stack.enter_context(serving.doorstep(data)).address
    return address, functools.partial(_everything, plan, tickets)


def _first_sync(tickets: int, times: int) -> tuple[list[float], int, int]:
    with contextlib.ExitStack() as stack:
        (met,) = by_turns([asking_for_everything(stack, tickets)], times)
    (phone,) = met[-1].phones
    return [once.seconds * 1000 for once in met], phone.bytes_on_the_wire - phone.bytes_up, phone.bytes_down


def _everything(plan: Plan, tickets: int) -> load.Phone:
    cursor, told = b"0", 0
    before, after = request_with_cursor(plan, [])
    while True:
        answer = yield sync_request(before + cursor + after, plan)
        told += answer.count(b'"change":"put_ticket"')
        cursor = told_cursor(answer)
        if b'"more":true' not in answer:
            break
    assert told == tickets, (told, tickets)


def _fill(database: Path, tickets: int, of_one: int) -> Plan:
    """So many tickets, `of_one` of them the first technician's; the newest changes are to ten of these."""
    random_ = office.same_every_time(11)
    storage = Storage.open(f"sqlite:///{database}")
    try:
        people = [technician(number) for number in range(-(-tickets // of_one))]
        for number, person in enumerate(people):
            devices = [("phone-000", "token-000")] if number == 0 else []
            storage.write_now(lambda writing: office.move_in(writing, person, devices))  # noqa: B023
        first: list[Ticket] = []
        for number, person in enumerate(people):
            count = min(of_one, tickets - number * of_one)
            made = [office.ticket_of(random_, number, place, person.id) for place in range(count)]
            first = first or made
            storage.write_now(lambda writing: office.put_tickets(writing, made))  # noqa: B023

        def touch(writing: Writing) -> None:
            start = writing.feed.take(CHANGES)
            writing.tickets.save(
                [
                    Kept(replace(ticket, version=ticket.version + 1), start + place)
                    for place, ticket in enumerate(first[:CHANGES])
                ]
            )

        storage.write_now(touch)
        (version,) = office.reference_versions(storage, people[:1])
    finally:
        storage.close()
    return Plan("phone-000", people[0], "token-000", version, [], [], Ed25519PrivateKey.generate())
