"""A visit as the technician and the customer tap it, from the list to the signature, and what is kept on the way."""

import hashlib

import pytest
from msgspec.structs import replace

from field_app.components.signature_pad import Strokes
from shared_schema.evidence import PhotoSlot, digest
from shared_schema.lifecycle import Status
from shared_schema.ticket import Ticket
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen


async def reach_the_work(screen: Screen, ticket: Ticket) -> None:
    """From the ticket's page to the problem agreed at the door."""
    await screen.go(f"/tickets/{ticket.id}")
    for _ in range(3):
        await screen.tap("next-action")
    await screen.tap("next-action")
    await screen.tap("credential-shown")
    await screen.tap("next-action")
    await screen.tap("problem-submit")


async def finish(screen: Screen) -> None:
    await screen.tap("next-action")
    await screen.type("finish-found", "整流器老化")
    await screen.type("finish-done", "更换整流器")
    await screen.tap("finish-submit")


async def hand_over(screen: Screen, ticket: Ticket) -> None:
    """From the ticket's page to the work done, and what the customer reads of it."""
    await reach_the_work(screen, ticket)
    await finish(screen)
    await screen.tap("next-action")


@pytest.mark.parametrize("language", ["zh_CN", "en"])
def test_a_whole_visit_is_tapped_from_the_list_to_the_signature(hand: Hand, language: str) -> None:
    """Nothing of it needs a network, and each step says that it is saved on this phone."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await screen.tap(f"ticket-{ticket.number}")
        await screen.tap("next-action")
        assert screen.shows("saved-on-phone")
        assert not screen.shows("received-by-office")
        await screen.tap("next-action")
        await screen.tap("next-action")
        await screen.tap("next-action")
        assert "陈志远" in screen.text()
        await screen.tap("credential-shown")
        await screen.tap("next-action")
        await screen.type("problem-words", "整流器响，灯闪")
        await screen.tap("problem-submit")
        await screen.tap("add-note")
        await screen.type("note-text", "先断电")
        await screen.tap("note-submit")
        await finish(screen)
        await screen.tap("next-action")
        assert "更换整流器" in screen.text("statement")
        await screen.tap("rating-4")
        await screen.type("comment", "很准时")
        await screen.tap("accept")
        await screen.draw("signature-pad", [[(10, 10), (60, 90), (120, 20)], [(30, 30), (90, 30)]])
        await screen.tap("signature-submit")
        assert screen.shows("handed-back")
        await screen.hold("back-to-ticket")
        assert screen.shows("saved-on-phone")

    hand.does(visit, language=language)
    after = hand.ticket(ticket.id)
    assert after.status is Status.SIGNED_OFF
    assert after.confirmed_problem == "整流器响，灯闪"
    assert [note.text for note in after.notes] == ["先断电"]
    (sign_off,) = after.sign_offs
    assert (sign_off.rating, sign_off.comment, sign_off.signer) == (4, "很准时", "何女士")
    assert [len(stroke) for stroke in sign_off.signature.strokes] == [3, 2]


def test_what_the_customer_signs_is_what_the_page_showed(hand: Hand) -> None:
    """The text under the signature is the page's, sentence by sentence, and its digest covers it."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    shown: list[str] = []

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        shown.append(screen.text("statement"))
        await screen.tap("rating-5")
        await screen.tap("accept")
        await screen.draw("signature-pad", [[(10, 10), (60, 90)]])
        await screen.tap("signature-submit")

    hand.does(visit)
    (sign_off,) = hand.ticket(ticket.id).sign_offs
    assert sign_off.statement.text.replace("\n\n", "\n") == shown[0]
    assert sign_off.statement_sha256 == digest(sign_off.statement)
    assert sign_off.statement.language == "zh_CN"


def test_the_statement_is_the_same_each_time_it_is_composed(hand: Hand) -> None:
    """Opened twice, by two lives of the app: the same text, the same digest."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    texts: list[str] = []

    async def work(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        await finish(screen)

    async def read(screen: Screen) -> None:
        texts.append(screen.text("statement"))

    hand.does(work)
    for _ in range(2):
        hand.does(read, f"/tickets/{ticket.id}/hand-over")
    assert texts[0] == texts[1]


def test_everything_typed_survives_the_app_being_killed(hand: Hand) -> None:
    """Note, findings, comment, stars and half a signature are there when the app is opened again."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    here = f"/tickets/{ticket.id}"

    async def begin(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        await screen.tap("add-note")
        await screen.type("note-text", "半句")
        await screen.go(f"{here}/finish")
        await screen.type("finish-found", "整流器")

    async def go_on(screen: Screen) -> None:
        assert screen.value("note-text") == "半句"
        await screen.go(f"{here}/finish")
        assert screen.value("finish-found") == "整流器"
        await screen.type("finish-done", "更换")
        await screen.tap("finish-submit")
        await screen.tap("next-action")
        await screen.tap("rating-3")
        await screen.type("comment", "还行")
        await screen.tap("accept")
        await screen.draw("signature-pad", [[(10, 10), (60, 90)]])

    async def sign(screen: Screen) -> None:
        await screen.draw("signature-pad", [[(20, 20), (30, 90)]])
        await screen.tap("signature-submit")

    hand.does(begin)
    hand.does(go_on, f"{here}/note")
    hand.does(sign, f"{here}/hand-over/signature")
    (sign_off,) = hand.ticket(ticket.id).sign_offs
    assert (sign_off.rating, sign_off.comment, len(sign_off.signature.strokes)) == (3, "还行", 2)
    assert hand.single.store.draft(f"hand-over:{ticket.id}") is None
    assert hand.single.store.draft(f"note:{ticket.id}") == {"text": "半句"}


def test_an_objection_leads_back_to_the_work(hand: Hand) -> None:
    """Work, objection, work again, signature: as often as it takes."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        await screen.tap("object")
        await screen.tap("objection-submit")
        assert screen.shows("objection-submit"), "an objection without words was taken"
        await screen.type("objection-words", "灯还是闪")
        await screen.tap("objection-submit")
        assert screen.shows("handed-back")
        await screen.hold("back-to-ticket")
        assert "灯还是闪" in screen.text("step-finish_work")
        await screen.tap("next-action")
        await screen.tap("next-action")
        assert screen.value("finish-done") == "更换整流器", "the words of before are where the work goes on from"
        await screen.tap("finish-submit")

    hand.does(visit)
    after = hand.ticket(ticket.id)
    assert after.status is Status.WORK_DONE
    assert after.objections[0].statement.done == "更换整流器"


def test_the_customers_contact_is_shown_from_acceptance_on_only(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def look(screen: Screen) -> None:
        await screen.tap(f"ticket-{ticket.number}")
        before = screen.text()
        assert screen.shows("contact-withheld")
        assert not screen.shows("call")
        assert ticket.customer.phone not in before
        assert ticket.customer.address not in before
        await screen.tap("next-action")
        after = screen.text()
        assert screen.shows("call")
        assert screen.shows("navigate")
        assert ticket.customer.phone in after
        assert ticket.customer.address in after

    hand.does(look)


def test_nobody_is_signed_for_without_stars_name_or_strokes(hand: Hand) -> None:
    """Each that is missing is asked for, and nothing is recorded meanwhile."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        await screen.tap("accept")
        assert screen.shows("hand-over")
        await screen.tap("rating-5")
        await screen.type("signer", "  ")
        await screen.tap("accept")
        assert screen.shows("hand-over")
        await screen.type("signer", "何先生")
        await screen.tap("accept")
        await screen.tap("signature-submit")
        assert screen.shows("signature")
        assert hand.ticket(ticket.id).sign_offs == ()
        await screen.draw("signature-pad", [[(5, 5), (50, 50)]])
        await screen.tap("signature-clear")
        await screen.tap("signature-clear-sure")
        await screen.tap("signature-submit")
        assert screen.shows("signature")
        await screen.draw("signature-pad", [[(5, 5), (50, 50)]])
        await screen.tap("signature-submit")

    hand.does(visit)
    assert hand.ticket(ticket.id).sign_offs[0].signer == "何先生"


def test_a_photo_taken_fills_the_slot_that_waits(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        waiting = screen.text("step-finish_work")
        hand.single.actions.add_photo(ticket.id, a_picture(), PhotoSlot.BEFORE)
        await screen.go(f"/tickets/{ticket.id}/camera/before")
        await screen.tap("camera-done")
        assert screen.shows("photo-before-1")
        assert screen.text("step-finish_work") != waiting
        await screen.tap("photo-before-1")
        assert screen.shows("photo")
        await screen.tap("back")
        assert screen.shows("next-action")

    hand.does(visit)


def test_a_place_without_a_camera_offers_the_gallery(hand: Hand) -> None:
    """The headless client has no camera: the reason is said, and the gallery is there."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        await screen.tap("add-photo-before")
        assert screen.shows("camera-message")
        assert screen.shows("camera-gallery")
        assert not screen.shows("camera-shutter")

    hand.does(visit)


def test_pictures_from_the_gallery_are_kept_and_a_file_that_is_none_is_named(hand: Hand) -> None:
    """Two files are picked at once, the first of them no picture: the other is kept, and the sentence stays."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    picture = a_picture(seed=5)

    async def visit(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        await screen.tap("add-photo-before")
        files = [{"id": 1, "name": "a.txt", "size": 3, "bytes": b"abc"}]
        files.append({"id": 2, "name": "b.jpg", "size": len(picture), "bytes": picture})
        await screen.pick(files)
        assert "JPEG" in screen.text("notice")
        assert screen.shows("photo-before-1")

    hand.does(visit)
    assert [photo.sha256 for photo in hand.ticket(ticket.id).photos] == [hashlib.sha256(picture).hexdigest()]


def test_a_double_tap_takes_one_step(hand: Hand) -> None:
    """Where the button to accept was, the one to set off appears under the same finger."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    hand.rest_seconds = 3600.0

    async def visit(screen: Screen) -> None:
        await screen.go(f"/tickets/{ticket.id}")
        await screen.tap("next-action")
        with pytest.raises(AssertionError, match="nothing to press"):
            await screen.tap("next-action")

    hand.does(visit)
    assert hand.ticket(ticket.id).status is Status.ACCEPTED


def test_the_browsers_back_button_does_not_lead_the_customer_into_the_technicians_pages(hand: Hand) -> None:
    """Only giving the phone back does; and after that the back button is the technician's again."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    here = f"/tickets/{ticket.id}"

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        await screen.tap("rating-4")
        await screen.tap("accept")
        await screen.go(f"{here}/hand-over")  # as the back button does
        assert screen.shows("hand-back"), "among the customer's own pages it leads back"
        await screen.go(here)
        assert screen.shows("hand-back")
        assert not screen.shows("status-line")
        await screen.tap("object")
        await screen.tap("objection-photo")
        assert screen.shows("camera")
        await screen.go(here)
        assert screen.shows("hand-back"), "the camera for an objection is the customer's, too"
        await screen.tap("hand-back")
        await screen.go(here)
        assert screen.shows("back-to-ticket")
        await screen.hold("back-to-ticket")
        assert screen.shows("next-action")
        await screen.go("/")
        assert screen.shows("today")

    hand.does(visit)


def test_the_customer_may_give_the_phone_back_and_only_the_technician_goes_on(hand: Hand) -> None:
    """Whoever is not ready ends their part with a tap; a tap goes no further, and what was entered is there again."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        await screen.tap("rating-4")
        await screen.type("comment", "等我先生回来再签")
        await screen.tap("hand-back")
        assert not screen.shows("hold-on")
        await screen.tap("back-to-ticket")
        assert screen.shows("hold-on"), "it is said what to do instead"
        await screen.tap("read-on")
        assert screen.value("comment") == "等我先生回来再签"
        await screen.tap("hand-back")
        await screen.hold("back-to-ticket")
        await screen.tap("next-action")
        assert screen.value("comment") == "等我先生回来再签"
        await screen.tap("accept")
        assert screen.shows("signature"), "the stars are there, too"

    hand.does(visit)


def test_half_a_signature_is_there_after_the_customer_went_back_for_another_word(hand: Hand) -> None:
    """The page before lies beneath that of the signature all the while, and keeps in the same draft."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        await screen.tap("rating-4")
        await screen.tap("accept")
        await screen.draw("signature-pad", [[(10, 10), (60, 90)]])
        await screen.tap("back")
        await screen.type("comment", "谢谢")
        await screen.tap("accept")
        await screen.draw("signature-pad", [[(20, 20), (30, 90)]])
        await screen.tap("signature-submit")

    hand.does(visit)
    (sign_off,) = hand.ticket(ticket.id).sign_offs
    assert (sign_off.comment, len(sign_off.signature.strokes)) == ("谢谢", 2)


def test_a_ticket_cancelled_while_the_customer_reads_is_not_called_signed(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        words = hand.state.words
        hand.given(replace(hand.ticket(ticket.id), status=Status.CANCELLED, version=40))
        await screen.settle()
        assert screen.text("handed-back") == words("handed-back.undecided")
        assert not screen.shows("read-on")

    hand.does(visit)


def test_what_the_customer_objected_to_stays_in_sight_during_the_rework(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await hand_over(screen, ticket)
        await screen.tap("object")
        await screen.type("objection-words", "灯还在闪")
        await screen.tap("objection-submit")
        await screen.hold("back-to-ticket")
        await screen.tap("next-action")
        assert "灯还在闪" in screen.text("step-finish_work")

    hand.does(visit)
    assert hand.ticket(ticket.id).status is Status.WORKING


def test_waiting_for_a_part_and_going_on(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        await screen.tap("wait")
        await screen.tap("wait-submit")
        assert screen.shows("wait-submit"), "nothing to wait for was taken"
        await screen.tap("wait-parts")
        await screen.type("wait-words", "LX-200 整流器")
        await screen.tap("wait-submit")
        assert "LX-200 整流器" in screen.text("step-finish_work")
        await screen.tap("add-note")  # what is seen while waiting is evidence, too
        await screen.type("note-text", "供应商答复明日到货")
        await screen.tap("note-submit")
        assert screen.shows("add-photo-before")
        await screen.tap("next-action")

    hand.does(visit)
    after = hand.ticket(ticket.id)
    assert after.status is Status.WORKING
    assert [(note.text, note.late) for note in after.notes] == [("供应商答复明日到货", False)]


def test_work_on_a_ticket_that_was_just_given_away_is_not_lost(hand: Hand) -> None:
    """The office reassigns while a note is being typed; the page stays, and the note is recorded."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def visit(screen: Screen) -> None:
        await reach_the_work(screen, ticket)
        await screen.tap("add-note")
        await screen.type("note-text", "已断电")
        hand.single.hears(withdraws=[ticket.id])
        await screen.tap("note-submit")

    hand.does(visit)
    assert [entry.kind for entry in hand.single.store.waiting()][-1] == "add_note"


def test_a_signature_keeps_to_its_pad() -> None:
    """A finger that slides off the pad draws along its edge, and the figures stay within what the office takes."""
    strokes = Strokes([])
    strokes.width, strokes.height = 300, 200
    strokes.begin(-5, 10)
    strokes.go_on(450.4, 90)
    strokes.go_on(100, 999)
    signature = strokes.signature()
    assert signature.strokes == (((0, 10), (300, 90), (100, 200)),)
    assert (signature.width, signature.height) == (300, 200)


def test_a_stroke_too_many_leaves_the_signature_as_it_is() -> None:
    strokes = Strokes([[(5, 5)] for _ in range(200)])
    strokes.begin(90, 90)
    strokes.go_on(95, 95)
    assert strokes.signature().strokes == (((5, 5),),) * 200
