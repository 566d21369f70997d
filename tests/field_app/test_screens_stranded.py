"""What was typed and not recorded on a ticket that was taken away meanwhile: found, read, and kept or let go."""

import pytest

from shared_schema.lifecycle import Status
from shared_schema.operations import AddNote, FinishWork, WaitFor
from shared_schema.ticket import Ticket
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen
from tests.field_app.single_phone import saved


def taken_away(hand: Hand, ticket: Ticket, form: str, values: dict[str, object]) -> None:
    """Typed, and the app closed; when it is opened again the ticket is somebody else's."""
    hand.given(ticket)
    hand.single.store.save_draft(f"{form}:{ticket.id}", values)
    hand.single.restart()
    hand.single.hears(withdraws=[ticket.id])


def recorded(hand: Hand) -> list[object]:
    return [entry.envelope.operation for entry in reversed(hand.single.store.journal()) if entry.envelope is not None]


def test_what_was_typed_is_found_from_everywhere_and_becomes_a_note(hand: Hand) -> None:
    ticket = an_assigned_ticket(status=Status.WORKING)
    taken_away(hand, ticket, "note", {"text": "整流器型号 B-21"})

    async def deal(screen: Screen) -> None:
        assert "1 项需处理" in screen.text("status-line")
        await screen.tap("status-line")
        assert "1 张表填写后没有提交" in screen.text("to-attention")
        await screen.tap("attend")
        assert ticket.number in screen.text(f"stranded-note-{ticket.number}")
        assert "整流器型号 B-21" in screen.text(f"typed-note-{ticket.number}")
        await screen.tap(f"note-note-{ticket.number}")
        assert screen.shows("nothing-to-attend")
        assert "需处理" not in screen.text("status-line")

    hand.does(deal)
    assert recorded(hand) == [AddNote("整流器型号 B-21")]
    assert hand.single.store.drafts() == []


def test_it_is_there_however_late_the_app_is_opened(hand: Hand) -> None:
    """A withdrawn ticket is forgotten after a day, but not while what was typed on it could still be kept."""
    ticket = an_assigned_ticket(status=Status.WORKING)
    taken_away(hand, ticket, "finish", {"found": "整流器老化", "done": ""})
    hand.single.clock.move(days=30)
    hand.single.restart()

    async def deal(screen: Screen) -> None:
        await screen.tap(f"note-finish-{ticket.number}")

    hand.does(deal, "/sync/attention")
    assert recorded(hand) == [AddNote("整流器老化")]
    hand.single.hears()
    hand.single.restart()
    assert hand.single.store.withdrawn(ticket.id) is None


def test_the_form_goes_on_where_it_was_left(hand: Hand) -> None:
    """The office gets it as what it is, and keeps it as a proposal."""
    ticket = an_assigned_ticket(status=Status.WORKING)
    taken_away(hand, ticket, "finish", {"found": "整流器老化"})

    async def deal(screen: Screen) -> None:
        await screen.tap(f"go-on-finish-{ticket.number}")
        assert screen.value("finish-found") == "整流器老化"
        await screen.type("finish-done", "更换整流器")
        await screen.tap("finish-submit")

    hand.does(deal, "/sync/attention")
    assert recorded(hand) == [FinishWork("整流器老化", "更换整流器")]
    assert hand.single.store.stranded() == []


def test_a_signature_that_was_begun_can_be_ended(hand: Hand) -> None:
    ticket = an_assigned_ticket(status=Status.WORK_DONE, found="整流器老化", done="更换整流器")
    drawn = {"signer": "何女士", "rating": 4, "comment": "准时", "strokes": [[[10, 10], [60, 90]]]}
    taken_away(hand, ticket, "hand-over", drawn)

    async def deal(screen: Screen) -> None:
        shown = screen.text(f"stranded-hand-over-{ticket.number}")
        assert "何女士 4/5\n准时" in shown
        assert "已开始签名" in shown
        await screen.tap(f"go-on-hand-over-{ticket.number}")
        await screen.tap("accept")
        await screen.tap("signature-submit")
        assert screen.shows("handed-back")

    hand.does(deal, "/sync/attention")
    (sign_off,) = recorded(hand)
    assert sign_off.signature.strokes == (((10, 10), (60, 90)),)  # type: ignore[attr-defined]


def test_a_signature_that_was_begun_stays_when_the_words_beside_it_become_a_note(hand: Hand) -> None:
    ticket = an_assigned_ticket(status=Status.WORK_DONE, found="整流器老化", done="更换整流器")
    taken_away(hand, ticket, "hand-over", {"comment": "准时", "strokes": [[[10, 10], [60, 90]]]})
    name = f"hand-over-{ticket.number}"

    async def deal(screen: Screen) -> None:
        await screen.tap(f"note-{name}")
        assert "已开始签名" in screen.text(f"stranded-{name}")
        assert not screen.shows(f"note-{name}")
        await screen.tap(f"withdraw-{name}")
        await screen.tap(f"withdraw-sure-{name}")
        assert screen.shows("nothing-to-attend")

    hand.does(deal, "/sync/attention")
    assert recorded(hand) == [AddNote("准时")]


@pytest.mark.parametrize("over", [Status.CANCELLED, Status.SIGNED_OFF, Status.CLOSED])
def test_of_a_ticket_that_is_over_the_form_cannot_go_on(hand: Hand, over: Status) -> None:
    """It is still in the list, but no page of it leads to the form."""
    ticket = an_assigned_ticket(status=Status.WORKING)
    hand.given(ticket)
    hand.single.store.save_draft(f"wait:{ticket.id}", {"reason": "parts", "words": "灯罩"})
    assert hand.single.store.counts().stranded == 0
    hand.given(an_assigned_ticket(id=ticket.id, version=9, status=over))

    async def deal(screen: Screen) -> None:
        assert not screen.shows(f"go-on-wait-{ticket.number}")
        await screen.tap(f"note-wait-{ticket.number}")
        assert screen.shows("nothing-to-attend")

    hand.does(deal, "/sync/attention")
    assert recorded(hand) == [AddNote("待件：灯罩")]
    assert WaitFor("待件：灯罩") not in recorded(hand)


@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_of_a_ticket_that_is_gone_it_can_be_read_and_after_a_question_let_go(hand: Hand, language: str) -> None:
    """An app that did not know better has forgotten the ticket."""
    ticket = an_assigned_ticket(status=Status.WORKING)
    hand.given(ticket)
    saved(hand.single.actions.add_note(ticket.id, "先断电"))
    hand.single.store.save_draft(f"problem:{ticket.id}", {"words": "灯闪"})
    hand.single.hears(withdraws=[ticket.id])
    with hand.single.store._transaction():
        hand.single.store._file.write("DELETE FROM tickets")
    hand.single.restart()
    name = f"problem-{ticket.number}"

    async def deal(screen: Screen) -> None:
        assert "灯闪" in screen.text(f"typed-{name}")
        assert not screen.shows(f"note-{name}")
        assert not screen.shows(f"go-on-{name}")
        await screen.tap(f"withdraw-{name}")
        await screen.tap(f"withdraw-not-{name}")
        assert hand.single.store.held().drafts == 1
        await screen.tap(f"withdraw-{name}")
        await screen.tap(f"withdraw-sure-{name}")
        assert screen.shows("nothing-to-attend")

    hand.does(deal, "/sync/attention", language)
    assert hand.single.store.held().drafts == 0


def test_what_is_typed_after_the_ticket_was_taken_away_is_counted_at_once(hand: Hand) -> None:
    """The form was open: it stays, and what is in it is not forgotten when the page is left."""
    ticket = an_assigned_ticket(status=Status.WORKING)
    hand.given(ticket)

    async def write(screen: Screen) -> None:
        hand.single.hears(withdraws=[ticket.id])
        await screen.settle()
        assert "需处理" not in screen.text("status-line")
        await screen.type("note-text", "整流器")
        assert "1 项需处理" in screen.text("status-line")
        await screen.type("note-text", "")
        assert "需处理" not in screen.text("status-line")

    hand.does(write, f"/tickets/{ticket.id}/note")


def test_nothing_refused_is_not_everything_accepted(hand: Hand) -> None:
    """While something waits to be sent, the page must not say that the office has it."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    saved(hand.single.actions.accept(ticket.id))

    async def look(screen: Screen) -> None:
        assert "接受了" not in screen.text("nothing-to-attend")

    hand.does(look, "/sync/attention")
