"""Where a ticket's page says that what was entered on it is: never at the office before it is there."""

from shared_schema.evidence import PhotoSlot
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen
from tests.field_app.single_phone import saved, verdict


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
