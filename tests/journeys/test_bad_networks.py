"""What networks do to messages, and that it changes nothing: no entry is lost, none is applied twice, all arrives."""

import asyncio

import httpx
import pytest

from field_app.store import EntryState
from shared_schema.lifecycle import Status
from shared_schema.sync_protocol import Offline
from tests.builders.networks import (
    CREATION,
    Fault,
    Forward,
    captive_portal,
    cut_reply,
    damage_body,
    lose_reply,
    lose_request,
    repeat_request,
)
from tests.builders.tickets import a_picture
from tests.builders.world import World


@pytest.mark.parametrize("fault", [lose_reply, lose_request, cut_reply, captive_portal, repeat_request])
def test_whatever_happens_to_a_round_every_entry_arrives_once(world: World, fault: Fault) -> None:
    """The first attempt meets the fault, the next one does not; the office has each operation exactly once."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.go_to_work(ticket)
    phone.add_note(ticket, "换了整流器")
    phone.network.arm(fault)

    first = phone.go_online()
    second = phone.sync()

    assert phone.network.has_met_every_fault
    assert first.away == (None if fault is repeat_request else Offline())
    assert second.away is None
    held = world.server.ticket(ticket)
    assert [note.text for note in held.notes] == ["换了整流器"]
    assert held.status is Status.WORKING
    assert held.version == 3 + 6
    assert phone.ticket(ticket) == held
    assert {entry.state for entry in phone.store.journal()} == {EntryState.ACCEPTED}


def test_a_lost_reply_brings_the_same_verdicts_and_never_overwrites_the_office(world: World) -> None:
    """The office applied it, the answer was lost, a dispatcher decided otherwise; sending again changes nothing."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    phone.network.arm(lose_reply)
    phone.go_online()
    assert world.server.ticket(ticket).status is Status.ACCEPTED
    assert phone.store.counts().operations == 1
    world.dispatcher.cancel(ticket)
    version = world.server.ticket(ticket).version

    phone.restart()
    phone.sync()

    assert world.server.ticket(ticket).status is Status.CANCELLED
    assert world.server.ticket(ticket).version == version
    (entry,) = phone.store.journal()
    assert entry.state is EntryState.ACCEPTED
    assert phone.ticket(ticket).status is Status.CANCELLED


def test_a_photo_cut_in_the_middle_goes_on_after_the_phone_was_switched_off(world: World) -> None:
    """Some pieces arrive, one breaks off half-way, the phone dies; the rest goes up from where the office stands."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    picture = a_picture(1_500_000, seed=4)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(phone.network.cutting(keep_bytes=100_000), "PATCH")

    assert phone.go_online().away == Offline()
    state = phone.store.photo_state(shot)
    assert state is not None
    assert 0 < state.offset < len(picture)
    assert world.server.photo(shot) is None
    assert phone.store.counts().operations == 0, "a photo never holds back the operations"

    phone.restart()
    phone.network.requests.clear()
    outcome = phone.sync()

    assert outcome.photos == 1
    assert world.server.photo(shot) == picture
    assert phone.network.photo_bytes == len(picture) - state.offset
    assert "HEAD" in {request.method for request in phone.network.requests}


@pytest.mark.parametrize("phone_dies", [False, True])
@pytest.mark.parametrize("office_dies", [False, True])
def test_a_photo_cut_in_the_middle_of_its_creation_goes_on_at_the_byte_the_office_holds(
    world: World, phone_dies: bool, office_dies: bool
) -> None:
    """The phone never heard where the upload is: it asks by the photo's content."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    picture = a_picture(300_000, seed=14)
    phone.accept(ticket)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(phone.network.cutting(keep_bytes=123_457), CREATION)

    assert phone.go_online().away == Offline()
    state = phone.store.photo_state(shot)
    assert state is not None
    assert state.location is None
    assert world.server.photo(shot) is None
    if phone_dies:
        phone.restart()
    if office_dies:
        world.restart_office()
    phone.network.requests.clear()

    assert phone.sync().photos == 1

    assert world.server.photo(shot) == picture
    assert phone.network.photo_bytes == len(picture) - 123_457, "of what was kept nothing is sent again"


@pytest.mark.parametrize("phone_dies", [False, True])
@pytest.mark.parametrize("office_dies", [False, True])
@pytest.mark.parametrize("size_bytes", [300_000, 1_500_000])
def test_a_photo_of_whose_creation_the_reply_was_lost_is_not_sent_twice(
    world: World, size_bytes: int, phone_dies: bool, office_dies: bool
) -> None:
    """The office has all of it, or the first piece, and the phone does not know it, nor where the upload is."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    picture = a_picture(size_bytes, seed=15)
    phone.accept(ticket)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(lose_reply, CREATION)

    assert phone.go_online().away == Offline()
    if phone_dies:
        phone.restart()
    if office_dies:
        world.restart_office()

    assert phone.sync().photos == 1

    assert world.server.photo(shot) == picture
    assert phone.network.photo_bytes == len(picture)


def test_a_piece_whose_receipt_was_lost_is_not_sent_twice(world: World) -> None:
    """The office has the piece and the phone does not know it: it asks, and goes on behind it."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    picture = a_picture(700_000, seed=5)
    phone.accept(ticket)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(lose_reply, "PATCH")

    assert phone.go_online().away == Offline()
    phone.sync()

    assert world.server.photo(shot) == picture
    assert phone.network.photo_bytes == len(picture)


def test_a_village_s_network_of_four_kilobytes_a_second_lets_photos_through(world: World) -> None:
    """The phone's patience with one request ends after ten seconds. What came of a creation until then is kept, of a
    piece it is not: pieces get smaller until they are through in time."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    picture = a_picture(300_000, seed=16)
    phone.accept(ticket)
    shot = phone.take_photo(ticket, picture)
    cut = phone.network.cutting(keep_bytes=40_000)

    async def slowly(request: httpx.Request, forward: Forward) -> httpx.Response:
        phone.network.arm(slowly, f"{request.method} {request.url.path}")
        world.clock.move(seconds=min(10.0, len(request.content) / 4_000))
        return await (cut(request, forward) if len(request.content) > 40_000 else forward(request))

    phone.network.arm(slowly, CREATION)
    phone.network.arm(slowly, "PATCH")
    attempts = 1
    while phone.sync().photos == 0:
        attempts += 1
        assert attempts < 6
    assert world.server.photo(shot) == picture


@pytest.mark.parametrize("size_bytes", [600_000, 300_000])
def test_a_piece_damaged_on_the_way_is_noticed_and_sent_again(world: World, size_bytes: int) -> None:
    """One byte turned over by a bad network, of a piece or of a whole: the office refuses it by its checksum, the photo
    arrives whole."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    picture = a_picture(size_bytes, seed=6)
    phone.accept(ticket)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(damage_body, CREATION)
    phone.network.arm(damage_body, "PATCH")

    assert phone.go_online().photos == 1

    assert phone.network.has_met_every_fault
    assert world.server.photo(shot) == picture
    assert "photo-restarted" in phone.incidents()


def test_a_network_that_damages_every_piece_does_not_make_the_phone_send_for_ever(world: World) -> None:
    """After a few attempts the photo is set back, the others go on, and later it is tried again."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    small, large = a_picture(1_000, seed=7), a_picture(90_000, seed=8)
    phone.accept(ticket)
    shot_small, shot_large = phone.take_photo(ticket, small), phone.take_photo(ticket, large)
    phone.network.arm(damage_body, CREATION)
    for _ in range(3):
        phone.network.arm(damage_body, "PATCH")

    outcome = phone.go_online()

    assert outcome.away is None
    assert world.server.photo(shot_small) is None
    assert world.server.photo(shot_large) == large
    assert phone.store.counts().photos == 1
    assert phone.sync().photos == 0, "not at once"
    world.clock.move(hours=1)
    assert phone.sync().photos == 1
    assert world.server.photo(shot_small) == small


def test_an_upload_the_office_has_forgotten_begins_again(world: World) -> None:
    """Uploads expire after a week; the phone comes back after two and sends the photo from its beginning."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    picture = a_picture(700_000, seed=9)
    phone.accept(ticket)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(lose_request, "PATCH")
    phone.go_online()
    phone.go_offline()
    world.clock.move(days=14)

    assert phone.go_online().photos == 1

    assert world.server.photo(shot) == picture


def test_a_photo_the_office_already_has_is_received_without_sending_it(world: World) -> None:
    """Two technicians photograph the same type plate from the same file: its bytes travel once."""
    ticket = world.dispatcher.sends("t-chen")
    other = world.dispatcher.sends("t-wang")
    picture = a_picture(50_000, seed=10)
    chen, wang = world.phone("t-chen"), world.phone("t-wang")
    chen.take_photo(ticket, picture)
    chen.sync()
    assert chen.network.photo_bytes == len(picture)
    shot = wang.take_photo(other, picture)
    fresh = wang.take_photo(other, a_picture(30_000, seed=12))

    assert wang.sync().photos == 2

    assert wang.network.photo_bytes == 30_000, "of the one that only this phone has"
    assert world.server.photo(shot) == picture
    assert world.server.photo(fresh) is not None
    assert wang.store.counts().photos == 0


@pytest.mark.parametrize("knows_the_question", [False, True])
def test_a_new_phone_brings_its_photos_to_an_office_that_takes_no_bytes_with_a_creation(
    world: World, knows_the_question: bool
) -> None:
    """One of last year does not know the question either: there they are announced first and sent then, and no byte
    goes twice. Where something on the way drops the body, they are sent again."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    pictures = [a_picture(size_bytes, seed=17) for size_bytes in (2_000, 300_000, 1_500_000)]
    shots = [phone.take_photo(ticket, picture) for picture in pictures]

    async def does_not_know(request: httpx.Request, forward: Forward) -> httpx.Response:
        return await forward(httpx.Request("POST", "http://office.test/sync/v1/no-such-thing", headers=request.headers))

    async def leaves_out(request: httpx.Request, forward: Forward) -> httpx.Response:
        announced = {"tus-resumable", "upload-length", "upload-metadata", "authorization"}
        headers = {name: value for name, value in request.headers.items() if name in announced}
        return await forward(httpx.Request("POST", request.url, headers=headers))

    if not knows_the_question:
        phone.network.arm(does_not_know, "POST /sync/v1/photos")
    for _ in pictures:
        phone.network.arm(leaves_out, CREATION)

    assert phone.sync().photos == 3

    assert phone.network.has_met_every_fault
    assert [world.server.photo(shot) for shot in shots] == pictures
    if not knows_the_question:
        assert phone.network.photo_bytes == sum(map(len, pictures))


@pytest.mark.parametrize("place", [CREATION, "PATCH"])
def test_a_signature_made_while_a_photo_is_on_its_way_goes_first(world: World, place: str) -> None:
    """Between two pieces of a large photo the way is free for what was entered meanwhile."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    phone.take_photo(ticket, a_picture(3_000_000, seed=11))

    async def note_meanwhile(request: httpx.Request, forward: Forward) -> httpx.Response:
        phone.add_note(ticket, "门禁坏了")
        return await forward(request)

    phone.network.arm(note_meanwhile, place)
    outcome = phone.go_online()

    way = [f"{request.method} {request.url.path}" for request in phone.network.requests]
    (piece,) = [index for index, each in enumerate(way) if each.startswith(place)][:1]
    assert way[piece + 1] == "POST /sync/v1/round"
    assert "PATCH" in {each.partition(" ")[0] for each in way[piece + 2 :]}
    assert (outcome.sent, outcome.photos) == (3, 1)


def test_the_phone_finds_out_by_itself_that_the_office_is_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody touches the phone: it rests for less than ten seconds and asks again, and everything has been received."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    rests: list[float] = []
    rest = phone.engine._rest

    async def noted(seconds: float) -> None:
        rests.append(seconds)
        await rest(seconds)

    monkeypatch.setattr(phone.engine, "_rest", noted)

    async def story() -> None:
        running = asyncio.create_task(phone.engine.run_forever())
        await phone.until(lambda: phone.engine.status.reachable is False)
        phone.network.up = True
        await phone.until(lambda: phone.store.counts().operations == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    world.run(story())
    assert 0 < rests[0] < 10
    assert world.server.ticket(ticket).status is Status.ACCEPTED


def test_the_office_can_be_restarted_between_any_two_rounds(world: World) -> None:
    """Its process ends and begins again; the phone goes on where it was."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    phone.accept(ticket)
    phone.sync()
    world.restart_office()
    phone.start_travel(ticket)

    assert phone.sync().away is None

    assert world.server.ticket(ticket).status is Status.TRAVELLING
    assert phone.ticket(ticket) == world.server.ticket(ticket)
