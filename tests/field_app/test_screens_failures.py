"""What goes wrong is said calmly, with what was kept and what to do; a traceback reaches nobody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flet as ft
import httpx
import pytest

from field_app import main as app_main
from field_app.device.contract import StorageMissing, StoreInUse
from field_app.store import StorageUnavailable, StoreTooNew
from field_app.words import Words
from shared_schema.lifecycle import Status
from shared_schema.sync_protocol import EnrolReply
from shared_schema.wire import encode
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen, in_a_loop
from tests.field_app.single_phone import SinglePhone

FAULTS = {
    "insecure": StorageMissing("insecure"),
    "unsupported": StorageMissing("unsupported"),
    "denied": StorageMissing("denied"),
    "in-use": StoreInUse(),
    "too-new": StoreTooNew(),
    "unavailable": StorageUnavailable(),
    "unexpected": ZeroDivisionError("secret detail"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_an_app_that_cannot_start_says_why_in_both_languages(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And tries again when asked to."""
    tries: list[int] = []

    async def fails() -> Any:
        tries.append(1)
        raise FAULTS[reason]

    monkeypatch.setattr(app_main, "_open", fails)

    async def look() -> None:
        screen = await Screen().show(app_main.main)
        words = screen.text()
        assert reason in screen.text("failure")
        assert "secret detail" not in words
        assert "Traceback" not in words
        assert any("\u4e00" <= sign <= "\u9fff" for sign in words)
        await screen.tap("failure-retry")
        assert len(tries) == 2
        assert screen.shows("failure")

    in_a_loop(look())


def test_over_plain_http_it_is_said_that_https_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> Any:
        raise StorageMissing("insecure")

    monkeypatch.setattr(app_main, "_open", fails)

    async def look() -> None:
        screen = await Screen().show(app_main.main)
        assert screen.text().count("HTTPS") >= 2

    in_a_loop(look())


def test_an_unexpected_error_in_a_tap_is_a_calm_sentence_and_an_incident(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)

    monkeypatch.setattr(type(hand.single.actions), "accept", _raising(ZeroDivisionError("oh")))

    async def tap(screen: Screen) -> None:
        await screen.tap("next-action")
        assert "意外情况" in screen.text("notice")
        assert "Traceback" not in screen.text()
        await screen.tap("notice-dismiss")
        assert not screen.shows("notice")

    hand.does(tap, f"/tickets/{ticket.id}")
    assert "screen" in hand.single.incidents()


def test_what_flet_would_show_with_a_traceback_is_said_calmly(hand: Hand) -> None:
    """Its session's last word goes to the incidents, not to the screen."""

    async def crash(screen: Screen) -> None:
        screen.session.error("secret detail\nTraceback (most recent call last): …")
        await screen.settle()
        assert screen.shows("notice")
        assert "Traceback" not in screen.text()

    hand.does(crash)
    assert "screen" in hand.single.incidents()


def test_what_could_not_be_saved_is_not_called_saved(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: the sentence says so, the draft is still there, the page stays."""
    ticket = an_assigned_ticket()
    hand.given(ticket)

    async def note(screen: Screen) -> None:
        await screen.type("note-text", "满了")
        monkeypatch.setattr(type(hand.single.actions), "add_note", _raising(StorageUnavailable("disk full")))
        await screen.tap("note-submit")
        assert "没能保存" in screen.text("notice")
        assert screen.value("note-text") == "满了"
        assert not screen.shows("saved-on-phone")

    hand.does(note, f"/tickets/{ticket.id}/note")
    assert hand.single.store.draft(f"note:{ticket.id}") == {"text": "满了"}


def test_a_fault_while_rendering_leaves_out_one_part_and_nothing_else(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One ticket that cannot be shown does not take the others with it."""
    from field_app.components import badges

    original = badges.status_badge
    good, bad = an_assigned_ticket(number="GOOD"), an_assigned_ticket(number="BAD")
    hand.given(good, bad)

    calls: list[Status] = []

    def failing(status: Status, words: Words) -> ft.Control:
        calls.append(status)
        if len(calls) == 1:
            raise ZeroDivisionError
        return original(status, words)

    monkeypatch.setattr(badges, "status_badge", failing)

    async def look(screen: Screen) -> None:
        shown = {number for number in ("GOOD", "BAD") if screen.shows(f"ticket-{number}")}
        assert len(shown) == 1

    hand.does(look)
    assert "screen" in hand.single.incidents()


def test_an_address_that_leads_nowhere_leads_back(hand: Hand) -> None:
    async def look(screen: Screen) -> None:
        assert screen.shows("nowhere")
        await screen.tap("nav-today")
        assert screen.shows("today")

    hand.does(look, "/no/such/page")


def test_a_ticket_that_is_gone_says_so(hand: Hand) -> None:
    async def look(screen: Screen) -> None:
        assert screen.shows("ticket-gone")

    hand.does(look, "/tickets/0192bbbb-0000-7000-8000-000000000001")


# -- enrolment --------------------------------------------------------------------------------------------------------


@pytest.fixture
def new_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hand:
    """A phone nobody has enrolled yet."""
    monkeypatch.setattr(SinglePhone, "__init__", _without_identity(SinglePhone.__init__))
    return Hand(tmp_path)


def _without_identity(original: Callable[..., None]) -> Callable[..., None]:
    def made(self: SinglePhone, path: Path, **different: Any) -> None:
        from field_app.store import Store

        enrolled, Store.enrolled = Store.enrolled, lambda *_: None  # type: ignore[method-assign]
        try:
            original(self, path, **different)
        finally:
            Store.enrolled = enrolled  # type: ignore[method-assign]

    return made


def test_a_new_phone_is_enrolled_with_the_key_from_its_link(new_hand: Hand) -> None:
    """No typing: the key came with the address."""

    def office(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/sync/v1/enrol":
            reply = EnrolReply("device-9", "token", "t-chen", "陈志远", 0)
            return httpx.Response(200, content=encode(reply))
        return httpx.Response(503)

    new_hand.transport = httpx.MockTransport(office)

    async def begin(screen: Screen) -> None:
        for _ in range(100):
            if screen.shows("today"):
                break
            await screen.settle()
        assert screen.shows("today")

    new_hand.does(begin, offered_key="abcdefgh12345678")
    identity = new_hand.single.store.identity()
    assert identity is not None
    assert identity.name == "陈志远"


def test_when_the_key_of_a_link_fails_the_page_says_what_to_do_and_not_that_it_is_at_it(new_hand: Hand) -> None:
    async def begin(screen: Screen) -> None:
        for _ in range(100):
            if screen.shows("enrol-error"):
                break
            assert "正在用链接中的密钥" in screen.text()
            await screen.settle()
        assert screen.shows("enrol-error")
        assert "正在用链接中的密钥" not in screen.text()
        assert "密钥 15 分钟内有效" in screen.text()

    new_hand.does(begin, offered_key="abcdefgh12345678")


@pytest.mark.parametrize(
    ("typed", "said"),
    [("abc", "不是密钥"), ("https://office.example/app/#enrol=abcdefgh12345678", "连接不上办公室")],
)
def test_what_is_wrong_with_a_key_is_said(new_hand: Hand, typed: str, said: str) -> None:
    async def begin(screen: Screen) -> None:
        await screen.type("enrol-key", typed)
        await screen.tap("enrol-submit")
        for _ in range(100):
            if screen.shows("enrol-error"):
                break
            await screen.settle()
        assert said in screen.text("enrol-error")
        assert screen.value("enrol-key") == typed
        await screen.tap("language-en")
        assert said not in screen.text("enrol-error"), "the sentence follows the language"

    new_hand.does(begin)
    assert new_hand.single.store.identity() is None


def test_the_name_offered_for_a_phone_follows_the_language_until_another_is_typed(new_hand: Hand) -> None:
    async def begin(screen: Screen) -> None:
        assert screen.value("enrol-device-name") == Words.load("zh_CN")("enrol.device-name-default")
        await screen.tap("language-en")
        assert screen.value("enrol-device-name") == Words.load("en")("enrol.device-name-default")
        await screen.type("enrol-device-name", "Chen's Xiaomi")
        await screen.tap("language-zh_CN")
        assert screen.value("enrol-device-name") == "Chen's Xiaomi"

    new_hand.does(begin)


def _raising(fault: Exception) -> Callable[..., Any]:
    def raises(*_: Any, **__: Any) -> Any:
        raise fault

    return raises


def test_a_credential_whose_showing_could_not_be_saved_says_so(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a page without the usual frame: the sentence stands above its button."""
    ticket = an_assigned_ticket(status=Status.ARRIVED)
    hand.given(ticket)

    async def show(screen: Screen) -> None:
        monkeypatch.setattr(type(hand.single.actions), "show_credential", _raising(StorageUnavailable("disk full")))
        await screen.tap("credential-shown")
        assert "没能保存" in screen.text("notice")
        await screen.tap("notice-dismiss")
        assert screen.shows("credential-shown")

    hand.does(show, f"/tickets/{ticket.id}/credential")


def test_an_enrolment_that_this_phone_could_not_keep_says_so(new_hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full: neither silence nor a button that is busy for ever."""
    from field_app.state.phone import Phone

    monkeypatch.setattr(Phone, "enrol", _raising(StorageUnavailable("disk full")))

    async def begin(screen: Screen) -> None:
        await screen.type("enrol-key", "abcdefgh12345678")
        await screen.tap("enrol-submit")
        assert "没能保存" in screen.text("notice")
        await screen.tap("enrol-submit")

    new_hand.does(begin)


@pytest.mark.parametrize("offered", [None, "abcdefgh12345678"])
def test_a_phone_that_was_revoked_is_enrolled_again_with_the_key_of_the_link_it_is_opened_with(
    hand: Hand, offered: str | None
) -> None:
    """Scanning the new QR code opens the app, which is somebody's already; the key is there where it is asked for."""
    asked: list[bytes] = []

    def office(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/sync/v1/enrol":
            return httpx.Response(503)
        asked.append(request.content)
        return httpx.Response(200, content=encode(EnrolReply("device-1", "token-2", "t-chen", "陈志远", 0)))

    hand.transport = httpx.MockTransport(office)

    async def again(screen: Screen) -> None:
        await screen.go("/enrol")
        for _ in range(100):
            await screen.settle()
        assert screen.shows("enrol") is (offered is None)

    hand.does(again, "/sync", offered_key=offered)
    assert [b"abcdefgh12345678" in request for request in asked] == ([] if offered is None else [True])
