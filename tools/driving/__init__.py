"""A real office, real browsers, and hands to work them with: for the browser tests, the benchmark, the pictures.

The office is `doorstep` in a process of its own, so that it can be stopped. A browser is Chromium in a process of its
own, spoken to over its debugging port, so that it can be killed in mid-air and started again on the same profile.
Nothing here waits for a time; everything waits for something to be seen.
"""

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
from playwright.sync_api import BrowserContext, Locator, Page, Playwright, Request, Response

from tools.browser import Browser

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 90.0
"""For what takes one to ten seconds here and now; two slow shared cores are part of the bargain."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-domain-reliability",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)


def until(seen: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Look again and again until there is an answer that is neither None nor false."""
    deadline = time.monotonic() + seconds
    while True:
        answer = seen()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not seen within {seconds:.0f} s: {what}"
        time.sleep(0.05)


class Office:
    """`doorstep demo` on a port that stays the same, stopped and started as a test likes."""

    def __init__(self, data: Path, app_folder: Path, port: int) -> None:
        self.data = data
        self.port = port
        self.address = f"http://localhost:{port}"
        self._environment = {
            **os.environ,
            "DOORSTEP_APP_FOLDER": str(app_folder),
            "DOORSTEP_DATA": str(data),
            "DOORSTEP_PORT": str(port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert self._process is None
        log = (self.data.parent / "office.log").open("ab")
        command = [sys.executable, "-m", "sync_server", "demo"]
        self._process = subprocess.Popen(  # noqa: S603 — the command is ours
            command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
        )
        until(self._answers, "the office answers")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def serve_app_from(self, folder: Path) -> None:
        """From a new start on."""
        self.stop()
        self._environment["DOORSTEP_APP_FOLDER"] = str(folder)
        self.start()

    def enrolment_link(self, technician: str) -> str:
        command = [sys.executable, "-m", "sync_server", "enrol", technician]
        told = subprocess.run(  # noqa: S603 — the command is ours
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=True
        )
        found = re.search(r"http\S+#enrol=\S+", told.stdout)
        assert found, told.stdout
        return found.group()

    def password(self) -> str:
        return (self.data / "demo-password").read_text(encoding="utf-8").strip()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.data.parent / "office.log").read_text(encoding="utf-8")
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/health").is_success
        return False


class Chromium:
    """One person's browser: a profile on disk, and a process that comes and goes."""

    def __init__(
        self,
        playwright: Playwright,
        browser: Browser,
        profile: Path,
        *,
        size: tuple[int, int],
        flags: tuple[str, ...] = (),
    ) -> None:
        self._playwright = playwright
        self._browser = browser
        self.profile = profile
        self._size = size
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.requests: list[str] = []
        """The address of every request made, answered or not, in all this browser's lives."""
        self.answers: list[tuple[str, int, bool]] = []
        """Address, status, and whether the service worker gave it."""
        self.said: list[str] = []
        """What the console showed."""

    def start(self) -> Page:
        assert self._process is None
        self.profile.mkdir(parents=True, exist_ok=True)
        told = self.profile / "DevToolsActivePort"
        told.unlink(missing_ok=True)
        width, height = self._size
        command = [str(self._browser.path), *FLAGS, *self._flags, f"--window-size={width},{height}", "--lang=zh-CN"]
        self._process = subprocess.Popen(  # noqa: S603 — the command is ours
            [*command, f"--user-data-dir={self.profile}", "about:blank"],
            env={**os.environ, **self._browser.environment, "LANGUAGE": "zh_CN", "TZ": "Asia/Shanghai"},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        port = until(lambda: told.exists() and told.read_text().partition("\n")[0], "the browser's debugging port")
        self._connection = self._playwright.chromium.connect_over_cdp(
            f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS * 1000
        )
        self.context: BrowserContext = self._connection.contexts[0]
        self.context.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.context.on("request", self._requested)
        self.context.on("response", self._answered)
        self.context.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.context.on("weberror", lambda fault: self.said.append(f"error: {fault.error}"))
        # The port may be open before the first window is.
        page = self.context.pages[0] if self.context.pages else self.context.wait_for_event("page")
        page.set_viewport_size({"width": width, "height": height})
        return page

    def kill(self) -> None:
        """SIGKILL to the browser and all its processes, with no word of warning."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_SECONDS)
        self._process = None
        with contextlib.suppress(Exception):  # the connection died with it
            self._connection.close()
        for name in ("SingletonLock", "SingletonSocket", "SingletonCookie"):
            (self.profile / name).unlink(missing_ok=True)

    def close(self) -> None:
        if self._process is not None:
            self.kill()

    def leave_evidence(self, place: Path) -> None:
        """What was on the screen and in the console, for whoever reads the failure."""
        if self._process is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            for number, page in enumerate(self.context.pages):
                with contextlib.suppress(Exception):  # a page that can no longer be pictured hides no failure
                    page.screenshot(path=place.with_name(f"{place.name}-{number}.png"), timeout=5000)
            told = [f"{status} {url}" for url, status, _ in self.answers] + self.said
            place.with_suffix(".txt").write_text("\n".join(told), encoding="utf-8")

    def forget(self) -> None:
        self.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)

    def _answered(self, response: Response) -> None:
        self.answers.append((response.url, response.status, response.from_service_worker))


_LOCAL = re.compile(r"(https?://(localhost|127\.0\.0\.1)[:/]|data:|blob:|about:|chrome:)")


def gone_out(*browsers: Chromium) -> list[str]:
    """The requests for any place but this machine."""
    return [url for browser in browsers for url in browser.requests if not _LOCAL.match(url)]


REMEMBER_PICTURES = """
  window.picturesGiven = [];
  const toBlob = HTMLCanvasElement.prototype.toBlob;
  HTMLCanvasElement.prototype.toBlob = function (callback, ...how) {
    toBlob.call(this, async (blob) => {
      const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
      window.picturesGiven.push([...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join(''));
      callback(blob);
    }, ...how);
  };
"""
"""Notes the SHA-256 of every picture the camera gives, before the app has it."""


WAKE = """
  () => {
    const placeholder = document.querySelector('flt-semantics-placeholder');
    if (!placeholder || document.getElementById('shell')) return false;
    placeholder.click();
    return true;
  }
"""
IDENTIFIERS = """
  () => [...document.querySelectorAll('[flt-semantics-identifier]')]
    .map((element) => element.getAttribute('flt-semantics-identifier'))
"""
WORDS_OF = """
  (identifier) => {
    const place = document.querySelector(`[flt-semantics-identifier='${identifier}']`);
    if (!place) return '';
    const labels = [place, ...place.querySelectorAll('[aria-label]')].map((element) => element.ariaLabel || '');
    return `${place.textContent} ${labels.join(' ')}`.trim();
  }
"""


class AppOnScreen:
    """The phone's app in a page, found by the identifiers of field_app.components.identifiers."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.wake()

    def wake(self) -> None:
        """Have Flutter describe what it draws, as for a screen reader, once that can be seen.

        The web engine forgets the identifiers of what changes (field_app.components.identifiers), and what is drawn
        under the shell does.
        """
        # At once in one document: a newer version that has just taken over may load the page again (shell.js).
        self.page.wait_for_function(WAKE)

    def find(self, identifier: str) -> Locator:
        return self.page.locator(f"[flt-semantics-identifier='{identifier}']")

    def see(self, identifier: str) -> Locator:
        found = self.find(identifier).first
        found.wait_for()
        return found

    def sees(self, identifier: str) -> bool:
        return self.find(identifier).count() > 0

    def identifiers(self, beginning: str) -> list[str]:
        """The identifiers on the screen that begin so, from top to bottom."""
        found: list[str] = self.page.evaluate(IDENTIFIERS)
        return [identifier for identifier in found if identifier.startswith(beginning)]

    def scroll_to(self, identifier: str) -> Locator:
        """What lies further down is described only once it comes near."""
        width, height = self.page.evaluate("[innerWidth, innerHeight]")
        self.page.mouse.move(width / 2, height / 2)

        def near() -> bool:
            if not self.sees(identifier):
                self.page.mouse.wheel(0, 200)
            return self.sees(identifier)

        until(near, f"{identifier} further down")
        return self.see(identifier)

    def tap(self, identifier: str) -> None:
        """As soon as it can be tapped: what carries the identifier may only surround the thing itself."""
        named = f"[flt-semantics-identifier='{identifier}']"
        self.page.locator(f"{named}[flt-tappable], {named} [flt-tappable]").first.click()

    def hold(self, identifier: str) -> None:
        """Press it and keep the finger there until it has gone."""
        box = self.see(identifier).bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.down()
        self.find(identifier).first.wait_for(state="detached")
        self.page.mouse.up()

    def type(self, identifier: str, words: str) -> None:
        field = self.see(identifier).locator("input, textarea").first
        field.click()
        field.fill(words)
        until(lambda: field.input_value() == words, f"{words!r} stands in {identifier}")

    def words(self, identifier: str) -> str:
        """Everything read aloud there now; empty where it is not on the screen."""
        told: str = self.page.evaluate(WORDS_OF, identifier)
        return told

    def reads(self, identifier: str, words: str) -> None:
        until(lambda: words in self.words(identifier), f"{words!r} in {identifier}")

    def go_on(self) -> None:
        """Press the one next action, and wait until the app has moved on from it."""
        self.see("next-action")
        before = self.words("next-action")
        self.tap("next-action")
        until(lambda: self.words("next-action") != before, f"what follows {before!r}")

    def take_picture(self) -> None:
        """Press the shutter, once and not before the camera has started; see the picture kept."""
        self.see("camera")
        self.find("camera-starting").wait_for(state="detached")
        before, kept = self._pictures(), self.words("camera-count")
        self.tap("camera-shutter")
        until(lambda: self._pictures() > before, "a picture")
        until(lambda: self.words("camera-count") != kept, "the picture among those that are kept")

    def _pictures(self) -> int:
        number: int = self.page.evaluate("window.picturesGiven.length")
        return number

    def draw(self, identifier: str) -> None:
        """Two strokes with the mouse, as a finger would."""
        box = self.see(identifier).bounding_box()
        assert box is not None
        mouse = self.page.mouse
        for share in (0.3, 0.5):
            x, y = box["x"] + box["width"] * 0.55, box["y"] + box["height"] * share
            mouse.move(x, y)
            mouse.down()
            for step in range(1, 40):  # loops, along the pad's longer side: it is turned when the phone is upright
                mouse.move(x + 40 * math.sin(step / 3) - step, y + step * 3 + 24 * math.cos(step / 3))
            mouse.up()

    def can_open_offline(self) -> None:
        """Wait until the service worker has everything."""
        self.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
