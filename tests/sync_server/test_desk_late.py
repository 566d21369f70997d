"""What came late is decided at the desk: steps taken or dismissed, evidence reviewed, duplicates merged."""

import pytest

from shared_schema.lifecycle import Severity, Status
from shared_schema.operations import (
    AcceptTicket,
    AddNote,
    Arrive,
    CancelTicket,
    ConfirmTicket,
    FinishWork,
    MergeDuplicate,
    ShowCredential,
    StartTravel,
    WaitFor,
)
from shared_schema.ticket import Outcome
from sync_server.words import words_in
from tests.sync_server.desk_browser import HTMX, signed_in
from tests.sync_server.office import CHEN, LIN, WANG, Office, Phone

SAY = words_in("zh-CN")


def finished_elsewhere(office: Office) -> tuple[Phone, str]:
    """陈师傅 works through a visit without a network while the desk gives the ticket to 王师傅."""
    phone, ticket = office.phone(), office.assigned(CHEN)
    phone.sync()
    office.assign(ticket, WANG, replaces=CHEN)
    for operation in (AcceptTicket(), StartTravel(), Arrive(), AddNote("门口有台阶")):
        phone.write(ticket, operation)
    phone.write(ticket, FinishWork("整流器老化", "更换整流器"))
    phone.sync()
    return phone, ticket


def proposal_of(office: Office, ticket: str, kind: str) -> str:
    return next(each.operation_id for each in office.ticket(ticket).proposals if each.kind == kind)


def form_about(page_address: str, office: Office, ticket: str, kind: str, about: str, **typed: str) -> int:
    browser = signed_in(office)
    address = f"/tickets/{ticket}/act/{kind}"
    form = browser.get(page_address).page.form(address)
    assert form.fields["about"] == about
    return browser.send(address, form, **typed).status


def take(office: Office, ticket: str, about: str) -> int:
    return form_about(f"/tickets/{ticket}?act=take_proposal&about={about}", office, ticket, "take_proposal", about)


# -- proposals --------------------------------------------------------------------------------------------------------


def test_it_is_said_before_what_taking_a_step_does(office: Office) -> None:
    """The ticket goes back to 陈师傅 and is 待验收; 王师傅's phone gives it back."""
    _, ticket = finished_elsewhere(office)
    about = proposal_of(office, ticket, "finish_work")
    said = SAY("late.goes_back", name="陈师傅", other="王师傅", status=SAY("status.work_done"))
    browser = signed_in(office)
    assert said in browser.get(f"/tickets/{ticket}").page.text
    opened = browser.get(f"/tickets/{ticket}/act/take_proposal?about={about}", **HTMX, **{"HX-Target": "act-form"})
    assert said in opened.page.text
    assert take(office, ticket, about) == 303
    after = office.ticket(ticket)
    assert (after.status, after.technician) == (Status.WORK_DONE, "t-chen")
    assert (after.found, after.done) == ("整流器老化", "更换整流器")


def test_what_was_decided_stands_with_who_when_and_words(office: Office) -> None:
    _, ticket = finished_elsewhere(office)
    about = proposal_of(office, ticket, "finish_work")
    browser = signed_in(office)
    address = f"/tickets/{ticket}/act/dismiss_proposal"
    form = browser.get(f"/tickets/{ticket}?act=dismiss_proposal&about={about}").page.form(address)
    assert browser.send(address, form, reason=" ").status == 422
    assert browser.send(address, form, reason="王师傅已经做完").status == 303
    after = office.ticket(ticket)
    assert [(each.about, each.outcome, each.words) for each in after.decisions] == [
        (about, Outcome.DISMISSED, "王师傅已经做完")
    ]
    text = browser.get(f"/tickets/{ticket}").page.text
    assert f"{SAY('outcome.dismissed')} 林晓" in text
    assert text.count("王师傅已经做完") >= 2  # beside the step, and in the history
    assert SAY("operation.dismiss_proposal") in text


def test_a_step_that_can_no_longer_be_taken_is_not_offered(office: Office) -> None:
    """The ticket was cancelled: taking is not on the page, and the door would refuse it."""
    _, ticket = finished_elsewhere(office)
    office.decide(ticket, CancelTicket("客户不再需要"))
    about = proposal_of(office, ticket, "finish_work")
    browser = signed_in(office)
    page = browser.get(f"/tickets/{ticket}").page
    assert not page.links_to(f"/tickets/{ticket}?act=take_proposal")
    assert page.links_to(f"/tickets/{ticket}?act=dismiss_proposal&about={about}")
    assert SAY("late.cannot_be_taken", status=SAY("status.cancelled")) in page.text


def test_every_offered_step_is_accepted_by_the_door(office: Office) -> None:
    """Whatever was proposed and wherever the ticket stands: what can be clicked is not refused."""
    _, ticket = finished_elsewhere(office)
    browser = signed_in(office)
    taken = 0
    while links := browser.get(f"/tickets/{ticket}").page.links_to(f"/tickets/{ticket}?act=take_proposal"):
        assert take(office, ticket, links[0].rpartition("=")[2]) == 303
        taken += 1
    assert taken >= 2
    assert office.ticket(ticket).status is Status.WORK_DONE


def test_a_step_of_whoever_has_the_ticket_takes_it_from_nobody(office: Office) -> None:
    """陈师傅 was given it back before his phone had a network again."""
    phone, ticket = office.phone(), office.assigned(CHEN)
    phone.sync()
    office.assign(ticket, WANG, replaces=CHEN)
    phone.write(ticket, ShowCredential())
    phone.write(ticket, WaitFor("等配件"))
    phone.sync()
    office.assign(ticket, CHEN, replaces=WANG)
    text = signed_in(office).get(f"/tickets/{ticket}").page.text
    assert SAY("late.stays", status=SAY("status.assigned"), name="陈师傅") in text
    assert SAY("late.becomes", status=SAY("status.waiting"), name="陈师傅") in text


def test_two_dispatchers_decide_and_the_second_is_told(office: Office) -> None:
    _, ticket = finished_elsewhere(office)
    about = proposal_of(office, ticket, "finish_work")
    address = f"/tickets/{ticket}/act/dismiss_proposal"
    second = signed_in(office)
    form = second.get(f"/tickets/{ticket}?act=dismiss_proposal&about={about}").page.form(address)
    assert take(office, ticket, about) == 303
    answer = second.send(address, form, reason="不需要")
    assert answer.status == 409
    assert SAY("rejection.already_decided") in answer.page.text
    assert [each.outcome for each in office.ticket(ticket).decisions] == [Outcome.TAKEN]
    assert second.get(f"/tickets/{ticket}?act=dismiss_proposal&about={about}").status == 200


def test_nothing_is_decided_about_what_is_not_there(office: Office) -> None:
    _, ticket = finished_elsewhere(office)
    browser = signed_in(office)
    fields = {"csrf": browser.get(f"/tickets/{ticket}").page.forms[0].fields["csrf"], "reason": "x", "about": "?"}
    for kind in ("take_proposal", "dismiss_proposal", "review_evidence"):
        assert browser.post(f"/tickets/{ticket}/act/{kind}", fields).status == 422
    assert office.ticket(ticket).decisions == ()


# -- late evidence ----------------------------------------------------------------------------------------------------


def test_late_evidence_is_reviewed_one_by_one(office: Office) -> None:
    _, ticket = finished_elsewhere(office)
    browser = signed_in(office)
    address = f"/tickets/{ticket}/act/review_evidence"
    late = office.ticket(ticket).notes[-1].operation_id
    forms = [form for form in browser.get(f"/tickets/{ticket}").page.forms if form.action == address]
    form = next(form for form in forms[1:] if form.fields["about"] == late)
    for _ in range(2):  # pressed twice
        assert browser.send(address, form).status == 303
    assert [each.about for each in office.ticket(ticket).decisions] == [late]
    assert f"{SAY('outcome.reviewed')} 林晓" in browser.get(f"/tickets/{ticket}").page.text


def test_all_late_evidence_of_a_ticket_is_reviewed_at_once(office: Office) -> None:
    """One operation for each, once however often it is sent; a colleague's review in between changes nothing."""
    _, ticket = finished_elsewhere(office)
    one, two = signed_in(office), signed_in(office)
    address = f"/tickets/{ticket}/act/review_evidence"
    evidence = [office.ticket(ticket).arrivals[-1].operation_id, office.ticket(ticket).notes[-1].operation_id]
    forms = [
        [form for form in browser.get(f"/tickets/{ticket}").page.forms if form.action == address]
        for browser in (one, two)
    ]
    assert two.send(address, forms[1][1]).status == 303
    fields: dict[str, object] = forms[0][0].fields | {"about": evidence}
    for _ in range(2):
        assert one.request("POST", address, data=fields).status == 303
    assert sorted(each.about for each in office.ticket(ticket).decisions) == sorted(evidence)
    assert not [form for form in one.get(f"/tickets/{ticket}").page.forms if form.action == address]


# -- duplicates -------------------------------------------------------------------------------------------------------


def test_a_duplicate_is_merged_and_both_tickets_say_so(office: Office) -> None:
    first, second = office.received(), office.received(problem="灯又坏了，昨天打过电话")
    number = office.ticket(first).number
    browser = signed_in(office)
    opened = browser.get(f"/tickets/{second}?act=merge_duplicate").page
    assert number in opened.text  # the same customer's other ticket is proposed
    answer = browser.act(second, "merge_duplicate", into=f" {number} ", words="同一客户")
    assert answer.location == f"/tickets/{second}"
    after = office.ticket(second)
    assert (after.status, after.duplicate_of) == (Status.CANCELLED, first)
    page = browser.get(f"/tickets/{second}").page
    assert f"/tickets/{first}" in page.links_to("/tickets/")
    assert SAY("duplicate.goes_on") in page.text
    assert SAY("history.merged_into", number=number) in page.text
    kept = browser.get(f"/tickets/{first}").page
    assert f"/tickets/{second}" in kept.links_to("/tickets/")
    assert SAY.count("duplicate.merged_here", 1) in kept.text


def test_the_ticket_that_goes_on_is_shown_while_its_number_is_typed(office: Office) -> None:
    first, second = office.received(), office.received()
    browser = signed_in(office)
    typed = office.ticket(first).number
    shown = browser.get(f"/tickets/{second}/merge-into?into={typed}", **HTMX).page.text
    assert "何女士" in shown
    assert SAY("fault.linked") in browser.get(f"/tickets/{second}/merge-into?into=nothing", **HTMX).page.text


@pytest.mark.parametrize("case", ["unknown", "itself", "over", "duplicate", "empty"])
def test_a_ticket_is_merged_only_into_one_that_goes_on(office: Office, case: str) -> None:
    ticket, other = office.received(), office.received()
    number = office.ticket(other).number
    fault = SAY("fault.required")
    if case == "unknown":
        number, fault = "999999-999", SAY("fault.linked")
    elif case == "itself":
        number, fault = office.ticket(ticket).number, SAY("fault.merge_itself")
    elif case == "over":
        office.decide(other, CancelTicket("不需要"))
        fault = SAY("fault.merge_over", number=number)
    elif case == "duplicate":
        office.decide(other, MergeDuplicate(office.received()))
        fault = SAY("fault.merge_duplicate", number=number)
    else:
        number = ""
    answer = signed_in(office).act(ticket, "merge_duplicate", into=number, words="两次来电")
    assert answer.status == 422
    assert fault in answer.page.text
    assert answer.page.form(f"/tickets/{ticket}/act/merge_duplicate").fields["words"] == "两次来电"
    assert office.ticket(ticket).duplicate_of is None


def test_a_duplicate_that_is_opened_again_stands_by_itself(office: Office) -> None:
    first, second = office.received(), office.received()
    office.decide(second, ConfirmTicket(Severity.ORDINARY))
    office.decide(second, MergeDuplicate(first), LIN)
    browser = signed_in(office)
    assert browser.act(second, "reopen_ticket", reason="不是同一件事").status == 303
    assert SAY("duplicate.goes_on") not in browser.get(f"/tickets/{second}").page.text
    assert SAY.count("duplicate.merged_here", 1) not in browser.get(f"/tickets/{first}").page.text
