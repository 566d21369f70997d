"""The columns beside a ticket are always those that its bytes come to, whatever was done to it."""

from hypothesis import given, settings

from shared_schema.apply import apply
from shared_schema.operations import Envelope
from shared_schema.ticket import Ticket
from sync_server.storage.tickets import GOES_ON, Kept, columns_of
from tests.shared_schema.histories import histories

SET_AS_IT_GOES_ON = {"version", "position", "status", "late", "data"}


@settings(max_examples=300)
@given(histories())
def test_where_a_ticket_only_goes_on_it_is_found_by_the_same_as_before(history: list[Envelope]) -> None:
    """Of these operations no more columns are written than those."""
    ticket: Ticket | None = None
    for position, envelope in enumerate(history, 1):
        after = apply(envelope, ticket)
        if not isinstance(after, Ticket):
            continue
        if ticket is not None and type(envelope.operation) in GOES_ON:
            before, now = columns_of(Kept(ticket, position - 1)), columns_of(Kept(after, position))
            assert {name for name in now if now[name] != before[name]} <= SET_AS_IT_GOES_ON
        ticket = after
