"""The published app: Python in a web worker (Pyodide), the store on the browser's origin private file system.

Imported only there. What the screens need to know of this place:

* Enrolment link: `<office>/app/#enrol=<key>` (see enrolment_link). `enrolment_key()` gives the key the page was opened
  with, once per start; Flet's routes never see it. On an iPhone the app on the home screen has a storage of its own
  and is never opened by a link, so the enrolment screen also takes the pasted link or the bare key
  (`enrolment_link.key_in`).
* Font: the family "Noto Sans SC" is part of the published app (no URL, nothing in `page.fonts`); use
  `ft.Theme(font_family="Noto Sans SC")`. Rarer characters, as in names, come from a second file by themselves.
* Routes: path strategy, so `page.route` is "/tickets/…" under /app/.
* The page's shell covers the screen until the first view is drawn.
* `share` shows a small dialog of the page's own, because a share sheet and a download need a tap on the page itself.

Hints from the page (visible again, network back) arrive over a BroadcastChannel that tools/publish/page/shell.js feeds:
a worker does not see visibility by itself.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from field_app.device.browser_keys import BrowserKeys
from field_app.device.browser_name import browser_name, forgets_when_idle
from field_app.device.browser_page import Page, PageFailed
from field_app.device.contract import (
    Persistence,
    Sealer,
    Shared,
    Sharing,
    SharingFailed,
    Signer,
    StorageMissing,
    StorageState,
    StoreInUse,
)
from field_app.device.enrolment_link import key_in

if TYPE_CHECKING:  # these modules exist in Pyodide alone, and have no type information
    flet_js: Any
    js: Any
    pyodide_js: Any
    JsException: type[Exception]
    create_proxy: Any
    run_js: Any
    to_js: Any
else:
    import flet_js
    import js
    import pyodide_js
    from pyodide.code import run_js
    from pyodide.ffi import JsException, create_proxy, to_js

FOLDER = "doorstep"
FILE = "doorstep.db"
MOUNT_POINT = "/doorstep"
HINTS = "doorstep-hints"
PATIENCE_MS = 3000
"""How long a store held elsewhere may take to be let go of: a reload overlaps with the page's own last life."""


IDLE_DAYS = 7
"""WebKit deletes what scripts have stored after so many days of the browser's use without the app's."""


class BrowserPersistence:
    def __init__(self) -> None:
        self._files: Any = None
        self._room_bytes: int | None = None

    async def open(self) -> str:
        if not js.isSecureContext:
            raise StorageMissing("insecure")
        storage = getattr(js.navigator, "storage", None)
        if storage is None or not hasattr(storage, "getDirectory") or not hasattr(js, "FileSystemSyncAccessHandle"):
            raise StorageMissing("unsupported")
        mount = run_js(Path(__file__).with_name("opfs.js").read_text(encoding="utf-8"))
        names = to_js([FILE, f"{FILE}-journal", f"{FILE}-copy"])
        try:
            self._files = await mount(pyodide_js.FS, MOUNT_POINT, FOLDER, names, PATIENCE_MS)
        except JsException as fault:
            if getattr(fault, "name", "") == "NoModificationAllowedError":
                raise StoreInUse from fault
            raise StorageMissing("denied") from fault
        used, quota = await _estimate()
        self._room_bytes = None if used is None or quota is None else max(0, quota - used)
        return f"{MOUNT_POINT}/{FILE}"

    def room_bytes(self) -> int | None:
        return self._room_bytes

    def flush(self) -> None:
        try:
            self._files.flush()
        except JsException as fault:
            raise OSError(str(fault)) from fault

    async def close(self) -> None:
        if self._files is not None:
            self._files.close()
            self._files = None


async def _estimate() -> tuple[int | None, int | None]:
    """Bytes used by this app, and bytes it may use, as far as the browser says."""
    if not hasattr(js.navigator.storage, "estimate"):
        return None, None
    try:
        told = await js.navigator.storage.estimate()
    except JsException:
        return None, None
    used, quota = getattr(told, "usage", None), getattr(told, "quota", None)
    return None if used is None else int(used), None if quota is None else int(quota)


class BrowserDevice:
    def __init__(self) -> None:
        self._persistence = BrowserPersistence()
        self._keys = BrowserKeys()
        self._page = Page()
        self._channel: Any = None
        self._looking: asyncio.Task[None] | None = None
        self._speaking: asyncio.Task[None] | None = None

    @property
    def platform(self) -> str:
        return f"browser · {browser_name(str(js.navigator.userAgent))}"

    @property
    def office_url(self) -> str:
        return str(js.location.origin)

    @property
    def persistence(self) -> Persistence:
        return self._persistence

    def now(self) -> datetime:
        milliseconds = time.time_ns() // 1_000_000
        whole, rest = divmod(milliseconds, 1000)
        return datetime.fromtimestamp(whole, UTC).replace(microsecond=rest * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)  # crypto.getRandomValues underneath

    def http_transport(self) -> httpx.AsyncBaseTransport:
        return FetchTransport()

    @property
    def signer(self) -> Signer:
        return self._keys

    @property
    def sealer(self) -> Sealer:
        return self._keys

    async def storage(self) -> StorageState:
        used, quota = await _estimate()
        persisted = (
            bool(await js.navigator.storage.persisted()) if hasattr(js.navigator.storage, "persisted") else False
        )
        forgets = forgets_when_idle(str(js.navigator.userAgent)) and not await self._stands_on_the_home_screen()
        return StorageState(
            used, quota, persisted, may_be_evicted=forgets or not persisted, idle_days=IDLE_DAYS if forgets else None
        )

    async def _stands_on_the_home_screen(self) -> bool:
        try:
            return bool(await self._page.ask("standalone"))
        except PageFailed:
            return False

    async def ask_to_persist(self) -> bool:
        """Only a page may ask, not a worker."""
        try:
            return bool(await self._page.ask("persist"))
        except PageFailed:
            return False

    async def share(self, name: str, chunks: AsyncIterator[bytes]) -> Shared:
        pieces = js.Array.new()
        async for chunk in chunks:
            # A blob of its own each, which the browser may put on the disk: the whole need not fit into the memory.
            pieces.push(js.Blob.new(js.Array.of(to_js(chunk))))
        try:
            how = str(await self._page.ask("share", name=name, blob=js.Blob.new(pieces)))
        except PageFailed as fault:
            raise SharingFailed(str(fault)) from fault
        return Shared(Sharing(how), name)

    def enrolment_key(self) -> str | None:
        fragment = urlsplit(str(flet_js.documentUrl)).fragment
        return key_in(f"#{fragment}") if fragment else None

    def belong_to(self, _link: str, /) -> bool:
        return False  # the app is the office's own that served it

    def look_for_update(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_for_update())

    async def _look_for_update(self) -> None:
        """Only a page knows its service worker."""
        with contextlib.suppress(PageFailed):
            await self._page.ask("update")

    def speak(self, language: str) -> None:
        self._speaking = asyncio.get_running_loop().create_task(self._speak(language))

    async def _speak(self, language: str) -> None:
        with contextlib.suppress(PageFailed):
            await self._page.ask("speak", language=language)

    def on_maybe_online(self, callback: Callable[[], None]) -> None:
        def hinted(_: Any) -> None:
            callback()

        listener = create_proxy(hinted)  # lives as long as the app
        js.addEventListener("online", listener)
        if self._channel is None:
            self._channel = js.BroadcastChannel.new(HINTS)
        self._channel.addEventListener("message", listener)


# -- http over fetch --------------------------------------------------------------------------------------------------

_THE_BROWSERS_OWN = frozenset({"host", "user-agent", "accept-encoding", "connection", "content-length"})
_ALREADY_UNDONE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class FetchTransport(httpx.AsyncBaseTransport):
    """httpx over the browser's fetch.

    A network that does not answer is httpx.ConnectError, one that answers too late httpx.ReadTimeout. Redirects count
    as no answer: the office sends none, a captive portal does.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        read_seconds = limits.get("read")
        parts = [limits.get("connect"), limits.get("write"), read_seconds]
        # fetch tells nothing between sending and the head of the answer, so the three limits become one.
        head_seconds = None if None in parts else sum(part for part in parts if part is not None)
        body = await request.aread()
        options: dict[str, Any] = {
            "method": request.method,
            "headers": [[name, value] for name, value in request.headers.items() if name not in _THE_BROWSERS_OWN],
            "credentials": "omit",
            "cache": "no-store",
            "redirect": "error",
        }
        if body:
            options["body"] = body
        stop = js.AbortController.new()
        settings = to_js(options, dict_converter=js.Object.fromEntries)
        settings.signal = stop.signal
        try:
            async with asyncio.timeout(head_seconds):
                answer = await js.fetch(str(request.url), settings)
        except TimeoutError as fault:
            stop.abort()
            raise httpx.ReadTimeout("The office did not answer in time", request=request) from fault
        except JsException as fault:
            raise httpx.ConnectError(str(fault), request=request) from fault
        except asyncio.CancelledError:
            stop.abort()
            raise
        headers = [(pair[0], pair[1]) for pair in answer.headers if pair[0] not in _ALREADY_UNDONE]
        stream = _Body(answer.body, stop, read_seconds, request)
        return httpx.Response(answer.status, headers=headers, stream=stream, request=request)


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: Any, stop: Any, seconds: float | None, request: httpx.Request) -> None:
        self._reader = body.getReader() if body else None
        self._stop = stop
        self._seconds = seconds
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._reader is not None:
            try:
                async with asyncio.timeout(self._seconds):
                    piece = await self._reader.read()
            except TimeoutError as fault:
                raise httpx.ReadTimeout("The office's answer broke off", request=self._request) from fault
            except JsException as fault:
                raise httpx.ReadError(str(fault), request=self._request) from fault
            if piece.done:
                self._reader = None
                return
            yield piece.value.to_bytes()

    async def aclose(self) -> None:
        if self._reader is not None:
            self._reader = None
            self._stop.abort()
