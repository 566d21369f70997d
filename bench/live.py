"""What an open page costs that nothing happens on: memory per idle stream of events."""

import asyncio
import hashlib
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench import serving
from shared_schema.lifecycle import Role
from sync_server.accounts import SESSION_COOKIE
from sync_server.services.live import STREAMS_OF_ONE
from sync_server.storage import Storage, Writing
from sync_server.storage.people import Person


def bytes_per_stream(streams: int) -> float:
    """Resident memory that `streams` connections add, each."""
    sessions = -(-streams // STREAMS_OF_ONE)
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
        data = Path(folder)
        _sign_in(data / "doorstep.db", sessions + 1)
        with serving.doorstep(data) as served:
            return asyncio.run(_opened(served, streams))


async def _opened(served: serving.Served, streams: int) -> float:
    parts = urlsplit(served.address)
    opened: list[asyncio.StreamWriter] = []

    async def open_one(session: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        opened.append(writer)
        writer.write(
            b"GET /desk/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            + f"Cookie: {SESSION_COOKIE}=session-{session}\r\n\r\n".encode()
        )
        assert b" 200 " in await reader.readline()
        while b"event: feed" not in await reader.readline():
            pass

    try:
        await open_one(0)  # what the first one sets up is not the others' doing
        await asyncio.sleep(0.5)
        before = served.memory_bytes()
        for place in range(streams):
            await open_one(1 + place // STREAMS_OF_ONE)
        await asyncio.sleep(1.0)
        return (served.memory_bytes() - before) / streams
    finally:
        for writer in opened:
            writer.close()


def _sign_in(database: Path, sessions: int) -> None:
    now_ms = int(time.time() * 1000)

    def begin(writing: Writing) -> None:
        writing.people.save(Person(id="p-lin", role=Role.DISPATCHER, name="林", login="lin"), now_ms)
        for number in range(sessions):
            token = hashlib.sha256(f"session-{number}".encode()).hexdigest()
            writing.people.begin_session(token, "p-lin", f"csrf-{number}", now_ms, now_ms + 3_600_000)

    storage = Storage.open(f"sqlite:///{database}")
    try:
        storage.write_now(begin)
    finally:
        storage.close()
