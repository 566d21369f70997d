"""What a technician makes of what the office refused: answered together with what takes its place, or not at all."""

from collections.abc import Callable

import pytest

from field_app.actions import Correction, FormInUse, NotPossibleNow, Refusal, Saved, Way
from field_app.store import EntryState, StorageUnavailable
from shared_schema import operations as op
from shared_schema.apply import Filing
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Status
from shared_schema.operations import AnswerRefusal, RefusalAnswer
from shared_schema.rejections import MalformedOperation, Rejection, SequenceTaken, UnknownTicket
from tests.builders.clocks import MONDAY
from tests.builders.tickets import a_picture, a_signature, a_statement, an_assigned_ticket
from tests.field_app.single_phone import SinglePhone, saved, verdict

TICKET = an_assigned_ticket(status=Status.WORKING)


def refused(phone: SinglePhone, operation_id: str, rejection: Rejection | None = None) -> Refusal:
    phone.hears([verdict(phone.entry(operation_id), Filing.REFUSED, rejection=rejection or UnknownTicket())])
    return next(refusal for refusal in phone.actions.refusals() if refusal.entry.id == operation_id)


def a_refused_note(phone: SinglePhone, text: str = "整流器型号 B-12") -> Refusal:
    phone.given(TICKET)
    return refused(phone, saved(phone.actions.add_note(TICKET.id, text)))


def answers(phone: SinglePhone) -> list[AnswerRefusal]:
    """Oldest first."""
    envelopes = [entry.envelope for entry in reversed(phone.store.journal())]
    return [
        envelope.operation
        for envelope in envelopes
        if envelope is not None and isinstance(envelope.operation, AnswerRefusal)
    ]


def test_a_refusal_tells_its_reason_what_was_typed_and_what_can_be_done(phone: SinglePhone) -> None:
    refusal = a_refused_note(phone)
    assert refusal.entry.rejection == UnknownTicket()
    assert refusal.typed == "整流器型号 B-12"
    assert refusal.ways == (Way.CORRECT, Way.NOTE, Way.WITHDRAW)


def test_a_note_takes_the_place_of_what_was_refused(phone: SinglePhone) -> None:
    """In one transaction: the note, the answer, and the refusal is off the list."""
    phone.given(TICKET)
    lost = refused(phone, saved(phone.actions.finish_work(TICKET.id, "老化", "更换")))
    made = phone.actions.turn_into_note(lost.entry.id)
    assert isinstance(made, Saved)
    note, answer = made.operation_ids
    assert answers(phone) == [AnswerRefusal(lost.entry.id, RefusalAnswer.NOTED, note)]
    assert phone.entry(answer).kind == "answer_refusal"
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    assert [each.text for each in shown.notes] == ["老化\n更换"]
    assert phone.actions.refusals() == []
    entry = phone.entry(lost.entry.id)
    assert (entry.answer, entry.state) == (RefusalAnswer.NOTED, EntryState.REFUSED)
    assert phone.store.counts().refused == 0
    assert phone.engine.woken == 2


def test_words_too_long_for_one_note_become_two(phone: SinglePhone) -> None:
    """Both fields of finished work may be full."""
    phone.given(TICKET)
    lost = refused(phone, saved(phone.actions.finish_work(TICKET.id, "甲" * 4000, "乙" * 4000)))
    phone.actions.turn_into_note(lost.entry.id)
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    assert "".join(note.text for note in shown.notes) == "甲" * 4000 + "\n" + "乙" * 4000


def test_a_step_without_words_needs_some_to_become_a_note(phone: SinglePhone) -> None:
    """Nothing is recorded where there is nothing to say; the person's own words serve."""
    phone.given(an_assigned_ticket(id=TICKET.id))
    lost = refused(phone, saved(phone.actions.accept(TICKET.id)))
    assert phone.actions.turn_into_note(lost.entry.id) == MalformedOperation("$.operation.text")
    assert len(phone.actions.refusals()) == 1
    assert isinstance(phone.actions.turn_into_note(lost.entry.id, "九点就接单了"), Saved)
    assert phone.actions.refusals() == []


@pytest.mark.parametrize(
    ("record", "form", "draft"),
    [
        (lambda actions: actions.add_note(TICKET.id, "字"), "note", {"text": "字"}),
        (lambda actions: actions.wait_for(TICKET.id, "等配件"), "wait", {"words": "等配件"}),
        (lambda actions: actions.finish_work(TICKET.id, "甲", "乙"), "finish", {"found": "甲", "done": "乙"}),
    ],
)
def test_a_correction_begins_with_what_was_typed(
    phone: SinglePhone, record: Callable[..., object], form: str, draft: dict[str, str]
) -> None:
    phone.given(TICKET)
    lost = refused(phone, saved(record(phone.actions)))
    begun = phone.actions.begin_correction(lost.entry.id)
    assert begun == Correction(TICKET.id, form, f"/tickets/{TICKET.id}/{form}")
    assert phone.store.draft(f"{form}:{TICKET.id}") == draft


def test_the_problem_is_corrected_in_its_form(phone: SinglePhone) -> None:
    phone.given(an_assigned_ticket(id=TICKET.id, status=Status.ARRIVED, credential_shown_at=MONDAY))
    lost = refused(phone, saved(phone.actions.confirm_problem(TICKET.id, "灯闪")))
    phone.actions.begin_correction(lost.entry.id)
    assert phone.store.draft(f"problem:{TICKET.id}") == {"words": "灯闪"}


def test_what_the_customer_signed_is_theirs_to_sign_again(phone: SinglePhone) -> None:
    """Name, rating and words are put back; not the strokes, nor the statement that was on the screen then."""
    phone.given(an_assigned_ticket(id=TICKET.id, status=Status.WORK_DONE, found="老化", done="更换"))
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    signed = phone.actions.sign_off(TICKET.id, a_statement(shown), "何女士", 4, "很快", a_signature())
    lost = refused(phone, saved(signed))
    assert lost.typed == "何女士 4/5\n很快"
    begun = phone.actions.begin_correction(lost.entry.id)
    assert isinstance(begun, Correction)
    assert begun.route == f"/tickets/{TICKET.id}/hand-over"
    draft = phone.store.draft(f"hand-over:{TICKET.id}")
    assert draft == {"signer": "何女士", "rating": 4, "comment": "很快"}
    objected = phone.actions.raise_objection(
        TICKET.id, a_statement(shown), "灯还是闪", clear_drafts=[f"hand-over:{TICKET.id}"]
    )
    saved(objected)  # and that answers no signature
    assert phone.store.refusals()[0].id == lost.entry.id


def test_an_objection_is_corrected_on_the_customers_page(phone: SinglePhone) -> None:
    phone.given(an_assigned_ticket(id=TICKET.id, status=Status.WORK_DONE, found="老化", done="更换"))
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    lost = refused(phone, saved(phone.actions.raise_objection(TICKET.id, a_statement(shown), "灯还是闪")))
    begun = phone.actions.begin_correction(lost.entry.id)
    assert begun == Correction(TICKET.id, "objection", f"/tickets/{TICKET.id}/hand-over/objection")
    assert phone.store.draft(f"objection:{TICKET.id}") == {"words": "灯还是闪"}


def test_the_corrected_operation_answers_the_refusal(phone: SinglePhone) -> None:
    """Over a restart too; until it is recorded the refusal stays."""
    lost = a_refused_note(phone)
    phone.actions.begin_correction(lost.entry.id)
    phone.restart()
    key = f"note:{TICKET.id}"
    phone.store.save_draft(key, {"text": "整流器型号 B-21"})
    assert len(phone.actions.refusals()) == 1
    made = phone.actions.add_note(TICKET.id, "整流器型号 B-21", clear_drafts=[key])
    assert isinstance(made, Saved)
    assert answers(phone) == [AnswerRefusal(lost.entry.id, RefusalAnswer.CORRECTED, made.operation_ids[0])]
    assert phone.actions.refusals() == []
    assert phone.store.draft(key) is None
    saved(phone.actions.add_note(TICKET.id, "另一条", clear_drafts=[key]))
    assert len(answers(phone)) == 1


def test_a_correction_that_was_cleared_is_one_no_more(phone: SinglePhone) -> None:
    lost = a_refused_note(phone)
    key = f"note:{TICKET.id}"
    phone.actions.begin_correction(lost.entry.id)
    phone.store.save_draft(key, {})
    saved(phone.actions.add_note(TICKET.id, "与此无关", clear_drafts=[key]))
    assert answers(phone) == []
    assert phone.actions.refusals()[0].entry.id == lost.entry.id


def test_what_is_being_typed_in_the_form_is_never_overwritten(phone: SinglePhone) -> None:
    """A draft of something else is left; a correction begun before is gone on with."""
    lost = a_refused_note(phone)
    key = f"note:{TICKET.id}"
    phone.store.save_draft(key, {"text": "正在写"})
    assert phone.actions.begin_correction(lost.entry.id) == FormInUse(TICKET.id, "note", f"/tickets/{TICKET.id}/note")
    assert phone.store.draft(key) == {"text": "正在写"}
    phone.store.save_draft(key, {})
    assert isinstance(phone.actions.begin_correction(lost.entry.id), Correction)
    phone.store.save_draft(key, {"text": "改到一半"})
    assert isinstance(phone.actions.begin_correction(lost.entry.id), Correction)
    assert phone.store.draft(key) == {"text": "改到一半"}


def test_a_form_that_was_emptied_is_in_nobodys_way(phone: SinglePhone) -> None:
    """All that was typed has been taken out again: there is nothing that a correction could overwrite."""
    lost = a_refused_note(phone)
    phone.store.save_draft(f"note:{TICKET.id}", {"text": "正在写"})
    phone.store.save_draft(f"note:{TICKET.id}", {"text": ""})
    assert isinstance(phone.actions.begin_correction(lost.entry.id), Correction)


def test_a_step_and_a_photo_are_recorded_again_as_they_were(phone: SinglePhone) -> None:
    """Their number was taken at the office (a store put back from a copy): nothing was wrong with them."""
    phone.given(an_assigned_ticket(id=TICKET.id))
    accepted = refused(phone, saved(phone.actions.accept(TICKET.id)), SequenceTaken())
    photo = refused(phone, saved(phone.actions.add_photo(TICKET.id, a_picture(), PhotoSlot.BEFORE)), SequenceTaken())
    assert accepted.ways == photo.ways == (Way.AGAIN, Way.NOTE, Way.WITHDRAW)
    assert photo.photo is not None
    for lost in (accepted, photo):
        assert phone.actions.begin_correction(lost.entry.id) == NotPossibleNow()
        assert isinstance(phone.actions.record_again(lost.entry.id), Saved)
        assert phone.actions.record_again(lost.entry.id) == NotPossibleNow()
    shown = phone.store.ticket(TICKET.id)
    assert shown is not None
    assert shown.status is Status.ACCEPTED
    assert [each.sha256 for each in shown.photos] == [photo.photo]
    assert [answer.answer for answer in answers(phone)] == [RefusalAnswer.CORRECTED] * 2
    assert phone.store.counts().photos == 1


def test_a_step_that_no_longer_fits_cannot_be_taken_again(phone: SinglePhone) -> None:
    phone.given(an_assigned_ticket(id=TICKET.id))
    lost = refused(phone, saved(phone.actions.accept(TICKET.id)))
    phone.given(an_assigned_ticket(id=TICKET.id, status=Status.CANCELLED, version=9))
    assert phone.actions.refusals()[0].ways == (Way.NOTE, Way.WITHDRAW)
    assert phone.actions.record_again(lost.entry.id) == NotPossibleNow()


def test_what_was_withdrawn_stays_readable(phone: SinglePhone) -> None:
    lost = a_refused_note(phone)
    assert isinstance(phone.actions.withdraw(lost.entry.id), Saved)
    assert answers(phone) == [AnswerRefusal(lost.entry.id, RefusalAnswer.WITHDRAWN, None)]
    assert phone.actions.refusals() == []
    assert phone.entry(lost.entry.id).rejection == UnknownTicket()
    assert phone.actions.withdraw(lost.entry.id) == NotPossibleNow()


def test_on_a_ticket_this_phone_has_forgotten_withdrawing_is_what_is_left(phone: SinglePhone) -> None:
    """It went to somebody else long ago. The office hears of the answer all the same."""
    lost = a_refused_note(phone)
    phone.hears(withdraws=[TICKET.id])
    phone.clock.move(days=2)
    phone.restart()
    (refusal,) = phone.actions.refusals()
    assert refusal.ways == (Way.WITHDRAW,)
    assert refusal.typed == lost.typed
    assert phone.actions.turn_into_note(lost.entry.id) == UnknownTicket()
    assert phone.actions.begin_correction(lost.entry.id) == NotPossibleNow()
    assert isinstance(phone.actions.withdraw(lost.entry.id), Saved)
    entry = phone.store.waiting()[-1]
    assert (entry.kind, entry.ticket, entry.ticket_number) == ("answer_refusal", TICKET.id, TICKET.number)
    assert phone.actions.refusals() == []


def test_an_answer_that_is_refused_asks_for_no_answer(phone: SinglePhone) -> None:
    """Or it would go on for ever: it is filed as read, and counts as nothing that is held."""
    lost = a_refused_note(phone)
    phone.actions.withdraw(lost.entry.id)
    (answer,) = phone.store.waiting()
    phone.hears([verdict(answer, Filing.REFUSED, rejection=UnknownTicket())])
    assert phone.actions.refusals() == []
    assert phone.store.counts().refused == 0
    assert phone.store.held().refused == 0
    assert phone.entry(answer.id).state is EntryState.REFUSED


def test_answer_and_replacement_are_kept_together_or_not_at_all(phone: SinglePhone) -> None:
    """The disk fails in the middle: the refusal is as it was, and no note is there."""
    lost = a_refused_note(phone)
    connection = phone.store._file._connection
    assert connection is not None
    connection.execute("CREATE TEMP TRIGGER t BEFORE UPDATE OF dealt_as ON journal BEGIN SELECT RAISE(ABORT, 'x'); END")
    with pytest.raises(StorageUnavailable):
        phone.actions.turn_into_note(lost.entry.id)
    phone.restart()
    assert len(phone.store.raw_journal()) == 1
    assert phone.actions.refusals()[0].entry.answer is None


def test_what_was_not_refused_cannot_be_answered(phone: SinglePhone) -> None:
    phone.given(TICKET)
    waiting = saved(phone.actions.add_note(TICKET.id, "字"))
    for attempt in (
        phone.actions.turn_into_note,
        phone.actions.begin_correction,
        phone.actions.record_again,
        phone.actions.withdraw,
    ):
        assert attempt(waiting) == NotPossibleNow()
        assert attempt("nothing") == NotPossibleNow()


def test_an_operation_a_newer_app_made_can_only_be_withdrawn(phone: SinglePhone) -> None:
    lost = a_refused_note(phone)
    connection = phone.store._file._connection
    assert connection is not None
    connection.execute("DROP TRIGGER journal_is_never_altered")
    connection.execute("UPDATE journal SET raw = x'7b7d', kind = 'measure_humidity'")
    (refusal,) = phone.actions.refusals()
    assert (refusal.typed, refusal.ways) == ("", (Way.WITHDRAW,))
    assert phone.actions.turn_into_note(lost.entry.id) == NotPossibleNow()
    assert isinstance(phone.actions.withdraw(lost.entry.id), Saved)


def test_everything_a_technician_can_make_has_a_place_in_the_catalogue_of_forms() -> None:
    """A new operation with words of its own that was forgotten here would be lost when refused."""
    from field_app.actions.refusals import form_of, typed_in

    statement = a_statement(TICKET)
    worded = (
        op.AddNote("字"),
        op.ConfirmProblem("字"),
        op.WaitFor("字"),
        op.FinishWork("字", "字"),
        op.RaiseObjection(statement, "0" * 64, "字"),
        op.SignOffVisit(statement, "0" * 64, "字", 5, a_signature()),
    )
    for operation in worded:
        assert "字" in typed_in(operation)
        assert form_of(operation) is not None
    bare = (op.AcceptTicket(), op.StartTravel(), op.Arrive(), op.ShowCredential(), op.ResumeWork())
    assert all(form_of(operation) is None and typed_in(operation) == "" for operation in bare)
    kinds = {type(operation) for operation in (*worded, *bare)} | {op.AddPhoto, op.AnswerRefusal}
    assert kinds == set((op.VisitOperation | op.AddNote | op.AddPhoto | op.AnswerRefusal).__args__)
