"""Phones as the server's load: requests prepared as bytes, sent over a few kept-open connections, answers barely read.

An ordinary HTTP client costs more than the server's answer does and would measure itself.
"""

import asyncio
import gzip
import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_GZIP = b"\x1f\x8b"


def request(path: str, body: bytes, token: str, holds: str = "operations=0; photos=0") -> bytes:
    """The bytes of a POST such as a phone sends."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Accept-Encoding: gzip\r\nContent-Type: application/json\r\nDoorstep-Holding: {holds}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def drive(address: str, phones: list[list[Callable[[bytes], bytes]]]) -> tuple[float, list[float]]:
    """Each phone sends its requests one after the other, all phones at once.

    A request is made from the answer before it (empty for the first). Seconds in all, and of every exchange.
    """
    parts = urlsplit(address)
    assert parts.hostname is not None
    streams = [await asyncio.open_connection(parts.hostname, parts.port, limit=2**24) for _ in phones]
    latencies: list[float] = []

    async def run(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[Callable[[bytes], bytes]]
    ) -> None:
        answer = b""
        for make in requests:
            asked = time.perf_counter()
            writer.write(make(answer))
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            answer = await reader.readexactly(int(length.group(1)) if length else 0)
            latencies.append(time.perf_counter() - asked)
            if answer.startswith(_GZIP):
                answer = gzip.decompress(answer)
            assert head.startswith(b"HTTP/1.1 200"), head + answer[:500]

    started = time.perf_counter()
    await asyncio.gather(*(run(*pair, requests) for pair, requests in zip(streams, phones, strict=True)))
    seconds = time.perf_counter() - started
    for _, writer in streams:
        writer.close()
    return seconds, latencies
