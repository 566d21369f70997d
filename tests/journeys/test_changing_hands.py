"""A phone that goes from one technician to another: what the first recorded stays theirs, and reaches the office."""

from pathlib import Path

import httpx

from field_app.device.contract import Shared
from field_app.state.leaving import Left, leave
from field_app.store import EntryState
from shared_schema.lifecycle import Status
from shared_schema.sync_protocol import Offline, RefusedRequest
from tests.builders.networks import Forward, lose_reply, lose_request
from tests.builders.phones import Phone
from tests.builders.ways_out import taken_in, the_app
from tests.builders.world import World

ENROL = "POST /sync/v1/enrol"


async def _let_through(request: httpx.Request, forward: Forward) -> httpx.Response:
    return await forward(request)


def half_given_away(world: World, phone: Phone) -> str:
    """A colleague's key was scanned, and the network broke before the office heard of the new device; the key."""
    key = world.enrolment_key("t-wang")
    phone.network.arm(_let_through, ENROL)
    phone.network.arm(lose_request, ENROL)
    assert world.run(phone.engine.enrol(key, "王师傅的手机")) == Offline()
    assert phone.network.has_met_every_fault
    return key


def test_work_recorded_after_a_failed_change_of_hands_is_not_left_behind_by_the_next(world: World) -> None:
    """The first attempt found nothing in the way; since then its technician has gone on working."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    key = half_given_away(world, phone)
    phone.go_offline()
    accepted = phone.accept(ticket)
    phone.network.up = True

    answer = world.run(phone.engine.enrol(key, "王师傅的手机"))
    assert isinstance(answer, RefusedRequest), answer
    assert answer.code == "device-of-another-person"
    phone.sync()
    assert phone.entry(accepted).state is EntryState.ACCEPTED
    assert world.server.ticket(ticket).status is Status.ACCEPTED
    assert phone.enrol(key).person == "t-wang"


def test_after_a_failed_change_of_hands_its_technician_keeps_the_device(world: World) -> None:
    """They enrol again themselves: what was recorded in between carries the name the phone has had all along."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    half_given_away(world, phone)
    phone.go_offline()
    accepted = phone.accept(ticket)
    phone.network.up = True

    phone.enrol(world.enrolment_key("t-chen"))
    phone.sync()
    assert phone.entry(accepted).state is EntryState.ACCEPTED
    assert phone.store.counts().operations == 0


def test_a_change_of_hands_whose_reply_was_lost_is_asked_for_again(world: World) -> None:
    phone = world.phone("t-chen")
    key = world.enrolment_key("t-wang")
    phone.network.arm(_let_through, ENROL)
    phone.network.arm(lose_reply, ENROL)
    assert world.run(phone.engine.enrol(key, "王师傅的手机")) == Offline()
    assert phone.enrol(key).person == "t-wang"


def test_a_second_owners_rescue_file_does_not_bring_the_first_ones_work_under_the_wrong_name(
    world: World, tmp_path: Path
) -> None:
    """Both journals begin at 1: what the first owner recorded must not take the places of what the second did."""
    first, second = world.dispatcher.sends("t-chen"), world.dispatcher.sends("t-wang")
    phone = world.phone("t-chen")
    phone.go_to_work(first)
    phone.sync()
    assert world.run(leave(the_app(phone))) == Left()
    phone.enrol(world.enrolment_key("t-wang"))
    phone.sync()
    phone.go_offline()
    phone.go_to_work(second)
    shared = world.run(the_app(phone).rescue())
    assert isinstance(shared, Shared)

    report = taken_in(world, phone.device.shared[shared.place], tmp_path)
    assert (report.operations_new, report.operations_refused) == (5, 0)
    assert world.server.ticket(second).status is Status.WORKING
    phone.go_online()
    assert {entry.state for entry in phone.store.journal(ticket=second)} == {EntryState.ACCEPTED}
