"""Pictures of every screen, taken by doing a day's work in a sample company.

    python -m tools.screenshots docs/pictures               the pictures of the README: Chinese, light, the chosen few
    python -m tools.screenshots --every /tmp/pictures       every screen of phone and desk, zh and en, light and dark
    python -m tools.screenshots --every --large /tmp/large  the same with the phone 360 wide and its text at 150 %

The phone is 390 × 844, the desk 1440 × 900. An office of its own is filled for it and thrown away afterwards.
"""

import argparse
import base64
import io
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec import Struct
from PIL import Image, ImageDraw
from playwright.sync_api import CDPSession, Page, Playwright, Route, sync_playwright

from sync_server.sample import demo
from sync_server.settings import Settings
from tools import browser
from tools.driving import REMEMBER_PICTURES, AppOnScreen, Chromium, Office, until
from tools.driving.desk import Desk, Request
from tools.publish.__main__ import BUILD, publish
from tools.side_by_side import free_port

TECHNICIAN = "t-chen"
PHONE = (390, 844)
SMALL_PHONE = (360, 780)
LARGE_TEXT = """
  addEventListener('DOMContentLoaded', () => { document.documentElement.style.fontSize = '24px'; });
"""
"""Flutter's web engine takes the scale of text from the page's font size, which is 16 px as browsers come."""
DESK = (1440, 900)
SHARPNESS = 2
COLOURS = 256

FOR_README = {
    "phone-today",
    "phone-ticket",
    "phone-credential",
    "phone-hand-over",
    "phone-signature",
    "phone-sync-offline",
    "desk-tickets",
    "desk-ticket",
}


class Look(Struct, frozen=True):
    language: str
    """As the catalogues name it."""
    theme: str
    is_large: bool = False
    """Text at 150 % on a small phone."""

    @property
    def phone(self) -> tuple[int, int]:
        return SMALL_PHONE if self.is_large else PHONE

    @property
    def suffix(self) -> str:
        return f"-{self.language[:2]}-{self.theme}"


class Album:
    """Where pictures go; `wanted` None takes every one."""

    def __init__(self, folder: Path, look: Look, wanted: set[str] | None) -> None:
        self._folder = folder
        self._suffix = "" if wanted is not None else look.suffix
        self._wanted = wanted

    def take(self, page: Page, name: str, *, whole: bool = False) -> None:
        if self._wanted is not None and name not in self._wanted:
            return
        picture = Image.open(io.BytesIO(_pixels(page, whole=whole))).convert("RGB")
        self._folder.mkdir(parents=True, exist_ok=True)
        place = self._folder / f"{name}{self._suffix}.png"
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(place, optimize=True)
        sys.stdout.write(f"{place}\n")


def _sharpen(page: Page, size: tuple[int, int]) -> CDPSession:
    """As sharp as a good screen; Playwright's own way knows one pixel for a unit only.

    To be called on a page of the app before the app starts (Flutter does not follow a change), and kept: what it sets
    ends with the session, and with a step to another origin or policy.
    """
    view = page.context.new_cdp_session(page)
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": SHARPNESS, "mobile": False}
    view.send("Emulation.setDeviceMetricsOverride", metrics)
    return view


def _pixels(page: Page, *, whole: bool) -> bytes:
    width, height = page.evaluate("[innerWidth, innerHeight]")
    view = _sharpen(page, (width, height))
    page.wait_for_timeout(600)  # what moves has come to rest
    how: dict[str, object] = {"format": "png"}
    if whole:
        how |= {
            "captureBeyondViewport": True,
            "clip": view.send("Page.getLayoutMetrics")["cssContentSize"] | {"scale": 1},
        }
    data: str = view.send("Page.captureScreenshot", how)["data"]
    return base64.b64decode(data)


def photograph(folder: Path, looks: list[Look], wanted: set[str] | None) -> None:
    app_folder = BUILD / "app"
    publish(app_folder)
    with tempfile.TemporaryDirectory(prefix="doorstep-pictures-") as name:
        work = Path(name)
        demo.prepare(Settings(data=work / "data"))
        office = Office(work / "data", app_folder, free_port())
        office.start()
        try:
            with sync_playwright() as playwright:
                for number, look in enumerate(looks):
                    with _browsers(playwright, work / str(number)) as opened:
                        _work_through(office, opened, Album(folder, look, wanted), look)
        finally:
            office.stop()


@contextmanager
def _browsers(playwright: Playwright, work: Path) -> Iterator[Callable[..., Chromium]]:
    chromium = browser.obtain()
    film = _film(work)
    flags = (f"--use-file-for-fake-video-capture={film}",)
    opened: list[Chromium] = []

    def open_one(name: str, size: tuple[int, int]) -> Chromium:
        opened.append(Chromium(playwright, chromium, work / name, size=size, flags=flags))
        return opened[-1]

    try:
        yield open_one
    finally:
        for one in opened:
            one.close()


def _work_through(office: Office, open_one: Callable[..., Chromium], album: Album, look: Look) -> None:
    dispatcher, technician = open_one("desk", DESK), open_one("phone", look.phone)
    desk = _desk(office, dispatcher, album, look)
    ticket = desk.take(Request())
    number = desk.number()
    desk.confirm()
    desk.assign(TECHNICIAN, datetime.now(ZoneInfo("Asia/Shanghai")).replace(hour=15, minute=30))
    link = desk.offer_enrolment(TECHNICIAN)
    album.take(desk.page, "desk-enrolment")
    desk.open(ticket)

    page = technician.start()
    page.add_init_script(REMEMBER_PICTURES)
    phone = _phone(office, page, album, look, link)
    phone.see("status-line")
    until(lambda: phone.identifiers("ticket-") != [], "today's visits")
    album.take(page, "phone-today")
    phone.scroll_to(f"ticket-{number}")  # how many visits of today come before it depends on the time of day
    phone.tap(f"ticket-{number}")
    phone.see("contact-withheld")
    album.take(page, "phone-ticket-assigned")
    phone.can_open_offline()
    office.stop()
    _visit(phone, album)
    phone.hold("back-to-ticket")
    phone.see("saved-on-phone")
    album.take(page, "phone-ticket-signed")
    phone.tap("status-line")
    phone.see("standing-offline")
    album.take(page, "phone-sync-offline")
    phone.tap("nav-me")
    phone.scroll_to("leave-phone")
    phone.tap("leave-phone")
    phone.see("held")
    album.take(page, "phone-leave")
    phone.tap("status-line")

    page.context.route("**/sync/v1/round", _refuse_the_problem)
    office.start()
    desk.page.locator(".signature svg path").wait_for()
    desk.see_photos(2)
    album.take(desk.page, "desk-ticket")
    album.take(desk.page, "desk-ticket-whole", whole=True)
    phone.scroll_to("attend")
    album.take(page, "phone-sync")
    phone.tap("attend")
    phone.see("attention")
    album.take(page, "phone-attention")
    phone.tap("status-line")
    phone.tap("nav-me")
    phone.see("me")
    album.take(page, "phone-me")
    phone.scroll_to("prices")
    phone.tap("prices")
    album.take(page, "phone-prices")
    second = AppOnScreen(page.context.new_page())
    _prepare(second.page, office, look)
    second.open(f"{office.address}/app/")
    second.see("failure")
    album.take(second.page, "phone-failure")
    second.page.close()
    desk.page.goto(f"{office.address}/tickets?chosen={ticket}")
    desk.page.wait_for_selector("#list")
    album.take(desk.page, "desk-tickets")
    desk.page.goto(f"{office.address}/tickets?words=%E6%97%A0%E6%AD%A4%E4%BA%BA")
    album.take(desk.page, "desk-tickets-none")
    for place in ("attention", "technicians", "devices", "sync-health", "rescue", "prices", "tickets/new"):
        desk.page.goto(f"{office.address}/{place}")
        album.take(desk.page, f"desk-{place.replace('/', '-')}")
    desk.page.click("#intake footer button.primary")
    desk.page.wait_for_selector("#intake .fault, #intake [aria-invalid=true]")
    album.take(desk.page, "desk-tickets-new-faults")


def _refuse_the_problem(route: Route) -> None:
    """The office's answer, but for one operation, as if it had been decided there meanwhile: the page of what needs
    attention has something to show."""
    answer = route.fetch()
    said = answer.json()
    for verdict in said.get("verdicts", ()):
        if verdict["sequence"] == _PROBLEM:
            verdict.update(filing="refused", rejection={"code": "changed_meanwhile"})
    route.fulfill(response=answer, json=said)


_PROBLEM = 5
"""Which of the phone's operations confirms the problem (see _visit)."""


def _visit(phone: AppOnScreen, album: Album) -> None:
    page = phone.page
    phone.go_on()
    album.take(page, "phone-ticket")
    for _ in ("travel", "arrive", "show the credential"):
        phone.go_on()
    phone.see("credential-shown")
    album.take(page, "phone-credential")
    phone.tap("credential-shown")
    phone.go_on()
    phone.type("problem-words", "与报修一致：整流器老化。")
    album.take(page, "phone-problem")
    phone.tap("problem-submit")
    for slot in ("before", "after"):
        phone.scroll_to(f"add-photo-{slot}")
        phone.tap(f"add-photo-{slot}")
        phone.take_picture()
        album.take(page, f"phone-camera-{slot}")
        phone.tap("camera-done")
    phone.see("next-action")
    album.take(page, "phone-ticket-working")
    phone.go_on()
    phone.type("finish-found", "整流器老化")
    phone.type("finish-done", "更换整流器，试灯两小时正常")
    album.take(page, "phone-finish")
    phone.tap("finish-submit")
    phone.go_on()
    phone.see("accept")
    album.take(page, "phone-hand-over")
    phone.scroll_to("hand-back")
    phone.tap("hand-back")
    phone.see("read-on")
    album.take(page, "phone-hand-back")
    phone.tap("read-on")
    phone.scroll_to("rating-5")
    phone.tap("rating-5")
    phone.tap("object")
    phone.see("objection-words")
    album.take(page, "phone-objection")
    phone.tap("objection-back")
    phone.tap("accept")
    phone.draw("signature-pad")
    album.take(page, "phone-signature")
    phone.tap("signature-submit")
    phone.see("back-to-ticket")
    album.take(page, "phone-handed-back")


def _desk(office: Office, dispatcher: Chromium, album: Album, look: Look) -> Desk:
    page = dispatcher.start()
    page.emulate_media(color_scheme="dark" if look.theme == "dark" else "light")
    page.goto(f"{office.address}/sign-in")
    page.click(f".preferences [name=language][value={look.language.replace('_', '-')}]")
    page.wait_for_selector(f"html[lang={look.language.replace('_', '-')}]")
    album.take(page, "desk-sign-in")
    desk = Desk(page, office)
    desk.sign_in()
    return desk


def _phone(office: Office, page: Page, album: Album, look: Look, link: str) -> AppOnScreen:
    """Enrolled, in the language and theme wanted."""
    phone = AppOnScreen(page)
    _prepare(page, office, look)
    page.goto(f"{office.address}/app/", wait_until="domcontentloaded")
    page.wait_for_selector("#shell[data-state]")
    album.take(page, "phone-opening")
    phone.wake()
    phone.tap(f"language-{look.language}")
    phone.see("enrol")
    album.take(page, "phone-enrol")
    phone.type("enrol-key", "ABCD-EFGH-JKLM-NPQR")
    phone.tap("enrol-submit")
    phone.see("enrol-error")
    album.take(page, "phone-enrol-unknown")
    page.goto(f"{office.address}/app/manifest.json")
    phone.open(link)
    phone.tap("nav-me")
    phone.tap(f"language-{look.language}")
    phone.tap(f"theme-{look.theme}")
    phone.tap("nav-today")
    return phone


def _prepare(page: Page, office: Office, look: Look) -> None:
    if look.is_large:
        page.add_init_script(LARGE_TEXT)
    page.emulate_media(color_scheme="dark" if look.theme == "dark" else "light")
    page.goto(f"{office.address}/app/manifest.json")
    _sharpen(page, look.phone)


def _film(work: Path) -> Path:
    """What the camera sees: a ceiling with its lamp."""
    work.mkdir(parents=True, exist_ok=True)
    film = work / "film.mjpeg"
    with film.open("wb") as frames:
        for turn in range(8):
            frame = Image.new("RGB", (720, 1280), "#CDBFA9")
            pen = ImageDraw.Draw(frame)
            pen.polygon([(0, 0), (720, 0), (560, 320), (160, 320)], fill="#E9E2D4")
            pen.polygon([(0, 0), (160, 320), (160, 1280), (0, 1280)], fill="#BFB19A")
            pen.ellipse((200, 420, 520, 740), fill="#FBF6E6", outline="#6B5B45", width=10)
            pen.ellipse((300, 520, 420, 640), fill=f"#FF{250 - turn * 2:X}{220 - turn * 8:X}")  # no two pictures alike
            frame.save(frames, "JPEG", quality=85)
    return film


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", action="store_true", help="every screen, both languages, light and dark")
    parser.add_argument("--look", action="append", default=[], metavar="zh_CN-light", help="with --every: only these")
    parser.add_argument("--large", action="store_true", help="a phone 360 wide, its text at 150 %%")
    chosen = parser.parse_args()
    every = [Look(*pair, is_large=chosen.large) for pair in itertools.product(("zh_CN", "en"), ("light", "dark"))]
    looks = [look for look in every if not chosen.look or f"{look.language}-{look.theme}" in chosen.look]
    photograph(chosen.folder, looks if chosen.every else every[:1], None if chosen.every else FOR_README)


if __name__ == "__main__":
    main()
