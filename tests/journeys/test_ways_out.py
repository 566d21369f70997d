"""What happens to work that cannot go the ordinary way: a phone turned away, an operation refused, a store put back."""

import shutil
from pathlib import Path

from field_app.actions import Saved, Way
from field_app.device.contract import Shared
from field_app.state.leaving import InTheWay, Left, leave
from field_app.store import EntryState, Held
from shared_schema.rejections import JournalBroken, SequenceTaken
from shared_schema.sync_protocol import SignedOut
from tests.builders.tickets import a_picture
from tests.builders.ways_out import taken_in, the_app
from tests.builders.world import World


def test_a_phone_that_was_turned_away_brings_its_work_by_a_rescue_file(world: World, tmp_path: Path) -> None:
    """Reported lost, and found with an afternoon's work on it: what the office knows it by is its key. The same file
    again changes nothing, nor does the phone when it is let in again."""
    phone = world.phone()
    ticket = world.dispatcher.sends()
    phone.sync()
    phone.go_offline()
    phone.go_to_work(ticket)
    photo = phone.take_photo(ticket, a_picture(2_500_000, seed=5))
    phone.store.save_draft(f"finish:{ticket}", {"found": "写到一半"})
    world.dispatcher.revoke(phone)
    world.restart_office()
    assert isinstance(phone.go_online().away, SignedOut)

    app = the_app(phone)
    shared = world.run(app.rescue())
    assert isinstance(shared, Shared)
    file = phone.device.shared[shared.place]
    report = taken_in(world, file, tmp_path)
    assert report.is_signed
    assert (report.operations_new, report.operations_refused, report.photos_new, report.drafts_new) == (6, 0, 1, 1)
    assert world.server.journal(phone) == phone.store.raw_journal()
    assert world.server.photo(photo) == phone.store.photo(photo)
    again = taken_in(world, file, tmp_path)
    assert again.came_before
    assert (again.operations_new, again.photos_new, again.drafts_new) == (0, 0, 0)

    phone.enrol(world.enrolment_key("t-chen"))
    assert phone.sync().away is None
    assert phone.store.held() == Held(drafts=1)
    assert {entry.state for entry in phone.store.journal()} == {EntryState.ACCEPTED}
    assert world.server.journal(phone) == phone.store.raw_journal()


def test_the_office_holds_the_journal_under_the_phones_signature(world: World) -> None:
    """With every round that brings something; and it says so."""
    phone = world.phone()
    ticket = world.dispatcher.sends()
    phone.sync()
    phone.accept(ticket)
    phone.start_travel(ticket)
    phone.sync()
    assert phone.store.signed_through() == phone.store.received_through() == 2
    assert phone.engine.status.signed_through == 2


def test_a_phone_that_could_not_sign_signs_what_it_brought_before(world: World) -> None:
    phone = world.new_phone()
    phone.device.key.can_sign = False
    phone.enrol(world.enrolment_key("t-chen"))
    ticket = world.dispatcher.sends()
    phone.sync()
    phone.accept(ticket)
    phone.sync()
    assert (phone.store.received_through(), phone.store.signed_through()) == (1, 0)
    phone.device.key.can_sign = True
    phone.sync()
    assert phone.store.signed_through() == 1


def test_what_a_store_put_back_made_under_old_numbers_is_recorded_again(world: World) -> None:
    """The phone was set up from its own backup: the office has other entries under the numbers it gives out anew, and
    refuses what comes under them; and the first that follows, because it names one of those. Recorded again each time,
    everything is there."""
    phone = world.phone()
    ticket = world.dispatcher.sends()
    phone.sync()
    backup = phone.path.with_name("backup.db")
    phone.store.close()
    shutil.copy(phone.path, backup)
    phone.restart()
    phone.accept(ticket)
    phone.sync()
    phone.store.close()
    shutil.copy(backup, phone.path)
    phone.restart()

    note = phone.add_note(ticket, "恢复之后写的")
    phone.sync()
    (taken,) = phone.actions.refusals()
    assert (taken.entry.id, taken.entry.rejection) == (note, SequenceTaken())
    assert isinstance(phone.actions.turn_into_note(note), Saved)
    phone.sync()
    (broken,) = phone.actions.refusals()
    assert broken.entry.rejection == JournalBroken()
    assert isinstance(phone.actions.turn_into_note(broken.entry.id), Saved)
    phone.sync()
    assert phone.actions.refusals() == []
    assert [each.text for each in world.server.ticket(ticket).notes] == ["恢复之后写的"]


def test_an_unknown_operation_is_withdrawn_and_the_desk_hears_of_it(world: World) -> None:
    """A newer app made it, this office does not know it: the technician has told them by telephone."""
    phone = world.phone()
    ticket = world.dispatcher.sends()
    phone.sync()
    measured = phone.record_from_the_future(ticket)
    phone.sync()
    assert phone.actions.refusals()[0].ways == (Way.WITHDRAW,)
    assert isinstance(phone.actions.withdraw(measured), Saved)
    phone.sync()
    assert {entry.kind: entry.state for entry in phone.store.journal()}["answer_refusal"] is EntryState.ACCEPTED
    assert phone.store.held() == Held()


def test_a_phone_is_left_when_everything_has_arrived(world: World) -> None:
    """Offline it stays; on the network leaving itself brings the last of it. The next technician starts afresh."""
    phone = world.phone()
    ticket = world.dispatcher.sends()
    phone.sync()
    phone.go_offline()
    phone.accept(ticket)
    photo = phone.take_photo(ticket)
    app = the_app(phone)
    assert isinstance(world.run(leave(app)), InTheWay)
    phone.network.up = True
    assert world.run(leave(app)) == Left()
    assert world.server.photo(photo) == phone.store.photo(photo)
    assert not phone.shows(ticket)

    phone.enrol(world.enrolment_key("t-wang"))
    other = world.dispatcher.sends("t-wang")
    phone.sync()
    assert [shown.id for shown in phone.store.tickets()] == [other]
    phone.accept(other)
    phone.sync()
    assert phone.store.signed_through() == 1
    assert phone.store.held() == Held()
