"""What only a real browser can show: a key nobody can take out, a file that reaches the person's hands."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from playwright.sync_api import Request

from shared_schema.sync_protocol import head_text
from tests.browser.worker import in_python
from tests.builders.rescue_opening import an_office_key, opened, public_half
from tools.driving import AppOnScreen, Chromium, Office, until
from tools.publish.page import words

OFFICE_KEY = an_office_key()


APP = "__import__('field_app.main').main._phones['browser']"
A_NOTE = f"type({APP}.actions.add_note({APP}.store.tickets()[0].id, '字')).__name__"


def test_a_phone_signs_its_journal_with_a_key_that_survives_and_cannot_be_taken_out(
    office: Office, open_browser: Callable[..., Chromium]
) -> None:
    """The heads that reach the office are verified by another library; after a kill -9 it is still the same key."""
    rounds: list[dict[str, Any]] = []

    def keep(request: Request) -> None:
        if request.url.endswith(("/sync/v1/round", "/sync/v1/enrol")) and request.post_data:
            rounds.append(json.loads(request.post_data))

    def signed() -> dict[str, Any] | None:
        phone.page.evaluate("0")  # lets Playwright tell what has happened meanwhile
        return next((asked["head"] for asked in rounds if asked.get("ops") and "head" in asked), None)

    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    browser.context.on("request", keep)
    phone.open(office.enrolment_link("t-chen"))
    phone.see("today")
    until(lambda: phone.identifiers("ticket-"), "a ticket")
    key = base64.b64decode(next(asked["public_key"] for asked in rounds if "public_key" in asked))
    assert in_python(phone, A_NOTE) == "Saved"
    until(signed, "a signed round")
    verified(signed(), rounds, key)
    assert phone.page.evaluate(TAKEN_OUT) == "InvalidAccessError"

    browser.kill()
    rounds.clear()
    phone = AppOnScreen(browser.start())
    browser.context.on("request", keep)
    phone.open(f"{office.address}/app/")
    phone.see("today")
    assert in_python(phone, A_NOTE) == "Saved"
    until(signed, "a signed round")
    verified(signed(), rounds, key)


def verified(head: dict[str, Any] | None, rounds: list[dict[str, Any]], key: bytes) -> None:
    assert head is not None
    assert base64.b64decode(head["key"]) == key
    device = next(asked["device"] for asked in rounds if "cursor" in asked)
    text = head_text(device, head["sequence"], head["hash"])
    Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(head["signature"]), text)


TAKEN_OUT = """
  async () => {
    const database = await new Promise((resolve) => {
      const opening = indexedDB.open('doorstep-key');
      opening.onsuccess = () => resolve(opening.result);
    });
    const asking = database.transaction('keys').objectStore('keys').get('own');
    const pair = await new Promise((resolve) => { asking.onsuccess = () => resolve(asking.result); });
    database.close();
    return crypto.subtle.exportKey('pkcs8', pair.privateKey).then(() => 'taken out', (fault) => fault.name);
  }
"""


WATCH_FOR_THE_QUESTION = """
    new MutationObserver((_, watching) => {
      const seen = document.querySelector('#hand-on-seen');
      if (!seen) return;
      window.cameDisabled = seen.disabled;
      watching.disconnect();
    }).observe(document.body, { childList: true, subtree: true });
"""


def test_a_rescue_file_made_in_a_browser_is_saved_and_opened_elsewhere(
    office: Office, open_browser: Callable[..., Chromium], tmp_path: Path
) -> None:
    """Offline: the technician saves the file out of the page's dialog and says that it is there, and somebody with the
    office's key reads in it what had not been received. Put aside, it counts for nothing."""
    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    phone.open(office.enrolment_link("t-chen"))
    phone.see("today")
    ticket = until(lambda: phone.identifiers("ticket-"), "a ticket")[0]
    office.stop()
    phone.tap(ticket)
    phone.go_on()
    phone.see("saved-on-phone")

    start = f"""
import asyncio
from field_app.main import _phones
from msgspec.structs import replace
phone = _phones["browser"]
phone.store._reference = replace(phone.store.reference(), rescue_key=bytes.fromhex("{public_half(OFFICE_KEY).hex()}"))
rescuing = asyncio.ensure_future(phone.rescue())
"""
    worker = phone.page.workers[0]
    worker.evaluate("(code) => { self.pyodide.runPython(code); }", start)
    dialog = phone.page.locator("#hand-on h1")
    dialog.wait_for()
    assert dialog.inner_text() == words()["zh_CN"]["shell.hand-on.title"], "the app's language, whatever the browser's"
    phone.page.click("#hand-on-cancel")
    assert in_python(phone, "(await rescuing).how.value") == "cancelled"
    assert in_python(phone, "phone.store.is_rescued()") is False

    worker.evaluate("(code) => { self.pyodide.runPython(code); }", start)
    phone.page.evaluate(WATCH_FOR_THE_QUESTION)
    with phone.page.expect_download() as downloading:
        phone.page.click("#hand-on-save")
    saved = tmp_path / "saved"
    downloading.value.save_as(saved)
    assert downloading.value.suggested_filename.endswith(".doorstep-rescue")
    phone.page.locator("#hand-on-seen").wait_for()  # the page asks only after the browser has begun
    assert downloading.value.suggested_filename in phone.page.locator("#hand-on p").inner_text()
    assert in_python(phone, "rescuing.done()") is False, "a tap is not yet a file"
    assert phone.page.evaluate("cameDisabled") is True, "it stands where the tap was, and there may be a second one"
    phone.page.click("#hand-on-seen")
    assert in_python(phone, "(await rescuing).how.value") == "saved"
    assert in_python(phone, "phone.store.is_rescued()") is True

    found = opened(saved.read_bytes(), OFFICE_KEY)
    assert found.is_signed
    kinds = [json.loads(envelope)["operation"]["kind"] for envelope in found.envelopes]
    assert kinds == in_python(phone, "[entry.kind for entry in reversed(phone.store.journal())]")
    assert kinds


def test_the_browser_tells_of_its_storage_and_is_asked_to_keep_it(
    office: Office, open_browser: Callable[..., Chromium]
) -> None:
    """Nothing is asked at first sight; after the enrolment the page asks, because a worker may not."""
    browser = open_browser("technician")
    page = browser.start()
    page.add_init_script("""
      window.askedToPersist = 0;
      if (navigator.storage) navigator.storage.persist = async () => { window.askedToPersist += 1; return true; };
    """)
    phone = AppOnScreen(page)
    phone.open(f"{office.address}/app/")
    phone.see("enrol")
    assert page.evaluate("askedToPersist") == 0
    page.goto("about:blank")
    phone.open(office.enrolment_link("t-chen"))
    phone.see("today")
    until(lambda: page.evaluate("askedToPersist") == 1, "asked once")
    used, quota, evicted = in_python(
        phone, f"(lambda s: (s.used_bytes, s.quota_bytes, s.may_be_evicted))(await {APP}.device.storage())"
    )
    assert 0 < used < quota
    assert evicted is True
