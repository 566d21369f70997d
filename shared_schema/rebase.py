"""What a phone shows: the ticket the office confirmed, with the operations still waiting on the phone on top.

Never stored: the confirmed ticket and the waiting operations are, and this is computed from them.
"""

from collections.abc import Iterable

from msgspec import Struct

from shared_schema.apply import apply
from shared_schema.operations import Envelope
from shared_schema.rejections import Rejection
from shared_schema.ticket import Ticket


class Rebased(Struct, frozen=True):
    ticket: Ticket | None
    misfits: tuple[tuple[str, Rejection], ...] = ()
    """Operation ids that no longer fit what the office confirmed since; the server has the last word on them."""


def rebase(confirmed: Ticket | None, pending: Iterable[Envelope]) -> Rebased:
    """`pending` in the order of their sequence numbers."""
    ticket = confirmed
    misfits: list[tuple[str, Rejection]] = []
    for envelope in pending:
        after = apply(envelope, ticket)
        if isinstance(after, Ticket):
            ticket = after
        else:
            misfits.append((envelope.id, after))
    return Rebased(ticket, tuple(misfits))
