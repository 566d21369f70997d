"""What the sync page says: saved here and received there kept apart, item by item, and what still works offline."""

import httpx
import pytest

from field_app.state.app import ThemeChoice
from field_app.sync import FOR_GOOD
from field_app.words import Words
from shared_schema.apply import Filing
from shared_schema.sync_protocol import Verdict
from tests.builders.tickets import a_picture, an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen
from tests.field_app.single_phone import saved


def test_saved_here_and_received_there_are_two_numbers(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)
    accepted = saved(hand.single.actions.accept(ticket.id))
    hand.single.hears([Verdict(accepted, 1, Filing.APPLIED, 4)])
    saved(hand.single.actions.start_travel(ticket.id))

    async def look(screen: Screen) -> None:
        assert "2" in screen.text("saved-through")
        assert "1" in screen.text("received-through")
        assert "待上传" in screen.text("entry-2")
        assert "已入档" in screen.text("entry-1")

    hand.does(look, "/sync")


def test_every_item_can_be_reached_however_many_wait(hand: Hand) -> None:
    """A week in the mountains: what waits is counted whole, and shown to the first entry as it is asked for."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    for number in range(130):
        saved(hand.single.actions.add_note(ticket.id, f"第 {number} 条"))

    async def look(screen: Screen) -> None:
        assert "130 项" in screen.text()
        assert not screen.shows("entry-1")
        await screen.tap("more")
        assert not screen.shows("more")
        assert all(screen.shows(f"entry-{number}") for number in range(1, 131))

    hand.does(look, "/sync")


def test_offline_says_what_still_works(hand: Hand) -> None:
    async def look(screen: Screen) -> None:
        await hand.state.phone.engine.run_round()
        await screen.settle()
        assert screen.shows("standing-offline")
        assert "离线 · 全部功能可用" in screen.text("status-line")
        assert "签字" in screen.text("standing-offline")

    hand.does(look, "/sync")


def test_a_phone_the_office_has_shut_out_keeps_everything_and_says_so(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)
    saved(hand.single.actions.accept(ticket.id))
    hand.transport = httpx.MockTransport(lambda _: httpx.Response(401, json={"code": "device-unknown", "status": 401}))

    async def look(screen: Screen) -> None:
        await hand.state.phone.engine.run_round()
        await screen.settle()
        assert screen.shows("standing-signed-out")
        assert screen.shows("entry-1")
        await screen.tap("enrol-again")
        assert screen.shows("enrol-key")

    hand.does(look, "/sync")
    assert hand.single.store.counts().operations == 1


def test_a_photo_on_its_way_says_how_far_it_is(hand: Hand) -> None:
    ticket = an_assigned_ticket()
    hand.given(ticket)
    saved(hand.single.actions.accept(ticket.id))
    from shared_schema.evidence import PhotoSlot

    saved(hand.single.actions.add_photo(ticket.id, a_picture(2_000_000), PhotoSlot.BEFORE))
    (photo,) = hand.single.store.photos_waiting()
    hand.single.store.photo_progress(photo.sha256, location="/x", offset=1_000_000, restarts=0)

    async def look(screen: Screen) -> None:
        assert "50%" in screen.text()
        assert "2.0 MB" in screen.text()

    hand.does(look, "/sync")


def test_the_language_changes_at_once_everywhere(hand: Hand) -> None:
    """No reload, no restart: the page one is on speaks the other language, and so does the app tomorrow."""

    async def choose(screen: Screen) -> None:
        assert "我的" in screen.text()
        await screen.tap("language-en")
        assert "我的" not in screen.text()
        assert "Appearance" in screen.text()
        await screen.tap("nav-today")
        assert "Today" in screen.text()

    hand.does(choose, "/me")
    assert hand.single.store.setting("language") == "en"
    assert hand.single.device.spoken == "en"


def test_what_the_app_runs_in_is_said_in_words(hand: Hand) -> None:
    async def look(screen: Screen) -> None:
        assert "电脑" in screen.text()
        assert "desktop" not in screen.text()
        await screen.tap("language-en")
        assert "desktop" in screen.text()

    hand.does(look, "/me")


def test_light_and_dark_are_chosen_and_kept(hand: Hand) -> None:
    async def choose(screen: Screen) -> None:
        await screen.tap("theme-dark")
        assert screen.page.theme_mode is not None
        assert screen.page.theme_mode.value == "dark"

    hand.does(choose, "/me")
    assert hand.single.store.setting("theme") == ThemeChoice.DARK.value


def test_prices_are_looked_up_by_name_or_code(hand: Hand) -> None:
    hand.given()

    async def look(screen: Screen) -> None:
        assert "¥120.50" in screen.text()
        await screen.type("prices-search", "上门")
        assert "¥50.00" in screen.text()
        assert "¥120.50" not in screen.text()
        await screen.type("prices-search", "p002")
        assert "¥120.50" in screen.text()

    hand.does(look, "/me/prices")


def test_the_credential_says_what_has_expired(hand: Hand) -> None:
    hand.given()

    async def look(screen: Screen) -> None:
        assert "陈志远" in screen.text("credential")
        assert "已于 2026年1月1日 过期" in screen.text()
        assert "有效期至 2028年1月1日" in screen.text()

    hand.does(look, "/me/credential")


@pytest.mark.parametrize(
    ("fen", "words"), [(0, "¥0.00"), (5, "¥0.05"), (12050, "¥120.50"), (123456789, "¥1,234,567.89")]
)
def test_money_is_exact(fen: int, words: str) -> None:
    assert Words.load("en").money(fen) == words


def test_a_photo_the_office_does_not_take_says_why(hand: Hand) -> None:
    """Apart from those on their way, in words, in both languages; and all of these together say how far they are."""
    ticket = an_assigned_ticket()
    hand.given(ticket)
    saved(hand.single.actions.accept(ticket.id))
    from shared_schema.evidence import PhotoSlot

    for seed, size in ((1, 600_000), (2, 1_000_000), (3, 3_000_000), (4, 40_000)):
        saved(hand.single.actions.add_photo(ticket.id, a_picture(size, seed=seed), PhotoSlot.BEFORE))
    tiny, bad, middle, large = hand.single.store.photos_waiting()
    hand.single.store.photo_set_back(bad.sha256, "not-a-picture")
    hand.single.store.photo_set_back(tiny.sha256, "checksum-mismatch")
    hand.single.store.photo_progress(large.sha256, location="/x", offset=1_000_000, restarts=0)

    async def look(screen: Screen) -> None:
        assert "无法识别为图片" in screen.text(f"troubled-{bad.sha256[:8]}")
        assert "几分钟后" in screen.text(f"troubled-{tiny.sha256[:8]}")
        assert not screen.shows(f"troubled-{middle.sha256[:8]}")
        assert "还有 3.0 MB 待上传，共 4.0 MB" in screen.text("photos-in-all")

    hand.does(look, "/sync")


@pytest.mark.parametrize("reason", sorted(FOR_GOOD | {"other"}))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_reason_that_will_not_pass_has_a_sentence(reason: str, language: str) -> None:
    key = f"photo-trouble.{reason}"
    assert Words.load(language)(key) != key
