"""Rounds: what a phone brings is taken once, in the order of its journal, and every answer can be asked for again."""

from datetime import timedelta

import msgspec
import pytest
from litestar.testing import TestClient

from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.lifecycle import Severity, Status
from shared_schema.operations import (
    AcceptTicket,
    Actor,
    AddNote,
    Arrive,
    AssignTicket,
    CancelTicket,
    CloseTicket,
    ConfirmProblem,
    Envelope,
    GradeTicket,
    ReopenTicket,
    ShowCredential,
    StartTravel,
)
from shared_schema.rebase import rebase
from shared_schema.rejections import (
    JournalBroken,
    MalformedOperation,
    NotThisDevice,
    RoleNotAllowed,
    SequenceTaken,
    UnknownOperation,
    UnknownTechnician,
    UnknownTicket,
)
from shared_schema.sync_protocol import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    Change,
    OwnWork,
    PutTicket,
    RoundReply,
    Verdict,
    WithdrawTicket,
    digest_of_ticket,
    holding,
)
from sync_server.app import create_app
from sync_server.services.operations import Brought, arrived, receive_together
from sync_server.settings import Settings
from sync_server.storage import Writing
from sync_server.storage.tickets import TicketFilter
from tests.sync_server.office import CHEN, GONE, LIN, WANG, Journal, Office, Phone, changes_of, new_id, verdicts_of


@pytest.fixture
def phone(office: Office) -> Phone:
    return office.phone(CHEN)


def test_a_ticket_reaches_the_phone_of_its_technician_and_what_they_do_reaches_the_office(
    office: Office, phone: Phone
) -> None:
    """The shortest visit: assigned at the desk, accepted at the roadside, both sides agree."""
    ticket = office.assigned(CHEN)
    phone.sync()
    assert phone.tickets[ticket].status is Status.ASSIGNED
    phone.write(ticket, AcceptTicket())
    (verdict,) = phone.sync()
    assert (verdict.filing, verdict.version) == (Filing.APPLIED, 4)
    assert office.ticket(ticket).status is Status.ACCEPTED
    assert phone.tickets[ticket] == office.ticket(ticket)


def test_a_lost_reply_is_asked_for_again_and_nothing_happens_twice(office: Office, phone: Phone) -> None:
    """The network breaks between the commit and the answer; the phone sends the same bytes again."""
    ticket = office.assigned(CHEN)
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddNote("门铃坏了,请打电话"))
    lost = phone.ask(phone.journal.raw)
    again = phone.ask(phone.journal.raw)
    assert again.verdicts == lost.verdicts
    assert again.received_through == 2
    assert len(office.ticket(ticket).notes) == 1


def test_the_order_in_a_round_is_the_journals_and_not_the_wires(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    for operation in (AcceptTicket(), StartTravel(), Arrive()):
        phone.write(ticket, operation)
    one, two, three = phone.journal.raw
    reply = phone.ask([three, one, two, one])
    assert [verdict.sequence for verdict in verdicts_of(reply)] == [1, 2, 3, 1]
    assert {verdict.filing for verdict in verdicts_of(reply)} == {Filing.APPLIED}
    assert office.ticket(ticket).status is Status.ARRIVED


def test_a_gap_stops_the_round_and_says_where_to_go_on(office: Office, phone: Phone) -> None:
    """Number 2 was lost on the way: 3 is not taken before it, and not answered either."""
    ticket = office.assigned(CHEN)
    for text in ("一", "二", "三"):
        phone.write(ticket, AddNote(text))
    one, two, three = phone.journal.raw
    reply = phone.ask([one, three])
    assert [verdict.sequence for verdict in verdicts_of(reply)] == [1]
    assert reply.received_through == 1
    reply = phone.ask([two, three])
    assert reply.received_through == 3
    assert [note.text for note in office.ticket(ticket).notes] == ["一", "二", "三"]


def test_an_altered_journal_is_refused_kept_and_flagged_and_goes_on_from_there(office: Office, phone: Phone) -> None:
    """Somebody edited the phone's database: what does not name the bytes before it is not believed, and not lost."""
    ticket = office.assigned(CHEN)
    phone.write(ticket, AddNote("真"))
    altered = phone.write(ticket, AddNote("假"), previous_hash="f" * 64)
    phone.write(ticket, AddNote("又真"))
    verdicts = phone.sync()
    assert [type(verdict.rejection) for verdict in verdicts] == [type(None), JournalBroken, type(None)]
    assert [note.text for note in office.ticket(ticket).notes] == ["真", "又真"]
    head = office.storage.read_now(lambda reading: reading.journal.heads([phone.journal.device]))
    assert head[phone.journal.device].broken_at is not None
    kept = office.storage.read_now(lambda reading: reading.journal.held(phone.journal.device, [2]))
    assert kept[2].raw == altered


def test_a_second_operation_under_the_same_number_is_kept_beside_the_first(office: Office, phone: Phone) -> None:
    """A phone restored from a backup numbers anew: the office keeps both, and says which one holds the place."""
    ticket = office.assigned(CHEN)
    phone.write(ticket, AddNote("第一次"))
    phone.sync()
    restored = Phone(office, CHEN, phone.journal.device, phone.token)
    other = restored.write(ticket, AddNote("备份恢复以后"))
    for _ in range(2):
        (verdict,) = verdicts_of(restored.ask([other]))
        assert verdict.rejection == SequenceTaken()
    history = office.storage.read_now(lambda reading: reading.journal.of_ticket(ticket))
    assert [entry.raw for entry in history if entry.device == phone.journal.device] == [phone.journal.raw[0], other]


def test_the_same_id_with_other_words_is_not_the_same_operation(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, AddNote("原话"))
    phone.sync()
    (verdict,) = verdicts_of(phone.ask([phone.journal.raw[0].replace("原话".encode(), "改过".encode())]))
    assert verdict.rejection == SequenceTaken()
    assert [note.text for note in office.ticket(ticket).notes] == ["原话"]


def test_an_operation_from_the_future_is_kept_and_blocks_nothing(office: Office, phone: Phone) -> None:
    """A newer app knows a move this office does not: refused by itself, its bytes kept, the next one applied."""
    ticket = office.assigned(CHEN)
    phone.write(ticket, AcceptTicket())
    unknown = phone.journal.write(ticket, AddNote("x")).replace(b'"kind":"add_note"', b'"kind":"scan_barcode"')
    phone.journal.raw[-1] = unknown
    phone.write(ticket, StartTravel())
    verdicts = phone.sync()
    assert [verdict.rejection for verdict in verdicts] == [None, UnknownOperation("scan_barcode"), None]
    assert office.ticket(ticket).status is Status.TRAVELLING
    history = office.storage.read_now(lambda reading: reading.journal.of_ticket(ticket))
    assert unknown in [entry.raw for entry in history]


def test_a_malformed_operation_is_answered_by_its_id_and_blocks_nothing(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    raw = phone.journal.write(ticket, AddNote("x")).replace(b'"text":"x"', b'"text":""')
    phone.journal.raw[-1] = raw
    phone.write(ticket, AddNote("好"))
    verdicts = phone.sync()
    assert verdicts[0].id == phone.journal.ids[0]
    assert verdicts[0].rejection == MalformedOperation("$.operation.text")
    assert verdicts[1].filing is Filing.APPLIED


def test_what_names_neither_itself_nor_its_place_is_answered_without_a_name(office: Office, phone: Phone) -> None:
    reply = phone.ask([b'{"hello":1}', b"[]", b"7"])
    assert [(verdict.id, verdict.filing) for verdict in verdicts_of(reply)] == [("", Filing.REFUSED)] * 3
    assert reply.received_through == 0


def test_nobody_learns_whether_a_foreign_ticket_exists(office: Office, phone: Phone) -> None:
    """The answer for a colleague's ticket is the answer for one that was never made, to the byte."""
    phone.write(office.assigned(WANG), AddNote("我看看"))
    phone.write(new_id(), AddNote("我看看"))
    phone.write(office.assigned(WANG), AcceptTicket())
    verdicts = phone.sync()
    assert {(verdict.filing, verdict.version, verdict.rejection) for verdict in verdicts} == {
        (Filing.REFUSED, 0, UnknownTicket())
    }


def test_what_a_past_technician_still_brings_is_late_evidence_or_a_proposal(office: Office, phone: Phone) -> None:
    """Reassigned while the phone was in a cellar: the note is late evidence, the move a proposal, the ticket goes."""
    ticket = office.assigned(CHEN)
    phone.sync()
    phone.write(ticket, AcceptTicket())
    phone.sync()
    office.assign(ticket, WANG, replaces=CHEN)
    phone.write(ticket, StartTravel())
    phone.write(ticket, AddNote("换了整流器"))
    verdicts = phone.sync()
    assert [verdict.filing for verdict in verdicts] == [Filing.PROPOSAL, Filing.LATE]
    assert office.ticket(ticket).notes[-1].text == "换了整流器"
    assert office.ticket(ticket).technician == WANG.id
    assert ticket not in phone.tickets


def test_an_envelope_under_another_name_is_refused(office: Office, phone: Phone) -> None:
    """A phone speaks for itself and its person only, and never for the desk."""
    ticket = office.assigned(CHEN)
    phone.write(ticket, AcceptTicket(), device="another-phone")
    phone.write(ticket, AcceptTicket(), actor=Actor(WANG.id, WANG.role))
    phone.write(ticket, CancelTicket("不去了"), actor=Actor(LIN.id, LIN.role))
    phone.write(ticket, CancelTicket("不去了"))
    rejections = [verdict.rejection for verdict in phone.sync()]
    assert rejections == [NotThisDevice()] * 3 + [RoleNotAllowed(CHEN.role)]
    assert office.ticket(ticket).status is Status.ASSIGNED


def test_an_id_that_another_phone_has_used_is_not_applied_again(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, AddNote("一"))
    phone.sync()
    second = office.phone(CHEN, "second-phone")
    second.write(ticket, AddNote("抄来的"), id=phone.journal.ids[0])
    second.write(ticket, AddNote("自己的"))
    verdicts = second.sync()
    assert [type(verdict.rejection) for verdict in verdicts] == [NotThisDevice, type(None)]
    assert [note.text for note in office.ticket(ticket).notes] == ["一", "自己的"]


def test_the_bytes_are_kept_exactly_as_they_came(office: Office, phone: Phone) -> None:
    """White space, key order and escapes are part of what was hashed."""
    ticket = office.assigned(CHEN)
    tidy = phone.journal.write(ticket, AddNote("一"))
    loose = msgspec.json.format(tidy, indent=3).replace("一".encode(), b"\\u4e00")
    phone.journal.raw[-1] = loose
    assert phone.sync()[0].filing is Filing.APPLIED
    (kept,) = office.storage.read_now(lambda reading: reading.journal.held(phone.journal.device, [1])).values()
    assert kept.raw == loose


# -- the feed ---------------------------------------------------------------------------------------------------------


def test_a_long_list_comes_in_pages_and_nothing_is_missing(
    office: Office, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync_server.services.rounds.CHANGES_PER_ROUND", 7)
    tickets = {office.assigned(CHEN) for _ in range(20)}
    gone = set(sorted(tickets)[:5])
    first = phone.ask()
    assert first.more
    assert len(first.changes) == 7
    for ticket in gone:
        office.assign(ticket, WANG, replaces=CHEN)
    phone.heed(first)
    phone.sync()
    assert set(phone.tickets) == tickets - gone


def test_a_ticket_that_changes_hands_is_withdrawn_from_the_first_and_put_to_the_second(office: Office) -> None:
    chen, wang = office.phone(CHEN), office.phone(WANG)
    ticket = office.assigned(CHEN)
    chen.sync()
    wang.sync()
    office.assign(ticket, WANG, replaces=CHEN)
    (to_chen,) = changes_of(chen.ask())
    (to_wang,) = changes_of(wang.ask())
    assert isinstance(to_chen, WithdrawTicket)
    assert isinstance(to_wang, PutTicket)
    assert to_chen.position == to_wang.position
    office.assign(ticket, CHEN, replaces=WANG)
    chen.sync()
    assert ticket in chen.tickets


def test_a_reopened_ticket_leaves_its_technician(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.sync()
    office.decide(ticket, CancelTicket("客户取消"))
    office.decide(ticket, ReopenTicket("客户又要了"))
    phone.sync()
    assert phone.tickets == {}


def test_a_ticket_that_is_over_comes_without_the_customers_number_and_address(office: Office, phone: Phone) -> None:
    """Product rule 4: contact data is for those who need it while they need it."""
    ticket = office.assigned(CHEN)
    phone.sync()
    assert phone.tickets[ticket].customer.phone
    office.decide(ticket, CancelTicket("客户取消"))
    phone.sync()
    assert phone.tickets[ticket].customer.phone == ""
    assert phone.tickets[ticket].customer.address == ""
    assert office.ticket(ticket).customer.phone


def test_a_ticket_long_over_is_withdrawn_and_late_work_on_it_is_still_taken(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    kept = office.assigned(CHEN)
    office.decide(ticket, CancelTicket("客户取消"))
    phone.sync()
    office.clock.move(timedelta(days=8))
    over_before = 2_000_000_000_000
    assert office.storage.write_now(lambda writing: writing.tickets.expire(over_before, writing.feed)) == 1
    assert office.storage.write_now(lambda writing: writing.tickets.expire(over_before, writing.feed)) == 0
    phone.sync()
    assert set(phone.tickets) == {kept}
    phone.write(ticket, AddNote("当时的照片在我手机里"))
    (verdict,) = phone.sync()
    assert verdict.filing is Filing.LATE
    assert set(phone.tickets) == {kept}
    office.decide(ticket, ReopenTicket("客户又来电"))
    assert office.ticket(ticket).status is Status.REOPENED


def test_a_phone_that_holds_the_same_as_the_office_is_in_step(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.sync()
    mine = holding((each.id, each.version) for each in phone.tickets.values())
    assert phone.ask(holding=mine).in_step is True
    assert phone.ask(holding=holding([(ticket, 99)])).in_step is False
    office.assigned(CHEN)
    assert phone.ask(holding=mine).in_step is None, "there is news: they may differ"


def test_work_is_compared_in_the_round_that_brings_it(office: Office, phone: Phone) -> None:
    """The phone says what it will hold; "not in step" is never said of work: it may differ for a good reason."""
    mine, untouched = office.assigned(CHEN), office.assigned(CHEN)
    phone.sync()
    held = {each.id: each.version for each in phone.tickets.values()}

    def bring(*, will_be: int) -> bool | None:
        work = phone.journal.raw[phone.sent_through :]
        reply = phone.ask(work, holding=holding((held | {mine: will_be}).items()), works_out=True)
        phone.sent_through, phone.cursor = reply.received_through, reply.cursor
        phone.reference = phone.reference if reply.reference is None else reply.reference.version
        return reply.in_step

    for _ in range(2):
        phone.write(mine, AddNote("带了梯子"))
    assert bring(will_be=held[mine] + 2) is True
    assert phone.ask(holding=holding((held | {mine: held[mine] + 2}).items())).in_step is True
    assert phone.ask(holding=holding(held.items())).in_step is False
    phone.write(mine, GradeTicket(Severity.SEVERE))
    assert bring(will_be=held[mine] + 3) is None, "refused: it is not for a technician"
    phone.write(mine, AddNote("带了梯子"))
    office.decide(untouched, GradeTicket(Severity.SEVERE))
    assert bring(will_be=held[mine] + 3) is None, "changed at the desk"


def test_a_cursor_from_the_future_is_told_everything(office: Office, phone: Phone) -> None:
    """The office was restored from yesterday's backup: the phone has seen more than there is."""
    ticket = office.assigned(CHEN)
    reply = phone.ask(cursor=10_000)
    assert [change.ticket.id for change in changes_of(reply) if isinstance(change, PutTicket)] == [ticket]
    assert reply.cursor < 10_000


def test_reference_data_comes_once_and_again_when_it_has_changed(office: Office, phone: Phone) -> None:
    reply = phone.ask()
    assert reply.reference is not None
    assert reply.reference.credential.name == CHEN.name
    assert reply.reference.credential.company == "上门家居服务"
    assert reply.reference.office_phone == "400-820-0000"
    phone.heed(reply)
    assert phone.ask().reference is None
    renamed = msgspec.structs.replace(CHEN, name="陈大师傅")

    def rename(writing: Writing) -> None:
        writing.people.save(renamed, 0)
        writing.feed.reference_changed()

    office.storage.write_now(rename)
    reply = phone.ask()
    assert reply.reference is not None
    assert reply.reference.credential.name == "陈大师傅"


def test_only_a_real_technician_at_work_can_be_assigned(office: Office) -> None:
    ticket = office.assigned(CHEN)
    for nobody in ("nobody", LIN.id, GONE.id):
        verdict = office.decide(ticket, AssignTicket(nobody, office.this_afternoon(), CHEN.id))
        assert verdict.rejection == UnknownTechnician()


def test_closing_needs_the_sign_off(office: Office) -> None:
    ticket = office.assigned(CHEN)
    verdict = office.decide(ticket, CloseTicket("回访满意"))
    assert verdict.filing is Filing.REFUSED
    assert verdict.version == office.ticket(ticket).version
    assert wire.encode(verdict)


def test_a_long_answer_travels_compressed_where_the_phone_can_read_it(office: Office, phone: Phone) -> None:
    for _ in range(20):
        office.assigned(CHEN)
    body = wire.encode({"protocol": 1, "device": phone.journal.device, "cursor": 0})
    long = phone.post(body, **{"Accept-Encoding": "gzip, br"})
    plain = phone.post(body, **{"Accept-Encoding": "identity"})
    assert long.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(long.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert changes_of(msgspec.json.decode(long.content, type=RoundReply)) == changes_of(
        msgspec.json.decode(plain.content, type=RoundReply)
    )
    assert plain.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("protocol", range(OLDEST_PROTOCOL, PROTOCOL + 1))
def test_every_version_that_is_taken_is_answered_in_its_own(office: Office, phone: Phone, protocol: int) -> None:
    body = wire.encode({"protocol": protocol, "device": phone.journal.device, "cursor": 0})
    reply = wire.decode(phone.post(body).content, RoundReply)
    assert isinstance(reply, RoundReply)
    assert reply.protocol == protocol


def test_several_phones_at_once_are_taken_as_one_after_the_other(office: Office) -> None:
    """A group commit: two phones on one ticket, one of them asking twice because its first reply was lost."""
    ticket = office.assigned(CHEN)
    first, second = Journal("phone-1", CHEN, office.clock), Journal("phone-2", CHEN, office.clock)
    first.write(ticket, AcceptTicket())
    second.write(ticket, AddNote("同一张单"))
    second.write(ticket, StartTravel())
    brought = [
        Brought(journal.device, CHEN, [arrived(raw) for raw in journal.raw], 0) for journal in (first, second, first)
    ]
    taken = office.storage.write_now(lambda writing: receive_together(writing, brought))
    verdicts = [[wire.decode_verdict(raw) for raw in each.verdicts] for each in taken]
    versions = [[verdict.version for verdict in each if isinstance(verdict, Verdict)] for each in verdicts]
    assert versions == [[4], [5, 6], [4]]
    assert verdicts[2] == verdicts[0]
    assert office.ticket(ticket).status is Status.TRAVELLING
    heads = office.storage.read_now(lambda reading: reading.journal.heads(["phone-1", "phone-2"]))
    assert {device: head.received_through for device, head in heads.items()} == {"phone-1": 1, "phone-2": 2}
    assert heads["phone-2"].last_hash == second.last_hash


def test_a_phone_that_works_out_its_own_work_is_told_no_more_than_what_it_must_come_to(
    office: Office, phone: Phone
) -> None:
    """Only where it has been told what was before and nobody else had a hand in it; else the ticket comes whole."""
    mine, shared = office.assigned(CHEN), office.assigned(CHEN)
    phone.sync()
    office.decide(shared, GradeTicket(Severity.SEVERE))
    before = phone.tickets[mine]
    for ticket in (mine, shared):
        phone.write(ticket, AcceptTicket())
        phone.write(ticket, AddNote("带了梯子"))
    work = phone.journal.raw[:]
    reply = phone.ask(work, works_out=True)
    (put,) = [change.ticket.id for change in told(reply) if isinstance(change, PutTicket)]
    (own,) = [change for change in told(reply) if isinstance(change, OwnWork)]
    assert (put, own.ticket) == (shared, mine)
    envelopes = [each for each in map(wire.decode_envelope, work) if isinstance(each, Envelope) and each.ticket == mine]
    worked_out = rebase(before, envelopes).ticket
    assert worked_out == office.ticket(mine)
    assert own.digest == digest_of_ticket(wire.encode(worked_out))
    again = phone.ask(work, works_out=True)  # the reply was lost: what was brought then is nothing new now
    assert {type(change) for change in told(again)} == {PutTicket}
    assert {type(change) for change in told(phone.ask(phone.journal.raw))} == {PutTicket}


def test_the_first_phone_after_a_start_is_answered_like_any_other(
    office: Office, phone: Phone, settings: Settings
) -> None:
    """What its answer needs the office has looked up before it listens: here the phone's work is compared at once."""
    ticket = office.assigned(CHEN)
    phone.sync()
    phone.write(ticket, AddNote("带了梯子"))
    mine = holding([(ticket, phone.tickets[ticket].version + 1)])
    with TestClient(create_app(settings, office.storage, office.clock)) as started_anew:
        office.client = started_anew
        assert phone.ask(phone.journal.raw, holding=mine, works_out=True).in_step is True


@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        ("nothing", {"mine": OwnWork}),
        ("another was changed at the desk", {"mine": OwnWork, "other": PutTicket}),
        ("another was changed on a second phone", {"mine": OwnWork, "other": PutTicket}),
        ("another was given to a colleague", {"mine": OwnWork, "other": WithdrawTicket}),
        ("mine was given to a colleague", {"mine": WithdrawTicket}),
        ("mine was cancelled", {"mine": PutTicket}),
        ("mine had been cancelled before", {"mine": PutTicket}),
    ],
)
def test_whatever_else_has_happened_is_told_with_the_phones_own_work(
    office: Office, phone: Phone, meanwhile: str, expected: dict[str, type]
) -> None:
    """The answer that needs no look at the database is given only where nothing else has happened."""
    second = office.phone(CHEN, "phone-second")
    mine, other = office.assigned(CHEN), office.assigned(CHEN)
    if meanwhile == "mine had been cancelled before":
        office.decide(mine, CancelTicket("客户取消"))
    phone.sync()
    phone.write(mine, AddNote("带了梯子"))
    match meanwhile:
        case "another was changed at the desk":
            office.decide(other, GradeTicket(Severity.SEVERE))
        case "another was changed on a second phone":
            second.write(other, AcceptTicket())
            second.sync()
        case "another was given to a colleague":
            office.assign(other, WANG, replaces=CHEN)
        case "mine was given to a colleague":
            office.assign(mine, WANG, replaces=CHEN)
        case "mine was cancelled":
            office.decide(mine, CancelTicket("客户取消"))
    reply = phone.ask(phone.journal.raw, works_out=True)
    names = {mine: "mine", other: "other"}
    tickets = [change.ticket.id if isinstance(change, PutTicket) else change.ticket for change in told(reply)]
    assert dict(zip((names[ticket] for ticket in tickets), map(type, told(reply)), strict=True)) == expected
    assert reply.cursor == office.storage.read_now(lambda reading: reading.feed.latest())
    assert reply.received_through == 1


def told(reply: RoundReply) -> list[Change]:
    changes = [wire.decode_change(raw) for raw in reply.changes]
    assert not any(isinstance(change, wire.Unreadable) for change in changes), changes
    return [change for change in changes if not isinstance(change, wire.Unreadable)]


def test_what_a_visit_does_not_touch_is_still_found_and_what_it_does_is(office: Office, phone: Phone) -> None:
    """The columns a ticket is searched by follow it, whether they are written or left as they are."""
    ticket = office.assigned(CHEN)
    for operation in (AcceptTicket(), StartTravel(), Arrive(), ShowCredential(), ConfirmProblem("镇流器坏了")):
        phone.write(ticket, operation)
        phone.sync()
        for words in ("LX-200", "何女士"):
            (found,) = office.storage.read_now(lambda reading: reading.tickets.find(TicketFilter(words=words)))  # noqa: B023
            assert found == office.ticket(ticket)
    (found,) = office.storage.read_now(lambda reading: reading.tickets.find(TicketFilter(words="镇流器")))
    assert found.status is Status.WORKING
    assert office.storage.read_now(lambda reading: reading.tickets.find(TicketFilter(statuses=(Status.WORKING,))))
