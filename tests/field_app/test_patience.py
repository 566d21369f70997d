"""How long one request may take: little in a dead network, more in a slow one."""

import asyncio
import random
from pathlib import Path

import httpx

from field_app.sync import OfficeOverHttp
from shared_schema.sync_protocol import EnrolReply, EnrolRequest, Offline
from shared_schema.wire import encode
from tests.field_app.single_phone import SinglePhone
from tests.simulation.loop import VirtualLoop

ASKED = EnrolRequest(1, "a-key-of-somebody", "device-1")
REPLY = EnrolReply("device-1", "token", "t-chen", "陈师傅", 0)


def test_a_network_that_is_only_slow_is_waited_for(tmp_path: Path) -> None:
    """The office needs a minute: the first requests are given up on, a later one gets through."""
    phone = SinglePhone(tmp_path / "store.db")
    answers: list[object] = []

    async def slowly(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200, content=encode(REPLY))

    async def story() -> None:
        client = httpx.AsyncClient(base_url="http://office.test", transport=httpx.MockTransport(slowly))
        service = OfficeOverHttp(client, phone.store)
        while len(answers) < 10 and REPLY not in answers:
            answers.append(await service.enrol(ASKED))
        answers.append(await service.enrol(ASKED))

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(random.Random(0))) as runner:
        runner.run(story())
    phone.store.close()
    assert answers == [Offline(), Offline(), Offline(), REPLY, REPLY], (
        "and the one after it is not given up on too early again"
    )
