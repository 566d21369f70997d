"""A technician's day, end to end: desk, phone, no network, a killed browser, and the desk again."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tools.driving import REMEMBER_PICTURES, AppOnScreen, Chromium, Office, gone_out, until
from tools.driving.desk import Desk, Request

TECHNICIAN = "t-chen"
HERE = ZoneInfo("Asia/Shanghai")


def test_a_visit_done_without_a_network_reaches_the_desk(
    office: Office, open_browser: Callable[..., Chromium], camera_film: Path
) -> None:
    """The dispatcher takes a request and assigns it; the phone enrols, and the office goes away. In the customer's home
    the whole visit is done, photos and signature included, and the browser is killed. It starts again without a
    network and everything is there. The office comes back, and the desk shows the visit without being touched."""
    dispatcher = open_browser("dispatcher", size=(1440, 900))
    desk = Desk(dispatcher.start(), office)
    desk.sign_in()
    ticket = desk.take(Request())
    number = desk.number()
    desk.confirm()
    desk.assign(TECHNICIAN, datetime.now(HERE).replace(hour=15, minute=30))
    link = desk.offer_enrolment(TECHNICIAN)
    desk.open(ticket)

    technician = open_browser("technician", f"--use-file-for-fake-video-capture={camera_film}")
    page = technician.start()
    page.add_init_script(REMEMBER_PICTURES)
    phone = AppOnScreen(page)
    phone.open(link)
    phone.see(f"ticket-{number}")
    phone.can_open_offline()

    office.stop()
    phone.tap(f"ticket-{number}")
    for _ in ("accept", "travel", "arrive", "show the credential"):
        phone.go_on()
    phone.tap("credential-shown")
    phone.go_on()
    phone.type("problem-words", "与报修一致：整流器老化。")
    phone.tap("problem-submit")
    for slot in ("before", "after"):
        phone.tap(f"add-photo-{slot}")
        phone.take_picture()
        phone.tap("camera-done")
    phone.go_on()
    phone.type("finish-found", "整流器老化")
    phone.type("finish-done", "更换整流器，试灯两小时正常")
    phone.tap("finish-submit")
    phone.go_on()
    phone.tap("rating-5")
    phone.tap("accept")
    phone.draw("signature-pad")
    phone.tap("signature-submit")
    phone.see("saved-on-phone")
    given = page.evaluate("window.picturesGiven")
    technician.kill()
    assert len(given) >= 2

    phone = AppOnScreen(technician.start())
    phone.open(f"{office.address}/app/tickets/{ticket}")
    phone.see("saved-on-phone")
    phone.scroll_to("history-toggle")
    phone.tap("history-toggle")
    phone.scroll_to("photo-before-1")
    phone.scroll_to("photo-after-1")

    office.start()
    phone.see("received-by-office")
    desk.page.locator(".signature svg path").wait_for()
    desk.see_photos(2)
    assert desk.page.locator(".history li").count() >= 12

    for sha256 in given:
        answer = desk.page.request.get(f"{office.address}/photos/{sha256}?ticket={ticket}")
        assert hashlib.sha256(answer.body()).hexdigest() == sha256
    assert gone_out(dispatcher, technician) == []
    assert until(lambda: desk.page.locator("#ticket .way [aria-current]").count(), "the way of the ticket")
