"""The work in the form the rivals are given it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from bench import load
from bench.office import Plan, same_every_time, ticket_of
from bench.serving import Served
from shared_schema.ticket import Ticket


class Change(Struct, frozen=True):
    """One operation: a record for the log, and what becomes of the ticket."""

    log: dict[str, Any]
    ticket_id: str
    ticket: dict[str, Any]


class Rival(Protocol):
    """One server, running and empty; ids are fifteen lower-case letters and digits."""

    served: Served

    def put_tickets(self, tickets: Sequence[dict[str, Any]]) -> None:
        """Beforehand, by whatever way is fastest."""
        ...

    def cursor(self) -> str:
        """From which on changes are told."""
        ...

    def push(self, changes: Sequence[Change]) -> bytes:
        """The request that brings these."""
        ...

    def pull(self, technician: str, cursor: str) -> bytes:
        """The request for a technician's changes after the cursor."""
        ...

    def told(self, answer: bytes, cursor: str) -> tuple[list[str], str]:
        """Of an answer to `pull`: the tickets in it, and the cursor to go on from."""
        ...

    def everything(self, technician: str, tickets: int) -> Iterator[bytes]:
        """The requests of a first sync."""
        ...


Starting = Callable[[], AbstractContextManager[Rival]]


def short(id_: str) -> str:
    return hashlib.sha256(id_.encode()).hexdigest()[:15]


def narrow(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": short(ticket.id),
        "technician": ticket.technician,
        "version": ticket.version,
        "title": ticket.product.model,
        "customer": f"{ticket.customer.name} {ticket.customer.phone}",
        "address": ticket.customer.region + ticket.customer.address,
        "status": ticket.status.value,
        "priority": 2,
        "due": "2026-03-02T01:00:00Z",
        "notes": ticket.problem,
        "operation": "",
    }


def changes_of(plan: Plan) -> list[Change]:
    changes = []
    for raw in plan.rounds[0]:
        envelope = msgspec.json.decode(raw)
        operation = envelope["operation"]
        typed = operation.get("text") or operation.get("sha256") or ""
        log = {
            "id": short(envelope["id"]),
            "device": envelope["device"],
            "number": envelope["sequence"],
            "ticket": short(envelope["ticket"]),
            "kind": operation["kind"],
            "at": envelope["occurred_at"],
            "body": typed,
        }
        ticket = {"status": operation["kind"], "notes": typed, "operation": log["id"]}
        changes.append(Change(log, log["ticket"], ticket))
    return changes


def comes_back(rival: Rival, plan: Plan, cursor: str, unheard: list[int]) -> load.Phone:
    """The phone's operations up in one request, then pulls until there is nothing new.

    `unheard` is given the number of its tickets that it changed and never heard of: a request of the batch that failed,
    or a change that the cursor passed.
    """
    changes = changes_of(plan)
    pushed = rival.push(changes)

    def phone() -> load.Phone:
        yield pushed
        at, told = cursor, [""]
        heard: set[str] = set()
        while told:
            answer = yield rival.pull(plan.person.id, at)
            told, at = rival.told(answer, at)
            heard.update(told)
        unheard.append(len({change.ticket_id for change in changes} - heard))

    return phone()


def race(rival: Rival, writes: int, writers: int) -> int:
    """How many of so many racing changes a reader with a cursor never hears of."""
    random_ = same_every_time(17)
    tickets = [narrow(ticket_of(random_, 0, place, "t-race")) for place in range(writes)]
    rival.put_tickets(tickets)
    start = rival.cursor()
    heard: set[str] = set()
    at_work = writers

    def writing(own: Sequence[dict[str, Any]]) -> load.Phone:
        nonlocal at_work
        for number, ticket in enumerate(own):
            log = {"id": short(f"{ticket['id']}-{number}"), "device": own[0]["id"], "number": number}
            log |= {"ticket": ticket["id"], "kind": "add_note", "at": "2026-03-02T01:00:00Z", "body": "看过了"}
            yield rival.push([Change(log, ticket["id"], {"notes": "看过了"})])
        at_work -= 1

    def reading() -> load.Phone:
        cursor, is_last = start, False
        while not is_last:
            is_last = at_work == 0
            told = [""]
            while told:
                answer = yield rival.pull("t-race", cursor)
                told, cursor = rival.told(answer, cursor)
                heard.update(told)

    load.drive(rival.served.address, [*(writing(tickets[place::writers]) for place in range(writers)), reading()])
    return len({ticket["id"] for ticket in tickets} - heard)
