"""What a dispatcher has typed comes back: after a session that ran out, an office that did not answer, a form closed by
mistake, a sign-in in another window. In a real browser, against a server on a socket.
"""

import re

import pytest
from playwright.sync_api import Page, Request, Route, expect

from shared_schema.lifecycle import Severity
from shared_schema.operations import ConfirmTicket, CorrectDetails
from sync_server.accounts import SESSION_COOKIE
from sync_server.words import words_in
from tests.builders.tickets import a_customer
from tests.sync_server.desk_browser import PASSWORD, give_password, signed_in
from tests.sync_server.live_desk import Live, held_back
from tests.sync_server.test_desk_intake import all_tickets

SAY = words_in("zh-CN")
WORDS = "客户在电话里说的一长段，写了很久"


def write_a_note(page: Page, ticket: str, words: str = WORDS) -> None:
    page.click("#ticket a[data-key=m]")
    page.fill("#act-form textarea", words)


def take_down(page: Page) -> None:
    page.fill("#f-name", "郑先生")
    page.fill("#f-phone", "138 0013 8001")
    page.fill("#f-region", "上海市长宁区")
    page.fill("#f-address", "虹桥路 1 号")
    page.select_option("#f-ticket_kind", "repair")
    page.fill("#f-problem", WORDS)
    page.fill("#f-category", "灯具")
    page.fill("#f-model", "星河 吊灯")


def send(page: Page, form: str = "#act-form") -> None:
    page.click(f"{form} button.primary")


def expect_taken(page: Page, words: str) -> None:
    """The request is a ticket, and the page that shows it has done with what was kept of the form."""
    expect(page.locator("#ticket")).to_contain_text(words)
    page.wait_for_selector("body[data-live=open]")


def end_session(page: Page) -> None:
    page.context.clear_cookies(name=SESSION_COOKIE)


def sign_in(live: Live, page: Page) -> None:
    give_password(live.office)
    page.fill("#login", "lin")
    page.fill("#password", PASSWORD)
    page.click("form[action='/sign-in'] button.primary")


@pytest.mark.parametrize("path", ["/tickets/{ticket}", "/tickets?chosen={ticket}"])
def test_a_session_that_runs_out_while_a_note_is_written_takes_nothing_away(live: Live, path: str) -> None:
    """After signing in the same page is there, the form open with what was written, and it is recorded once."""
    ticket = live.office.received()
    page = live.open(path.format(ticket=ticket))
    write_a_note(page, ticket)
    end_session(page)
    page.keyboard.press(
        "Control+Enter"
    )  # unless the list behind has been told first, and the page is leaving by itself
    expect(page.locator("#login")).to_be_visible()
    sign_in(live, page)
    expect(page.locator("#act-form textarea")).to_have_value(WORDS)
    expect(page.locator("#act-form .draft-notice")).to_contain_text(SAY("draft.kept"))
    assert page.url == live.address + path.format(ticket=ticket)
    send(page)
    expect(page.locator("[data-part=notes]")).to_contain_text(WORDS)
    assert [note.text for note in live.office.ticket(ticket).notes] == [WORDS]
    page.click("#ticket a[data-key=m]")
    expect(page.locator("#act-form textarea")).to_have_value("")


def test_a_session_that_runs_out_while_a_request_is_taken_takes_nothing_away(live: Live) -> None:
    page = live.open("/tickets/new")
    take_down(page)
    end_session(page)
    send(page, "#intake footer")
    sign_in(live, page)
    expect(page.locator("#f-problem")).to_have_value(WORDS)
    expect(page.locator("#f-ticket_kind")).to_have_value("repair")
    send(page, "#intake footer")
    expect_taken(page, "郑先生")
    page.goto(f"{live.address}/tickets/new")
    expect(page.locator("#f-problem")).to_have_value("")
    assert [ticket.problem for ticket in all_tickets(live.office)] == [WORDS]


@pytest.mark.parametrize("arrives", [False, True])
def test_an_office_that_does_not_answer_takes_nothing_away_and_doubles_nothing(live: Live, arrives: bool) -> None:
    """The request got lost, or only its answer did: sent again it is one ticket."""

    def lose(route: Route, request: Request) -> None:
        if request.method != "POST":
            route.continue_()
            return
        if arrives:
            route.fetch(max_redirects=0)
        route.abort()

    page = live.open("/tickets/new")
    take_down(page)
    page.route("**/tickets/new", lose)
    send(page, "#intake footer")
    page.wait_for_url(re.compile("chrome-error"))
    page.unroute("**/tickets/new")
    assert len(all_tickets(live.office)) == arrives
    page.goto(f"{live.address}/tickets/new")
    expect(page.locator("#f-address")).to_have_value("虹桥路 1 号")
    send(page, "#intake footer")
    expect(page.locator("#ticket")).to_contain_text("郑先生")
    assert len(all_tickets(live.office)) == 1
    live.complaints.clear()  # the browser's own, of what was cut off


def send_and_type_on(page: Page) -> Route:
    """With the keyboard: Playwright itself touches no field of a page that is about to be another."""
    page.focus("#f-problem")
    page.keyboard.press("Control+End")
    with held_back(page, "**/tickets/new", first_only=True) as held:
        page.keyboard.press("Control+Enter")
    page.keyboard.insert_text("，卧室的也是")
    page.keyboard.press("Tab")
    page.keyboard.insert_text("周末上午")
    return held[0]


def test_a_refused_request_keeps_what_was_typed_while_it_was_on_its_way(live: Live) -> None:
    """The answer is a page of its own, and knows nothing of what a slow office gave time to mend."""
    page = live.open("/tickets/new")
    take_down(page)
    page.fill("#f-phone", "不记得")
    send_and_type_on(page).continue_()
    expect(page.locator("#fault-phone")).to_contain_text(SAY("fault.phone"))
    expect(page.locator("#f-problem")).to_have_value(WORDS + "，卧室的也是")
    expect(page.locator("#f-wished_time")).to_have_value("周末上午")
    page.fill("#f-phone", "138 0013 8001")
    send(page, "#intake footer")
    expect(page.locator("#ticket")).to_contain_text("卧室的也是")
    (ticket,) = all_tickets(live.office)
    assert (ticket.problem, ticket.wished_time) == (WORDS + "，卧室的也是", "周末上午")
    live.complaints.clear()  # 422, said in the console


def test_what_was_typed_when_a_request_was_on_its_way_stands_there_for_the_next(live: Live) -> None:
    """Under ids of its own, or the office would take it for the request that it has."""
    page = live.open("/tickets/new")
    take_down(page)
    send_and_type_on(page).continue_()
    expect_taken(page, WORDS)
    page.goto(f"{live.address}/tickets/new")
    expect(page.locator("#f-problem")).to_have_value(WORDS + "，卧室的也是")
    expect(page.locator("#intake .draft-notice")).to_contain_text(SAY("draft.kept"))
    send(page, "#intake footer")
    expect_taken(page, "卧室的也是")
    said = {(ticket.problem, ticket.wished_time) for ticket in all_tickets(live.office)}
    assert said == {(WORDS, ""), (WORDS + "，卧室的也是", "周末上午")}
    page.goto(f"{live.address}/tickets/new")
    expect(page.locator("#f-problem")).to_have_value("")


def test_a_form_closed_by_mistake_opens_as_it_was(live: Live) -> None:
    """By Escape, by another form, by another ticket. Started afresh it is as the office made it."""
    ticket, other = live.office.received(), live.office.received()
    page = live.open(f"/tickets?chosen={ticket}")
    write_a_note(page, ticket)
    page.keyboard.press("Escape")
    expect(page.locator("#act-form form")).to_have_count(0)
    page.click("#ticket a[data-key=m]")
    expect(page.locator("#act-form textarea")).to_have_value(WORDS)
    page.click("#ticket a[data-key=c]")
    page.check("#act-form [value=severe]", force=True)
    page.click(f"#row-{other}")
    expect(page.locator("#ticket")).to_have_attribute("data-id", other)
    page.click("#ticket a[data-key=m]")
    expect(page.locator("#act-form textarea")).to_have_value("")
    page.click(f"#row-{ticket}")
    expect(page.locator("#ticket")).to_have_attribute("data-id", ticket)
    page.click("#ticket a[data-key=c]")
    expect(page.locator("#act-form [value=severe]")).to_be_checked()
    page.click("#ticket a[data-key=m]")
    page.click("#act-form [data-drop-draft]")
    expect(page.locator("#act-form textarea")).to_have_value("")
    expect(page.locator("#act-form .draft-notice")).to_have_count(0)
    page.keyboard.press("Escape")
    page.click("#ticket a[data-key=m]")
    expect(page.locator("#act-form textarea")).to_have_value("")


def test_what_was_typed_into_a_correction_does_not_undo_what_a_colleague_wrote_since(live: Live) -> None:
    ticket = live.office.received()
    page = live.open(f"/tickets/{ticket}")
    page.click("#ticket a[data-key=e]")
    page.fill("#f-name", "何秀兰")
    page.keyboard.press("Escape")
    before = live.office.ticket(ticket)
    moved = a_customer(address="桂平路 14 弄")
    live.office.decide(ticket, CorrectDetails(moved, before.product, before.customer, before.product))
    expect(page.locator("[data-part=customer]")).to_contain_text("桂平路 14 弄")
    page.click("#ticket a[data-key=e]")
    expect(page.locator("#f-name")).to_have_value("何秀兰")
    send(page)
    expect(page.locator("#act-form")).to_contain_text(SAY("correct.now"))
    expect(page.locator("#f-address")).to_have_value("桂平路 14 弄")
    send(page)
    expect(page.locator("[data-part=customer]")).to_contain_text("何秀兰")
    after = live.office.ticket(ticket).customer
    assert (after.name, after.address) == ("何秀兰", "桂平路 14 弄")


def test_an_assignment_half_made_comes_back_with_who_was_chosen(live: Live) -> None:
    ticket = live.office.received()
    live.office.decide(ticket, ConfirmTicket(Severity.ORDINARY))
    page = live.open(f"/tickets/{ticket}")
    page.click("#ticket a[data-key=a]")
    page.fill("#f-date", "2026-03-09")
    page.check("#act-form [value=t-wang]", force=True)
    page.reload()
    expect(page.locator("#f-date")).to_have_value("2026-03-09")
    expect(page.locator("#technicians legend")).to_contain_text("9")
    expect(page.locator("#act-form [value=t-wang]")).to_be_checked()
    send(page)
    expect(page.locator("[data-part=visit]")).to_contain_text("王师傅")


def test_signing_in_anew_in_another_window_does_not_strand_an_open_form(live: Live) -> None:
    """The form carries the token of a session that is over: the page is made anew, and the form with it."""
    ticket = live.office.received()
    page = live.open(f"/tickets/{ticket}")
    write_a_note(page, ticket)
    token = signed_in(live.office).cookies[SESSION_COOKIE]
    page.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": live.address}])
    send(page)
    expect(page.locator("#act-form .draft-notice")).to_be_visible()
    expect(page.locator("#act-form textarea")).to_have_value(WORDS)
    send(page)
    expect(page.locator("[data-part=notes]")).to_contain_text(WORDS)
    intake = live.open("/tickets/new")
    take_down(intake)
    token = signed_in(live.office).cookies[SESSION_COOKIE]
    intake.context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": live.address}])
    send(intake, "#intake footer")
    intake.click(".problem .button.primary")
    expect(intake.locator("#f-problem")).to_have_value(WORDS)
    assert all("403" in complaint for complaint in live.complaints)
    live.complaints.clear()


def test_nothing_typed_stays_in_the_browser_after_signing_out(live: Live) -> None:
    ticket = live.office.received()
    page = live.open(f"/tickets/{ticket}")
    write_a_note(page, ticket)
    assert page.evaluate("sessionStorage.length") == 1
    page.click("form[action='/sign-out'] button")
    expect(page.locator("#login")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_long_text_that_is_pasted_is_not_cut_in_silence(live: Live) -> None:
    """The office says how long a text may be; the browser would drop the rest without a word."""
    ticket = live.office.received()
    page = live.open(f"/tickets/{ticket}")
    page.click("#ticket a[data-key=m]")
    page.locator("#act-form textarea").focus()
    page.evaluate("document.execCommand('insertText', false, '长'.repeat(4100) + '完')")
    send(page)
    expect(page.locator("#act-form .fault")).to_contain_text(SAY("fault.too_long", limit=4000))
    assert page.input_value("#act-form textarea").endswith("完")
    assert live.office.ticket(ticket).notes == ()
    page.goto(f"{live.address}/tickets/new")
    page.locator("#f-phone").focus()
    page.evaluate("document.execCommand('insertText', false, '400-820-8820 转 6123 或 138 0013 8000')")
    send(page, "#intake footer")
    expect(page.locator("#fault-phone")).to_contain_text(SAY("fault.phone"))
    assert page.input_value("#f-phone").endswith("138 0013 8000")
    live.complaints.clear()  # 422, said in the console
