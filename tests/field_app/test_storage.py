"""The storage the store lives in: how much there is, and when the browser is asked to keep it."""

import asyncio
from pathlib import Path

import httpx
import pytest
from msgspec import Raw

from field_app.device.browser_name import forgets_when_idle
from field_app.device.contract import StorageState
from field_app.device.desktop import DesktopDevice
from field_app.state.phone import Phone
from field_app.store import Identity
from shared_schema.evidence import PhotoSlot
from shared_schema.sync_protocol import PROTOCOL, EnrolReply, PutTicket, RoundReply
from shared_schema.wire import encode
from tests.builders.tickets import a_picture, an_assigned_ticket

KEY = "yBNjyPKwoqRlASXkW0gQfF2BbWPpDumj"
TICKET = an_assigned_ticket()


class AskedDevice(DesktopDevice):
    """A desktop that, like a browser, is asked; and an office that lets everybody in and has one ticket for them."""

    asked = 0

    async def ask_to_persist(self) -> bool:
        self.asked += 1
        return True

    def http_transport(self) -> httpx.AsyncBaseTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/sync/v1/enrol":
            if KEY.encode() not in request.content:
                return httpx.Response(400, json={"code": "enrolment-unknown"})
            return httpx.Response(200, content=encode(EnrolReply("device-1", "token", "t-chen", "陈师傅", 0)))
        put = encode(PutTicket(1, TICKET))
        return httpx.Response(200, content=encode(RoundReply(PROTOCOL, 0, 0, 1, changes=[Raw(put)])))


def test_the_browser_is_asked_when_there_is_something_to_lose(tmp_path: Path) -> None:
    """Not when the app is first seen, not for a note: after the enrolment, and once more after the first photo."""

    async def story() -> None:
        device = AskedDevice(tmp_path / "store.db")
        phone = await Phone.open(device)
        assert not isinstance(await phone.enrol("x" * 32, "手机"), Identity)
        assert device.asked == 0
        assert isinstance(await phone.enrol(KEY, "手机"), Identity)
        await asyncio.sleep(0)
        assert device.asked == 1
        await phone.engine.run_round()
        phone.actions.add_note(TICKET.id, "字")
        await asyncio.sleep(0)
        assert device.asked == 1
        for seed in (1, 2):
            phone.actions.add_photo(TICKET.id, a_picture(seed=seed), PhotoSlot.BEFORE)
            await asyncio.sleep(0)
            assert device.asked == 2
        phone.store.close()
        await device.persistence.close()

    asyncio.run(story())


def test_on_a_desktop_the_meter_shows_the_disk(tmp_path: Path) -> None:
    """The store's files, and what is free; nobody throws any of it away."""
    device = DesktopDevice(tmp_path / "store.db")
    (tmp_path / "store.db").write_bytes(bytes(50_000))

    async def told() -> StorageState:
        await device.persistence.open()
        state = await device.storage()
        await device.persistence.close()
        return state

    state = asyncio.run(told())
    assert state.used_bytes == 50_000
    assert state.quota_bytes is not None
    assert state.quota_bytes > 50_000
    assert (state.persisted, state.may_be_evicted, state.idle_days) == (None, False, None)
    room = device.persistence.room_bytes()
    assert room is not None
    assert room > 0


@pytest.mark.parametrize(
    ("user_agent", "forgets"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1", True),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 CriOS/137 Safari/604.1", True),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15", True),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36", False),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile Safari/537.36", False),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", False),
    ],
)
def test_webkit_forgets_what_is_not_used_for_a_week(user_agent: str, forgets: bool) -> None:
    """Chrome on an iPhone is WebKit too."""
    assert forgets_when_idle(user_agent) is forgets
