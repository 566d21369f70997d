"""A technician's day as it should go, and as it goes when the office decides something at the same moment."""

from functools import partial

import httpx

from field_app.actions import Saved
from field_app.store import EntryState
from shared_schema import wire
from shared_schema.evidence import PhotoSlot, digest
from shared_schema.lifecycle import Severity, Status
from shared_schema.operations import FIRST_HASH
from tests.builders.tickets import a_customer, a_picture, a_signature, a_statement
from tests.builders.world import World


def test_a_whole_day_in_a_cellar_reaches_the_office(world: World) -> None:
    """Everything is done without a network, from acceptance to the customer's signature; then the phone comes up."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    before, after = a_picture(seed=1), a_picture(600_000, seed=2)

    phone.go_to_work(ticket)
    shot_before = phone.take_photo(ticket, before, PhotoSlot.BEFORE)
    phone.add_note(ticket, "吊顶潮湿，已告知客户")
    shot_after = phone.take_photo(ticket, after, PhotoSlot.AFTER)
    phone.finish_work(ticket, "整流器老化", "更换整流器并测试")
    phone.sign_off(ticket, "何女士", rating=5)

    assert phone.ticket(ticket).status is Status.SIGNED_OFF
    assert phone.store.counts().operations == 10
    assert phone.store.counts().photos == 2
    assert world.server.ticket(ticket).status is Status.ASSIGNED

    phone.restart()
    outcome = phone.go_online()

    assert outcome.away is None
    assert (outcome.sent, outcome.photos) == (10, 2)
    held = world.server.ticket(ticket)
    assert held == phone.store.confirmed(ticket)
    assert held.status is Status.SIGNED_OFF
    assert held.sign_offs[0].statement_sha256 == digest(held.sign_offs[0].statement)
    assert held.sign_offs[0].statement.photos == (shot_before, shot_after)
    assert not held.sign_offs[0].late
    assert world.server.photo(shot_before) == before
    assert world.server.photo(shot_after) == after
    assert phone.store.counts().operations == phone.store.counts().photos == 0
    assert phone.store.received_through() == 10


def test_the_office_holds_the_phones_journal_byte_for_byte(world: World) -> None:
    """No number is missing, and each envelope names the hash of the one before it: the office can prove it has all."""
    first, second = world.dispatcher.sends("t-chen"), world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    for ticket in (first, second):
        phone.go_to_work(ticket)
    phone.go_online()

    recorded = phone.store.raw_journal()
    assert world.server.journal(phone) == recorded
    previous = FIRST_HASH
    for number, raw in enumerate(recorded, start=1):
        envelope = wire.decode_envelope(raw)
        assert not isinstance(envelope, wire.UnreadableOperation)
        assert (envelope.sequence, envelope.previous_hash) == (number, previous)
        previous = wire.hash_of(raw)


def test_every_step_of_a_visit_is_brought_and_compared_in_one_exchange(world: World) -> None:
    """Phone and office work out alike what the phone will hold, whatever was done: nothing is left to be asked."""
    ticket = world.dispatcher.sends("t-chen")
    world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    rounds: list[httpx.Request] = []

    async def note(request: httpx.Request) -> None:
        if request.url.path == "/sync/v1/round":
            rounds.append(request)

    phone.client.event_hooks["request"].append(note)
    for step in (
        phone.accept,
        phone.start_travel,
        phone.arrive,
        phone.show_credential,
        phone.confirm_problem,
        phone.take_photo,
        phone.finish_work,
        phone.object_to,
        phone.resume_work,
        partial(phone.add_note, text="换了整流器"),
        phone.finish_work,
        phone.sign_off,
    ):
        step(ticket)
        rounds.clear()
        assert phone.sync().sent == 1
        assert len(rounds) == 1, step
    assert world.server.ticket(ticket) == phone.store.confirmed(ticket)


def test_an_objection_leads_back_to_work_until_the_customer_is_satisfied(world: World) -> None:
    """The customer does not accept the first time; the second signature is the one that counts."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.go_to_work(ticket)
    phone.finish_work(ticket, done="更换灯管")
    phone.object_to(ticket, "灯还是闪")
    assert phone.ticket(ticket).status is Status.OBJECTED
    phone.resume_work(ticket)
    phone.finish_work(ticket, done="更换整流器")
    phone.sign_off(ticket)
    phone.go_online()

    held = world.server.ticket(ticket)
    assert held.status is Status.SIGNED_OFF
    assert [objection.words for objection in held.objections] == ["灯还是闪"]
    assert held.sign_offs[0].statement.done == "更换整流器"


def test_work_done_offline_survives_a_reassignment(world: World) -> None:
    """The dispatcher reassigns while the phone is in a cellar; the note is kept, the status becomes a proposal."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    accepted = phone.accept(ticket)
    noted = phone.add_note(ticket, "换了整流器")
    world.dispatcher.assign(ticket, "t-wang")

    assert phone.go_online().away is None

    held = world.server.ticket(ticket)
    assert held.notes[-1].text == "换了整流器"
    assert held.notes[-1].late
    assert [proposal.kind for proposal in held.proposals] == ["accept_ticket"]
    assert held.technician == "t-wang"
    assert held.status is Status.ASSIGNED
    assert phone.entry(accepted).state is EntryState.PROPOSAL
    assert phone.entry(noted).state is EntryState.LATE
    assert not phone.shows(ticket)


def test_a_ticket_that_left_the_list_still_sends_what_was_entered_on_it(world: World) -> None:
    """The reassignment arrives first, the photo is still on the phone: it leaves the list, and the photo goes up."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    phone.go_offline()
    phone.accept(ticket)
    picture = a_picture(seed=7)
    shot = phone.take_photo(ticket, picture)
    world.dispatcher.assign(ticket, "t-wang")

    phone.restart()
    phone.go_online()

    assert not phone.shows(ticket)
    assert world.server.photo(shot) == picture
    assert len(phone.store.journal(ticket=ticket)) == 2


def test_a_signature_given_while_the_ticket_is_taken_away_is_kept(world: World) -> None:
    """The phone learns of the cancellation with the customer's pen on the glass: signing is still possible."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    phone.go_to_work(ticket)
    phone.finish_work(ticket)
    phone.sync()
    seen_by_customer = phone.ticket(ticket)
    world.dispatcher.cancel(ticket)
    phone.sync()
    assert phone.ticket(ticket).status is Status.CANCELLED

    signed = phone.actions.sign_off(ticket, a_statement(seen_by_customer), "何女士", 4, "", a_signature())
    phone.sync()

    assert isinstance(signed, Saved)
    held = world.server.ticket(ticket)
    assert held.status is Status.CANCELLED
    assert held.sign_offs[0].late


def test_evidence_given_while_the_ticket_is_reassigned_is_kept(world: World) -> None:
    """The phone learns that the ticket is a colleague's now while a note is being typed on it: it is kept, as late."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen")
    phone.accept(ticket)
    phone.sync()
    world.dispatcher.assign(ticket, "t-wang")
    phone.sync()
    assert not phone.shows(ticket)
    assert phone.store.withdrawn(ticket) is not None

    noted = phone.add_note(ticket, "门禁密码已换")
    phone.sync()

    assert phone.entry(noted).state is EntryState.LATE
    assert world.server.ticket(ticket).notes[-1].late


def test_an_edit_at_the_desk_and_a_step_on_the_phone_both_stand(world: World) -> None:
    """The dispatcher corrects the address while the phone, without a network, is already on its way."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    phone.start_travel(ticket)
    world.dispatcher.correct_customer(ticket, a_customer(address="桂平路 12 弄 5 号 502"))
    world.dispatcher.grade(ticket, Severity.EMERGENCY)
    assert phone.ticket(ticket).customer.address == "桂平路 12 弄 3 号 501"

    phone.go_online()

    shown, held = phone.ticket(ticket), world.server.ticket(ticket)
    assert shown == held
    assert held.status is Status.TRAVELLING
    assert held.customer.address == "桂平路 12 弄 5 号 502"
    assert held.severity is Severity.EMERGENCY


def test_a_refused_operation_stays_on_the_phone_until_something_is_made_of_it(world: World) -> None:
    """An operation of a kind the office does not know is refused, with its reason, and blocks nothing behind it."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    strange = phone.record_from_the_future(ticket)
    noted = phone.add_note(ticket, "门铃坏了，请敲门")

    phone.go_online()

    refused = phone.entry(strange)
    assert refused.state is EntryState.REFUSED
    assert refused.rejection is not None
    assert phone.entry(noted).state is EntryState.ACCEPTED
    assert [entry.id for entry in phone.store.refusals()] == [strange]
    assert phone.store.counts().refused == 1
    phone.restart()
    assert isinstance(phone.actions.withdraw(strange), Saved)
    assert phone.store.refusals() == []
    assert phone.entry(strange).state is EntryState.REFUSED
    phone.sync()
    assert world.server.journal(phone) == phone.store.raw_journal()


def test_a_revoked_phone_keeps_everything_and_goes_on_after_a_new_enrolment(world: World) -> None:
    """Lost and found again: what it holds is neither shown to the office nor lost, and is sent once it is let in."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    picture = a_picture(seed=3)
    shot = phone.take_photo(ticket, picture)
    world.dispatcher.revoke(phone)

    phone.go_online()

    assert phone.engine.status.signed_out
    assert phone.shows(ticket)
    assert (phone.store.counts().operations, phone.store.counts().photos) == (2, 1)

    phone.enrol(world.enrolment_key("t-chen"))
    phone.sync()

    assert not phone.engine.status.signed_out
    assert world.server.ticket(ticket).status is Status.ACCEPTED
    assert world.server.photo(shot) == picture


def test_a_phone_that_owes_the_office_something_is_not_given_to_somebody_else(world: World) -> None:
    """Another technician scans a code with a phone that still holds a colleague's work: nothing happens to the work."""
    ticket = world.dispatcher.sends("t-chen")
    phone = world.phone("t-chen", online=False)
    phone.accept(ticket)
    phone.network.up = True

    key = world.enrolment_key("t-wang")
    answer = world.run(phone.engine.enrol(key, "王师傅的手机"))

    assert getattr(answer, "code", None) == "device-of-another-person"
    phone.sync()
    assert world.server.ticket(ticket).status is Status.ACCEPTED
    assert phone.enrol(key).person == "t-wang"
    phone.sync()
    assert not phone.shows(ticket)
