"""What a dispatcher does to a ticket: every act once, refused acts with what was typed, two people at the same time."""

import json
from datetime import date, timedelta

import pytest

from shared_schema.lifecycle import Kind, Severity, Status
from shared_schema.operations import CancelTicket, ConfirmTicket, SolveRemotely
from shared_schema.ticket import Ticket
from sync_server.dispatch.acts import ACTS, offers
from sync_server.words import words_in
from tests.builders.tickets import a_customer, a_picture, an_assigned_ticket
from tests.sync_server.desk_browser import HTMX, signed_in
from tests.sync_server.office import CHEN, LIN, Office

SAY = words_in("zh-CN")
AFTERNOON = {"date": "2026-03-03", "start": "14:00", "end": "16:00"}


def confirmed(office: Office) -> str:
    ticket = office.received()
    office.decide(ticket, ConfirmTicket(Severity.ORDINARY))
    return ticket


# -- each act ---------------------------------------------------------------------------------------------------------


def test_a_received_ticket_is_confirmed_and_graded(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    answer = browser.act(ticket, "confirm_ticket", severity="emergency", words="已核实地址")
    assert (answer.status, answer.location) == (303, f"/tickets/{ticket}")
    after = office.ticket(ticket)
    assert (after.status, after.severity) == (Status.CONFIRMED, Severity.EMERGENCY)
    assert after.notes[-1].text == "已核实地址"


def test_a_ticket_is_graded_again(office: Office) -> None:
    browser, ticket = signed_in(office), confirmed(office)
    assert browser.act(ticket, "grade_ticket", severity="severe").status == 303
    assert office.ticket(ticket).severity is Severity.SEVERE


def test_remote_help_is_recorded_and_solves_it_in_the_end(office: Office) -> None:
    browser, ticket = signed_in(office), confirmed(office)
    assert browser.act(ticket, "record_remote_help", words="请客户重新插拔").status == 303
    assert browser.act(ticket, "solve_remotely", words="复位后正常").status == 303
    after = office.ticket(ticket)
    assert after.status is Status.SOLVED_REMOTELY
    assert [each.words for each in after.remote_help] == ["请客户重新插拔", "复位后正常"]


def test_a_ticket_is_assigned_with_the_window_the_customer_was_told(office: Office) -> None:
    """The hours are the office's, wherever the server stands."""
    browser, ticket = signed_in(office), confirmed(office)
    assert browser.act(ticket, "assign_ticket", technician="t-chen", **AFTERNOON).status == 303
    assignment = office.ticket(ticket).assignment
    assert assignment is not None
    assert assignment.technician == "t-chen"
    assert assignment.window.start.isoformat() == "2026-03-03T14:00:00+08:00"
    assert assignment.window.end.isoformat() == "2026-03-03T16:00:00+08:00"


def test_a_ticket_changes_hands_and_the_first_technician_loses_it(office: Office) -> None:
    browser, ticket = signed_in(office), office.assigned(CHEN)
    assert browser.act(ticket, "assign_ticket", technician="t-wang", **AFTERNOON).status == 303
    after = office.ticket(ticket)
    assert after.technician == "t-wang"
    assert after.former_technicians == ("t-chen",)


def test_a_ticket_is_cancelled_with_a_reason_and_opened_again(office: Office) -> None:
    browser, ticket = signed_in(office), office.assigned()
    assert browser.act(ticket, "cancel_ticket", reason="客户已自行修好").status == 303
    assert office.ticket(ticket).over_because == "客户已自行修好"
    assert browser.act(ticket, "reopen_ticket", reason="又坏了").status == 303
    assert office.ticket(ticket).status is Status.REOPENED


def test_a_solved_ticket_is_closed_after_the_follow_up_call(office: Office) -> None:
    browser, ticket = signed_in(office), confirmed(office)
    office.decide(ticket, SolveRemotely("复位"))
    assert browser.act(ticket, "close_ticket", words="客户满意").status == 303
    assert office.ticket(ticket).status is Status.CLOSED


def test_a_note_keeps_its_lines(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    assert browser.act(ticket, "add_note", text="  第一行\r\n第二行\x00 ").status == 303
    assert office.ticket(ticket).notes[-1].text == "第一行\n第二行"


def test_details_are_corrected_and_the_history_says_from_what_to_what(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    answer = browser.act(ticket, "correct_details", phone="021-6123 4567", warranty_until="2028-01-31")
    assert answer.status == 303
    after = office.ticket(ticket)
    assert after.customer.phone == "021-6123 4567"
    assert after.product.warranty_until == date(2028, 1, 31)
    assert after.customer.name == "何女士"
    text = browser.get(f"/tickets/{ticket}").page.text
    assert f"{SAY('field.customer_phone')}：138 0013 8000 → 021-6123 4567" in text


def test_photos_the_customer_sent_are_added_once(office: Office) -> None:
    """Sent twice, because the first answer was slow: the ids of the operations follow from the form's."""
    browser, ticket = signed_in(office), office.received()
    form = browser.get(f"/tickets/{ticket}?act=add_photo").page.form(f"/tickets/{ticket}/act/add_photo")
    chosen = [("photos", (f"{n}.jpg", a_picture(seed=n), "image/jpeg")) for n in (1, 2)]
    for _ in range(2):
        answer = browser.request("POST", form.action, data=form.fields, files=chosen)
        assert answer.status == 303
    assert len(office.ticket(ticket).photos) == 2


def test_a_file_that_is_no_picture_is_named_and_not_added(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    form = browser.get(f"/tickets/{ticket}?act=add_photo").page.form(f"/tickets/{ticket}/act/add_photo")
    files = {"photos": ("清单.pdf", b"%PDF-1.7 not a picture", "image/jpeg")}
    answer = browser.request("POST", form.action, data=form.fields, files=files)
    assert answer.status == 422
    assert "清单.pdf" in answer.page.text
    assert office.ticket(ticket).photos == ()


def test_beside_a_file_that_is_no_picture_the_others_are_added(office: Office) -> None:
    """As what is said of it has everybody believe; each that was not added is named."""
    browser, ticket = signed_in(office), office.received()
    form = browser.get(f"/tickets/{ticket}?act=add_photo").page.form(f"/tickets/{ticket}/act/add_photo")
    chosen = [
        ("photos", ("一.jpg", a_picture(seed=1), "image/jpeg")),
        ("photos", ("清单.pdf", b"%PDF-1.7 not a picture", "image/jpeg")),
        ("photos", ("二.jpg", a_picture(seed=2), "image/jpeg")),
        ("photos", ("合同.doc", b"no picture either", "image/jpeg")),
    ]
    for _ in range(2):  # sent again they are there once
        answer = browser.request("POST", form.action, data=form.fields, files=chosen)
        assert answer.status == 422
        assert SAY("fault.not_a_picture", name="清单.pdf”、“合同.doc") in answer.page.text
        assert len(office.ticket(ticket).photos) == 2


# -- what is offered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", list(Status))
def test_only_what_would_be_accepted_is_offered(office: Office, status: Status) -> None:
    """Each offered act, done as it stands, is accepted by the one door; none is offered that it would refuse."""
    ticket: Ticket = an_assigned_ticket(status=status, technician="t-chen")
    kinds = {offer.kind for offer in offers(ticket)}
    assert "add_note" in kinds
    assert sum(offer.primary for offer in offers(ticket)) <= 1
    assert ("reopen_ticket" in kinds) == (status in {Status.CLOSED, Status.CANCELLED})
    assert ("confirm_ticket" in kinds) == (status in {Status.RECEIVED, Status.REOPENED})
    if status in {Status.CLOSED, Status.CANCELLED}:
        assert kinds == {"add_note", "reopen_ticket"}


def test_a_complaint_gets_no_visit(office: Office) -> None:
    browser = signed_in(office)
    ticket = office.received(ticket_kind=Kind.COMPLAINT)
    office.decide(ticket, ConfirmTicket(Severity.SEVERE))
    assert "assign_ticket" not in browser.get(f"/tickets/{ticket}").text


def test_every_act_has_its_words_in_both_languages() -> None:
    for language in ("zh-CN", "en"):
        words = words_in(language)
        for name in [*(act.name for act in ACTS), "reassign"]:
            for part in ("", ".do", ".done"):
                assert words.knows(f"act.{name}{part}"), (language, name, part)


def test_keys_are_not_given_twice() -> None:
    keys = [act.key for act in ACTS if not act.about]
    assert len(set(keys)) == len(keys)
    assert not {"n", "j", "k", "g", "o", "w"} & set(keys)


# -- the technician picker --------------------------------------------------------------------------------------------


def test_the_picker_shows_who_is_busy_that_day(office: Office) -> None:
    """Another visit in the same hours is marked; the ticket's own is not."""
    browser, ticket = signed_in(office), confirmed(office)
    office.assigned(CHEN, customer=a_customer(region="上海市长宁区"))
    window = office.this_afternoon()  # 14:00 to 16:00 in Shanghai
    typed = {"date": "2026-03-02", "start": "15:00", "end": "17:00"}
    query = "&".join(f"{name}={value}" for name, value in typed.items())
    answer = browser.get(f"/tickets/{ticket}/technicians?{query}", **HTMX)
    assert window.start.hour == 6
    assert SAY("assign.clash") in answer.page.text
    assert "14:00–16:00" in answer.page.text
    free = browser.get(f"/tickets/{ticket}/technicians?date=2026-03-02&start=16:00&end=18:00", **HTMX)
    assert SAY("assign.clash") not in free.page.text
    assert "14:00–16:00 长宁区" in free.page.text


def test_somebody_who_has_left_cannot_be_chosen(office: Office) -> None:
    browser, ticket = signed_in(office), confirmed(office)
    assert "t-gone" not in browser.get(f"/tickets/{ticket}?act=assign_ticket").text
    answer = browser.act(ticket, "assign_ticket", technician="t-gone", **AFTERNOON)
    assert answer.status == 409
    assert SAY("rejection.unknown_technician") in answer.page.text


def test_a_visit_on_a_day_that_is_over_is_said_at_the_field(office: Office) -> None:
    """Earlier today it may be: what was agreed by word is written down a little later."""
    browser, ticket = signed_in(office), confirmed(office)
    hours = {"start": "06:00", "end": "08:00"}
    answer = browser.act(ticket, "assign_ticket", technician="t-chen", date="2026-03-01", **hours)
    assert answer.status == 422
    assert SAY("fault.day_over") in answer.page.text
    assert browser.act(ticket, "assign_ticket", technician="t-chen", date="2026-03-02", **hours).status == 303


def test_an_overdue_visit_is_moved_to_the_next_day_that_is_free_at_its_hours(office: Office) -> None:
    """Nobody came from 14 to 16 o'clock. Later that day the form says tomorrow, or the day after where the technician
    has another visit then; what lies ahead stays as it is."""
    ticket = office.assigned(CHEN)
    address = f"/tickets/{ticket}/act/assign_ticket"

    def begins() -> tuple[str, ...]:
        browser = signed_in(office)
        fields = browser.get(f"/tickets/{ticket}?act=assign_ticket").page.form(address).fields
        in_panel = browser.get(address, **HTMX, **{"HX-Target": "act-form"}).page.form(address).fields
        assert in_panel["date"] == fields["date"]
        return fields["date"], fields["start"], fields["end"], fields["technician"]

    hours = ("14:00", "16:00", "t-chen")
    assert begins() == ("2026-03-02", *hours)
    office.clock.move(timedelta(hours=8))
    assert begins() == ("2026-03-03", *hours)
    other = confirmed(office)
    signed_in(office).act(other, "assign_ticket", technician="t-chen", date="2026-03-03", start="15:00", end="17:00")
    assert begins() == ("2026-03-04", *hours)
    office.clock.move(timedelta(days=2, hours=8))  # early in the morning: today is still ahead
    assert begins() == ("2026-03-05", *hours)


def test_a_window_typed_backwards_is_said_at_the_field(office: Office) -> None:
    browser, ticket = signed_in(office), confirmed(office)
    typed = {"date": "2026-03-03", "start": "16:00", "end": "14:00"}
    answer = browser.act(ticket, "assign_ticket", technician="t-chen", **typed)
    assert answer.status == 422
    assert SAY("fault.window_reversed") in answer.page.text
    form = answer.page.form(f"/tickets/{ticket}/act/assign_ticket")
    assert (form.fields["start"], form.fields["technician"]) == ("16:00", "t-chen")


# -- sent twice, sent late, sent by two -------------------------------------------------------------------------------


def test_a_form_sent_twice_is_done_once(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    address = f"/tickets/{ticket}/act/add_note"
    form = browser.get(f"/tickets/{ticket}?act=add_note").page.form(address)
    for _ in range(3):
        assert browser.send(address, form, text="客户回电").status == 303
    assert [note.text for note in office.ticket(ticket).notes] == ["客户回电"]


def test_a_form_gone_back_to_and_sent_with_other_words_is_another(office: Office) -> None:
    """The browser's "back" shows the form as it was sent, its operation's id included."""
    browser, ticket = signed_in(office), office.received()
    address = f"/tickets/{ticket}/act/add_note"
    form = browser.get(f"/tickets/{ticket}?act=add_note").page.form(address)
    for words in ("客户回电", "客户又回电", "客户又回电", "客户回电"):
        assert browser.send(address, form, text=words).status == 303
    assert [note.text for note in office.ticket(ticket).notes] == ["客户回电", "客户又回电"]


def test_two_dispatchers_assign_at_once_and_neither_overwrites_unseen(office: Office) -> None:
    """The second is told, keeps what was typed, and may then send it knowingly."""
    one, two = signed_in(office), signed_in(office)
    ticket = confirmed(office)
    address = f"/tickets/{ticket}/act/assign_ticket"
    first, second = (each.get(f"/tickets/{ticket}?act=assign_ticket").page.form(address) for each in (one, two))
    assert one.send(address, first, technician="t-chen", **AFTERNOON).status == 303
    answer = two.send(address, second, technician="t-wang", date="2026-03-04", start="09:30", end="11:30")
    assert answer.status == 409
    assert SAY("rejection.changed_meanwhile") in answer.page.text
    assert office.ticket(ticket).technician == "t-chen"
    form = answer.page.form(address)
    assert {name: form.fields[name] for name in ("technician", "date", "start", "end")} == {
        "technician": "t-wang",
        "date": "2026-03-04",
        "start": "09:30",
        "end": "11:30",
    }
    assert form.fields["operation_id"] != second.fields["operation_id"]
    assert two.send(address, form).status == 303
    assert office.ticket(ticket).technician == "t-wang"


def test_two_dispatchers_move_one_visit_at_once_and_the_second_learns_what_the_customer_was_told(
    office: Office,
) -> None:
    """The same technician goes, so only the time tells that somebody else has been at it."""
    one, two = signed_in(office), signed_in(office)
    ticket = office.assigned(CHEN)
    address = f"/tickets/{ticket}/act/assign_ticket"
    first, second = (each.get(f"/tickets/{ticket}?act=assign_ticket").page.form(address) for each in (one, two))
    for _ in range(2):  # pressed twice is no colleague
        assert one.send(address, first, **AFTERNOON).status == 303
    answer = two.send(address, second, date="2026-03-04", start="09:30", end="11:30")
    assert answer.status == 422
    assert SAY("fault.visit_moved", window=f"{SAY('day.tomorrow')} 14:00–16:00") in answer.page.text
    assignment = office.ticket(ticket).assignment
    assert assignment is not None
    assert assignment.window.start.isoformat() == "2026-03-03T14:00:00+08:00"
    form = answer.page.form(address)
    assert (form.fields["date"], form.fields["start"]) == ("2026-03-04", "09:30")
    assert two.send(address, form).status == 303
    after = office.ticket(ticket).assignment
    assert after is not None
    assert after.window.start.isoformat() == "2026-03-04T09:30:00+08:00"


def test_two_dispatchers_correct_at_once_and_the_second_sees_what_the_first_wrote(office: Office) -> None:
    one, two = signed_in(office), signed_in(office)
    ticket = office.received()
    address = f"/tickets/{ticket}/act/correct_details"
    first, second = (each.get(f"/tickets/{ticket}?act=correct_details").page.form(address) for each in (one, two))
    one.send(address, first, address="桂平路 14 弄")
    answer = two.send(address, second, name="何秀兰")
    assert answer.status == 409
    assert SAY("correct.now") in answer.page.text
    assert "桂平路 14 弄" in answer.page.text
    assert office.ticket(ticket).customer.name == "何女士"
    assert two.send(address, answer.page.form(address)).status == 303
    after = office.ticket(ticket).customer
    assert (after.name, after.address) == ("何秀兰", "桂平路 14 弄")


def test_an_act_that_no_longer_fits_is_refused_in_words(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    address = f"/tickets/{ticket}/act/confirm_ticket"
    form = browser.get(f"/tickets/{ticket}?act=confirm_ticket").page.form(address)
    office.decide(ticket, CancelTicket("重复"))
    answer = browser.send(address, form, severity="severe", words="电话中写下的长长一段")
    assert answer.status == 409
    assert SAY("status.cancelled") in answer.page.text
    assert answer.page.form(address).fields["words"] == "电话中写下的长长一段"


def test_a_field_left_empty_is_said_at_the_field(office: Office) -> None:
    browser, ticket = signed_in(office), confirmed(office)
    answer = browser.act(ticket, "cancel_ticket", reason="   ")
    assert answer.status == 422
    assert SAY("fault.required") in answer.page.text
    assert office.ticket(ticket).status is Status.CONFIRMED


def test_htmx_gets_the_ticket_anew_and_a_sentence_in_plain_ascii(office: Office) -> None:
    """A header cannot carry Chinese; the sentence is escaped in it."""
    browser, ticket = signed_in(office), office.received()
    address = f"/tickets/{ticket}/act/add_note"
    form = browser.get(f"/tickets/{ticket}?act=add_note").page.form(address)
    headers = {**HTMX, "HX-Target": "ticket"}
    answer = browser.post(address, form.fields | {"text": "😀 你好"}, headers=headers)
    assert answer.status == 200
    assert answer.page.with_id("ticket")["data-version"] == "2"
    assert answer.headers["hx-trigger"].isascii()
    number = office.ticket(ticket).number
    assert json.loads(answer.headers["hx-trigger"])["told"] == SAY("act.note.done", number=number)


def test_fields_that_our_page_never_wrote_do_no_harm(office: Office) -> None:
    """Missing ids, wrong ids, numbers out of range, another kind of act: words, never a fault of the server."""
    browser, ticket = signed_in(office), confirmed(office)
    csrf = browser.get("/tickets").page.form("/sign-out").fields["csrf"]
    for kind, fields in (
        ("add_note", {"text": "甲", "operation_id": "nonsense", "base_version": "-9"}),
        ("add_note", {"text": "乙", "base_version": "9" * 400}),
        ("assign_ticket", {"technician": "../../x", "date": "2026-13-40", "start": "aa", "end": "25:99"}),
        ("assign_ticket", {"technician": "X Y", **AFTERNOON}),
        ("correct_details", {"name": "a", "phone": "b", "seen_customer": "[" * 5000}),
        ("grade_ticket", {"severity": "apocalyptic"}),
        ("teleport", {}),
    ):
        answer = browser.post(f"/tickets/{ticket}/act/{kind}", fields | {"csrf": csrf})
        assert answer.status in {303, 404, 409, 422}, (kind, answer.status)
    assert browser.post("/tickets/nobody/act/add_note", {"text": "x", "csrf": csrf}).status == 404


def test_another_persons_act_carries_their_name(office: Office) -> None:
    """The history says who, by the session and by nothing in the form."""
    browser, ticket = signed_in(office), office.received()
    browser.act(ticket, "add_note", text="谁写的", actor="p-zhao", person="p-zhao")
    assert office.ticket(ticket).notes[-1].author == LIN.id
