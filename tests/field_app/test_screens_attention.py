"""What the office refused, on the technician's screen: read in words, and dealt with in each of the ways there are."""

import pytest

from shared_schema.apply import Filing
from shared_schema.lifecycle import Status
from shared_schema.operations import AddNote, AnswerRefusal, FinishWork, RefusalAnswer
from shared_schema.rejections import MoveNotAllowed, Rejection, UnknownTicket
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen
from tests.field_app.single_phone import saved

REJECTION = MoveNotAllowed("accept_ticket", Status.CANCELLED)


def refused_note(hand: Hand, text: str = "柜门已校平", rejection: Rejection = REJECTION) -> Ticket:
    ticket = an_assigned_ticket()
    hand.given(ticket)
    note = saved(hand.single.actions.add_note(ticket.id, text))
    hand.single.hears([Verdict(note, 1, Filing.REFUSED, 4, rejection)])
    return ticket


def newest(hand: Hand, count: int) -> list[object]:
    entries = reversed(hand.single.store.journal(limit=count))
    return [entry.envelope.operation for entry in entries if entry.envelope is not None]


def test_a_refusal_is_found_from_everywhere_and_read_in_words(hand: Hand) -> None:
    refused_note(hand)

    async def look(screen: Screen) -> None:
        assert "1 项需处理" in screen.text("status-line")
        await screen.tap("status-line")
        assert "1" in screen.text("to-attention")
        await screen.tap("attend")
        assert screen.shows("attention")
        assert "已取消" in screen.text("refusal-1")
        assert "柜门已校平" in screen.text("typed-1")

    hand.does(look)


def test_what_was_typed_becomes_a_note(hand: Hand) -> None:
    refused_note(hand)

    async def deal(screen: Screen) -> None:
        await screen.tap("note-1")
        assert screen.shows("nothing-to-attend")
        assert "需处理" not in screen.text("status-line")

    hand.does(deal, "/sync/attention")
    note, answer = newest(hand, 2)
    assert note == AddNote("柜门已校平")
    assert isinstance(answer, AnswerRefusal)
    assert answer.answer is RefusalAnswer.NOTED


def test_a_correction_opens_the_form_with_what_was_typed(hand: Hand) -> None:
    ticket = refused_note(hand)

    async def deal(screen: Screen) -> None:
        await screen.tap("correct-1")
        assert screen.shows("note-text")
        assert screen.value("note-text") == "柜门已校平"
        await screen.type("note-text", "柜门已校平，缝隙两毫米")
        await screen.tap("note-submit")

    hand.does(deal, "/sync/attention")
    note, answer = newest(hand, 2)
    assert note == AddNote("柜门已校平，缝隙两毫米")
    assert isinstance(answer, AnswerRefusal)
    assert answer.answer is RefusalAnswer.CORRECTED
    assert hand.single.actions.refusals() == []
    assert hand.ticket(ticket.id).notes[-1].text == "柜门已校平，缝隙两毫米"


def test_what_is_being_typed_in_that_form_is_not_overwritten(hand: Hand) -> None:
    ticket = refused_note(hand)

    async def deal(screen: Screen) -> None:
        await screen.type("note-text", "另一条还没写完")
        await screen.go("/sync/attention")
        await screen.tap("correct-1")
        assert screen.shows("notice")
        assert screen.value("note-text") == "另一条还没写完"

    hand.does(deal, f"/tickets/{ticket.id}/note")
    assert len(hand.single.actions.refusals()) == 1


def test_letting_go_is_asked_about_and_the_entry_stays_readable(hand: Hand) -> None:
    refused_note(hand)

    async def deal(screen: Screen) -> None:
        await screen.tap("withdraw-1")
        assert len(hand.single.actions.refusals()) == 1
        await screen.tap("withdraw-not-1")
        assert screen.shows("withdraw-1")
        await screen.tap("withdraw-1")
        await screen.tap("withdraw-sure-1")
        assert screen.shows("nothing-to-attend")
        await screen.go("/sync")
        assert "已取消" in screen.text("entry-1")

    hand.does(deal, "/sync/attention")
    (answer,) = newest(hand, 1)
    assert isinstance(answer, AnswerRefusal)
    assert answer.answer is RefusalAnswer.WITHDRAWN


def test_of_a_ticket_that_is_gone_a_refusal_can_only_be_let_go(hand: Hand) -> None:
    ticket = refused_note(hand, rejection=UnknownTicket())
    hand.single.hears(withdraws=[ticket.id])
    hand.single.clock.move(days=3)
    hand.single.restart()

    async def deal(screen: Screen) -> None:
        assert not screen.shows("note-1")
        assert "柜门已校平" in screen.text("typed-1")
        await screen.tap("withdraw-1")
        await screen.tap("withdraw-sure-1")
        assert screen.shows("nothing-to-attend")

    hand.does(deal, "/sync/attention")


@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_nothing_to_deal_with_is_said(hand: Hand, language: str) -> None:
    hand.given(an_assigned_ticket())

    async def look(screen: Screen) -> None:
        assert screen.shows("nothing-to-attend")

    hand.does(look, "/sync/attention", language)


def test_leaving_says_what_the_office_has_not_got(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)
    saved(hand.single.actions.accept(ticket.id))

    async def look(screen: Screen) -> None:
        await screen.tap("leave-phone")
        assert "1 条记录" in screen.text("held")
        assert screen.shows("rescue")
        await screen.tap("leave-now")
        assert screen.shows("notice")
        assert "没有丢" in screen.text("notice")

    hand.does(look, "/me")
    assert hand.single.store.identity() is not None
    assert len(hand.single.store.waiting()) == 1
    assert not any(isinstance(operation, FinishWork) for operation in newest(hand, 9))


def test_who_leaves_with_nothing_owed_stands_before_the_enrolment(hand: Hand) -> None:
    hand.given(an_assigned_ticket())

    async def leave(screen: Screen) -> None:
        await screen.tap("leave-now")
        assert screen.shows("enrol-key")

    hand.does(leave, "/me/leave")
    assert hand.single.store.identity() is None
