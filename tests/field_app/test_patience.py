"""How long one request may take: little in a dead network, more in a slow one."""

import asyncio
from pathlib import Path

import httpx
import pytest

from field_app.sync import OfficeOverHttp
from shared_schema.sync_protocol import EnrolReply, EnrolRequest, Offline
from shared_schema.wire import encode
from tests.field_app.single_phone import SinglePhone

ASKED = EnrolRequest(1, "a-key-of-somebody", "device-1")
REPLY = EnrolReply("device-1", "token", "t-chen", "陈师傅", 0)


def test_a_network_that_is_only_slow_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The office needs a third of a second: the first requests are given up on, a later one gets through."""
    monkeypatch.setattr("field_app.sync.office_over_http.PATIENCE_SECONDS", (0.05, 5.0))
    phone = SinglePhone(tmp_path / "store.db")
    answers: list[object] = []

    async def slowly(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.3)
        return httpx.Response(200, content=encode(REPLY))

    async def story() -> None:
        client = httpx.AsyncClient(base_url="http://office.test", transport=httpx.MockTransport(slowly))
        service = OfficeOverHttp(client, phone.store)
        while len(answers) < 10 and REPLY not in answers:
            answers.append(await service.enrol(ASKED))
        answers.append(await service.enrol(ASKED))

    asyncio.run(story())
    phone.store.close()
    assert answers[:2] == [Offline(), Offline()]
    assert answers[-2:] == [REPLY, REPLY], "and the one after it is not given up on too early again"
