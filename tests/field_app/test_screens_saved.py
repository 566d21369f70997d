"""Where a ticket's page says that what was entered on it is: never at the office before it is there."""

import hashlib

from shared_schema.evidence import PhotoSlot
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen
from tests.field_app.single_phone import saved, verdict


def marks(screen: Screen) -> int:
    """How many of the happenings on the page are said to be still to be sent."""
    return screen.text().splitlines().count("待上传")


def test_a_picture_on_two_tickets_is_received_on_neither_before_the_office_has_it(hand: Hand) -> None:
    """It is kept and sent once, with the ticket it was first added to: the other must not say that all is there."""
    one, other = an_assigned_ticket(number="ONE"), an_assigned_ticket(number="OTHER")
    hand.given(one, other)
    for ticket in (one, other):
        saved(hand.single.actions.add_photo(ticket.id, a_picture(), PhotoSlot.BEFORE))
    hand.single.hears([verdict(entry) for entry in hand.single.store.waiting()])

    async def look(screen: Screen) -> None:
        for ticket in (one, other):
            await screen.go(f"/tickets/{ticket.id}")
            assert "1 张照片" in screen.text("saved-on-phone")
        (photo,) = hand.single.store.photos_waiting()
        hand.single.store.photo_received(photo.sha256)
        for ticket in (one, other):
            await screen.go(f"/tickets/{ticket.id}")
            assert screen.shows("received-by-office")

    hand.does(look)


def test_a_photo_whose_entry_alone_is_received_is_still_to_be_sent(hand: Hand) -> None:
    """The history tells of the photo, which is still on this phone alone."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    photo = saved(hand.single.actions.add_photo(ticket.id, a_picture(), PhotoSlot.BEFORE))
    hand.single.hears([verdict(hand.single.entry(photo))], puts=[hand.ticket(ticket.id)])

    async def look(screen: Screen) -> None:
        await screen.tap("history-toggle")
        assert marks(screen) == 1
        hand.single.store.photo_received(hashlib.sha256(a_picture()).hexdigest())
        await screen.settle()
        assert marks(screen) == 0

    hand.does(look, f"/tickets/{ticket.id}")


def test_of_very_many_entries_each_that_waits_is_marked(hand: Hand) -> None:
    """Of the oldest, too, more of them than a page of the journal."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    for number in range(201):
        saved(hand.single.actions.add_note(ticket.id, str(number)))

    async def look(screen: Screen) -> None:
        await screen.tap("history-toggle")
        assert marks(screen) == 201

    hand.does(look, f"/tickets/{ticket.id}")
