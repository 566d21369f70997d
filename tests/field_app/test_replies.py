"""What the office says is filed at once and whole; what of it cannot be read is kept aside and blocks nothing."""

import sqlite3
from typing import Any

import msgspec
import pytest

from field_app.store import EntryState, Identity
from field_app.store.tickets import Tickets
from shared_schema.apply import Filing, apply
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Status
from shared_schema.operations import Envelope
from shared_schema.rejections import MoveNotAllowed
from shared_schema.sync_protocol import OwnWork, PutTicket, Verdict, digest_of_ticket, holding
from shared_schema.ticket import Ticket
from shared_schema.wire import decode_envelope, encode
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.single_phone import SinglePhone, saved, verdict

TICKET = an_assigned_ticket()


def test_an_answered_step_stays_on_the_screen_until_the_ticket_that_contains_it_has_come(phone: SinglePhone) -> None:
    """The verdict is here and the ticket is on a later page: the screen must not jump back in between."""
    phone.given(TICKET)
    accepted = phone.entry(saved(phone.actions.accept(TICKET.id)))

    phone.hears([verdict(accepted, version=4)], more=True)
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    assert shown.status is Status.ACCEPTED
    assert phone.store.counts().operations == 0

    after = an_assigned_ticket(id=TICKET.id, status=Status.ACCEPTED, version=4)
    phone.hears(puts=[after])
    assert phone.store.ticket(TICKET.id) == after
    phone.restart()
    assert phone.store.ticket(TICKET.id) == after


@pytest.mark.parametrize(
    ("filing", "state"),
    [
        (Filing.APPLIED, EntryState.ACCEPTED),
        (Filing.LATE, EntryState.LATE),
        (Filing.PROPOSAL, EntryState.PROPOSAL),
        (Filing.REFUSED, EntryState.REFUSED),
    ],
)
def test_each_verdict_is_kept_with_its_entry(phone: SinglePhone, filing: Filing, state: EntryState) -> None:
    phone.given(TICKET)
    entry = phone.entry(saved(phone.actions.accept(TICKET.id)))
    rejection = MoveNotAllowed("accept_ticket", Status.CANCELLED) if filing is Filing.REFUSED else None
    phone.hears([verdict(entry, filing, rejection=rejection)])
    phone.restart()
    answered = phone.entry(entry.id)
    assert (answered.state, answered.rejection) == (state, rejection)
    assert answered.answered_at is not None
    assert phone.store.waiting() == []


def test_a_refused_step_leaves_the_screen_and_stays_in_the_list_until_it_is_dealt_with(phone: SinglePhone) -> None:
    phone.given(TICKET)
    entry = phone.entry(saved(phone.actions.accept(TICKET.id)))
    phone.hears([verdict(entry, Filing.REFUSED, rejection=MoveNotAllowed("accept_ticket", Status.CANCELLED))])

    assert phone.store.ticket(TICKET.id) == TICKET
    assert [refused.id for refused in phone.store.refusals()] == [entry.id]
    saved(phone.actions.withdraw(entry.id))
    assert phone.store.counts().refused == 0
    assert phone.entry(entry.id).state is EntryState.REFUSED


def test_what_the_phone_did_is_worked_out_on_the_phone(phone: SinglePhone) -> None:
    """The office says only what it must come to: the accepted steps count, the refused one does not."""
    phone.given(TICKET)
    accepted = phone.entry(saved(phone.actions.accept(TICKET.id)))
    refused = phone.entry(saved(phone.actions.start_travel(TICKET.id)))
    envelope = decode_envelope(phone.store.next_exchange().entries[0][1])
    assert isinstance(envelope, Envelope)
    office_has = apply(envelope, TICKET)
    assert isinstance(office_has, Ticket)
    own = OwnWork(2, TICKET.id, digest_of_ticket(encode(office_has)))
    no = verdict(refused, Filing.REFUSED, rejection=MoveNotAllowed("start_travel", Status.ACCEPTED))
    phone.hears([verdict(accepted), no], raw_changes=[encode(own)])
    assert phone.store.confirmed(TICKET.id) == phone.store.ticket(TICKET.id) == office_has
    assert phone.store.works_out
    phone.restart()
    assert phone.store.confirmed(TICKET.id) == office_has


def test_work_that_comes_to_something_else_at_the_office_is_pulled_whole(phone: SinglePhone) -> None:
    """The office has been updated and makes more of the same step: its word counts, and from now on its tickets do."""
    phone.given(TICKET)
    entry = phone.entry(saved(phone.actions.accept(TICKET.id)))
    phone.hears([verdict(entry)], raw_changes=[encode(OwnWork(2, TICKET.id, "0" * 16))])
    assert phone.store.next_exchange().cursor == 0
    assert not phone.store.works_out
    assert "pulled-everything-again" in phone.incidents()
    newer = an_assigned_ticket(id=TICKET.id, version=4, status=Status.ACCEPTED, wished_time="上午")
    phone.hears(puts=[newer])
    assert phone.store.ticket(TICKET.id) == newer


def test_a_verdict_for_a_reason_this_app_does_not_know_is_still_a_refusal(phone: SinglePhone) -> None:
    """A newer office has learned a new reason to say no."""
    phone.given(TICKET)
    entry = phone.entry(saved(phone.actions.accept(TICKET.id)))
    strange = {"id": entry.id, "sequence": 1, "filing": "refused", "rejection": {"code": "full_moon"}}
    phone.hears([encode(strange)])
    refused = phone.entry(entry.id)
    assert (refused.state, refused.rejection) == (EntryState.REFUSED, None)


def test_a_verdict_that_cannot_be_read_blocks_nothing(phone: SinglePhone) -> None:
    """The office holds the entry: it neither waits nor is sent for ever, and its neighbours are filed."""
    phone.given(TICKET)
    first = phone.entry(saved(phone.actions.accept(TICKET.id)))
    second = phone.entry(saved(phone.actions.start_travel(TICKET.id)))
    strange = {"id": first.id, "sequence": 1, "filing": "postponed"}
    phone.hears([encode(strange), verdict(second, version=5)])

    assert phone.entry(first.id).state is EntryState.RECEIVED
    assert phone.entry(second.id).state is EntryState.ACCEPTED
    assert not phone.store.has_unsent()
    assert "verdict-unreadable" in phone.incidents()


def test_a_change_that_cannot_be_read_blocks_nothing_and_counts_as_held(phone: SinglePhone) -> None:
    """A ticket of a form this app does not know yet: the others arrive, the old form stays on the screen."""
    other = an_assigned_ticket(number="260302-002")
    phone.given(TICKET)
    strange = _put(TICKET, status="in_orbit", version=9)
    phone.hears(raw_changes=[strange, encode(PutTicket(2, other))])

    assert phone.store.ticket(TICKET.id) == TICKET
    assert phone.store.ticket(other.id) == other
    assert phone.store.holding() == holding([(TICKET.id, 9), (other.id, other.version)])

    newer = an_assigned_ticket(id=TICKET.id, version=10)
    phone.hears(puts=[newer])
    assert phone.store.holding() == holding([(TICKET.id, 10), (other.id, other.version)])

    phone.hears(raw_changes=[_put(TICKET, status="in_orbit", version=11)])
    phone.hears(withdraws=[TICKET.id])
    assert phone.store.holding() == holding([(other.id, other.version)])


def test_a_ticket_that_could_not_be_read_is_forgotten_when_it_does_not_come_again(phone: SinglePhone) -> None:
    """Everything is pulled anew, and this ticket is no longer among it: the two sides agree again."""
    stays = an_assigned_ticket(number="260302-002")
    phone.given(TICKET, stays)
    phone.hears(raw_changes=[_put(TICKET, status="in_orbit", version=9), _put(stays, status="in_orbit", version=9)])
    phone.store.pull_everything_again("test")
    phone.hears(raw_changes=[_put(stays, status="in_orbit", version=9)], cursor=50)
    assert [ticket.id for ticket in phone.store.tickets()] == [stays.id], "in the form in which it could be read"
    assert phone.store.holding() == holding([(stays.id, 9)])


def test_what_was_kept_aside_is_read_by_the_app_that_can(phone: SinglePhone) -> None:
    """The next version of the app finds it when it opens the store, without asking the office again."""
    newer = an_assigned_ticket(id=TICKET.id, version=9, status=Status.ACCEPTED)
    phone.given(TICKET)
    phone.hears(raw_changes=[_put(TICKET, status="in_orbit", version=9)])
    with phone.store._transaction():
        phone.store._file.write("UPDATE kept_aside SET raw = ?", (encode(PutTicket(2, newer)),))  # now it can be read
    phone.restart()
    assert phone.store.ticket(TICKET.id) == newer
    phone.restart()
    assert phone.store.ticket(TICKET.id) == newer


def test_a_change_of_an_unknown_kind_is_kept_whole(phone: SinglePhone) -> None:
    phone.hears(raw_changes=[b'{"change":"merge_tickets","position":1,"ticket":"x"}', b"7"])
    assert phone.incidents() == {"change-unreadable"}
    assert [raw for _, raw in phone.store._aside.current("change")] == [
        b'{"change":"merge_tickets","position":1,"ticket":"x"}',
        b"7",
    ]


def test_of_a_ticket_kept_aside_no_contact_stays_behind_either(phone: SinglePhone) -> None:
    """What could not be read holds the customer's number, too: it goes when the ticket does."""
    phone.given(TICKET)
    phone.hears(raw_changes=[_put(TICKET, status="in_orbit", version=9)])
    phone.hears(withdraws=[TICKET.id])
    connection = phone.store._file._connection
    assert connection is not None
    connection.execute("VACUUM")
    assert TICKET.customer.name.encode() in phone.path.read_bytes()
    assert TICKET.customer.phone.encode() not in phone.path.read_bytes()


@pytest.mark.parametrize("leaves", [True, False])
def test_a_ticket_that_could_not_be_read_is_not_shown_to_the_next_person(phone: SinglePhone, leaves: bool) -> None:
    """Not in the form it was known in, nor when a newer app can read what was kept aside."""
    phone.given(TICKET)
    phone.hears(raw_changes=[_put(TICKET, status="in_orbit", version=9)])
    if leaves:
        phone.store.leave()
        assert phone.store.tickets() == []
    phone.store.enrolled(Identity("device-2", "t-wang", "王师傅", "token-2"))
    assert phone.store.tickets() == []
    assert phone.store._aside.current("change") == []


def test_a_verdict_kept_aside_does_not_come_after_a_newer_one(phone: SinglePhone) -> None:
    """The office was restored and has judged anew: an app that can read its first word must not believe that."""
    phone.given(TICKET)
    entry = phone.entry(saved(phone.actions.accept(TICKET.id)))
    phone.hears([encode({"id": entry.id, "sequence": 1, "filing": "postponed"})])
    phone.hears(received_through=0)
    phone.hears([verdict(entry, Filing.REFUSED, rejection=MoveNotAllowed("accept_ticket", Status.CANCELLED))])
    with phone.store._transaction():
        phone.store._file.write("UPDATE kept_aside SET raw = ?", (encode(verdict(entry)),))  # now it can be read
    phone.restart()
    assert phone.entry(entry.id).state is EntryState.REFUSED


def test_a_ticket_that_a_newer_app_has_kept_takes_no_other_off_the_screen(phone: SinglePhone) -> None:
    """The newer app has been taken back, and the office with it: everything is told anew in a form this one knows."""
    other = an_assigned_ticket(number="260302-002")
    phone.given(TICKET, other)
    with phone.store._transaction():
        body = encode(TICKET).replace(b'"assigned"', b'"in_orbit"')
        phone.store._file.write("UPDATE tickets SET body = ? WHERE id = ?", (body, TICKET.id))
    phone.restart()
    assert [ticket.id for ticket in phone.store.tickets()] == [other.id]
    saved(phone.actions.add_note(other.id, "门铃坏了"))
    assert phone.store.next_exchange().cursor == 0
    phone.hears(puts=[TICKET, other])
    assert phone.store.ticket(TICKET.id) == TICKET


def test_a_ticket_of_a_newer_form_is_withdrawn_like_any_other(phone: SinglePhone) -> None:
    phone.given(TICKET)
    with phone.store._transaction():
        body = encode(TICKET).replace(b'"assigned"', b'"in_orbit"')
        phone.store._file.write("UPDATE tickets SET body = ?", (body,))
    phone.restart()
    phone.hears(withdraws=[TICKET.id])
    assert phone.store.withdrawn(TICKET.id) is None
    assert phone.store.holding() == holding([])


def test_a_phone_without_room_opens_all_the_same(phone: SinglePhone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tidying up can wait: what was recorded can be looked at, and sent, which is how room is made."""
    phone.given(TICKET)
    note = saved(phone.actions.add_note(TICKET.id, "门铃坏了"))
    phone.given(an_assigned_ticket(number="260302-002"))
    phone.hears(withdraws=[phone.store.tickets()[1].id])
    phone.clock.move(days=3)

    def no_room(_self: Tickets, _at: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr(Tickets, "forget_withdrawn_before", no_room)
        phone.restart()
    assert [ticket.id for ticket in phone.store.tickets()] == [TICKET.id]
    assert phone.entry(note).id == note
    saved(phone.actions.add_note(TICKET.id, "请敲门"))


def test_a_withdrawn_ticket_leaves_the_list_and_keeps_what_waits_on_it(phone: SinglePhone) -> None:
    """Entries and photos on it are still sent; the customer's phone and address are gone from this phone."""
    phone.given(TICKET)
    saved(phone.actions.accept(TICKET.id))
    asked = phone.store.next_exchange()
    phone.hears(withdraws=[TICKET.id], received_through=0)

    assert phone.store.tickets() == []
    assert phone.store.ticket(TICKET.id) is None
    assert phone.store.next_exchange().entries == asked.entries
    assert phone.entry(phone.store.waiting()[0].id).ticket_number == TICKET.number
    kept = phone.store.withdrawn(TICKET.id)
    assert kept is not None
    assert (kept.customer.phone, kept.customer.address) == ("", "")

    phone.clock.move(days=3)
    phone.restart()
    assert phone.store.withdrawn(TICKET.id) is not None, "something waits on it"
    phone.hears([verdict(phone.store.waiting()[0])])
    phone.restart()
    assert phone.store.withdrawn(TICKET.id) is None
    assert len(phone.store.journal(ticket=TICKET.id)) == 1, "the journal is never deleted"


def test_a_ticket_that_comes_back_is_shown_again(phone: SinglePhone) -> None:
    phone.given(TICKET)
    phone.hears(withdraws=[TICKET.id])
    phone.given(an_assigned_ticket(id=TICKET.id, version=7))
    assert [ticket.version for ticket in phone.store.tickets()] == [7]


def test_an_office_that_lost_entries_gets_them_again(phone: SinglePhone) -> None:
    """It was restored from yesterday's backup: what it once acknowledged waits again, with its photos."""
    phone.given(TICKET)
    entries = [phone.entry(saved(phone.actions.accept(TICKET.id)))]
    entries.append(phone.entry(saved(phone.actions.add_photo(TICKET.id, a_picture(), PhotoSlot.BEFORE))))
    phone.hears([verdict(entry) for entry in entries])
    phone.store.photo_received(phone.store.photos_waiting()[0].sha256)
    assert phone.store.counts().operations == phone.store.counts().photos == 0

    phone.hears(received_through=1)

    assert [entry.sequence for entry in phone.store.waiting()] == [2]
    assert phone.store.counts().photos == 1
    assert [sequence for sequence, _ in phone.store.next_exchange().entries] == [2]
    assert "office-lost-entries" in phone.incidents()


def test_a_phone_older_than_the_offices_journal_goes_on_numbering_visibly(phone: SinglePhone) -> None:
    """The phone itself was restored from a copy: new entries are sent, and if refused, then for a person to see."""
    phone.given(TICKET)
    saved(phone.actions.accept(TICKET.id))
    phone.hears(received_through=9)
    assert phone.store.received_through() == 1
    saved(phone.actions.add_note(TICKET.id, "门铃坏了"))
    assert [sequence for sequence, _ in phone.store.next_exchange().entries] == [2]
    assert "journal-behind-office" in phone.incidents()


def test_what_is_recorded_on_a_restored_phone_while_the_office_answers_is_sent(phone: SinglePhone) -> None:
    """The office holds other work under its number: it must not be taken for that."""
    phone.given(TICKET)
    asked = phone.store.next_exchange()
    saved(phone.actions.accept(TICKET.id))
    phone.hears(asked=asked, received_through=1)
    assert [sequence for sequence, _ in phone.store.next_exchange().entries] == [1]
    assert phone.store.is_behind()


def test_what_the_office_has_from_a_lost_exchange_is_sent_again_for_its_verdict(phone: SinglePhone) -> None:
    """The reply to two entries was lost; the next exchange carries one of them, and the office has both."""
    phone.given(TICKET)
    notes = [phone.entry(saved(phone.actions.add_note(TICKET.id, text))) for text in ("门铃坏了", "请敲门")]
    phone.hears([verdict(notes[0])], asked=phone.store.next_exchange(limit=1), received_through=2)
    assert [sequence for sequence, _ in phone.store.next_exchange().entries] == [2]
    phone.hears([verdict(notes[1])], received_through=2)
    assert phone.store.waiting() == []
    assert not phone.store.is_behind()


def test_everything_pulled_again_removes_what_did_not_come_along(phone: SinglePhone) -> None:
    """Over several pages and a restart: only after the last one is it known what is no longer there."""
    stays, goes = TICKET, an_assigned_ticket(number="260302-009")
    phone.given(stays, goes)
    phone.store.pull_everything_again("test")
    assert phone.store.next_exchange().cursor == 0
    phone.hears(puts=[stays], more=True, cursor=50)
    assert phone.store.ticket(goes.id) == goes
    phone.restart()
    phone.hears(puts=[an_assigned_ticket(number="260302-003")], more=False, cursor=99)
    assert phone.store.ticket(goes.id) is None
    assert phone.store.ticket(stays.id) == stays
    assert len(phone.store.tickets()) == 2


def test_a_cursor_that_goes_backwards_means_the_list_is_pulled_anew(phone: SinglePhone) -> None:
    """The office's list is younger than what this phone has seen of it."""
    phone.hears(puts=[TICKET], cursor=100)
    phone.hears(cursor=40)
    assert phone.store.next_exchange().cursor == 0
    assert phone.store.is_behind()
    phone.hears(puts=[TICKET], cursor=40)
    assert not phone.store.is_behind()


def test_an_idle_reply_writes_nothing(phone: SinglePhone) -> None:
    """Every ten seconds all day: it must not wear out the flash memory."""
    flushes: list[int] = []
    phone.given(TICKET)
    phone.flush = lambda: flushes.append(1)
    for _ in range(5):
        phone.hears(cursor=phone.store.next_exchange().cursor)
    assert flushes == []
    assert phone.store.last_round_at() is not None


def test_a_reply_that_cannot_be_filed_changes_nothing(phone: SinglePhone) -> None:
    """One transaction: verdicts, tickets and cursor together, or none of them."""
    phone.given(TICKET)
    entry = phone.entry(saved(phone.actions.accept(TICKET.id)))
    cursor = phone.store.next_exchange().cursor
    with pytest.raises(TypeError):
        phone.hears([verdict(entry)], puts=[an_assigned_ticket(id=TICKET.id, version=4)], cursor="x")
    assert phone.store.next_exchange().cursor == cursor
    assert phone.entry(entry.id).state is EntryState.WAITING
    assert phone.store.confirmed(TICKET.id) == TICKET


def test_a_verdict_for_an_entry_of_somebody_else_is_only_noted(phone: SinglePhone) -> None:
    phone.hears([Verdict("00000000-0000-7000-8000-000000000000", 5, Filing.APPLIED)])
    assert phone.incidents() == {"verdict-unexpected"}


def test_entries_are_sent_in_order_in_bounded_portions(phone: SinglePhone) -> None:
    """At most so many, at most so many bytes, never fewer than one."""
    phone.given(TICKET)
    for _ in range(5):
        saved(phone.actions.add_note(TICKET.id, "字" * 1000))
    some = phone.store.next_exchange(limit=3)
    assert ([sequence for sequence, _ in some.entries], some.more) == ([1, 2, 3], True)
    small = phone.store.next_exchange(bytes_limit=10)
    assert ([sequence for sequence, _ in small.entries], small.more) == ([1], True)
    everything = phone.store.next_exchange()
    assert (len(everything.entries), everything.more) == (5, False)
    assert [raw for _, raw in everything.entries] == phone.store.raw_journal()


def test_another_person_on_the_same_phone_sees_nothing_of_the_one_before(phone: SinglePhone) -> None:
    phone.given(TICKET)
    phone.store.enrolled(Identity("device-2", "t-wang", "王师傅", "token-2"))
    assert phone.store.tickets() == []
    assert phone.store.next_exchange().cursor == 0
    assert phone.store.received_through() == 0


def test_an_enrolment_that_is_tried_again_is_the_same_request(phone: SinglePhone) -> None:
    """The device id is chosen once and survives the app dying between the request and its reply."""
    chosen = phone.store.enrolling_device()
    phone.restart()
    assert phone.store.enrolling_device() == chosen == "device-1"
    phone.store.enrol_as_new_device()
    chosen = phone.store.enrolling_device()
    assert chosen != "device-1"
    phone.restart()
    assert phone.store.enrolling_device() == chosen


def _put(ticket: Any, **different: Any) -> bytes:
    change = msgspec.json.decode(encode(PutTicket(2, ticket)))
    change["ticket"] |= different
    return msgspec.json.encode(change)
