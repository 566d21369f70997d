"""Leaving a phone (signing out, giving it to somebody else, starting anew), so that nothing is lost by it.

Nothing in this app deletes the store. To leave is to forget who the phone is to the office and what only its technician
may know of customers; whatever was recorded stays. Where the office has not received all of it, leaving is refused,
until it has been received or is in a rescue file that was handed on.
"""

from msgspec import Struct

from field_app.state.phone import Phone
from field_app.store import Held
from field_app.sync.rescue_file import WhyNot


class Left(Struct, frozen=True):
    """The phone belongs to nobody now; the first page asks for a new enrolment. Its server-side token ends when the
    office revokes it."""


class InTheWay(Struct, frozen=True):
    """Not left: this is what the office has not got.

    The ways out: go online and let it be sent (operations, photos), record or clear what is being typed (drafts), deal
    with what was refused; or make a rescue file (`Phone.rescue`), after which `leave` succeeds.
    """

    held: Held
    no_rescue: WhyNot | None
    """Why a rescue file cannot be made, where it cannot."""


def in_the_way(phone: Phone) -> InTheWay | None:
    """What would stand in the way of leaving now; None where nothing does."""
    held = phone.store.held()
    if held.is_nothing or phone.store.is_rescued():
        return None
    return InTheWay(held, phone.why_no_rescue())


async def leave(phone: Phone) -> Left | InTheWay:
    """Sign out. Tries once to bring everything to the office first. Raises StorageUnavailable."""
    if in_the_way(phone) is not None:
        await phone.engine.run_round()
    way = in_the_way(phone)
    if way is not None:
        return way
    phone.store.leave()
    return Left()
