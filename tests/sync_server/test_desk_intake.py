"""Taking a request: every field, faults where they are, what was typed kept, the same matter noticed, sent once."""

from typing import Any

from shared_schema.lifecycle import Channel, Kind, Status
from shared_schema.ticket import Ticket
from sync_server.services.desk import TicketFilter
from sync_server.storage import Reading
from sync_server.words import words_in
from tests.builders.tickets import a_customer, a_picture, a_product
from tests.sync_server.desk_browser import HTMX, Browser, signed_in
from tests.sync_server.office import Office

SAY = words_in("zh-CN")

FILLED_IN = {
    "name": "何女士",
    "phone": "138 0013 8000",
    "region": "上海市徐汇区",
    "address": "桂平路 12 弄 3 号 501",
    "ticket_kind": "repair",
    "channel": "phone",
    "problem": "客厅吊灯一闪一闪",
    "wished_time": "周末上午",
    "linked": "",
    "category": "灯具",
    "model": "LX-200 吊灯",
    "serial": "SN20250711-0042",
    "order_number": "D20250711",
    "purchased_on": "2025-07-11",
    "warranty_until": "2027-07-11",
}


def all_tickets(office: Office) -> list[Ticket]:
    def find(reading: Reading) -> list[Ticket]:
        return reading.tickets.find(TicketFilter())

    return office.storage.read_now(find)


def take(browser: Browser, **typed: str) -> Any:
    form = browser.get("/tickets/new").page.form("/tickets/new")
    return browser.send("/tickets/new", form, **(FILLED_IN | typed))


def test_a_request_becomes_a_ticket_with_everything_that_was_said(office: Office) -> None:
    answer = take(signed_in(office))
    (ticket,) = all_tickets(office)
    assert (answer.status, answer.location) == (303, f"/tickets?chosen={ticket.id}")
    assert ticket.customer == a_customer()
    assert ticket.product == a_product()
    assert (ticket.kind, ticket.channel, ticket.status) == (Kind.REPAIR, Channel.PHONE, Status.RECEIVED)
    assert (ticket.problem, ticket.wished_time) == ("客厅吊灯一闪一闪", "周末上午")
    assert ticket.number == "260302-001"


def test_what_is_missing_is_said_at_the_field_and_the_rest_is_kept(office: Office) -> None:
    answer = take(signed_in(office), name="", phone="a long story", problem="", ticket_kind="")
    assert answer.status == 422
    assert all_tickets(office) == []
    faulty = {attributes["name"] for _, attributes in answer.page.elements if attributes.get("aria-invalid") == "true"}
    assert faulty == {"name", "phone", "problem", "ticket_kind"}
    form = answer.page.form("/tickets/new")
    assert form.fields["phone"] == "a long story"
    assert form.fields["address"] == FILLED_IN["address"]
    assert form.fields["purchased_on"] == "2025-07-11"


def test_a_good_phone_number_is_not_blamed_for_another_field(office: Office) -> None:
    answer = take(signed_in(office), name="", address="")
    assert SAY("fault.phone") not in answer.page.text


def test_dates_in_the_wrong_order_are_noticed(office: Office) -> None:
    answer = take(signed_in(office), warranty_until="2024-01-01")
    assert SAY("fault.warranty_before_purchase") in answer.page.text


def test_a_purchase_that_is_still_to_come_is_noticed(office: Office) -> None:
    """The office's day counts, here and in a correction: a mistyped year would make a warranty of it."""
    browser = signed_in(office)
    answer = take(browser, purchased_on="2026-03-03", warranty_until="")
    assert answer.status == 422
    assert SAY("fault.purchase_to_come") in answer.page.text
    assert take(browser, purchased_on="2026-03-02", warranty_until="").status == 303
    (ticket,) = all_tickets(office)
    answer = browser.act(ticket.id, "correct_details", purchased_on="2062-03-02")
    assert answer.status == 422
    assert SAY("fault.purchase_to_come") in answer.page.text


def test_a_form_sent_twice_makes_one_ticket(office: Office) -> None:
    browser = signed_in(office)
    form = browser.get("/tickets/new").page.form("/tickets/new")
    answers = [browser.send("/tickets/new", form, **FILLED_IN) for _ in range(3)]
    (ticket,) = all_tickets(office)
    assert {answer.location for answer in answers} == {f"/tickets?chosen={ticket.id}"}
    assert ticket.version == 1


def test_the_next_customer_in_a_form_gone_back_to_is_not_lost(office: Office) -> None:
    """What was typed comes back with the reason, and is a ticket of its own when it is sent again."""
    browser = signed_in(office)
    form = browser.get("/tickets/new").page.form("/tickets/new")
    browser.send("/tickets/new", form, **FILLED_IN)
    answer = browser.send("/tickets/new", form, **(FILLED_IN | {"name": "郑先生", "problem": "衣柜门关不上"}))
    assert answer.status == 409
    assert SAY("rejection.ticket_exists") in answer.page.text
    assert browser.send("/tickets/new", answer.page.form("/tickets/new")).status == 303
    assert {(ticket.customer.name, ticket.problem) for ticket in all_tickets(office)} == {
        ("何女士", FILLED_IN["problem"]),
        ("郑先生", "衣柜门关不上"),
    }


def test_photos_come_with_the_request_and_are_kept_while_it_is_corrected(office: Office) -> None:
    """A browser forgets chosen files when a form comes back; the office does not."""
    browser = signed_in(office)
    form = browser.get("/tickets/new").page.form("/tickets/new")
    chosen = [("photos", (f"{n}.jpg", a_picture(seed=n), "image/jpeg")) for n in (1, 2)]
    typed = form.fields | FILLED_IN | {"name": ""}
    refused = browser.request("POST", "/tickets/new", data=typed, files=chosen)
    assert refused.status == 422
    assert SAY.count("intake.photos_kept", 2) in refused.page.text
    kept = [each["value"] for _, each in refused.page.elements if each.get("name") == "kept_photo"]
    assert len(kept) == 2
    typed = refused.page.form("/tickets/new").fields | {"name": "何女士"}
    answer = browser.post("/tickets/new", {**typed, "kept_photo": kept})  # type: ignore[dict-item]
    assert answer.status == 303
    (ticket,) = all_tickets(office)
    assert {photo.sha256 for photo in ticket.photos} == set(kept)


def test_an_invented_photo_is_not_taken_for_a_kept_one(office: Office) -> None:
    answer = take(signed_in(office), kept_photo="../../../etc/passwd")
    assert answer.status == 303
    assert all_tickets(office)[0].photos == ()


def test_tickets_of_the_same_number_or_piece_are_shown_while_typing(office: Office) -> None:
    browser = signed_in(office)
    office.received()
    number = all_tickets(office)[0].number
    for query in ("phone=13800138000", "phone=%2B86 138-0013-8000", "serial=sn20250711-0042"):
        assert number in browser.get(f"/tickets/similar?{query}", **HTMX).page.text
    for query in ("phone=138", "phone=&serial=", "phone=13900000000", ""):
        assert number not in browser.get(f"/tickets/similar?{query}", **HTMX).page.text


def test_a_linked_ticket_is_named_by_its_number(office: Office) -> None:
    browser = signed_in(office)
    first = office.received()
    number = office.ticket(first).number
    assert SAY("fault.linked") in take(browser, linked="no such number").page.text
    assert take(browser, linked=number).status == 303
    second = next(ticket for ticket in all_tickets(office) if ticket.id != first)
    assert second.linked_ticket == first


def test_a_request_about_an_earlier_ticket_begins_with_what_is_known(office: Office) -> None:
    browser, first = signed_in(office), office.received()
    page = browser.get(f"/tickets/{first}").page
    (address,) = page.links_to("/tickets/new?linked=")
    fields = browser.get(address).page.form("/tickets/new").fields
    assert fields["name"] == "何女士"
    assert fields["serial"] == "SN20250711-0042"
    assert fields["linked"] == office.ticket(first).number


def test_two_tickets_of_one_day_have_numbers_in_a_row(office: Office) -> None:
    browser = signed_in(office)
    take(browser)
    take(browser)
    assert sorted(ticket.number for ticket in all_tickets(office)) == ["260302-001", "260302-002"]
