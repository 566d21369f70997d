"""The way between one phone and the office, with everything that can happen on it.

A fault is armed by a mishap and happens to the next message it fits. The phone sees what httpx would tell it; the
office sees what its web server would hand it. A request that has set out goes on, whether its phone still waits or not.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
from msgspec import Struct
from msgspec.structs import replace

from shared_schema.sync_protocol import PROTOCOL

if TYPE_CHECKING:
    from tests.simulation.world import World


class Sent(Struct, frozen=True):
    """A request as it left the phone."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Answer(Struct, frozen=True):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    came_whole: bool
    """What it answers had been read by the office to its last byte."""

    def response(self) -> httpx.Response:
        return httpx.Response(self.status, headers=list(self.headers), content=self.body)


class Parts(Struct, frozen=True):
    """How a request's body arrives: pieces, each after so many seconds; and whether the line then breaks."""

    pieces: tuple[tuple[float, bytes], ...]
    breaks: bool = False


class OfficeGone(Exception):
    """The office's process died, or there is none."""


async def call(application: Any, sent: Sent, parts: Parts, hung_up: asyncio.Event) -> Answer:
    """What the office's application answers (ASGI 3.0). `hung_up`: the phone waits no more."""
    pieces = list(parts.pieces)
    read: list[bytes] = []
    head: list[Any] = []
    body: list[bytes] = []
    path, _, query = sent.path.partition("?")

    async def receive() -> dict[str, Any]:
        if pieces:
            delay, piece = pieces[0]
            if delay:
                await asyncio.sleep(delay)  # which the office may give up, and ask again
            pieces.pop(0)
            if not hung_up.is_set():
                read.append(piece)
                return {"type": "http.request", "body": piece, "more_body": bool(pieces) or parts.breaks}
            pieces.clear()
        elif not parts.breaks:
            await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            head.append(message)
        elif message["type"] == "http.response.body":
            body.append(bytes(message.get("body", b"")))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": sent.method,
        "headers": list(sent.headers),
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "server": ("office.test", 80),
        "client": ("192.0.2.1", 40_000),
        "root_path": "",
        "state": {},
    }
    await application(scope, receive, send)
    (start,) = head
    headers = tuple((bytes(name), bytes(value)) for name, value in start["headers"])
    content = b"" if sent.method == "HEAD" else b"".join(body)
    return Answer(start["status"], headers, content, came_whole=b"".join(read) == sent.body)


Forward = Callable[[Sent, Parts | None], Awaitable[Answer]]
Fault = Callable[["Line", Sent, Forward, random.Random], Awaitable[httpx.Response]]


class Line(httpx.AsyncBaseTransport):
    def __init__(self, world: "World", name: str, dice: random.Random) -> None:
        self._world = world
        self._name = name
        self._dice = dice
        self.is_up = True
        self.is_captive = False
        self.protocol: int | None = None
        """What the app on this phone says it speaks; None for what this code speaks."""
        self.armed: list[tuple[str, random.Random]] = []
        self.patience = 1.0
        """By how much everything takes longer here."""
        self.dies_soon: Callable[[random.Random], None] = _nobody
        """Tell the phone that its power goes at one of its next writes."""
        self.restores_known = 0
        """How often the office had been put back to a backup when it gave the last answer."""

    def calm(self) -> None:
        self.is_up = True
        self.is_captive = False
        self.armed.clear()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        spoken = self.protocol or PROTOCOL
        body = body.replace(_says_protocol(PROTOCOL), _says_protocol(spoken), 1)
        headers = tuple(
            (name.lower(), str(len(body)).encode() if name.lower() == b"content-length" else value)
            for name, value in request.headers.raw
        )
        sent = Sent(request.method, request.url.raw_path.decode(), headers, body)
        self._world.invariants.asked(self._name, sent)
        trace = self._world.trace
        trace.step("message", f"{self._name} {sent.method} {sent.path} {_short(body)}")
        response = await self._carried(sent)
        # An app that speaks the older one reads it, too: what is read here is the same but for the number.
        if spoken < PROTOCOL and response.content.startswith(_says_protocol(spoken)):
            content = response.content.replace(_says_protocol(spoken), _says_protocol(PROTOCOL), 1)
            response = httpx.Response(
                response.status_code, headers={"content-type": "application/json"}, content=content
            )
        trace.note("answer", f"{self._name} {response.status_code} {_short(response.content)}")
        # What enrolment is answered is said to the person who tries it, and not to the engine.
        is_told = sent.path != "/sync/v1/enrol"
        if is_told and response.status_code in {429, 503} and "retry-after" in response.headers:
            seconds = float(response.headers["retry-after"])
            self._world.invariants.office_wants_peace(self._name, self._world.loop.time() + seconds)
        return response

    async def _carried(self, sent: Sent) -> httpx.Response:
        if not self.is_up:
            await asyncio.sleep(0.01)
            raise httpx.ConnectError("no network")
        if self.is_captive:
            self._world.trace.count("captive portal")
            await asyncio.sleep(0.05)
            return _portal()
        for index, (name, dice) in enumerate(self.armed):
            wanted, fault = FAULTS[name]
            if wanted in _described(sent):
                del self.armed[index]
                self._world.trace.count(name)
                self._world.trace.note("fault", f"{self._name} {name}")
                return await fault(self, sent, self.forward, dice)
        return (await self.forward(sent, None)).response()

    async def forward(self, sent: Sent, parts: Parts | None) -> Answer:
        """There and back; raises what httpx would."""
        hung_up = asyncio.Event()
        await asyncio.sleep(self._dice.uniform(0.005, 0.06) * self.patience)
        answering = self._world.office.serve(sent, parts or Parts(((0.0, sent.body),)), hung_up)
        try:
            answer = await asyncio.shield(answering)
        except OfficeGone as fault:
            raise httpx.ReadError("connection reset") from fault
        finally:
            hung_up.set()
        self.restores_known = self._world.office.restores
        await asyncio.sleep(self._dice.uniform(0.005, 0.06) * self.patience)
        return answer


def _nobody(_dice: random.Random) -> None:
    """There is no phone at this end yet."""


def _described(sent: Sent) -> str:
    """By which faults find the messages they may happen to."""
    brings = " with photo bytes" if sent.body and sent.path.startswith("/sync/v1/uploads") else ""
    return f"{sent.method} {sent.path}{brings}"


def _says_protocol(spoken: int) -> bytes:
    return b'{"protocol":%d,' % spoken


def _short(data: bytes) -> str:
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()[:12]}"


def _portal() -> httpx.Response:
    page = b"<html><title>Hotel Wi-Fi</title>Room number?</html>"
    return httpx.Response(200, headers={"content-type": "text/html"}, content=page)


# -- the faults -------------------------------------------------------------------------------------------------------


async def _drop(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    await asyncio.sleep(1e9)
    raise AssertionError("nobody waits so long")


async def _refuse(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


async def _tls(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    await asyncio.sleep(0.1)
    raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")


async def _delay(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    await asyncio.sleep(dice.uniform(1, 9))
    return (await forward(sent, None)).response()


async def _duplicate(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    line._world.send_later(sent, dice.choice((0.0, 0.02, dice.uniform(0.1, 90))))
    return (await forward(sent, None)).response()


async def _reorder(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    """It arrives when the phone has long given up on it and has sent others."""
    line._world.send_later(sent, dice.uniform(3, 240))
    await asyncio.sleep(dice.uniform(0, 3))
    raise httpx.ReadTimeout("timed out")


async def _cut_request(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    kept = sent.body[: dice.randrange(1 + len(sent.body))]
    pieces = ((0.0, kept[: len(kept) // 2]), (0.01, kept[len(kept) // 2 :]))
    await forward(sent, Parts(pieces, breaks=True))
    raise httpx.WriteError("broken pipe")


async def _cut_reply(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    answer = await forward(sent, None)
    if dice.random() < 0.5:
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
    headers = tuple(header for header in answer.headers if header[0] != b"content-length")
    return replace(answer, headers=headers, body=answer.body[: dice.randrange(1 + len(answer.body))]).response()


async def _lose_reply(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    await forward(sent, None)
    raise httpx.ReadError("connection reset")


async def _die_keeping(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    """It gets its answer, and its power goes as it keeps that."""
    answer = await forward(sent, None)
    line.dies_soon(dice)
    return answer.response()


async def _drip(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    step = max(1, len(sent.body) // dice.randrange(2, 12))
    pause = dice.uniform(0.1, 4)
    pieces = tuple((pause, sent.body[at : at + step]) for at in range(0, len(sent.body), step)) or ((pause, b""),)
    answer = await forward(sent, Parts(pieces))
    await asyncio.sleep(pause)
    return answer.response()


async def _captive(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    return _portal()


async def _damage(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
    """Only where a checksum is there to notice; the rounds are TLS's to protect."""
    body = bytearray(sent.body)
    if body:
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
    return (await forward(Sent(sent.method, sent.path, sent.headers, bytes(body)), None)).response()


def _says(status: int, headers: dict[str, str], text: str) -> Fault:
    async def fault(line: Line, sent: Sent, forward: Forward, dice: random.Random) -> httpx.Response:
        if dice.random() < 0.5:  # a proxy that speaks before, or after, the office has done its work
            await forward(sent, None)
        chosen = {name: value or str(dice.randrange(1, 40)) for name, value in headers.items()}
        return httpx.Response(status, headers=chosen, content=text.encode())

    return fault


_ANY = "/sync/"
_PROBLEM = '{"type":"about:blank","title":"","status":503,"detail":"","code":"unavailable"}'
FAULTS: dict[str, tuple[str, Fault]] = {
    "request dropped": (_ANY, _drop),
    "connection refused": (_ANY, _refuse),
    "TLS failure": (_ANY, _tls),
    "delayed": (_ANY, _delay),
    "duplicated": (_ANY, _duplicate),
    "reordered": (_ANY, _reorder),
    "request cut in its body": (_ANY, _cut_request),
    "reply cut in its body": (_ANY, _cut_reply),
    "reply lost after commit": (_ANY, _lose_reply),
    "phone lost power as it kept an answer": ("/sync/v1/round", _die_keeping),
    "slow drip": (_ANY, _drip),
    "captive portal": (_ANY, _captive),
    "photo bytes damaged": ("with photo bytes", _damage),
    "answered 500": (_ANY, _says(500, {"content-type": "text/html"}, "<h1>Internal Server Error</h1>")),
    "answered 502": (_ANY, _says(502, {"content-type": "text/html"}, "<h1>Bad Gateway</h1>")),
    "answered 503": (_ANY, _says(503, {"retry-after": ""}, _PROBLEM)),
    "answered 429": (_ANY, _says(429, {"retry-after": ""}, "slow down")),
}
"""Name → (the messages it may happen to, what happens)."""
