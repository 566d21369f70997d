"""What networks do to messages, and that it changes nothing: no entry is lost, none is applied twice, all arrives."""

import asyncio

import pytest

from field_app.store import EntryState
from shared_schema.lifecycle import Status
from shared_schema.sync_protocol import Offline
from tests.builders.networks import (
    Fault,
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
    phone.network.arm(_let_through, "PATCH")
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
    sent_again = sum(len(request.content) for request in phone.network.requests if request.method == "PATCH")
    assert sent_again == len(picture) - state.offset
    assert "HEAD" in {request.method for request in phone.network.requests}


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
    sent = sum(len(request.content) for request in phone.network.requests if request.method == "PATCH")
    assert sent == len(picture)


def test_a_piece_damaged_on_the_way_is_noticed_and_sent_again(world: World) -> None:
    """One byte turned over by a bad network: the office refuses the piece by its checksum, the photo arrives whole."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    picture = a_picture(600_000, seed=6)
    phone.accept(ticket)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(damage_body, "PATCH")

    assert phone.go_online().photos == 1

    assert world.server.photo(shot) == picture
    assert "photo-restarted" in phone.incidents()


def test_a_network_that_damages_every_piece_does_not_make_the_phone_send_for_ever(world: World) -> None:
    """After a few attempts the photo is set back, the others go on, and later it is tried again."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    small, large = a_picture(1_000, seed=7), a_picture(90_000, seed=8)
    phone.accept(ticket)
    shot_small, shot_large = phone.take_photo(ticket, small), phone.take_photo(ticket, large)
    for _ in range(4):
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
    phone.network.arm(_let_through, "PATCH")
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
    shot = wang.take_photo(other, picture)

    assert wang.sync().photos == 1

    assert not [request for request in wang.network.requests if request.method == "PATCH"]
    assert world.server.photo(shot) == picture
    assert wang.store.counts().photos == 0


def test_a_signature_made_while_a_photo_is_on_its_way_goes_first(world: World) -> None:
    """Between two pieces of a large photo the way is free for what was entered meanwhile."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    phone.take_photo(ticket, a_picture(1_500_000, seed=11))

    async def note_meanwhile(request, forward):  # type: ignore[no-untyped-def]
        phone.add_note(ticket, "门禁坏了")
        return await forward(request)

    phone.network.arm(note_meanwhile, "PATCH")
    outcome = phone.go_online()

    way = [f"{request.method} {request.url.path.split('/')[3]}" for request in phone.network.requests][2:]
    first_piece = way.index("PATCH uploads")
    assert way[first_piece + 1] == "POST round"
    assert "PATCH uploads" in way[first_piece + 2 :]
    assert (outcome.sent, outcome.photos) == (3, 1)


def test_the_phone_finds_out_by_itself_that_the_office_is_back(world: World) -> None:
    """Nobody touches the phone: within ten seconds of the network's return everything has been received."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)

    async def story() -> float:
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(phone.engine.run_forever())
        await phone.until(lambda: phone.engine.status.reachable is False)
        phone.network.up = True
        began = loop.time()
        await phone.until(lambda: phone.store.counts().operations == 0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return loop.time() - began

    assert world.run(story()) < 10
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


async def _let_through(request, forward):  # type: ignore[no-untyped-def]
    return await forward(request)
