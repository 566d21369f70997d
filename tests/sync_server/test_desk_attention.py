"""The queue of what waits for the desk: late steps and evidence, refused operations, drafts out of rescue files."""

from datetime import timedelta

import pytest

from shared_schema.operations import (
    FIRST_HASH,
    AcceptTicket,
    AddNote,
    AnswerRefusal,
    Arrive,
    FinishWork,
    RefusalAnswer,
)
from sync_server.clock import milliseconds
from sync_server.storage.attention import RescuedDraft
from sync_server.words import words_in
from tests.sync_server.desk_browser import HTMX, Browser, Page, signed_in
from tests.sync_server.office import CHEN, WANG, Office, Phone

SAY = words_in("zh-CN")


def kinds_on(page: Page) -> list[str]:
    """Of the rows, in their order."""
    return [given["data-id"].partition(":")[0] for tag, given in page.elements if tag == "tr" and "data-id" in given]


def came_late(office: Office, phone: Phone) -> str:
    """The visit went on without a network while the ticket changed hands: a note, an arrival, two steps."""
    ticket = office.assigned(CHEN)
    phone.sync()
    office.assign(ticket, WANG, replaces=CHEN)
    for operation in (AcceptTicket(), Arrive(), AddNote("门口有台阶"), FinishWork("整流器老化", "更换整流器")):
        phone.write(ticket, operation)
    phone.sync()
    return ticket


def refused(office: Office, phone: Phone, count: int = 1) -> str:
    """Notes on a ticket that is none of this technician's."""
    ticket = office.assigned(WANG)
    for number in range(count):
        phone.write(ticket, AddNote(f"写错了工单 {number}"))
    assert all(verdict.rejection for verdict in phone.sync())
    return ticket


def a_draft(office: Office) -> None:
    draft = RescuedDraft(
        device="phone-t-chen",
        key="note:1",
        hash="d" * 64,
        person="t-chen",
        body='{"text":"还没写完的备注"}'.encode(),
        made_at_ms=milliseconds(office.clock.now()),
        taken_in_at_ms=milliseconds(office.clock.now()),
    )
    office.storage.write_now(lambda writing: writing.attention.keep_draft(draft))


def send_first(browser: Browser, page: Page, action: str) -> int:
    return browser.send(action, page.form(action)).status


def test_the_oldest_is_first_and_everything_of_a_ticket_s_evidence_is_one(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    refused(office, phone)
    office.clock.move(timedelta(minutes=5))
    ticket = came_late(office, phone)
    office.clock.move(timedelta(minutes=5))
    a_draft(office)
    page = browser.get("/attention").page
    assert kinds_on(page) == ["refused", "evidence", "proposal", "proposal", "draft"]
    for words in (
        f"{SAY('operation.add_note')}、{SAY('operation.arrive')}",
        "门口有台阶",
        SAY("rejection.unknown_ticket"),
        "陈师傅的手机",
        office.ticket(ticket).number,
    ):
        assert words in page.text, words


def test_the_rail_says_how_much_waits(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    assert "hidden" in browser.get("/tickets").page.with_id("waiting-count")
    refused(office, phone)
    came_late(office, phone)
    waiting = SAY.count("attention.waiting", 4)
    assert waiting in browser.get("/technicians").page.text
    assert waiting in browser.get("/attention/count", **HTMX, **{"HX-Target": "waiting-count"}).page.text


def test_it_is_filtered_by_kind(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    refused(office, phone)
    came_late(office, phone)
    assert kinds_on(browser.get("/attention?kind=proposal").page) == ["proposal", "proposal"]
    assert kinds_on(browser.get("/attention?kind=refused&page=7").page) == ["refused"]
    assert kinds_on(browser.get("/attention?kind=draft").page) == []
    assert SAY("attention.none") in browser.get("/attention?kind=draft").page.text
    assert len(kinds_on(browser.get("/attention?kind=nonsense&page=x").page)) == 4


def test_a_refused_operation_can_be_read_and_is_seen_by_somebody(office: Office) -> None:
    """The original is shown; whoever saw it is named; it no longer waits, and nothing is gone."""
    browser, phone = signed_in(office), office.phone()
    refused(office, phone)
    address = browser.get("/attention").page.links_to("/attention?chosen=refused")[0]
    opened = browser.get(address).page
    for words in ("operation.text: 写错了工单 0", SAY("rejection.unknown_ticket"), SAY("attention.why_refused")):
        assert words in opened.text, words
    assert send_first(browser, opened, "/attention/seen/one") == 303
    assert kinds_on(browser.get("/attention").page) == []
    again = browser.get(address).page
    assert f"{SAY('attention.seen')} 林晓" in again.text
    assert "写错了工单 0" in again.text


def test_a_thousand_refusals_of_one_phone_are_seen_at_once(office: Office) -> None:
    """They come page by page, and do not hide what else waits."""
    browser, phone = signed_in(office), office.phone()
    ticket = came_late(office, phone)
    office.clock.move(timedelta(minutes=1))
    refused(office, phone, count=120)
    page = browser.get("/attention").page
    assert kinds_on(page)[:3] == ["evidence", "proposal", "proposal"]
    assert len(kinds_on(page)) == 50
    assert len(kinds_on(browser.get("/attention?page=3").page)) == 23
    opened = browser.get(page.links_to("/attention?chosen=refused")[0]).page
    assert SAY.count("attention.see_all", 120) in opened.text
    assert send_first(browser, opened, "/attention/seen/all") == 303
    assert kinds_on(browser.get("/attention").page) == ["evidence", "proposal", "proposal"]
    assert office.ticket(ticket).decisions == ()


def test_what_was_refused_after_somebody_looked_is_not_marked_with_the_rest(office: Office) -> None:
    """The button said how many; what nobody can have seen goes on waiting, and the page says that it came."""
    browser, phone = signed_in(office), office.phone()
    refused(office, phone, count=2)
    opened = browser.get(browser.get("/attention").page.links_to("/attention?chosen=refused")[0]).page
    refused(office, phone)
    assert send_first(browser, opened, "/attention/seen/all") == 303
    assert kinds_on(browser.get("/attention").page) == ["refused"] * 3
    again = browser.get(browser.get("/attention").page.links_to("/attention?chosen=refused")[0]).page
    assert SAY.count("attention.see_all", 3) in again.text
    assert send_first(browser, again, "/attention/seen/all") == 303
    assert kinds_on(browser.get("/attention").page) == []


def test_what_its_technician_has_answered_waits_no_longer(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = refused(office, phone)
    address = browser.get("/attention").page.links_to("/attention?chosen=refused")[0]
    phone.write(ticket, AnswerRefusal(phone.journal.ids[-1], RefusalAnswer.WITHDRAWN))
    phone.sync()
    assert kinds_on(browser.get("/attention").page) == []
    assert SAY("refusal_answer.withdrawn") in browser.get(address).page.text


def test_a_draft_out_of_a_rescue_file_is_read_and_seen(office: Office) -> None:
    browser = signed_in(office)
    office.phone()
    a_draft(office)
    opened = browser.get(browser.get("/attention").page.links_to("/attention?chosen=draft")[0]).page
    assert "text: 还没写完的备注" in opened.text
    assert send_first(browser, opened, "/attention/seen/one") == 303
    assert kinds_on(browser.get("/attention").page) == []


def test_an_operation_that_nobody_can_read_is_shown_as_it_came(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    raw = phone.write(ticket, AddNote("x"))
    phone.journal.raw[-1] = raw.replace(b'"add_note"', b'"teleport"')
    phone.sync()
    listed = browser.get("/attention").page
    assert SAY("rejection.unknown_operation", kind="teleport") in listed.text
    opened = browser.get(listed.links_to("/attention?chosen=refused")[0]).page
    assert "operation.kind: teleport" in opened.text
    assert f"previous_hash: {FIRST_HASH}" in opened.text


def test_an_operation_that_is_no_text_does_not_hide_what_else_waits(office: Office) -> None:
    phone, browser = office.phone(), signed_in(office)
    raw = phone.write(office.assigned(), AddNote("坏了的字"))
    phone.journal.raw[-1] = raw.replace("坏".encode(), b"\xff\xfe")
    phone.sync()
    opened = browser.get(f"/attention?chosen=refused:phone-t-chen:1:{phone.journal.last_hash}")
    assert kinds_on(opened.page) == ["refused"]
    assert "了的字" in opened.page.text
    assert browser.send("/attention/seen/one", opened.page.form("/attention/seen/one")).status == 303


def test_an_operation_nested_as_nothing_of_ours_is_can_be_read_and_seen(office: Office) -> None:
    """Deeper than its lines can be told apart, and not as deep as JSON can be."""
    phone, browser = office.phone(), signed_in(office)
    raw = phone.write(office.assigned(), AddNote("很深"))
    phone.journal.raw[-1] = raw[:-2] + b',"more":' + b"[" * 700 + b"]" * 700 + b"}}"
    phone.sync()
    mark = f"refused:phone-t-chen:1:{phone.journal.last_hash}"
    opened = browser.get(f"/attention?chosen={mark}")
    assert "很深" in opened.page.text
    assert browser.send("/attention/seen/one", opened.page.form("/attention/seen/one")).status == 303
    assert office.storage.read_now(lambda reading: reading.attention.count_refusals()) == 0


def test_the_panel_shows_the_ticket_on_which_late_work_is_decided(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = came_late(office, phone)
    page = browser.get("/attention").page
    assert f"/tickets/{ticket}/panel" in {given.get("hx-get") for _, given in page.elements}
    opened = browser.get(f"/attention?chosen={ticket}").page
    assert opened.links_to(f"/tickets/{ticket}?act=take_proposal")
    assert office.storage.read_now(lambda reading: reading.people.views_of(ticket))  # whoever looked is on record


@pytest.mark.parametrize("mark", ["refused:x:1:y", "refused:x:notanumber:y", "draft:x:y", "nothing", "refused:", ""])
def test_what_is_not_there_is_said_so(office: Office, mark: str) -> None:
    browser = signed_in(office)
    assert browser.get(f"/attention/item?mark={mark}").status == 404
    assert browser.get(f"/attention?chosen={mark}").status == 200
    csrf = browser.get("/attention").page.forms[0].fields["csrf"]
    assert browser.post("/attention/seen/one", {"csrf": csrf, "mark": mark}).status == 404


def test_the_queue_is_for_the_office_and_its_forms_carry_the_token(office: Office) -> None:
    phone = office.phone()
    refused(office, phone)
    for path in ("/attention", "/attention/count", "/attention/item?mark=x"):
        assert Browser(office).get(path).location.startswith("/sign-in")
    browser = signed_in(office)
    address = browser.get("/attention").page.links_to("/attention?chosen=refused")[0]
    fields = browser.get(address).page.form("/attention/seen/one").fields
    assert browser.post("/attention/seen/one", fields | {"csrf": "x"}).status == 403
    assert kinds_on(browser.get("/attention").page) == ["refused"]
