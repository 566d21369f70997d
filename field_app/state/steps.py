"""The visit as a line of steps: which are done and when, which one is open, which lie ahead."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum

from msgspec import Struct

from shared_schema.lifecycle import Status
from shared_schema.ticket import Ticket

STEPS = (
    "accept_ticket",
    "start_travel",
    "arrive",
    "show_credential",
    "confirm_problem",
    "finish_work",
    "sign_off",
)
"""The operations a visit consists of, in their order."""

_REACHED = {
    Status.ACCEPTED: 1,
    Status.TRAVELLING: 2,
    Status.ARRIVED: 3,
    Status.WORKING: 5,
    Status.WAITING: 5,
    Status.OBJECTED: 5,
    Status.WORK_DONE: 6,
    Status.SIGNED_OFF: 7,
    Status.CLOSED: 7,
}


class Place(str, Enum):
    DONE = "done"
    OPEN = "open"
    AHEAD = "ahead"


class Step(Struct, frozen=True):
    kind: str
    place: Place
    at: datetime | None = None
    """When it was done, where this phone knows."""


def steps(ticket: Ticket, made_here: Mapping[str, datetime]) -> tuple[Step, ...]:
    """`made_here`: operation kind → when this phone recorded it last for this ticket."""
    reached = _REACHED.get(ticket.status, 0)
    if ticket.status is Status.ARRIVED and ticket.credential_shown_at is not None:
        reached = 4
    known = dict(made_here)
    if ticket.arrivals:
        known["arrive"] = ticket.arrivals[-1].arrived_at
    if ticket.credential_shown_at is not None:
        known["show_credential"] = ticket.credential_shown_at
    if ticket.sign_offs:
        known["sign_off"] = ticket.sign_offs[-1].signed_at
    return tuple(
        Step(kind, Place.DONE, known.get(kind))
        if place < reached
        else Step(kind, Place.OPEN if place == reached and not _is_over(ticket) else Place.AHEAD)
        for place, kind in enumerate(STEPS)
    )


def _is_over(ticket: Ticket) -> bool:
    return ticket.status in {Status.CANCELLED, Status.CLOSED, Status.SOLVED_REMOTELY, Status.SIGNED_OFF}


def times(made: Iterable[tuple[str, datetime]]) -> dict[str, datetime]:
    """The latest time of each kind."""
    latest: dict[str, datetime] = {}
    for kind, at in made:
        if kind not in latest or at > latest[kind]:
            latest[kind] = at
    return latest
