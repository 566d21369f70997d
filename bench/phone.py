"""`python -m bench.phone`: the phone's figures, in Chromium, with the published app and a real office.

One technician has the 200 visits of a very long day. The app is published once more with a stopwatch inside
(bench.phone_app); everything else is as it is handed out.
"""

import argparse
import functools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace
from playwright.sync_api import Page, sync_playwright

from bench.office import ticket_of
from bench.phone_app import TICKETS
from bench.report import Figure, Section, keep, write_page
from sync_server.sample import demo
from sync_server.settings import Settings
from sync_server.storage import Storage, Writing
from sync_server.storage.tickets import Kept
from tools import browser
from tools.driving import AppOnScreen, Chromium, Office, until
from tools.driving.desk import Desk
from tools.driving.wire import Wire
from tools.publish.__main__ import BUILD, ROOT, publish
from tools.side_by_side import free_port

TECHNICIAN = "t-chen"

RECORD_GOAL_MS = 10
LIST_GOAL_MS = 300
FIRST_LOAD_GOAL = 15_000_000
SYNC_GOAL_SECONDS = 10
DESK_GOAL_SECONDS = 2

LOOK = """
  document.addEventListener('DOMContentLoaded', () => {
    const looking = setInterval(() => {
      document.querySelector('flt-semantics-placeholder')?.click();
      const seen = document.querySelector("[flt-semantics-identifier^='ticket-'][flt-tappable]");
      if (!seen || document.getElementById('shell')) return;
      clearInterval(looking);
      window.seenAt = performance.timeOrigin + performance.now();
    }, 5);
  });
"""
"""Notes when the first visit on the list can be tapped, with nothing lying over it."""


class PhoneFigures(Struct, frozen=True):
    first_load_bytes: int
    cold_seconds: float
    """From the address to the enrolment screen, nothing cached, office on the same machine."""
    record_ms: list[float]
    list_ms: list[float]
    warm_offline_seconds: list[float]
    sync_seconds: float
    desk_seconds: float


def measure(turns: int) -> PhoneFigures:
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as name:
        folder = Path(name)
        _make_company(folder / "data")  # before Playwright, whose event loop leaves no room for another
        office = Office(folder / "data", _publish(folder), free_port())
        office.start()
        wire = Wire(office.port)
        chromium = browser.obtain()
        try:
            with sync_playwright() as playwright:
                phone = Chromium(playwright, chromium, folder / "phone", size=(390, 844))
                desk = Chromium(playwright, chromium, folder / "desk", size=(1440, 900))
                try:
                    return _measured(office, wire, phone, desk, turns)
                finally:
                    phone.close()
                    desk.close()
        finally:
            wire.close()
            office.stop()


def _measured(office: Office, wire: Wire, phone: Chromium, dispatcher: Chromium, turns: int) -> PhoneFigures:
    page = phone.start()
    app = AppOnScreen(page)
    started = time.monotonic()
    app.open(_through(wire, office.enrolment_link(TECHNICIAN)))
    app.see("today")
    cold = time.monotonic() - started
    app.can_open_offline()
    first_load = wire.bytes_down
    recorded = until(lambda: _said(phone, page, "recorded"), "the notes recorded and received")[0]["took_ms"]

    listed, warm = [], []
    office.stop()
    for _ in range(turns):
        phone.kill()
        phone.said.clear()
        page = phone.start()
        page.add_init_script(LOOK)
        page.goto(f"{wire.address}/app/")
        page.wait_for_function("window.seenAt")
        seen_at = page.evaluate("window.seenAt")
        opened = until(functools.partial(_said, phone, page, "opened"), "the store opened")[0]
        assert opened["tickets"] >= TICKETS, opened
        listed.append(seen_at - opened["at_ms"])
        warm.append((seen_at - page.evaluate("performance.timeOrigin")) / 1000)

    office.start()
    desk = Desk(dispatcher.start(), office)
    desk.sign_in()
    sync, on_desk = _time_a_return(office, page, desk)
    return PhoneFigures(first_load, cold, recorded, listed, warm, sync, on_desk)


def _time_a_return(office: Office, page: Page, desk: Desk) -> tuple[float, float]:
    """Seconds from the office's return until the phone knows that it has everything, and from then to the desk."""
    app = AppOnScreen(page)
    number = app.identifiers("ticket-")[0].removeprefix("ticket-")
    desk.page.goto(f"{office.address}/tickets?words={number}")
    desk.page.locator(".row-link").first.click()
    desk.page.wait_for_selector("#ticket")
    before = desk.version()
    office.stop()
    app.tap(f"ticket-{number}")
    app.go_on()
    app.see("saved-on-phone")
    office.start()
    returned = time.monotonic()
    app.see("received-by-office")
    synced = time.monotonic()
    until(lambda: desk.version() > before, "the ticket has changed on the desk")
    return synced - returned, max(0.0, time.monotonic() - synced)


def _said(phone: Chromium, page: Page, what: str) -> list[dict[str, Any]]:
    page.evaluate("0")  # Playwright hears of the console only while it is asked something
    lines = [line.partition(": ")[2] for line in phone.said]
    told = [json.loads(line) for line in lines if line.startswith('{"bench"')]
    return [one for one in told if one["bench"] == what]


def _through(wire: Wire, link: str) -> str:
    parts = urlsplit(link)
    return f"{wire.address}{parts.path}#{parts.fragment}"


def _make_company(data: Path) -> None:
    """The sample company, and the long day."""
    settings = demo.prepare(Settings(data=data))
    storage = Storage.open(settings.database)
    # From now on, so that the list has all of them whatever time it is: a visit that is over is folded away.
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    random_ = random.Random(7)  # noqa: S311 — the same day in every run
    tickets = []
    for place in range(TICKETS):
        ticket = ticket_of(random_, phone=9, place=place, technician=TECHNICIAN)
        assert ticket.assignment is not None
        window = replace(ticket.assignment.window, start=start, end=start + timedelta(minutes=30))
        tickets.append(replace(ticket, assignment=replace(ticket.assignment, window=window)))

    def add(writing: Writing) -> None:
        first = writing.feed.take(len(tickets))
        writing.tickets.save([Kept(ticket, first + place) for place, ticket in enumerate(tickets)])

    storage.write_now(add)
    storage.close()


def _publish(folder: Path) -> Path:
    source = folder / "source"
    for name in ("field_app", "shared_schema"):
        shutil.copytree(ROOT / name, source / name)
    shutil.copy(ROOT / "bench" / "phone_app.py", source / "main.py")
    target = BUILD / "bench" / "app"
    publish(target, source=source)
    return target


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, round(len(values) * share))]


def section_of(measured: PhoneFigures) -> Section:
    record_p95 = _percentile(measured.record_ms, 0.95)
    listed = statistics.median(measured.list_ms)
    warm = statistics.median(measured.warm_offline_seconds)
    return Section(
        "Phone",
        "The published app in headless Chromium without a graphics card, the office on the same machine, a technician "
        f"with {TICKETS} visits today; medians of {len(measured.warm_offline_seconds)} starts. To record an operation "
        "is to have it in the store, committed and flushed.",
        [
            Figure(
                "recording an operation, 95th percentile",
                f"{record_p95:.1f} ms",
                f"≤ {RECORD_GOAL_MS} ms",
                record_p95 <= RECORD_GOAL_MS,
            ),
            Figure("recording an operation, median", f"{statistics.median(measured.record_ms):.1f} ms"),
            Figure(
                f"today's {TICKETS} visits on the screen and answering, after the store is open",
                f"{listed:.0f} ms ({min(measured.list_ms):.0f}–{max(measured.list_ms):.0f})",
                f"≤ {LIST_GOAL_MS} ms",
                listed <= LIST_GOAL_MS,
            ),
            Figure("warm start without a network until usable", f"{warm:.1f} s"),
            Figure("first start until usable, nothing cached", f"{measured.cold_seconds:.1f} s"),
            Figure(
                "first load over the wire",
                f"{measured.first_load_bytes / 1e6:.1f} MB",
                f"≤ {FIRST_LOAD_GOAL / 1e6:.0f} MB",
                measured.first_load_bytes <= FIRST_LOAD_GOAL,
            ),
            Figure(
                "received by the office, after it has come back",
                f"{measured.sync_seconds:.1f} s",
                f"≤ {SYNC_GOAL_SECONDS} s",
                measured.sync_seconds <= SYNC_GOAL_SECONDS,
            ),
            Figure(
                "on the dispatcher's screen, after that",
                f"{measured.desk_seconds:.1f} s",
                f"≤ {DESK_GOAL_SECONDS} s",
                measured.desk_seconds <= DESK_GOAL_SECONDS,
            ),
        ],
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.phone", description="Measure the phone; write docs/performance.md.")
    parser.add_argument("--quick", action="store_true", help="two starts instead of seven")
    arguments = parser.parse_args()
    section = section_of(measure(turns=2 if arguments.quick else 7))
    keep("phone", section)
    write_page()
    for figure in section.figures:
        sys.stdout.write(f"{figure.what}: {figure.figure}{f' (goal {figure.goal})' if figure.goal else ''}\n")
    return 0 if all(figure.holds is not False for figure in section.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
