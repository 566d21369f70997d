"""Phones as a server's load: requests prepared as bytes, many kept-open connections, answers barely read.

An ordinary HTTP client costs more than the server's answer does and would measure itself. A phone is a generator: it
yields the bytes of a request, is sent the body of the answer, and has done its work when it ends.
"""

import asyncio
import gzip
import re
import time
from collections.abc import Generator, Iterable, Sequence
from typing import TypeAlias, cast
from urllib.parse import urlsplit

import uvloop
from msgspec import Struct

Phone: TypeAlias = Generator[bytes, bytes, None]
"""Yields requests and is sent the answers: head and body, the body as it was before compression."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_GZIP = b"\x1f\x8b"
_AT_ONCE = 100
"""So many connections are opened at a time; the kernel would drop what does not fit its queue."""


class Answered(Struct):
    """What one phone met, in seconds and bytes."""

    done_after: float = 0.0
    """From the moment that all began."""
    exchanges: list[float] = []
    bytes_up: int = 0
    bytes_down: int = 0
    """Heads and bodies, bodies before compression."""
    bytes_on_the_wire: int = 0
    """Both ways, as they travelled."""


class Load(Struct):
    seconds: float
    phones: list[Answered]

    @property
    def exchanges(self) -> list[float]:
        return [each for phone in self.phones for each in phone.exchanges]


class RefusedByServer(Exception):
    """An answer that is not 2xx: what was measured is not the work."""


def post(path: str, body: bytes, token: str, *more: str) -> bytes:
    """The bytes of a POST of JSON such as a phone sends."""
    return request("POST", path, body, f"Authorization: Bearer {token}", "Content-Type: application/json", *more)


def request(method: str, path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body or method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def drive(address: str, phones: Sequence[Phone]) -> Load:
    """All phones at once, each on a connection of its own. Raises RefusedByServer."""
    return drive_each([(address, phone) for phone in phones])


def drive_each(phones: Sequence[tuple[str, Phone]]) -> Load:
    """The same with an address for each."""
    return uvloop.run(_drive(phones))


async def _drive(phones: Sequence[tuple[str, Phone]]) -> Load:
    loop = asyncio.get_running_loop()
    talks = [_Talk(phone, loop) for _, phone in phones]
    places = [_place(address) for address, _ in phones]
    for start in range(0, len(talks), _AT_ONCE):
        together = [
            loop.create_connection(lambda talk=talk: talk, *place)  # type: ignore[misc]
            for talk, place in zip(talks[start : start + _AT_ONCE], places[start : start + _AT_ONCE], strict=True)
        ]
        await asyncio.gather(*together)
    started = time.perf_counter()
    for talk in talks:
        talk.begin(started)
    try:
        await asyncio.gather(*(talk.done for talk in talks))
        seconds = time.perf_counter() - started
    finally:
        for talk in talks:
            talk.hang_up()
    return Load(seconds, [talk.answered for talk in talks])


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


class _Talk(asyncio.Protocol):
    def __init__(self, phone: Phone, loop: asyncio.AbstractEventLoop) -> None:
        self.answered = Answered()
        self.done: asyncio.Future[None] = loop.create_future()
        self._phone = phone
        self._transport: asyncio.Transport | None = None
        self._started = self._asked = 0.0
        self._came = bytearray()
        self._ends_at: int | None = None
        self._head = b""
        self._is_chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is none by inheritance

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server hung up"))

    def begin(self, started: float) -> None:
        self._started = started
        self._ask(next(self._phone))

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._came += data
        if self._ends_at is None:
            end = self._came.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = bytes(self._came[: end + 4])
            length = _LENGTH.search(self._head)
            self._is_chunked = _CHUNKED.search(self._head) is not None
            self._ends_at = end + 4 + (int(length.group(1)) if length else 0)
        if (self._is_chunked and not self._came.endswith(_LAST_CHUNK)) or len(self._came) < self._ends_at:
            return
        body = bytes(self._came[len(self._head) :])
        self._came.clear()
        self._ends_at = None
        self._take(_joined(body) if self._is_chunked else body)

    def _take(self, body: bytes) -> None:
        answered = self.answered
        answered.exchanges.append(time.perf_counter() - self._asked)
        answered.bytes_on_the_wire += len(self._head) + len(body)
        if body.startswith(_GZIP):
            body = gzip.decompress(body)
        answered.bytes_down += len(self._head) + len(body)
        if not self._head.startswith(b"HTTP/1.1 2"):
            if not self.done.done():
                self.done.set_exception(RefusedByServer((self._head[:300] + body[:500]).decode(errors="replace")))
            return
        try:
            self._ask(self._phone.send(self._head + body))
        except StopIteration:
            answered.done_after = time.perf_counter() - self._started
            self.done.set_result(None)

    def _ask(self, data: bytes) -> None:
        assert self._transport is not None
        self.answered.bytes_up += len(data)
        self.answered.bytes_on_the_wire += len(data)
        self._asked = time.perf_counter()
        self._transport.write(data)


def _joined(chunks: bytes) -> bytes:
    """The body that came in chunks (RFC 9112, section 7.1)."""
    parts, at = [], 0
    while size := int(chunks[at : (end := chunks.index(b"\r\n", at))], 16):
        parts.append(chunks[end + 2 : end + 2 + size])
        at = end + size + 4
    return b"".join(parts)


def answer(address: str, request_: bytes, *, whole: bool = False) -> bytes:
    """The body of the answer to a single request; `whole` with its head before it. Raises RefusedByServer."""
    answers: list[bytes] = []

    def once() -> Phone:
        answers.append((yield request_))

    drive(address, [once()])
    return answers[0] if whole else answers[0].partition(b"\r\n\r\n")[2]


def again(request_: bytes, times: int) -> Phone:
    """The same request over and over."""
    for _ in range(times):
        yield request_


def in_turn(requests: Iterable[bytes]) -> Phone:
    """One after the other, whatever the answers."""
    for each in requests:  # noqa: UP028 - a list takes no answers
        yield each


def header(answer: bytes, name: str) -> str:
    """A header of an answer."""
    found = re.search(rb"\r\n" + name.encode() + rb": *([^\r]*)\r\n", answer, re.IGNORECASE)
    assert found is not None, answer
    return found.group(1).decode()
