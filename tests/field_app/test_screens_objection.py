"""What the customer had entered before they objected."""

from shared_schema.lifecycle import Status
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen


def test_a_comment_written_before_an_objection_is_there_when_it_comes_to_signing(hand: Hand) -> None:
    """The stars are given anew, and nobody's signature of before stands under what is read then."""
    ticket = an_assigned_ticket(status=Status.WORK_DONE, found="整流器老化", done="更换整流器")
    hand.given(ticket)

    async def object_(screen: Screen) -> None:
        await screen.type("comment", "师傅很准时")
        await screen.tap("rating-2")
        await screen.tap("accept")
        await screen.draw("signature-pad", [[(10, 10), (60, 90)]])
        await screen.tap("back")
        await screen.tap("object")
        await screen.type("objection-words", "灯还是闪")
        await screen.tap("objection-submit")
        assert screen.shows("handed-back")

    async def accept(screen: Screen) -> None:
        await screen.tap("next-action")
        await screen.tap("next-action")
        await screen.tap("finish-submit")
        await screen.tap("next-action")
        assert screen.value("comment") == "师傅很准时"
        await screen.tap("accept")
        assert screen.shows("hand-over"), "the stars are still to be given"
        await screen.tap("rating-5")
        await screen.tap("accept")
        await screen.tap("signature-submit")
        assert screen.shows("signature-pad"), "there is no signature yet"
        await screen.draw("signature-pad", [[(20, 20), (70, 80)]])
        await screen.tap("signature-submit")

    hand.does(object_, f"/tickets/{ticket.id}/hand-over")
    hand.does(accept, f"/tickets/{ticket.id}")
    after = hand.ticket(ticket.id)
    assert after.objections[0].words == "灯还是闪"
    (sign_off,) = after.sign_offs
    assert (sign_off.comment, sign_off.rating) == ("师傅很准时", 5)
    assert sign_off.signature.strokes == (((20, 20), (70, 80)),)
    assert hand.single.store.drafts() == []
