"""What is refused waits where a person sees it, until the technician has answered it or the desk has seen to it."""

import pytest

from shared_schema.apply import Filing
from shared_schema.lifecycle import Status
from shared_schema.operations import (
    AcceptTicket,
    Actor,
    AddNote,
    AnswerRefusal,
    CancelTicket,
    CloseTicket,
    MergeDuplicate,
    Operation,
    RefusalAnswer,
    ReopenTicket,
)
from shared_schema.rejections import (
    ChangedMeanwhile,
    JournalBroken,
    MoveNotAllowed,
    RoleNotAllowed,
    SequenceTaken,
    UnknownTicket,
)
from shared_schema.sync_protocol import OPERATIONS_PER_ROUND
from sync_server.storage.attention import COUNTED, Refusal
from tests.sync_server.office import CHEN, LIN, WANG, Office, Phone, new_id, verdicts_of


@pytest.fixture
def phone(office: Office) -> Phone:
    return office.phone(CHEN)


def filed(office: Office, *, open_only: bool = True) -> list[Refusal]:
    return office.storage.read_now(lambda reading: reading.attention.refusals(open_only=open_only))


def answer_of(phone: Phone, answer: RefusalAnswer = RefusalAnswer.WITHDRAWN, by: str | None = None) -> Operation:
    """To the newest entry of the phone's journal."""
    return AnswerRefusal(phone.journal.ids[-1], answer, by)


# -- the queue --------------------------------------------------------------------------------------------------------


def test_a_refused_operation_is_filed_once_however_often_it_is_sent(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, AddNote("好"))
    raw = phone.write(ticket, CloseTicket("修好了"))
    for _ in range(3):
        phone.ask(phone.journal.raw)
    (refusal,) = filed(office)
    assert (refusal.operation, refusal.sequence, refusal.ticket) == (phone.journal.ids[1], 2, ticket)
    assert (refusal.kind, refusal.code, refusal.person) == ("close_ticket", "role_not_allowed", CHEN.id)
    assert refusal.position > 0
    raws = office.storage.read_now(lambda reading: reading.attention.bytes_of([refusal]))
    assert list(raws.values()) == [raw]


def test_what_was_set_aside_is_filed_beside_what_holds_its_place(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, CloseTicket("第一次"))
    phone.sync()
    restored = Phone(office, CHEN, phone.journal.device, phone.token)
    aside = restored.write(ticket, AddNote("备份恢复以后"))
    for _ in range(2):
        restored.ask([aside])
    first, second = sorted(filed(office), key=lambda refusal: refusal.position, reverse=True)
    assert (first.sequence, first.code) == (1, "role_not_allowed")
    assert (second.sequence, second.code, second.position) == (1, "sequence_taken", 0)
    raws = office.storage.read_now(lambda reading: reading.attention.bytes_of([first, second]))
    assert list(raws.values()) == [phone.journal.raw[0], aside]


def test_what_cannot_be_read_is_filed_with_what_could(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    raw = phone.write(ticket, AddNote("x"))
    phone.journal.raw[-1] = raw.replace(b'"kind":"add_note"', b'"kind":"' + b"k" * 500 + b'"')
    phone.sync()
    (refusal,) = filed(office)
    assert (refusal.kind, refusal.code, refusal.ticket) == ("k" * 100, "unknown_operation", ticket)


def test_the_desks_own_refusals_were_read_by_whoever_caused_them(office: Office) -> None:
    ticket = office.assigned(CHEN)
    assert office.decide(ticket, CloseTicket("")).rejection is not None
    (refusal,) = filed(office, open_only=False)
    assert (refusal.is_open, refusal.seen_by) == (False, LIN.id)


def test_a_thousand_refused_operations_hold_back_none_that_is_good(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    for _ in range(1000):
        phone.write(ticket, CloseTicket(""))
    phone.write(ticket, AcceptTicket())
    verdicts = []
    for start in range(0, 1001, OPERATIONS_PER_ROUND):
        verdicts += verdicts_of(phone.ask(phone.journal.raw[start : start + OPERATIONS_PER_ROUND]))
    assert verdicts[-1].filing is Filing.APPLIED
    assert office.ticket(ticket).status is Status.ACCEPTED
    counted = office.storage.read_now(
        lambda reading: (reading.attention.count_refusals(), reading.attention.open_by_device())
    )
    assert counted == (1000, {phone.journal.device: 1000})


# -- the technician's answer ------------------------------------------------------------------------------------------


def test_a_technician_turns_a_refused_operation_into_a_note(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, CloseTicket("客户说已经好了"))
    phone.sync()
    answer = answer_of(phone, RefusalAnswer.NOTED, by=(note := new_id()))
    phone.write(ticket, AddNote("客户说已经好了"), id=note)
    phone.write(ticket, answer)
    assert [verdict.filing for verdict in phone.sync()] == [Filing.APPLIED, Filing.APPLIED]
    assert filed(office) == []
    (refusal,) = filed(office, open_only=False)
    assert (refusal.answer, refusal.answered_by, refusal.by_operation) == ("noted", CHEN.id, note)


def test_an_answer_counts_even_on_a_ticket_that_was_never_theirs(office: Office, phone: Phone) -> None:
    """The refusal was just that the ticket is not theirs, and so is the answer: it must not wait for another answer."""
    ticket = office.assigned(WANG)
    phone.write(ticket, AddNote("写错了单"))
    phone.write(ticket, answer_of(phone))
    assert [verdict.rejection for verdict in phone.sync()] == [UnknownTicket(), UnknownTicket()]
    assert filed(office) == []
    note, answer = sorted(filed(office, open_only=False), key=lambda refusal: refusal.sequence)
    assert (note.answer, answer.answer) == ("withdrawn", COUNTED)


def test_an_answer_from_an_altered_journal_or_one_set_aside_counts(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, CloseTicket(""))
    phone.write(ticket, answer_of(phone), previous_hash="f" * 64)
    assert phone.sync()[-1].rejection == JournalBroken()
    phone.write(ticket, CloseTicket(""))
    phone.sync()
    assert len(filed(office)) == 1
    restored = Phone(office, CHEN, phone.journal.device, phone.token)
    (verdict,) = verdicts_of(restored.ask([restored.write(ticket, answer_of(phone))]))
    assert verdict.rejection == SequenceTaken()
    assert filed(office) == []


def test_the_same_person_answers_from_another_phone_and_nobody_else_does(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, CloseTicket(""))
    phone.sync()
    strange = office.phone(WANG)
    strange.write(ticket, answer_of(phone))
    strange.sync()
    assert phone.journal.ids[0] in {refusal.operation for refusal in filed(office)}
    second = office.phone(CHEN, "second")
    second.write(ticket, answer_of(phone))
    second.sync()
    assert phone.journal.ids[0] not in {refusal.operation for refusal in filed(office)}


def test_an_answer_in_somebody_elses_name_does_not_count(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, CloseTicket(""))
    phone.sync()
    strange = office.phone(WANG)
    strange.write(ticket, answer_of(phone), actor=Actor(CHEN.id, CHEN.role))
    strange.sync()
    assert {refusal.operation for refusal in filed(office)} == {strange.journal.ids[0], phone.journal.ids[0]}


# -- the same request came twice --------------------------------------------------------------------------------------


def test_a_duplicate_ends_and_the_other_goes_on(office: Office) -> None:
    ticket, other = office.received(), office.received()
    assert office.decide(ticket, MergeDuplicate(other, "同一盏灯")).rejection is None
    merged = office.ticket(ticket)
    assert (merged.status, merged.duplicate_of) == (Status.CANCELLED, other)
    assert office.ticket(other).status is Status.RECEIVED


def test_a_duplicate_needs_something_to_be_merged_into(office: Office) -> None:
    """Not into nothing, not into itself, and not into what is a duplicate of another: nobody would find it there."""
    ticket, other, third = office.received(), office.received(), office.received()
    assert office.decide(ticket, MergeDuplicate(new_id())).rejection == UnknownTicket()
    assert office.decide(ticket, MergeDuplicate(ticket)).rejection == UnknownTicket()
    office.decide(other, MergeDuplicate(third))
    assert office.decide(ticket, MergeDuplicate(other)).rejection == ChangedMeanwhile()
    assert office.ticket(ticket).status is Status.RECEIVED


def test_a_duplicate_is_not_merged_into_what_a_colleague_has_ended_meanwhile(office: Office) -> None:
    """The page offered it while it was open; the customer's request would go on in no ticket at all."""
    ticket, other = office.received(), office.received()
    office.decide(other, CancelTicket("客户不再需要"))
    assert office.decide(ticket, MergeDuplicate(other)).rejection == ChangedMeanwhile()
    assert office.ticket(ticket).status is Status.RECEIVED
    office.decide(other, ReopenTicket("客户又需要了"))
    assert office.decide(ticket, MergeDuplicate(other)).rejection is None


def test_two_dispatchers_cannot_merge_two_tickets_into_each_other(office: Office) -> None:
    ticket, other = office.received(), office.received()
    assert office.decide(ticket, MergeDuplicate(other)).rejection is None
    assert office.decide(other, MergeDuplicate(ticket)).rejection == ChangedMeanwhile()
    office.decide(ticket, ReopenTicket("其实是两盏灯"))
    assert office.decide(other, MergeDuplicate(ticket)).rejection is None


def test_a_technician_learns_nothing_by_trying_to_merge(office: Office, phone: Phone) -> None:
    """Whether another ticket exists is not told by the reason."""
    ticket = office.assigned(CHEN)
    for into in (office.received(), new_id()):
        phone.write(ticket, MergeDuplicate(into))
    assert [verdict.rejection for verdict in phone.sync()] == [RoleNotAllowed(CHEN.role)] * 2


def test_a_duplicate_that_is_over_is_not_merged_again(office: Office) -> None:
    ticket, other = office.received(), office.received()
    office.decide(ticket, MergeDuplicate(other))
    again = office.decide(ticket, MergeDuplicate(other))
    assert again.rejection == MoveNotAllowed("merge_duplicate", Status.CANCELLED)
