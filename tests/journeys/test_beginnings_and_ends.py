"""How a phone comes to the office, and what it does when the office is not the one it was."""

from field_app.store import Identity
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Severity, Status
from shared_schema.sync_protocol import Offline, RefusedRequest
from tests.builders.networks import CREATION, captive_portal, lose_reply, lose_request
from tests.builders.tickets import a_customer, a_picture
from tests.builders.world import World


def test_an_enrolment_whose_reply_was_lost_is_asked_for_again(world: World) -> None:
    """The key counts once, and the phone that used it is the one that may ask again, also after a restart."""
    ticket = world.dispatcher.sends("t-chen")
    key = world.enrolment_key("t-chen")
    phone = world.new_phone()
    phone.network.arm(lose_reply, "POST /sync/v1/enrol")
    assert world.run(phone.engine.enrol(key, "陈师傅的手机")) == Offline()
    assert phone.store.identity() is None

    phone.restart()
    assert phone.enrol(key).person == "t-chen"
    phone.sync()
    assert phone.shows(ticket)

    other = world.new_phone()
    refused = world.run(other.engine.enrol(key, "别人的手机"))
    assert isinstance(refused, RefusedRequest)
    assert refused.code == "enrolment-used"


def test_a_wrong_key_and_a_captive_portal_are_told_apart(world: World) -> None:
    """One is the office's no, the other is no office."""
    phone = world.new_phone()
    refused = world.run(phone.engine.enrol("not-a-key-of-anybody", "手机"))
    assert isinstance(refused, RefusedRequest)
    assert refused.code == "enrolment-unknown"
    phone.network.arm(captive_portal, "POST /sync/v1/enrol")
    assert world.run(phone.engine.enrol("not-a-key-of-anybody", "手机")) == Offline()
    assert isinstance(world.run(phone.engine.enrol(world.enrolment_key("t-chen"), "手机")), Identity)


def test_a_phone_that_was_enrolled_carries_the_credential_and_the_tickets(world: World) -> None:
    """What must be shown at the door is on the phone before it loses the network."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.restart()
    reference = phone.store.reference()
    assert reference is not None
    assert reference.credential.name == "陈师傅"
    assert phone.ticket(ticket).customer.name == "何女士"


def test_an_office_restored_from_a_backup_is_given_everything_again(world: World) -> None:
    """It lost a day. What the phones recorded that day, photos included, comes back from the phones by itself."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    phone.accept(ticket)
    phone.sync()
    backup = world.back_up_office()
    phone.start_travel(ticket)
    phone.arrive(ticket)
    picture = a_picture(90_000, seed=21)
    shot = phone.take_photo(ticket, picture, PhotoSlot.BEFORE)
    lost = world.dispatcher.sends("t-chen")
    assert phone.sync().photos == 1
    assert phone.shows(lost)

    world.restore_office(backup)
    assert world.server.ticket(ticket).status is Status.ACCEPTED
    assert world.server.photo(shot) is None
    for _ in range(3):
        assert phone.sync().away is None

    assert world.server.journal(phone) == phone.store.raw_journal()
    assert world.server.photo(shot) == picture
    assert world.server.ticket(ticket).status is Status.ARRIVED
    assert phone.ticket(ticket) == world.server.ticket(ticket)
    assert not phone.shows(lost), "the office does not know this ticket any more"
    assert phone.store.counts().operations == phone.store.counts().photos == 0


def test_an_office_restored_and_busy_again_before_a_phone_asks_hides_nothing_from_it(world: World) -> None:
    """The restored office does as much as the lost one had done: numbers, versions and positions could all be the same,
    and what they mean is not. The phone shows what the office holds now."""
    ticket = world.dispatcher.sends("t-chen")
    other = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    backup = world.back_up_office()
    world.dispatcher.grade(ticket, Severity.SEVERE)
    world.dispatcher.cancel(other, "丢失的决定")
    phone.sync()
    assert phone.ticket(ticket).severity is Severity.SEVERE

    phone.go_offline()
    world.clock.move(hours=1)
    world.restore_office(backup)
    world.dispatcher.correct_customer(ticket, a_customer(name="何先生"))
    world.dispatcher.grade(other, Severity.EMERGENCY)
    for _ in range(5):
        world.dispatcher.takes_request()
    assert world.server.ticket(ticket).version == phone.ticket(ticket).version, "the same version, of another history"
    assert phone.go_online().away is None
    for each in (ticket, other):
        assert phone.ticket(each) == world.server.ticket(each)
    cursor = phone.store.next_exchange().cursor
    phone.sync()
    assert phone.store.next_exchange().cursor == cursor, "and then all is as ever"

    world.clock.move(hours=1)
    world.restore_office(backup)  # once more, from the same backup
    world.dispatcher.grade(ticket, Severity.ORDINARY)
    phone.sync()
    for each in (ticket, other):
        assert phone.ticket(each) == world.server.ticket(each)


def test_a_photo_that_arrived_after_the_backup_of_its_entry_is_sent_again(world: World) -> None:
    """The entry is in the backup, the bytes came a minute later: the office asks for nothing, the phone offers them."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    phone.accept(ticket)
    kept = phone.take_photo(ticket, a_picture(10_000, seed=1))
    phone.sync()
    picture = a_picture(50_000, seed=2)
    shot = phone.take_photo(ticket, picture)
    phone.network.arm(lose_request, CREATION)
    phone.sync()
    backup = world.back_up_office()
    assert phone.sync().photos == 1
    assert world.server.photo(shot) == picture

    world.clock.move(minutes=1)
    world.restore_office(backup)
    assert world.server.photo(shot) is None
    phone.network.requests.clear()
    phone.sync()
    assert world.server.photo(shot) == picture
    assert phone.network.photo_bytes == len(picture), "what the office has is not sent again"
    assert world.server.photo(kept) is not None
    assert phone.store.counts().photos == 0


def test_a_closed_ticket_leaves_the_phone_after_a_while_and_a_reopened_one_comes_back(world: World) -> None:
    """Until then it is there to be read, without the customer's phone number and address."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    phone.go_to_work(ticket)
    phone.finish_work(ticket)
    phone.sign_off(ticket)
    phone.sync()
    world.dispatcher.close(ticket)
    phone.sync()
    assert phone.ticket(ticket).status is Status.CLOSED
    assert (phone.ticket(ticket).customer.phone, phone.ticket(ticket).customer.address) == ("", "")

    world.dispatcher.reopen(ticket)
    phone.sync()
    assert not phone.shows(ticket)
    world.dispatcher.confirm(ticket)
    world.dispatcher.assign(ticket, "t-chen")
    phone.sync()
    assert phone.ticket(ticket).status is Status.ASSIGNED
    assert phone.ticket(ticket).customer.phone
