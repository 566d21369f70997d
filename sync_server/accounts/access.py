"""Which tickets an identity may see, and how much of them (product rule 4).

The one place that decides it. The office sees everything, and each of its views is logged (`Accounts.note_views`). A
technician sees the tickets that are theirs now; of these the customer's number and address until the ticket is over.
The phone has both from the assignment on, so that accepting offline works, and shows them from acceptance.
"""

from msgspec.structs import replace

from shared_schema.lifecycle import OFFICE_ROLES, OVER
from shared_schema.ticket import Ticket
from sync_server.storage.people import DeviceIdentity, Person


def access_ticket(identity: Person | DeviceIdentity, ticket: Ticket) -> Ticket | None:
    """The ticket as this identity may see it, or None where it may not know of it."""
    person = identity.person if isinstance(identity, DeviceIdentity) else identity
    # A phone shows a technician's visits and nothing else, whoever it belongs to.
    if not isinstance(identity, DeviceIdentity) and person.role in OFFICE_ROLES:
        return ticket
    if ticket.technician != person.id:
        return None
    if ticket.status in OVER:
        return replace(ticket, customer=replace(ticket.customer, phone="", address=""))
    return ticket
