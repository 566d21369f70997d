"""Technicians and their phones: cards, enrolling by QR code, what phones hold, revoking; and the price list."""

import re
from datetime import date, timedelta

from litestar.testing import TestClient
from msgspec.structs import replace

from shared_schema.credentials import Certificate, Price
from shared_schema.operations import AcceptTicket
from shared_schema.sync_protocol import EnrolRequest
from shared_schema.wire import encode
from sync_server.app import create_app
from sync_server.settings import Settings
from sync_server.words import words_in
from tests.sync_server.desk_browser import HTMX, Browser, signed_in
from tests.sync_server.office import CHEN, Office

SAY = words_in("zh-CN")


def test_a_card_shows_the_day_the_skills_and_the_certificates(office: Office) -> None:
    browser = signed_in(office)
    certificates = (
        Certificate("低压电工作业证", "T-1", date(2026, 2, 1)),
        Certificate("高处作业证", "T-2", date(2029, 2, 1)),
    )
    office.storage.write_now(
        lambda writing: writing.people.save(replace(CHEN, skills=("灯具安装",), certificates=certificates), 0)
    )
    office.assigned(CHEN)
    text = browser.get("/technicians").page.text
    for words in ("陈师傅", "0017", "灯具安装", "14:00–16:00", "何女士"):
        assert words in text, words
    assert SAY("certificate.expired_on", day="2026年2月1日") in text
    assert SAY("certificate.until", day="2029年2月1日") in text
    assert "前师傅" not in text


def test_a_qr_code_enrols_one_phone_and_the_page_shows_it_by_itself(office: Office, settings: Settings) -> None:
    """Also where another process took the phone in, or this one was started anew meanwhile."""
    browser = signed_in(office)
    page = browser.get("/technicians/t-chen/enrol").page
    offered = browser.send("/technicians/t-chen/enrol", page.form("/technicians/t-chen/enrol"))
    assert offered.status == 200
    assert "<svg" in offered.text
    asking = offered.page.with_id("offer")["hx-get"]
    assert browser.get(asking, **HTMX).status == 204
    found = re.search(r"enrol=([\w-]+)", offered.page.text)
    assert found
    assert found.group(1) not in asking
    request = EnrolRequest(1, found.group(1), "phone-new", "小陈的新手机", "browser")
    with TestClient(create_app(settings, office.storage, office.clock)) as another_process:
        reply = another_process.post("/sync/v1/enrol", content=encode(request))
    assert reply.status_code == 200
    assert browser.get(asking.replace("t-chen", "t-wang"), **HTMX).status == 404
    used = browser.get(asking, **HTMX)
    assert SAY("enrol.used", name="陈师傅") in used.page.text
    assert "小陈的新手机" in used.page.text


def test_an_iphone_is_installed_before_it_is_enrolled(office: Office) -> None:
    """Its home-screen app has a storage of its own: the link is pasted inside it, and stands on the page."""
    browser = signed_in(office)
    page = browser.get("/technicians/t-chen/enrol").page
    assert SAY("enrol.iphone_hint") in page.text
    offered = browser.send("/technicians/t-chen/enrol", page.form("/technicians/t-chen/enrol")).page.text
    steps = [offered.index(SAY(f"enrol.iphone_{step}")) for step in ("install", "open", "paste")]
    assert steps == sorted(steps)
    assert offered.index("/app/#enrol=") > steps[-1]


def test_an_offer_that_ran_out_says_so_and_offers_another(office: Office) -> None:
    browser = signed_in(office)
    page = browser.get("/technicians/t-chen/enrol").page
    offered = browser.send("/technicians/t-chen/enrol", page.form("/technicians/t-chen/enrol"))
    office.clock.move(timedelta(minutes=16))
    over = browser.get(offered.page.with_id("offer")["hx-get"], **HTMX)
    assert SAY("enrol.expired") in over.page.text
    assert browser.send("/technicians/t-chen/enrol", over.page.form("/technicians/t-chen/enrol")).status == 200


def test_nobody_enrols_a_phone_for_somebody_who_has_left(office: Office) -> None:
    browser = signed_in(office)
    for person in ("t-gone", "p-lin", "nobody"):
        assert browser.get(f"/technicians/{person}/enrol").status == 404


def test_the_overview_says_what_each_phone_still_holds_and_how_far_it_was_received(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    ticket = office.assigned()
    phone.write(ticket, AcceptTicket())
    phone.sync()
    office.storage.write_now(lambda writing: writing.people.heard_from("phone-t-chen", 1_772_413_200_000, 3, 2))
    text = browser.get("/devices").page.text
    assert "待上传：记录 3 项、照片 2 张" in text
    office.storage.write_now(lambda writing: writing.people.heard_from("phone-t-chen", 1_772_413_200_000, 0, 1))
    assert "待上传：照片 1 张" in browser.get("/devices").page.text, "and nothing of what it has none of"
    assert SAY("device.through", number="1") in text
    assert "陈师傅的手机" in text


def test_a_lost_phone_is_revoked_with_a_reason(office: Office) -> None:
    browser, phone = signed_in(office), office.phone()
    address = "/devices/phone-t-chen/revoke"
    form = browser.get(address).page.form(address)
    assert browser.send(address, form, reason=" ").status == 422
    assert browser.send(address, form, reason="手机丢失").location == "/devices"
    listed = browser.get("/devices").page.text
    assert SAY("device.revoked") in listed
    assert "手机丢失" in listed
    assert phone.post(b"{}").status_code == 401
    assert browser.get("/devices/no-such-phone/revoke").status == 404


def test_prices_are_shown_as_money(office: Office) -> None:
    browser = signed_in(office)
    office.storage.write_now(lambda writing: writing.prices.replace([Price("A-1", "水晶灯安装", "盏", 126_050)]))
    text = browser.get("/prices").page.text
    assert "¥1,260.50" in text
    assert "水晶灯安装" in text


def test_a_face_is_shown_to_people_of_the_office_only(office: Office) -> None:
    assert signed_in(office).get("/people/t-chen/photo").status == 200
    assert Browser(office).get("/people/t-chen/photo").status == 303
