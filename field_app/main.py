"""Where the app starts: it is decided where it runs, the store is opened, and everything else is a function of that.

Importing this module does nothing; everything begins in `main`. The failures a person can meet before there is any
state (no storage here, open elsewhere) are pages of their own (screens.failure).
"""

import asyncio
import logging
import os
import sys
from typing import Any

import flet as ft

from field_app import theme
from field_app.components.boundary import report_fault
from field_app.components.quick_patches import quicken_patches
from field_app.device.contract import Device, StorageMissing, StoreInUse
from field_app.screens import failure
from field_app.screens.failure import FailurePage
from field_app.screens.root import Root
from field_app.settings import from_environment
from field_app.state.app import AppState
from field_app.state.opening import Opening
from field_app.state.phone import Phone
from field_app.store import NoRoomToUpdate, StorageUnavailable, StoreTooNew, UpdateFailed

_A_BREATH_SECONDS = 0.5
"""Between the first page and the first talk with the office."""

_phones: dict[str, Phone] = {}
"""The stores this process has opened: a page that is loaded again, or a second window of `make app`, shares one."""

_log = logging.getLogger("doorstep")


def device_here() -> tuple[str, Device]:
    """The device for the place the app runs in, and the name under which its store is shared in this process."""
    if sys.platform == "emscripten":
        from field_app.device.browser import BrowserDevice

        return "browser", BrowserDevice()
    if "FLET_APP_STORAGE_DATA" in os.environ:
        from field_app.device.phone import PhoneDevice

        return "phone", PhoneDevice()
    from field_app.device.desktop import DesktopDevice

    settings = from_environment(os.environ)
    path = settings.store_path.resolve()
    return str(path), DesktopDevice(path, settings.office_url, settings.enrolment_key)


async def _open() -> Phone:
    name, device = device_here()
    if name not in _phones:
        _phones[name] = await Phone.open(device)
    return _phones[name]


def _uncover() -> None:
    """The first page is on its way to the screen: the published app's shell may go (tools/publish/page/shell.js)."""
    if sys.platform == "emscripten":
        import js

        js.postMessage("shown")


def _reason(fault: Exception) -> str:
    match fault:
        case StorageMissing(reason=reason) if reason in {failure.INSECURE, failure.UNSUPPORTED, failure.DENIED}:
            return reason
        case StorageMissing():
            return failure.UNSUPPORTED
        case StoreInUse():
            return failure.IN_USE
        case StoreTooNew():
            return failure.TOO_NEW
        case NoRoomToUpdate():
            return failure.NO_ROOM
        case UpdateFailed():
            return failure.UPDATE_FAILED
        case StorageUnavailable():
            return failure.UNAVAILABLE
        case _:
            return failure.UNEXPECTED


async def main(page: ft.Page) -> None:
    """One session: one page of the browser, or the app on a phone."""
    quicken_patches()
    page.title = "Doorstep"
    page.theme = theme.theme(theme.LIGHT)
    page.dark_theme = theme.theme(theme.DARK)
    if not _has_own_font(page):
        page.fonts = {theme.FONT: theme.FONT_FILE}
    page.update()

    try:
        if not _phones:
            page.render_views(Root, Opening(page, rehearses=False), None)
            # The router now tells the client what it listens to, and Flutter draws the page once more for that: while
            # there is little on it, and before the store takes the thread for itself.
            await asyncio.sleep(0)
            page.render_views(Root, Opening(page, rehearses=True), None)
        phone = await _open()
        app = AppState.of(phone, page)
        report_fault.set(app.stumble_quietly)
        page.on_resize = app.handling(lambda _event: app.turned(page))
        page.on_close = app.handling(lambda _event: app.close())
        page.render_views(Root, app, phone.device.enrolment_key())
        if phone.store.identity() is not None:
            # Not before the first page is drawn: it would be drawn twice at once, with what the engine is about to do.
            asyncio.get_running_loop().call_later(_A_BREATH_SECONDS, phone.keep_in_sync)
    except Exception as fault:  # nothing is up yet that could say it otherwise
        reason = _reason(fault)
        if reason == failure.UNEXPECTED:
            _log.exception("could not start")
        else:
            _log.warning("could not start: %s", reason)
        retrying: list[Any] = []

        async def retry(_event: Any) -> None:
            if not retrying:
                retrying.append(True)
                await main(page)

        page.render_views(_failed, reason, type(fault).__name__, retry)
    _uncover()


def _failed(reason: str, code: str, retry: Any) -> ft.Control:
    # One, as Root is, and with a key, as Root has: Flet would put it in Root's place unmounted, and deaf.
    return FailurePage(reason, code, retry, key="failure")


def _has_own_font(page: ft.Page) -> bool:
    """The published app and the one on a phone carry the font; the development mode takes it from its assets."""
    return sys.platform == "emscripten" or not page.web
