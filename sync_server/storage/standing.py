"""How things stand between the office and one phone, in one statement: what nearly every round is answered from.

A phone asks every few seconds, and nearly always there is nothing to tell. A few numbers say so.
"""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from msgspec import Struct

from sync_server.storage.feed import FEED, REFERENCE, counters
from sync_server.storage.journal import journals
from sync_server.storage.tickets import SCOPE, tickets, withdrawals


class Standing(Struct, frozen=True):
    feed: int
    """The newest position."""
    reference: int
    """The revision of what phones carry to look up."""
    received_through: int
    """How far the office holds the device's journal."""
    signed_through: int
    """How far it does so under the device's own signature."""
    scope: int
    """The position of the newest change to what belongs on the technician's phone: every change raises it."""


def _counter(name: str) -> sa.ScalarSelect[int]:
    return sa.select(counters.c.value).where(counters.c.name == name).scalar_subquery()


def _or_zero(statement: sa.Select[tuple[int]]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(statement.scalar_subquery(), 0)


_device = sa.bindparam("device", type_=sa.Text)
_person = sa.bindparam("person", type_=sa.Text)

STANDING = sa.select(
    _counter(FEED),
    _counter(REFERENCE),
    _or_zero(sa.select(journals.c.received_through).where(journals.c.device == _device)),
    _or_zero(sa.select(journals.c.signed_through).where(journals.c.device == _device)),
    _or_zero(sa.select(sa.func.max(tickets.c.position)).where(tickets.c.holder == _person)),
    _or_zero(sa.select(sa.func.max(withdrawals.c.position)).where(withdrawals.c.technician == _person)),
)

STANDING_AND_SCOPE = STANDING.add_columns(SCOPE.scalar_subquery())
"""With it, in the same snapshot, what SCOPE finds."""


def standing_of(row: Sequence[int]) -> Standing:
    """From what STANDING found."""
    feed, reference, received_through, signed_through, put, withdrawn = row
    return Standing(feed, reference, received_through, signed_through, max(put, withdrawn))


def about(device: str, person: str) -> Mapping[str, str | int]:
    """The values of STANDING."""
    return {"device": device, "person": person}
