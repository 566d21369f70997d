"""An office that says what the test has written down, through real httpx: for answers a good office never gives."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from field_app.sync import OfficeOverHttp, SyncEngine
from shared_schema.apply import Filing
from shared_schema.sync_protocol import PROTOCOL, RoundReply, RoundRequest, Verdict
from shared_schema.wire import encode
from tests.builders.clocks import StoryClock
from tests.field_app.single_phone import SinglePhone
from tests.simulation.loop import VirtualLoop

T = TypeVar("T")

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class ScriptedOffice:
    """Answers each request with the next line of the script; past its end like an office with nothing to say.

    The engine's pauses and its patience pass on the loop's own time: however slow the machine is, nothing runs out.
    """

    def __init__(self, folder: Path) -> None:
        self.script: list[Answer] = []
        self.requests: list[httpx.Request] = []
        self.received_through = 0
        self.phone = SinglePhone(folder / "store.db")
        client = httpx.AsyncClient(base_url="http://office.test", transport=httpx.MockTransport(self._answer))
        self.service = OfficeOverHttp(client, self.phone.store)
        self.engine = SyncEngine(self.phone.store, self.service, self.phone.device)
        self._runner = asyncio.Runner(loop_factory=lambda: VirtualLoop(random.Random(0)))

    @property
    def clock(self) -> StoryClock:
        return self.phone.clock

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        self.phone.store.close()
        self._runner.close()

    def says(self, *answers: Answer) -> None:
        self.script += answers

    @property
    def rounds(self) -> list[RoundRequest]:
        """What the phone has asked."""
        return [
            msgspec.json.decode(request.content, type=RoundRequest)
            for request in self.requests
            if request.url.path == "/sync/v1/round"
        ]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.script.pop(0) if self.script else self.accepts
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def accepts(self, request: httpx.Request, **different: Any) -> httpx.Response:
        """Everything that came is accepted; nothing else has happened."""
        asked = msgspec.json.decode(request.content, type=RoundRequest)
        verdicts: list[Verdict] = []
        for raw in asked.ops:
            head = msgspec.json.decode(raw)
            verdicts.append(Verdict(head["id"], head["sequence"], Filing.APPLIED, 4))
            self.received_through = max(self.received_through, head["sequence"])
        usual: dict[str, Any] = {
            "protocol": PROTOCOL,
            "server_time_ms": round(self.clock.now().timestamp() * 1000),
            "received_through": self.received_through,
            "cursor": asked.cursor,
            "verdicts": [msgspec.Raw(encode(verdict)) for verdict in verdicts],
            "in_step": None if asked.holding is None else True,
        }
        return httpx.Response(200, content=encode(RoundReply(**(usual | different))))

    def accepting(self, **different: Any) -> Callable[[httpx.Request], httpx.Response]:
        return lambda request: self.accepts(request, **different)


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        headers={"content-type": "application/problem+json", "doorstep-problem": code, **headers},
        content=encode({"type": "about:blank", "status": status, "code": code, "detail": "…"}),
    )
