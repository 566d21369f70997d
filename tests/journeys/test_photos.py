"""Photos, from the camera to the office and, much later, off the phone: none sent twice, none stuck in silence."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from field_app.store import ON_THIS_PHONE
from field_app.sync import UploadProgress, photo_sender
from shared_schema.evidence import PhotoSlot
from tests.builders.networks import CREATION, Forward, damage_body, lose_reply, lose_request
from tests.builders.phones import Phone
from tests.builders.tickets import a_picture
from tests.builders.world import World

SMALL, LARGE = a_picture(40_000, seed=31), a_picture(900_000, seed=32)


def asked(phone: Phone, method: str) -> int:
    """How often since the last time."""
    found = [
        request for request in phone.network.requests if request.method == method and "uploads" in str(request.url)
    ]
    return len(found)


def trouble(phone: Phone, sha256: str) -> str | None:
    state = phone.store.photo_state(sha256)
    assert state is not None
    return state.trouble


@pytest.fixture
def ticket(world: World) -> str:
    return world.dispatcher.sends("t-chen")


@pytest.fixture
def phone(world: World, ticket: str) -> Phone:
    phone = world.phone("t-chen")
    phone.accept(ticket)
    phone.sync()
    return phone


def set_aside(world: World, picture: bytes) -> str:
    """As if these bytes had come before and been no picture to the office."""
    sha256 = hashlib.sha256(picture).hexdigest()
    (world.settings.data / "set-aside" / sha256).write_bytes(picture)
    return sha256


# -- whole, with its creation -----------------------------------------------------------------------------------------


def test_photos_come_whole_with_their_creation_after_one_question(world: World, phone: Phone, ticket: str) -> None:
    """A visit's photos on a good network: which of them are new to the office is asked once, and each is one request,
    shown while it is under way."""
    shots = [phone.take_photo(ticket, a_picture(300_000, seed=seed)) for seed in range(40, 46)]
    shown: list[UploadProgress | None] = []

    async def look(request: httpx.Request, forward: Forward) -> httpx.Response:
        shown.append(phone.engine.status.upload)
        return await forward(request)

    for _ in shots:
        phone.network.arm(look, CREATION)
    phone.network.requests.clear()
    assert phone.sync().photos == len(shots)
    ways = [f"{request.method} {request.url.path}" for request in phone.network.requests]
    assert ways == ["POST /sync/v1/round", "POST /sync/v1/photos/unheld"] + ["POST /sync/v1/uploads/"] * len(shots)
    assert shown == [UploadProgress(shot, 0, 300_000) for shot in shots]
    assert phone.engine.status.upload is None
    assert [world.server.photo(shot) for shot in shots] == [phone.store.photo(shot) for shot in shots]


def test_many_photos_are_asked_about_a_few_at_a_time(
    world: World, phone: Phone, ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_sender, "PHOTOS_PER_OFFER", 2)
    for seed in range(50, 55):
        phone.take_photo(ticket, a_picture(2_000, seed=seed))
    phone.network.requests.clear()
    assert phone.sync().photos == 5
    asked_about = [len(request.content) for request in phone.network.requests if "unheld" in request.url.path]
    assert len(asked_about) == 3
    assert phone.network.photo_bytes == 5 * 2_000


def test_what_is_refused_as_too_large_a_request_goes_in_smaller_ones(world: World, phone: Phone, ticket: str) -> None:
    """A proxy in front of the office takes no more than 300 KB at once, and says so in its own words."""

    async def too_large(request: httpx.Request, forward: Forward) -> httpx.Response:
        if len(request.content) > 300_000:
            return httpx.Response(413, headers={"content-type": "text/html"}, text="<h1>Request Entity Too Large</h1>")
        return await forward(request)

    shot = phone.take_photo(ticket, LARGE)
    for _ in range(10):
        phone.network.arm(too_large, CREATION)
        phone.network.arm(too_large, "PATCH")
    assert phone.sync().photos == 1
    assert world.server.photo(shot) == LARGE


# -- in trouble -------------------------------------------------------------------------------------------------------


def test_a_photo_the_office_refuses_for_good_is_told_and_not_tried_all_day(
    world: World, phone: Phone, ticket: str
) -> None:
    """It stays on the phone with its reason, also when the app is started anew; the others go past it."""
    bad = set_aside(world, SMALL)
    phone.take_photo(ticket, SMALL)
    good = phone.take_photo(ticket, LARGE)
    phone.sync()
    assert world.server.photo(good) == LARGE
    assert trouble(phone, bad) == "not-a-picture"
    assert phone.store.photo(bad) == SMALL
    assert phone.store.counts().photos == 1, "the office has not received it"
    phone.network.requests.clear()
    for _ in range(20):
        world.clock.move(hours=1)
        phone.sync()
    assert asked(phone, "POST") == 0
    phone.go_offline()
    phone.restart()
    assert trouble(phone, bad) == "not-a-picture"


def test_what_the_office_has_learnt_to_take_by_tomorrow_is_taken(world: World, phone: Phone, ticket: str) -> None:
    bad = set_aside(world, SMALL)
    phone.take_photo(ticket, SMALL)
    phone.sync()
    (world.settings.data / "set-aside" / bad).unlink()
    world.clock.move(hours=25)
    phone.sync()
    assert (world.server.photo(bad), trouble(phone, bad)) == (SMALL, None)


def test_a_photo_damaged_on_the_phone_is_not_sent_for_ever(world: World, phone: Phone, ticket: str) -> None:
    """Flash memory has lost a bit: the office would refuse it, again and again."""
    phone.go_offline()
    shot = phone.take_photo(ticket, SMALL)
    phone.store.close()
    with sqlite3.connect(phone.path) as file:
        file.execute("UPDATE photo_bytes SET bytes = ? WHERE sha256 = ?", (SMALL[:-1] + b"x", shot))
    file.close()
    phone.restart()
    phone.go_online()
    assert trouble(phone, shot) == ON_THIS_PHONE
    assert asked(phone, "POST") == asked(phone, "PATCH") == 0


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_photo_the_phones_disk_cannot_read_holds_up_no_other(
    world: World, phone: Phone, ticket: str, has_begun: bool
) -> None:
    """One page of the file is damaged: it is told, and the others go."""
    phone.go_offline()
    shot = phone.take_photo(ticket, LARGE)
    if has_begun:
        phone.network.up = True
        phone.network.arm(lose_request, "PATCH")
        assert phone.sync().photos == 0
        state = phone.store.photo_state(shot)
        assert state is not None
        assert state.location is not None
        phone.go_offline()
    whole = phone.take_photo(ticket, a_picture(950_000, seed=33))
    phone.store.close()
    data = bytearray(phone.path.read_bytes())
    page = data.index(LARGE[800_000:800_100]) // 4096 * 4096
    data[page : page + 4] = b"\xff\xff\xff\x00"  # where the photo goes on, by the page
    phone.path.write_bytes(data)
    phone.restart()
    phone.go_online()
    assert trouble(phone, shot) == ON_THIS_PHONE
    assert world.server.photo(whole) is not None
    assert phone.store.counts().photos == 1


def test_photos_at_which_the_office_fails_each_time_hold_up_no_other(world: World, phone: Phone, ticket: str) -> None:
    """The office's disk is damaged where two of them would lie: they wait, and the others go."""
    phone.go_offline()
    stuck = [phone.take_photo(ticket, a_picture(seed=seed)) for seed in (51, 52)]
    for shot in stuck:
        (world.settings.data / "photos" / shot[:2] / shot / "not-a-photo").mkdir(parents=True)
    sent = [phone.take_photo(ticket, a_picture(20_000, seed=seed)) for seed in (53, 54)]
    phone.network.up = True
    for _ in range(8):
        phone.sync()
    assert [world.server.photo(shot) is not None for shot in sent] == [True, True]
    assert {photo.sha256 for photo in phone.store.photos_waiting()} == set(stuck)
    for shot in stuck:
        shutil.rmtree(world.settings.data / "photos" / shot[:2] / shot)
    phone.sync()
    assert phone.store.counts().photos == 0


def test_bytes_damaged_on_the_way_each_time_are_told_and_tried_again_soon(
    world: World, phone: Phone, ticket: str
) -> None:
    """A wrong checksum is repaired by sending again; where that fails too, not in a loop and not in silence."""
    shot = phone.take_photo(ticket, LARGE)
    for _ in range(4):
        phone.network.arm(damage_body, "PATCH")
    phone.sync()
    assert trouble(phone, shot) == "checksum-mismatch"
    world.clock.move(minutes=11)
    phone.network.arm(lose_reply, "PATCH")
    phone.sync()
    phone.network.arm(lose_request, "PATCH")
    phone.sync()
    assert trouble(phone, shot) is None, "it goes on: there is nothing to complain of"
    phone.sync()
    assert world.server.photo(shot) == LARGE


# -- in which order ---------------------------------------------------------------------------------------------------


def test_small_evidence_overtakes_a_large_photo_that_is_under_way(world: World, phone: Phone, ticket: str) -> None:
    """The customer signs and a small photo is taken while megabytes are on their way: those wait, not these."""
    arrived: list[str] = []
    small = ""

    async def meanwhile(request: httpx.Request, forward: Forward) -> httpx.Response:
        nonlocal small
        answer = await forward(request)
        phone.add_note(ticket, "客户在等")
        small = phone.take_photo(ticket, SMALL)
        return answer

    large = phone.take_photo(ticket, LARGE)
    phone.network.arm(meanwhile, CREATION)
    received = phone.store.photo_received
    phone.store.photo_received = lambda sha256: (arrived.append(sha256), received(sha256))[1]  # type: ignore[method-assign, func-returns-value]
    phone.network.requests.clear()
    assert phone.sync().photos == 2
    assert arrived == [small, large]
    paths = [request.url.path for request in phone.network.requests]
    assert paths[:4] == ["/sync/v1/round", "/sync/v1/photos/unheld", "/sync/v1/uploads/", "/sync/v1/round"], (
        "the note before any other photo"
    )
    assert phone.network.photo_bytes == len(SMALL) + len(LARGE), "and of the large one nothing twice"


# -- making room ------------------------------------------------------------------------------------------------------


def short_of_room(phone: Phone, room_bytes: int = 1_000_000) -> None:
    phone.device.state = replace(phone.device.state, used_bytes=10**9, quota_bytes=10**9 + room_bytes)


@pytest.fixture
def old(world: World, phone: Phone, ticket: str) -> str:
    """A photo of a visit closed a while ago, received long since."""
    sha256 = phone.take_photo(ticket, LARGE, PhotoSlot.BEFORE)
    phone.sync()
    world.dispatcher.cancel(ticket)
    phone.sync()
    world.clock.move(days=8)
    phone.network.requests.clear()
    return sha256


def test_where_room_is_short_an_old_photo_goes_once_the_office_says_again_that_it_has_it(
    world: World, phone: Phone, ticket: str, old: str
) -> None:
    short_of_room(phone)
    phone.sync()
    assert phone.store.photo(old) is None
    assert (asked(phone, "POST"), asked(phone, "PATCH")) == (1, 0)
    state = phone.store.photo_state(old)
    assert state is not None
    assert state.freed_at is not None
    assert state.received_at is not None
    assert phone.store.counts().photos == 0
    assert phone.store.spare_bytes() > len(LARGE) / 2, "there is room in the file again"
    phone.restart()
    assert phone.sync().photos == 0, "and nothing looks for it"


def test_where_there_is_room_nothing_goes(phone: Phone, old: str) -> None:
    short_of_room(phone, 300_000_000)
    phone.sync()
    assert phone.store.photo(old) == LARGE
    assert asked(phone, "POST") == 0


@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda path: path.write_bytes(LARGE[:1000]), lambda path: path.write_bytes(LARGE[:-1] + b"x")],
    ids=["gone", "cut short", "altered"],
)
def test_a_photo_the_office_has_lost_is_sent_again_and_not_let_go(
    world: World, phone: Phone, old: str, damage: Callable[[Path], object]
) -> None:
    """It said so once, a week ago. Its disk has died since, or a little of it."""
    path = world.photo_files.path(old)
    assert path is not None
    damage(path)
    short_of_room(phone)
    phone.sync()
    assert phone.store.photo(old) == LARGE
    assert "photo-missed" in phone.incidents()
    phone.sync()
    assert world.server.photo(old) == LARGE


def test_photos_of_a_visit_that_is_open_stay_however_short_the_room(world: World, phone: Phone, ticket: str) -> None:
    shot = phone.take_photo(ticket, LARGE)
    phone.sync()
    world.clock.move(days=30)
    short_of_room(phone)
    phone.sync()
    assert phone.store.photo(shot) == LARGE


def test_a_picture_that_a_visit_still_open_shows_too_stays(world: World, phone: Phone, old: str) -> None:
    """It came with the ticket that is over, and was added to another, whose customer is yet to see it."""
    other = world.dispatcher.sends("t-chen")
    phone.sync()
    phone.accept(other)
    assert phone.take_photo(other, LARGE) == old
    world.clock.move(hours=2)
    short_of_room(phone)
    phone.sync()
    assert phone.store.photo(old) == LARGE


def test_a_photo_received_yesterday_stays(world: World, phone: Phone, ticket: str) -> None:
    """The office may have to go back to a backup of the day before."""
    shot = phone.take_photo(ticket, LARGE)
    phone.sync()
    world.dispatcher.cancel(ticket)
    phone.sync()
    world.clock.move(days=1)
    short_of_room(phone)
    phone.sync()
    assert phone.store.photo(shot) == LARGE


def test_a_photo_on_whose_ticket_something_waits_stays(world: World, phone: Phone, ticket: str, old: str) -> None:
    phone.go_offline()
    phone.add_note(ticket, "还没送出")
    assert phone.store.photos_to_spare(phone.device.now()) == []


def test_the_same_picture_taken_again_is_kept_anew(world: World, phone: Phone, old: str) -> None:
    short_of_room(phone)
    phone.sync()
    assert phone.store.photo(old) is None
    other = world.dispatcher.sends("t-chen")
    phone.sync()
    phone.accept(other)
    assert phone.take_photo(other, LARGE) == old
    assert phone.store.photo(old) == LARGE
    phone.sync()
    assert phone.store.counts().photos == 0
