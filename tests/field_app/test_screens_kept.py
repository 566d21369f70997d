"""What a person typed, drew or photographed stays theirs and stays there, whatever happens to the screen meanwhile."""

import asyncio
import hashlib
from typing import Any

import flet as ft
import pytest

from shared_schema.apply import Filing
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Status
from shared_schema.rejections import MoveNotAllowed
from shared_schema.sync_protocol import Verdict
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen
from tests.field_app.single_phone import saved, verdict
from tests.field_app.test_screens_visit import hand_over, reach_the_work


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


def test_what_is_being_typed_is_not_put_back_by_a_page_that_is_rendered_meanwhile(hand: Hand) -> None:
    """The client's text arrives, and then the event that tells of it. In between a round with the office ends."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def write(screen: Screen) -> None:
        field = screen.field("note-text")
        for written in ("整", "整流", "整流器"):
            screen.session.apply_patch(field._i, {"value": written})
            hand.state.revision += 1
            await screen.settle()
            await screen.session.dispatch_event(field._i, "change", written)
            hand.state.revision += 1
            await screen.settle()
        assert [value for name, value in screen.client.told if name == "value"] == []
        await screen.tap("note-submit")

    hand.does(write, f"/tickets/{ticket.id}/note")
    assert [note.text for note in hand.ticket(ticket.id).notes] == ["整流器"]


def test_it_is_said_where_a_text_is_as_long_as_it_may_be(hand: Hand) -> None:
    """What is pasted beyond that is cut off by the client."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def write(screen: Screen) -> None:
        await screen.type("note-text", "长" * 3999)
        assert not screen.shows("note-text-full")
        await screen.type("note-text", "长" * 4000)
        assert "4000" in screen.text("note-text-full")
        await screen.type("note-text", "短")
        assert not screen.shows("note-text-full")

    hand.does(write, f"/tickets/{ticket.id}/note")


def test_what_the_office_refused_is_not_called_received(hand: Hand) -> None:
    """Saved here; received; refused; and received again once the technician has dealt with that."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    first = saved(hand.single.actions.add_note(ticket.id, "先断电"))

    async def answered(screen: Screen) -> None:
        assert screen.shows("saved-on-phone")
        hand.single.hears([Verdict(first, 1, Filing.APPLIED, 4)])
        await screen.settle()
        assert screen.shows("received-by-office")
        second = saved(hand.single.actions.add_note(ticket.id, "柜门已校平"))
        hand.single.hears([Verdict(second, 2, Filing.REFUSED, 4, MoveNotAllowed("add_note", Status.CANCELLED))])
        await screen.settle()
        assert not screen.shows("received-by-office")
        assert not screen.shows("saved-on-phone")
        assert "1" in screen.text("not-taken")
        hand.single.actions.withdraw(second)
        hand.single.hears([verdict(entry) for entry in hand.single.store.waiting()])
        await screen.settle()
        assert screen.shows("received-by-office")

    hand.does(answered, f"/tickets/{ticket.id}")


def test_a_photo_the_office_does_not_take_is_not_said_to_be_on_its_way(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)
    data = a_picture(seed=7)
    saved(hand.single.actions.add_photo(ticket.id, data, PhotoSlot.BEFORE))
    hand.single.hears([verdict(entry) for entry in hand.single.store.waiting()])

    async def look(screen: Screen) -> None:
        assert screen.shows("saved-on-phone")
        hand.single.store.photo_set_back(hashlib.sha256(data).hexdigest(), "not-a-picture")
        await screen.settle()
        assert "1" in screen.text("not-taken")

    hand.does(look, f"/tickets/{ticket.id}")


class Camera:
    """One that takes its time over a picture."""

    def __init__(self, screen: Screen, picture: bytes) -> None:
        self.finished = asyncio.Event()
        self._picture = picture
        screen.client.gives |= {
            "get_available_cameras": self._cameras,
            "initialize": self._nothing,
            "take_picture": self._take,
        }

    async def _cameras(self) -> list[dict[str, Any]]:
        return [{"name": "0", "lens_direction": "back", "sensor_orientation": 0}]

    async def _nothing(self) -> None:
        pass

    async def _take(self) -> bytes:
        await self.finished.wait()
        return self._picture


def test_a_picture_just_being_taken_is_kept_before_the_camera_is_left(hand: Hand) -> None:
    """Shutter and Done are tapped one after the other, faster than the camera is."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def photograph(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        camera = Camera(screen, a_picture(seed=8))
        await screen.tap("add-photo-before")
        shutter = asyncio.create_task(screen.tap("camera-shutter"))
        await screen.settle()
        await screen.tap("camera-done")
        camera.finished.set()
        await shutter
        assert screen.shows("next-action")

    hand.does(photograph)
    assert len(hand.ticket(ticket.id).photos) == 1


def test_a_camera_that_never_gives_its_picture_is_left_with_a_word(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def photograph(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        Camera(screen, a_picture(seed=9))
        await screen.tap("add-photo-before")
        shutter = asyncio.create_task(screen.tap("camera-shutter"))
        await screen.settle()
        await screen.tap("camera-done")
        assert screen.shows("camera-shutter")
        await screen.tap("camera-done")
        assert screen.shows("next-action")
        assert hand.state.words("camera.not-kept") in screen.text("notice")
        shutter.cancel()

    hand.does(photograph)


@pytest.mark.parametrize("missing", ["rating", "signer"])
def test_what_the_customer_is_asked_for_comes_into_view(hand: Hand, missing: str) -> None:
    """The record may fill the screen, and the stars lie below it."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def accept(screen: Screen) -> None:
        await hand_over(screen, ticket)
        screen.client.gives["scroll_to"] = _nothing
        if missing == "signer":
            await screen.tap("rating-5")
            await screen.type("signer", " ")
        await screen.tap("accept")
        ((_, how),) = screen.client.asked
        assert how["scroll_key"] == missing
        assert any(isinstance(one.key, ft.ScrollKey) and one.key.value == missing for one in screen.controls())
        said = hand.state.words(f"hand-over.{missing}-missing")
        assert screen.text().count(said) == (2 if missing == "rating" else 1), "in their place, and at the button"

    hand.does(accept)


async def _nothing() -> None:
    pass
