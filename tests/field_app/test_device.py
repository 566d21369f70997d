"""The places the app runs in, as far as they can be tried without one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import flet as ft
import pytest

from field_app.device.browser_name import browser_name
from field_app.device.contract import Shared, Sharing, StorageMissing, StoreInUse
from field_app.device.desktop import DesktopDevice
from field_app.device.enrolment_link import key_in, office_in
from field_app.device.phone import PhoneDevice
from field_app.state.phone import Phone
from field_app.store import StorageUnavailable
from shared_schema.sync_protocol import Offline

KEY = "yBNjyPKwoqRlASXkW0gQfF2BbWPpDumj"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"https://doorstep.example/app/#enrol={KEY}", KEY),
        (f"  https://doorstep.example/sub/app/#enrol={KEY}\n", KEY),
        (f"#enrol={KEY}", KEY),
        (KEY, KEY),
        ("https://doorstep.example/app/", None),
        (f"https://doorstep.example/app/?enrol={KEY}", None),
        ("https://doorstep.example/app/#enrol=<script>", None),
        ("short", None),
        ("", None),
    ],
)
def test_the_key_is_found_in_a_link_or_as_somebody_typed_it(text: str, key: str | None) -> None:
    assert key_in(text) == key


@pytest.mark.parametrize(
    ("link", "office"),
    [
        (f"https://doorstep.example/app/#enrol={KEY}", "https://doorstep.example"),
        (f"http://192.168.1.20:8000/app/#enrol={KEY}", "http://192.168.1.20:8000"),
        (f"https://doorstep.example/sub/app/#enrol={KEY}", "https://doorstep.example/sub"),
        (KEY, None),
        ("javascript:alert(1)", None),
    ],
)
def test_the_office_is_found_in_a_whole_link(link: str, office: str | None) -> None:
    assert office_in(link) == office


def test_a_store_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    """A second one is turned away and touches nothing; when the first has let go, it may have it."""

    async def story() -> None:
        path = tmp_path / "deep" / "store.db"
        first, second = DesktopDevice(path), DesktopDevice(path)
        await first.persistence.open()
        with pytest.raises(StoreInUse):
            await second.persistence.open()
        await first.persistence.close()
        assert await second.persistence.open() == str(path)
        await second.persistence.close()

    asyncio.run(story())


def test_a_store_that_could_not_be_opened_is_let_go_of(tmp_path: Path) -> None:
    """Or the second attempt, after room has been made, would be told that the app is open in another window."""

    async def story() -> None:
        path = tmp_path / "store.db"
        path.write_bytes(b"no store at all" * 1000)
        first = DesktopDevice(path)
        with pytest.raises(StorageUnavailable):
            await Phone.open(first)
        path.write_bytes(b"")
        phone = await Phone.open(DesktopDevice(path))
        phone.store.close()
        await phone.device.persistence.close()
        assert first is not phone.device, "both are alive"

    asyncio.run(story())


def test_a_folder_that_cannot_be_written_is_said_to_be_denied(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    device = DesktopDevice(tmp_path / "file" / "store.db")
    with pytest.raises(StorageMissing) as missing:
        asyncio.run(device.persistence.open())
    assert missing.value.reason == "denied"


def test_an_installed_app_remembers_the_office_of_its_link(tmp_path: Path) -> None:
    """It belongs to none at first; after a restart it still belongs to the one it was enrolled with."""
    device = PhoneDevice(tmp_path)
    assert device.office_url == ""
    assert not device.belong_to(KEY)
    assert device.belong_to(f"https://doorstep.example/app/#enrol={KEY}")
    assert device.office_url == "https://doorstep.example"
    assert PhoneDevice(tmp_path).office_url == "https://doorstep.example"


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (ft.ShareResultStatus.SUCCESS, Sharing.SHARED),
        (ft.ShareResultStatus.DISMISSED, Sharing.CANCELLED),
        (ft.ShareResultStatus.UNAVAILABLE, Sharing.CANCELLED),
    ],
)
def test_an_installed_app_hands_a_file_to_the_share_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: ft.ShareResultStatus, how: Sharing
) -> None:
    """The file it offered the last time is gone by then."""
    offered: list[bytes] = []

    def look_at(path: str | None) -> None:
        assert path is not None
        offered.append(Path(path).read_bytes())

    class Sheet:
        async def share_files(self, files: list[ft.ShareFile]) -> ft.ShareResult:
            (file,) = files
            look_at(file.path)
            return ft.ShareResult(status, "")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    monkeypatch.setattr(ft, "Share", Sheet)
    device = PhoneDevice(tmp_path)
    for name in ("a.doorstep-rescue", "b.doorstep-rescue"):
        assert asyncio.run(device.share(name, pieces())) == Shared(how, name)
    assert offered == [b"onetwo"] * 2
    assert [path.name for path in (tmp_path / "to-share").iterdir()] == ["b.doorstep-rescue"]


def test_the_clock_is_aware_and_counts_whole_milliseconds(tmp_path: Path) -> None:
    now = DesktopDevice(tmp_path / "store.db").now()
    assert now.utcoffset() is not None
    assert now.microsecond % 1000 == 0


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (Linux; Android 14; 2311DRK48C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 "
            "Mobile Safari/537.36",
            "Chrome 156, Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari 18, iOS",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; V2307A) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
            "Chrome/126.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.50 Language/zh_CN",
            "WeChat 8, Android",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
    ],
)
def test_the_office_reads_which_browser_it_is_in_a_few_words(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name


def test_an_installed_app_asks_the_office_of_the_link_it_was_given(tmp_path: Path) -> None:
    """Nothing answers at that address here; what counts is where the app knocks from then on."""

    async def story() -> None:
        phone = await Phone.open(PhoneDevice(tmp_path))
        assert await phone.enrol("short", "手机") is None
        assert isinstance(await phone.enrol(f"http://127.0.0.1:9/app/#enrol={KEY}", "手机"), Offline)
        assert str(phone.client.base_url).rstrip("/") == "http://127.0.0.1:9"
        await phone.client.aclose()
        phone.store.close()
        await phone.device.persistence.close()

    asyncio.run(story())


def test_a_link_that_did_not_let_it_in_does_not_take_an_app_away_from_its_office(tmp_path: Path) -> None:
    """The wrong code was scanned: what is recorded here is its own office's to receive, and so is its token."""

    async def story() -> None:
        own, other = "http://127.0.0.1:9/own", "http://127.0.0.1:9/other"
        PhoneDevice(tmp_path).belong_to(f"{own}/app/#enrol={KEY}")
        phone = await Phone.open(PhoneDevice(tmp_path))
        assert isinstance(await phone.enrol(f"{other}/app/#enrol={KEY}", "手机"), Offline)
        assert str(phone.client.base_url).rstrip("/") == own
        assert PhoneDevice(tmp_path).office_url == own
        await phone.client.aclose()
        phone.store.close()
        await phone.device.persistence.close()

    asyncio.run(story())
