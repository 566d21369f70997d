"""The list and the ticket's page: what is found, what is shown, and that nothing typed by anybody becomes markup."""

import hashlib
import json
import re
from datetime import timedelta

import pytest

from shared_schema.evidence import PhotoSlot, Signature, Statement, digest
from shared_schema.lifecycle import Severity, Status
from shared_schema.operations import (
    AcceptTicket,
    AddNote,
    AddPhoto,
    Arrive,
    CancelTicket,
    Clock,
    ConfirmProblem,
    ConfirmTicket,
    FinishWork,
    Operation,
    RaiseObjection,
    ShowCredential,
    SignOffVisit,
    StartTravel,
)
from sync_server.clock import milliseconds
from sync_server.services.desk import HISTORY_PAGE
from sync_server.settings import Settings
from sync_server.words import words_in
from tests.builders.tickets import a_customer, a_picture, a_product
from tests.sync_server.desk_browser import HTMX, Browser, signed_in
from tests.sync_server.office import CHEN, WANG, Office, Phone

SAY = words_in("zh-CN")
HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>{{ 7*7 }}"


def a_visit(phone: Phone, ticket: str, *, signed: bool = True) -> Statement:
    """The whole visit, from accepting to the customer's signature."""
    statement = Statement(
        language="zh-CN", text="您好，吊灯已经修好。", found="整流器老化", done="换了整流器", photos=()
    )
    steps: list[Operation] = [
        AcceptTicket(),
        StartTravel(),
        Arrive(),
        ShowCredential(),
        ConfirmProblem("吊灯闪烁"),
        FinishWork("整流器老化", "换了整流器"),
    ]
    for step in steps:
        phone.write(ticket, step)
    if signed:
        signature = Signature(width=400, height=200, strokes=(((10, 20), (30, 40)), ((50, 60),)))
        phone.write(ticket, SignOffVisit(statement, digest(statement), "何女士", 5, signature, "很满意"))
    phone.sync()
    return statement


def numbers_on(browser: Browser, address: str) -> list[str]:
    page = browser.get(address).page
    return [attributes["data-id"] for tag, attributes in page.elements if tag == "tr" and "data-id" in attributes]


def test_the_list_has_a_heading_and_every_column_a_name(office: Office) -> None:
    """For those who have the page read aloud; the eye is told by the place and the icons."""
    answer = signed_in(office).get("/tickets")
    assert len(re.findall("<h1", answer.text)) == 1
    columns = re.findall(r"<th [^>]*>(.*?)</th>", answer.text, re.DOTALL)
    assert len(columns) == 9
    assert all(re.sub("<[^>]+>", "", words).strip() for words in columns)


def test_the_list_shows_every_ticket_with_words_for_its_state(office: Office) -> None:
    browser = signed_in(office)
    received, assigned = office.received(), office.assigned(WANG)
    page = browser.get("/tickets").page
    assert set(numbers_on(browser, "/tickets")) == {received, assigned}
    for words in (SAY("status.received"), SAY("status.assigned"), SAY("severity.ordinary"), "王师傅", "何女士"):
        assert words in page.text


def test_an_office_without_tickets_says_what_to_do(office: Office) -> None:
    assert SAY("tickets.none_yet_hint") in signed_in(office).get("/tickets").page.text


def test_filters_stand_in_the_address_and_narrow_what_is_shown(office: Office) -> None:
    browser = signed_in(office)
    one = office.received(customer=a_customer(name="郑先生", region="广州市天河区"))
    two = office.assigned(CHEN)
    assert numbers_on(browser, "/tickets?words=郑先生") == [one]
    assert numbers_on(browser, "/tickets?status=received") == [one]
    assert numbers_on(browser, "/tickets?severity=ordinary") == [two]
    assert numbers_on(browser, "/tickets?technician=t-chen") == [two]
    assert numbers_on(browser, "/tickets?region=广州市") == [one]
    assert numbers_on(browser, "/tickets?kind=installation") == []
    assert numbers_on(browser, "/tickets?status=received&status=assigned") == [two, one]
    assert SAY("tickets.none_found") in browser.get("/tickets?kind=installation").page.text


def test_what_an_address_says_wrongly_is_left_out(office: Office) -> None:
    """An old bookmark opens the list and not an error page."""
    browser, ticket = signed_in(office), office.received()
    for address in (
        "/tickets?status=nonsense&severity=x&kind=y&page=-1&sort=z&chosen=nobody",
        "/tickets?page=99999999999999999999",
        "/tickets?page=7&words=%00%ff&chosen=01a1fc93-3d99-7486-8e04-da3fedc29e40",
        "/tickets?severity=severe&severity=ordinary&severity=",
    ):
        assert browser.get(address).status == 200, address
    assert numbers_on(browser, "/tickets?status=nonsense&page=12") == [ticket]


def test_htmx_gets_the_list_alone_and_a_clean_address_to_push(office: Office) -> None:
    browser = signed_in(office)
    office.received()
    answer = browser.get("/tickets?words=&status=received&severity=&page=1", **HTMX, **{"HX-Target": "list"})
    assert answer.headers["hx-push-url"] == "/tickets?status=received"
    assert answer.text.strip().startswith("<section")
    again = browser.get("/tickets", **HTMX, **{"HX-Target": "list", "HX-Trigger": "list"})
    assert "hx-push-url" not in again.headers


def test_going_back_in_the_browser_gets_a_whole_page(office: Office) -> None:
    """htmx asks for a page it no longer holds, because pages with customers' data are not kept in the browser."""
    headers = {**HTMX, "HX-Target": "list", "HX-History-Restore-Request": "true"}
    assert signed_in(office).get("/tickets", **headers).text.startswith("<!doctype html>")


def test_the_tabs_count_what_the_other_filters_leave(office: Office) -> None:
    browser = signed_in(office)
    for _ in range(3):
        office.received()
    office.assigned(customer=a_customer(name="郑先生"))
    text = browser.get("/tickets?words=何女士").page.text
    assert f"{SAY('tab.all')} 3" in text
    assert f"{SAY('tab.assigned')} 0" in text


def test_long_lists_have_pages(office: Office) -> None:
    browser = signed_in(office)
    for _ in range(53):
        office.received()
    first, second = numbers_on(browser, "/tickets"), numbers_on(browser, "/tickets?page=2")
    assert (len(first), len(second)) == (50, 3)
    assert not set(first) & set(second)
    assert browser.get("/tickets").page.links_to("/tickets?page=2")


def test_the_chosen_ticket_stands_beside_the_list(office: Office) -> None:
    """Also where it came by an address that a colleague sent."""
    browser, ticket = signed_in(office), office.received()
    page = browser.get(f"/tickets?chosen={ticket}&status=received").page
    assert page.with_id("ticket")["data-id"] == ticket
    assert "138 0013 8000" in page.text
    assert "/tickets?status=received" in page.links_to("/tickets?status")
    panel = browser.get(f"/tickets/{ticket}/panel", **HTMX)
    assert panel.page.with_id("panel")
    assert "<html" not in panel.text


def test_hostile_text_is_shown_as_text(office: Office) -> None:
    """Whatever a customer, a technician or a device is called."""
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned(
        customer=a_customer(name=HOSTILE, region=HOSTILE, address=HOSTILE),
        product=a_product(model=HOSTILE, serial=HOSTILE, order_number=HOSTILE, category=HOSTILE),
        problem=HOSTILE,
    )
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddNote(HOSTILE))
    phone.sync()
    office.decide(ticket, CancelTicket(HOSTILE))
    for address in (f"/tickets/{ticket}", "/tickets", f"/tickets?words={'<script>'}", "/technicians", "/devices"):
        answer = browser.get(address)
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert not any(tag == "script" and "src" not in each for tag, each in answer.page.elements)
    assert HOSTILE in browser.get(f"/tickets/{ticket}").page.text


def test_the_page_shows_the_whole_visit(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    a_visit(phone, ticket)
    page = browser.get(f"/tickets/{ticket}").page
    for words in (
        "整流器老化",
        "换了整流器",
        "您好，吊灯已经修好。",
        "很满意",
        SAY("sign_off.verified"),
        SAY("status.signed_off"),
        SAY("operation.arrive"),
        SAY("operation.show_credential"),
        "陈师傅的手机",
    ):
        assert words in page.text, words
    drawn = next(attributes["d"] for tag, attributes in page.elements if tag == "path" and "d" in attributes)
    assert drawn == "M10 20L30 40M50 60L50 60"


def test_late_evidence_and_proposals_stand_in_a_box_of_their_own(office: Office) -> None:
    """The dispatcher reassigned while the phone was away; what was done there is not lost and not overlooked."""
    browser, phone = signed_in(office), office.phone(CHEN)
    ticket = office.assigned(CHEN)
    phone.sync()
    office.assign(ticket, WANG, replaces=CHEN)
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddNote("门铃坏了，敲门即可"))
    phone.sync()
    page = browser.get(f"/tickets/{ticket}").page
    assert SAY("late.title") in page.text
    assert SAY("late.proposal", move=SAY("operation.accept_ticket")) in page.text
    assert "门铃坏了，敲门即可" in page.text
    assert numbers_on(browser, "/tickets?late=1") == [ticket]


def test_a_refused_operation_is_shown_with_its_reason(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    phone.write(ticket, FinishWork("没有开始", "却已完成"))
    phone.sync()
    text = browser.get(f"/tickets/{ticket}").page.text
    assert SAY("filing.refused") in text
    assert SAY("rejection.move_not_allowed", status=SAY("status.assigned"), move=SAY("operation.finish_work")) in text


def test_a_history_without_end_is_shown_page_by_page(office: Office) -> None:
    """Whoever holds a phone can have any number of operations refused; the ticket's page stays a page."""
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    made = 3  # created, confirmed, assigned
    for count in range(2 * HISTORY_PAGE):
        phone.write(ticket, FinishWork(f"发现 {count}", "却已完成"))
    phone.sync()
    shown = browser.get(f"/tickets/{ticket}").page
    assert shown.markup.count('class="filed-') == HISTORY_PAGE
    assert f"发现 {2 * HISTORY_PAGE - 1}" in shown.text
    assert "发现 0 " not in shown.text
    (everything,) = shown.links_to(f"/tickets/{ticket}/history")
    assert SAY.count("history.all", 2 * HISTORY_PAGE + made) in shown.text
    entries, address = [], everything
    while address:
        page = browser.get(address).page
        entries.append(page.markup.count('class="filed-'))
        address = next((link["href"] for link in page.links if link.get("rel") == "next"), "")
    assert entries == [HISTORY_PAGE, HISTORY_PAGE, made]
    assert SAY("operation.create_ticket") in page.text
    assert browser.get(f"{everything}?page=4").status == 404
    assert browser.get(f"{everything}?page=-1").status == browser.get(f"{everything}?page=x").status == 200
    assert browser.get(f"{everything}?page={'9' * 400}").status in {200, 404}
    views = office.storage.read_now(lambda reading: reading.people.views_of(ticket))
    assert views[0].page == "history"


def test_a_short_history_has_no_other_pages(office: Office) -> None:
    page = signed_in(office).get(f"/tickets/{office.assigned()}").page
    assert page.links_to("/tickets/") == [link for link in page.links_to("/tickets/") if "history" not in link]


def test_what_was_done_offline_shows_when_it_happened_and_when_it_came(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    phone.write(ticket, AcceptTicket())
    office.clock.move(timedelta(hours=3))
    phone.sync()
    text = browser.get(f"/tickets/{ticket}").page.text
    assert SAY("history.received", at="2026年3月2日 12:00:00") in text
    assert "今天 09:00" in text


def test_a_photo_is_announced_until_its_bytes_have_come(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    sha256 = "ab" * 32
    phone.write(ticket, AddPhoto(sha256, 1000, "image/jpeg", PhotoSlot.BEFORE))
    phone.sync()
    page = browser.get(f"/tickets/{ticket}").page
    assert SAY("photos.missing") in page.text
    assert "every 5s" in page.with_id("ticket")["hx-trigger"]
    assert browser.get(f"/photos/{sha256}?ticket={ticket}").status == 404


def test_a_photo_that_came_and_is_no_picture_is_not_said_to_be_on_the_phone(office: Office, settings: Settings) -> None:
    """Its phone will not send it again, and its technician reads the same there: nobody need wait for it."""
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    data = b"no picture at all"
    sha256 = hashlib.sha256(data).hexdigest()
    phone.write(ticket, AddPhoto(sha256, len(data), "image/jpeg", PhotoSlot.BEFORE))
    phone.sync()
    browser.get(f"/tickets/{ticket}")
    (settings.data / "set-aside" / sha256).write_bytes(data)
    page = browser.get(f"/tickets/{ticket}").page
    assert SAY("photos.set_aside") in page.text
    assert SAY("photos.missing") not in page.text
    assert "every 5s" not in page.with_id("ticket")["hx-trigger"]


def test_a_photo_can_be_looked_at_small_and_whole(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    picture = a_picture()
    form = browser.get(f"/tickets/{ticket}?act=add_photo").page.form(f"/tickets/{ticket}/act/add_photo")
    browser.request("POST", form.action, data=form.fields, files={"photos": ("door.jpg", picture, "image/jpeg")})
    page = browser.get(f"/tickets/{ticket}").page
    (whole,) = page.links_to("/photos/")
    answer = browser.get(whole)
    assert answer.response.content == picture
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    small = browser.get(f"{whole}&size=small")
    assert small.headers["content-type"] == "image/jpeg"
    assert small.status == 200


def test_a_photo_that_cannot_be_drawn_is_a_problem_and_not_sent_whole(office: Office) -> None:
    """A script is told by a code; on the page a picture of it stands in its place."""
    browser, ticket = signed_in(office), office.received()
    form = browser.get(f"/tickets/{ticket}?act=add_photo").page.form(f"/tickets/{ticket}/act/add_photo")
    damaged = a_picture()[:200]
    browser.request("POST", form.action, data=form.fields, files={"photos": ("door.jpg", damaged, "image/jpeg")})
    (whole,) = browser.get(f"/tickets/{ticket}").page.links_to("/photos/")
    assert browser.get(whole).response.content == damaged
    small = browser.get(f"{whole}&size=small", Accept="*/*")
    assert (small.status, small.response.json()["code"]) == (422, "photo-unreadable")
    drawn = browser.get(f"{whole}&size=small", Accept="image/avif,image/webp,*/*;q=0.8")
    assert (drawn.status, drawn.headers["content-type"]) == (422, "image/svg+xml")
    assert drawn.headers["Doorstep-Problem"] == "photo-unreadable"
    assert browser.get(f"/photos/{'ab' * 32}?ticket={ticket}&size=small").headers["Doorstep-Problem"] == "photo-unknown"


def test_a_photo_is_shown_only_with_a_ticket_it_is_on(office: Office) -> None:
    browser, ticket, other = signed_in(office), office.received(), office.received()
    form = browser.get(f"/tickets/{ticket}?act=add_photo").page.form(f"/tickets/{ticket}/act/add_photo")
    browser.request("POST", form.action, data=form.fields, files={"photos": ("a.jpg", a_picture(), "image/jpeg")})
    sha256 = office.ticket(ticket).photos[0].sha256
    assert browser.get(f"/photos/{sha256}?ticket={other}").status == 404
    assert browser.get(f"/photos/{sha256}").status == 404
    assert Browser(office).get(f"/photos/{sha256}?ticket={ticket}").status == 303


def test_looking_at_a_customers_data_is_noted(office: Office) -> None:
    """Product rule 4: every view of it in the office is logged. The list shows neither number nor address."""
    browser, ticket = signed_in(office), office.received()
    browser.get("/tickets")
    views = office.storage.read_now(lambda reading: reading.people.views_of(ticket))
    assert views == []
    browser.get(f"/tickets/{ticket}")
    browser.get(f"/tickets/{ticket}/panel", **HTMX)
    views = office.storage.read_now(lambda reading: reading.people.views_of(ticket))
    assert [(view.person, view.page) for view in views] == [("p-lin", "panel"), ("p-lin", "page")]


def test_an_open_ticket_that_has_not_changed_is_not_sent_again(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    asking = browser.get(f"/tickets/{ticket}").page.with_id("ticket")["hx-get"]
    assert browser.get(asking, **HTMX).status == 204
    office.decide(ticket, ConfirmTicket(Severity.SEVERE))
    changed = browser.get(asking, **HTMX)
    assert changed.status == 200
    assert SAY("status.confirmed") in changed.page.text


def test_the_page_says_where_the_signature_no_longer_matches(office: Office) -> None:
    """The database was altered behind the office's back: the hash under the signature says so."""
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    a_visit(phone, ticket)
    tamper(office, ticket)
    text = browser.get(f"/tickets/{ticket}").page.text
    assert SAY("sign_off.altered") in text
    assert SAY("sign_off.verified") not in text


def tamper(office: Office, ticket: str) -> None:
    import sqlalchemy as sa

    from sync_server.storage.tickets import tickets

    def alter(writing: object) -> None:
        connection: sa.Connection = writing._connection  # type: ignore[attr-defined]
        data = connection.scalar(sa.select(tickets.c.data).where(tickets.c.id == ticket))
        value = json.loads(data or b"")
        value["sign_offs"][0]["statement"]["text"] = "收费 3,000 元"
        changed = json.dumps(value, ensure_ascii=False).encode()
        connection.execute(sa.update(tickets).where(tickets.c.id == ticket).values(data=changed))

    office.storage.write_now(alter)


def test_an_objection_is_shown_with_the_words_of_the_customer(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    statement = a_visit(phone, ticket, signed=False)
    phone.write(ticket, RaiseObjection(statement, digest(statement), "还有一盏不亮"))
    phone.sync()
    assert office.ticket(ticket).status is Status.OBJECTED
    text = browser.get(f"/tickets/{ticket}").page.text
    assert SAY("ticket.objection") in text
    assert "还有一盏不亮" in text


def test_linked_tickets_lead_to_each_other(office: Office) -> None:
    browser, first = signed_in(office), office.received()
    second = office.received(linked_ticket=first)
    assert f"/tickets/{second}" in browser.get(f"/tickets/{first}").page.links_to("/tickets/")
    assert f"/tickets/{first}" in browser.get(f"/tickets/{second}").page.links_to("/tickets/")


def test_an_operation_that_cannot_be_read_is_in_the_history_all_the_same(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    raw = phone.write(ticket, AddNote("x"))
    unknown = raw.replace(b'"add_note"', b'"teleport"')
    phone.journal.raw[-1] = unknown
    phone.sync()
    text = browser.get(f"/tickets/{ticket}").page.text
    assert SAY("history.unreadable") in text


# -- honest time ------------------------------------------------------------------------------------------------------


def test_a_visit_that_nobody_came_to_is_marked_in_the_list(office: Office) -> None:
    """From 14 to 16 o'clock it was; under way by 17 there, and the customer still waits."""
    phone, waits, met = office.phone(), office.assigned(), office.assigned()
    browser = signed_in(office)
    assert SAY("tickets.overdue") not in browser.get("/tickets").page.text
    phone.write(waits, AcceptTicket())
    for step in (AcceptTicket(), StartTravel(), Arrive()):
        phone.write(met, step)
    phone.sync()
    office.clock.move(timedelta(hours=8))
    text = browser.get("/tickets").text
    assert text.count(f'title="{SAY("tickets.overdue")}"') == 1
    assert SAY("tickets.overdue") in text[text.index(f'id="row-{waits}"') :].split("</tr>")[0]


def noted(office: Office, told: timedelta, counted: timedelta) -> str:
    """A note made without a network `told` after the phone's clock was measured by that clock, `counted` by the one
    nobody can set; received two hours after the measuring. What the ticket's page then says."""
    phone, ticket = office.phone(), office.assigned()
    measured = office.clock.now()
    clock = Clock(
        0,
        20,
        anchored_at_ms=milliseconds(measured),
        since_anchor_ms=counted // timedelta(milliseconds=1),
    )
    phone.write(ticket, AddNote("换了整流器"), clock=clock, occurred_at=measured + told)
    office.clock.move(timedelta(hours=2))
    phone.sync()
    return signed_in(office).get(f"/tickets/{ticket}").page.text


def test_the_history_gives_a_span_where_the_moment_is_not_known(office: Office) -> None:
    """The phone slept for seven minutes; 09:00 is when its clock was measured."""
    text = noted(office, timedelta(minutes=69), timedelta(minutes=62))
    assert f"{SAY('day.today')} 10:01–10:09" in text or f"{SAY('day.today')} 10:02–10:09" in text
    assert SAY("history.jumped") not in text


def test_a_clock_that_was_set_is_marked_with_a_sentence(office: Office) -> None:
    text = noted(office, timedelta(days=-700), timedelta(minutes=62))
    assert f"{SAY('day.today')} 10:01–11:00" in text
    assert SAY("history.jumped") in text


@pytest.mark.parametrize("set_by", [timedelta(hours=-3), timedelta(hours=2)])
def test_what_follows_on_a_clock_that_was_set_is_not_taken_for_a_known_moment(
    office: Office, set_by: timedelta
) -> None:
    """Started anew in a cellar, the phone has only its own clock. Set back, what follows agrees with itself, not with
    what came first; set right after it had run ahead, it is the first that is wrong. Nobody can tell which."""
    phone, ticket = office.phone(), office.assigned()
    began = office.clock.now()
    is_ahead = set_by > timedelta()
    first = began + max(set_by, timedelta()) + timedelta(hours=1)
    later = began + min(set_by, timedelta()) + timedelta(hours=1)
    phone.write(ticket, AddNote("第一"), clock=Clock(0, 0), occurred_at=first)
    for minutes in (5, 10, 15):
        phone.write(ticket, AddNote(f"第 {minutes}"), clock=Clock(0, 0), occurred_at=later + timedelta(minutes=minutes))
    office.clock.move(timedelta(hours=4))
    phone.sync()
    text = signed_in(office).get(f"/tickets/{ticket}").page.text
    assert text.count(SAY("history.jumped")) == 3
    for told in ("05", "10", "15"):
        assert f"{'10' if is_ahead else '07'}:{told}–13:00" in text


def test_a_moment_that_is_known_is_one_moment(office: Office) -> None:
    text = noted(office, timedelta(minutes=62), timedelta(minutes=62))
    assert f"陈师傅 · {SAY('day.today')} 10:02 换了整流器" in text
    assert SAY("history.jumped") not in text
