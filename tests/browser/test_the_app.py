"""The published app as a browser meets it: loading it, keeping it, updating it, and where it must refuse."""

import io
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from PIL import Image

from tools.driving import AppOnScreen, Chromium, Office, gone_out, until
from tools.driving.wire import Wire
from tools.publish.__main__ import publish

FIRST_LOAD_BYTES = 15_000_000
NEWER_ONE_WAITS = "navigator.serviceWorker.getRegistration().then((r) => !!(r && r.waiting))"


def _publish_a_newer_version(app_source: Path, served: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(app_source, source)
    with (source / "main.py").open("a", encoding="utf-8") as main:
        main.write("\n# a new version\n")
    publish(served, source=source)


def test_the_app_crosses_the_wire_once_and_an_update_brings_only_what_changed(
    office: Office, open_browser: Callable[..., Chromium], app_folder: Path, app_source: Path, tmp_path: Path
) -> None:
    """A first visit loads everything once, in 15 MB. A new version brings a few files, and takes over at a start."""
    served = tmp_path / "app"
    shutil.copytree(app_folder, served)
    office.serve_app_from(served)
    wire = Wire(office.port)
    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    phone.open(f"{wire.address}/app/")
    phone.see("enrol")
    phone.can_open_offline()
    app_files = [path for path in wire.fetched() if path.startswith("/app/")]
    assert sorted(app_files) == sorted(set(app_files))
    assert wire.bytes_down <= FIRST_LOAD_BYTES

    _publish_a_newer_version(app_source, served, tmp_path)
    wire.reset()
    phone.open(f"{wire.address}/app/")
    until(lambda: phone.page.evaluate(NEWER_ONE_WAITS), "the new version, waiting")
    phone.open(f"{wire.address}/app/")
    phone.see("enrol")
    until(lambda: not phone.page.evaluate(NEWER_ONE_WAITS), "the new version, in charge")
    brought = {path.removeprefix("/app/").partition("?")[0] for path in wire.fetched()}
    assert brought == {"", "app.zip", "service_worker.js", "shell.js"}
    assert gone_out(browser) == []
    wire.close()


NOTHING_LOADS = "document.addEventListener('DOMContentLoaded', () => { window.load = () => {}; })"
COVERED_WHEN_TAKEN_OVER = """
  async () => {
    await navigator.serviceWorker.getRegistration();
    navigator.serviceWorker.dispatchEvent(new Event('controllerchange'));
    shell.go();
    sessionStorage.covered = Boolean(document.getElementById('shell'));
  }
"""


def test_a_page_that_a_newer_version_makes_load_again_stays_covered(
    office: Office, open_browser: Callable[..., Chromium], app_folder: Path, app_source: Path, tmp_path: Path
) -> None:
    """It takes over late, while the older one loads, and draws its first page when it is about to go."""
    served = tmp_path / "app"
    shutil.copytree(app_folder, served)
    office.serve_app_from(served)
    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    phone.open(f"{office.address}/app/")
    phone.can_open_offline()
    _publish_a_newer_version(app_source, served, tmp_path)
    phone.open(f"{office.address}/app/")
    until(lambda: phone.page.evaluate(NEWER_ONE_WAITS), "the new version, waiting")

    loading = browser.context.new_page()
    loading.add_init_script(NOTHING_LOADS)
    loading.goto(f"{office.address}/app/")
    loading.evaluate(COVERED_WHEN_TAKEN_OVER)
    loading.wait_for_function("sessionStorage.covered")
    assert loading.evaluate("sessionStorage.covered") == "true"


def test_an_app_the_office_calls_too_old_fetches_the_newer_one_at_once(
    office: Office, open_browser: Callable[..., Chromium], app_folder: Path, app_source: Path, tmp_path: Path
) -> None:
    """An app that speaks no protocol of today's is to be enrolled. The office asks for an update; the app fetches it
    while its page stays open, and at the next start the very same key is taken."""
    old, served = tmp_path / "old", tmp_path / "app"
    shutil.copytree(app_source, old)
    spoken = old / "shared_schema" / "sync_protocol.py"
    spoken.write_text(re.sub(r"^PROTOCOL = .*$", "PROTOCOL = 0", spoken.read_text("utf-8"), flags=re.M), "utf-8")
    publish(served, source=old)
    office.serve_app_from(served)
    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    phone.open(f"{office.address}/app/")
    phone.can_open_offline()
    shutil.rmtree(served)
    shutil.copytree(app_folder, served)

    key = office.enrolment_link("t-chen").partition("#enrol=")[2]
    phone.type("enrol-key", key)
    phone.tap("enrol-submit")
    phone.see("enrol-error")
    until(lambda: phone.page.evaluate(NEWER_ONE_WAITS), "the new version, waiting")

    phone.open(f"{office.address}/app/")
    phone.type("enrol-key", key)
    phone.tap("enrol-submit")
    phone.see("today")
    assert gone_out(browser) == []


def test_what_the_screen_calls_saved_survives_a_kill_and_a_second_tab_is_refused(
    office: Office, open_browser: Callable[..., Chromium], tmp_path: Path
) -> None:
    """The key is typed in. A step is taken in a cellar; the moment the screen says it is saved, the browser is killed.
    It is still there. A second tab is told that the app is open already, as often as it asks, touches nothing, and may
    take over when the first is closed and its worker has let go of the store."""
    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    phone.open(f"{office.address}/app/")
    phone.type("enrol-key", "no key")
    phone.tap("enrol-submit")
    phone.see("enrol-error")
    phone.type("enrol-key", office.enrolment_link("t-chen").partition("#enrol=")[2])
    phone.tap("enrol-submit")
    phone.see("today")
    ticket = until(lambda: phone.identifiers("ticket-"), "a ticket")[0]
    phone.can_open_offline()
    office.stop()
    phone.tap(ticket)
    phone.go_on()
    phone.see("saved-on-phone")
    browser.kill()
    assert _integrity(browser.profile, tmp_path) == ["ok"]

    phone = AppOnScreen(browser.start())
    phone.open(f"{office.address}/app/sync")
    phone.see("entry-1")

    second = AppOnScreen(browser.context.new_page())
    second.open(f"{office.address}/app/")
    second.see("failure")

    def opens_now() -> bool:
        second.tap("failure-retry")
        second.find("failure").first.wait_for(state="detached")
        until(lambda: second.sees("failure") or second.sees(ticket), "what comes of another attempt")
        return second.sees(ticket)

    assert not opens_now()
    phone.page.close()
    until(opens_now, "the second tab in the place of the first")
    second.tap("nav-sync")
    second.see("entry-1")
    assert gone_out(browser) == []


def test_an_emoji_is_seen_without_a_network(office: Office, open_browser: Callable[..., Chromium]) -> None:
    """Keyboards offer them, so names and words have them; the browser's own fonts are none of CanvasKit's."""
    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    phone.open(f"{office.address}/app/")
    phone.can_open_offline()
    office.stop()
    phone.open(f"{office.address}/app/")
    phone.type("enrol-key", "\N{GRINNING FACE}\N{OK HAND SIGN}")
    until(lambda: _yellow_pixels(phone.page.screenshot()) > 50, "two yellow pictures")
    assert gone_out(browser) == []


def _yellow_pixels(screenshot: bytes) -> int:
    with Image.open(io.BytesIO(screenshot)) as picture:
        data = picture.convert("RGB").tobytes()
    return sum(1 for at in range(0, len(data), 3) if data[at] > 240 and data[at + 1] > 220 and data[at + 2] < 80)


def _integrity(profile: Path, folder: Path) -> list[str]:
    """What SQLite says of each store with entries that the killed browser left in its private file system, where files
    have numbers for names: the store's and its rollback journal's are known by how they begin."""
    files = [path for path in (profile / "Default" / "File System").rglob("*") if path.is_file()]
    journals = [path for path in files if path.read_bytes()[:8] == b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"]
    assert len(journals) <= 1
    said: list[str] = []
    for number, path in enumerate(path for path in files if path.read_bytes()[:16] == b"SQLite format 3\0"):
        copy = folder / f"left-{number}.db"
        shutil.copy(path, copy)
        for journal in journals:
            shutil.copy(journal, f"{copy}-journal")
        with closing(sqlite3.connect(copy)) as store:
            said += [answer for (answer,) in store.execute("PRAGMA integrity_check")]
            assert store.execute("SELECT count(*) FROM journal").fetchone() == (1,)
    return said


def test_plain_http_from_another_machine_says_that_https_is_missing(
    office: Office, open_browser: Callable[..., Chromium]
) -> None:
    """A phone opens the office's address without HTTPS: a sentence says what is missing, and nothing else is loaded."""
    browser = open_browser("stranger", f"--host-resolver-rules=MAP doorstep.test 127.0.0.1:{office.port}")
    page = browser.start()
    page.goto("http://doorstep.test/app/")
    page.wait_for_selector("#shell[data-state=insecure]")
    assert "HTTPS" in page.inner_text("#shell h1")
    assert not [url for url in browser.requests if "main.dart" in url or "pyodide" in url]
