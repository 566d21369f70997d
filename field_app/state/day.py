"""The technician's tickets sorted into what is next, today, coming and past."""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from operator import itemgetter

from msgspec import Struct

from shared_schema.lifecycle import ON_VISIT, OVER, Status
from shared_schema.ticket import Ticket

FINISHED = OVER | {Status.SIGNED_OFF, Status.SOLVED_REMOTELY}
"""Statuses in which nothing is left for the technician to do."""

CONTACT_SHOWN = ON_VISIT | {Status.SIGNED_OFF}
"""Statuses in which a technician sees the customer's phone number and street (product.md, rule 4)."""

UNDER_WAY = frozenset({Status.TRAVELLING, Status.ARRIVED, Status.WORKING, Status.WORK_DONE, Status.OBJECTED})


class Visits(Struct, frozen=True):
    next: Ticket | None
    """Today's visit under way, or else today's first not finished, or else whichever is left over or comes first; it is
    also in `today` or in `coming`."""
    today: tuple[Ticket, ...]
    """Today's, and earlier ones that are not finished, by time."""
    coming: tuple[tuple[date, tuple[Ticket, ...]], ...]
    past: tuple[Ticket, ...]
    """Finished ones, the newest first."""


def window_start(ticket: Ticket) -> datetime:
    assert ticket.assignment is not None, ticket.id
    return ticket.assignment.window.start


def visits(tickets: Iterable[Ticket], now: datetime) -> Visits:
    today_is = now.astimezone().date()
    morning, evening = _begin(today_is), _begin(today_is + timedelta(days=1))
    of_today: list[Ticket] = []
    left_over: list[Ticket] = []
    coming: dict[date, list[Ticket]] = {}
    past: list[Ticket] = []
    visited = [(window_start(ticket), ticket.number, ticket) for ticket in tickets if ticket.assignment is not None]
    for start, _, ticket in sorted(visited, key=itemgetter(0, 1)):
        if ticket.status in FINISHED:
            past.append(ticket)
        elif start < morning:
            left_over.append(ticket)
        elif start < evening:
            of_today.append(ticket)
        else:
            coming.setdefault(start.astimezone().date(), []).append(ticket)
    days = tuple((day, tuple(of_day)) for day, of_day in coming.items())
    in_turn = [*(ticket for ticket in of_today if ticket.status in UNDER_WAY), *of_today, *left_over]
    first_coming = days[0][1][0] if days else None
    return Visits(in_turn[0] if in_turn else first_coming, (*left_over, *of_today), days, tuple(reversed(past)))


def _begin(day: date) -> datetime:
    """Midnight where the phone is."""
    return datetime.combine(day, time()).astimezone()
