"""What a person typed, drew or photographed stays theirs and stays there, whatever happens to the screen meanwhile."""

import pytest

from shared_schema.evidence import PhotoSlot
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen
from tests.field_app.test_screens_visit import reach_the_work


@pytest.mark.parametrize(("page", "field"), [("note", "note-text"), ("finish", "finish-done")])
def test_what_is_typed_for_one_visit_never_stands_on_the_page_of_another(hand: Hand, page: str, field: str) -> None:
    """Out of its list of where one has been the browser leads from a form straight to that of another visit."""
    one, other = an_assigned_ticket(number="ONE"), an_assigned_ticket(number="OTHER")
    hand.given(one, other)

    async def visit(screen: Screen) -> None:
        await screen.go(f"/tickets/{one.id}/{page}")
        await screen.type(field, "第一家")
        await screen.go(f"/tickets/{other.id}/{page}")
        assert screen.value(field) == ""
        await screen.type(field, "第二家")

    hand.does(visit)
    kept = [hand.single.store.draft(f"{page}:{ticket.id}") or {} for ticket in (one, other)]
    assert [list(draft.values()) for draft in kept] == [["第一家"], ["第二家"]]


def test_a_picture_goes_to_the_visit_and_the_slot_of_the_camera_that_is_on_the_screen(hand: Hand) -> None:
    one, other = an_assigned_ticket(number="ONE"), an_assigned_ticket(number="OTHER")
    hand.given(one, other)
    picture = a_picture(seed=6)

    async def visit(screen: Screen) -> None:
        await reach_the_work(screen, other)
        await screen.go(f"/tickets/{one.id}/camera/before")
        await screen.go(f"/tickets/{other.id}/camera/after")
        await screen.pick([{"id": 1, "name": "b.jpg", "size": len(picture), "bytes": picture}])

    hand.does(visit)
    assert hand.ticket(one.id).photos == ()
    assert [photo.slot for photo in hand.ticket(other.id).photos] == [PhotoSlot.AFTER]
