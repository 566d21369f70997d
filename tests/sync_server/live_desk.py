"""The desk in real browsers: an office on a socket, and pages opened by dispatchers who have signed in."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, Route, expect

from sync_server.accounts import SESSION_COOKIE
from tests.sync_server.desk_browser import signed_in
from tests.sync_server.office import Office
from tests.sync_server.serving import PATIENCE_SECONDS

PATIENCE_MS = PATIENCE_SECONDS * 1000
expect.set_options(timeout=PATIENCE_MS)

REPLACED = ("htmx:afterRequest", "htmx:sendAbort")
"""All that htmx says where a request takes the place of another; of whatever else fails it says more than this."""


class Live:
    """The office on a socket, and pages opened by dispatchers who have signed in."""

    def __init__(self, office: Office, address: str, chromium: Chromium) -> None:
        self.office = office
        self.address = address
        self.complaints: list[str] = []
        self.chromium = chromium

    def open(self, path: str, *, width: int = 1440) -> Page:
        context = self.chromium.new_context(viewport={"width": width, "height": 900}, locale="zh-CN")
        token = signed_in(self.office).cookies[SESSION_COOKIE]
        context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": self.address}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        page.on("request", self._asked)
        page.goto(self.address + path)
        page.wait_for_selector("body[data-live=open][data-feed]")
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "409" not in message.text and message.text not in REPLACED:
            self.complaints.append(message.text)

    def _asked(self, request: object) -> None:
        address = getattr(request, "url", "")
        if not address.startswith((self.address, "data:")):
            self.complaints.append(f"asked {address}")


@contextmanager
def held_back(page: Page, address: str, *, first_only: bool = False) -> Iterator[list[Route]]:
    """What the block makes `page` ask at `address` is in the list behind it, and gets no answer until it is told to go
    on. Nor does what is asked there later, unless it is for the `first_only`."""
    held: list[Route] = []
    page.route(address, lambda route: route.continue_() if held and first_only else held.append(route))
    with page.expect_request(address):
        yield held
    while not held:
        page.wait_for_timeout(5)
