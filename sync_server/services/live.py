"""Telling open pages that something changed: "the feed is now at N", never what changed. The page then asks.

In this process a commit is told at once; what other processes committed (the command line beside SQLite, further
servers on PostgreSQL) is found by looking at the feed once a second, and only while somebody watches.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal

from msgspec import Struct

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
"""Proxies close a connection that says nothing for a minute; a dead one is noticed by the failing write."""

STREAMS_OF_ONE = 20
"""Open at once under one sign-in: more tabs than anybody looks at, and far fewer than would burden the office."""

Topic = Literal["feed", "devices", "photos"]


class LiveEvent(Struct, frozen=True):
    """`heartbeat` says nothing but that the office is there."""

    topic: Topic | Literal["heartbeat"]
    position: int


class Live:
    def __init__(self, read_position: Callable[[], Awaitable[int]], *, look_seconds: float = LOOK_SECONDS) -> None:
        self._read_position = read_position
        self._look_seconds = look_seconds
        self._position = 0
        self._watchers: dict[_Watcher, None] = {}  # in the order they came
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    @property
    def position(self) -> int:
        """The newest feed position this process has heard of."""
        return self._position

    def open(self) -> None:
        """To be called once on the event loop that serves the pages, before it serves them."""
        self._loop = asyncio.get_running_loop()
        self._is_closed = False

    async def close(self) -> None:
        """End every watch.

        Call it when the server is told to stop, before it waits for its connections (uvicorn runs lifespan shutdown
        only after that): an open stream would keep it waiting.
        """
        self._is_closed = True
        for watcher in self._watchers:
            watcher.wake.set()
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
            self._looking = None

    def feed_is_at(self, position: int) -> None:
        """A commit took the feed to `position`. From any thread."""
        self._tell("feed", position)

    def devices_changed(self) -> None:
        """A phone was enrolled, revoked or says it holds something else. From any thread."""
        self._tell("devices", 0)

    def photos_changed(self) -> None:
        """A photo's bytes have arrived, perhaps long after the operation that speaks of it. From any thread."""
        self._tell("photos", 0)

    def end(self, owner: str) -> None:
        """End the watches of one sign-in; on the event loop."""
        for watcher in self._of(owner):
            watcher.end()

    async def watch(
        self, last_event_id: str | None = None, *, owner: str = "", heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> AsyncGenerator[LiveEvent, None]:
        """Events until the server closes. The first tells where the feed is, at once where `last_event_id` (the feed
        position a reconnecting page saw last) is older or was not given. Several commits may arrive as one event.

        Of one `owner` the oldest watch ends where there are more than STREAMS_OF_ONE.
        """
        if self._loop is None:
            self.open()
        watcher = _Watcher(_position_in(last_event_id), owner)
        others = self._of(owner) if owner else []
        if len(others) >= STREAMS_OF_ONE:
            others[0].end()
        self._watchers[watcher] = None
        try:
            self._position = max(self._position, await self._read_position())
            if watcher.told_through > self._position:  # of another database, before a restored backup
                watcher.told_through = -1
            self._look_from_now_on()
            while not self._is_closed and not watcher.is_over:
                watcher.wake.clear()
                if watcher.told_through < self._position:
                    watcher.told_through = self._position
                    yield LiveEvent("feed", self._position)
                elif watcher.changed:
                    yield LiveEvent(watcher.changed.pop(), self._position)
                else:
                    try:
                        await asyncio.wait_for(watcher.wake.wait(), heartbeat_seconds)
                    except TimeoutError:
                        yield LiveEvent("heartbeat", self._position)
        finally:
            self._watchers.pop(watcher, None)

    def _of(self, owner: str) -> "list[_Watcher]":
        return [watcher for watcher in self._watchers if watcher.owner == owner and not watcher.is_over]

    async def stream(self, last_event_id: str | None = None, *, owner: str = "") -> AsyncGenerator[bytes, None]:
        """`watch` as text/event-stream: `event: feed`, `id: 214`, `data: 214`; heartbeats are comments."""
        yield b"retry: 2000\n\n"
        async for event in self.watch(last_event_id, owner=owner):
            if event.topic == "heartbeat":
                yield b":\n\n"
            else:
                yield f"event: {event.topic}\nid: {event.position}\ndata: {event.position}\n\n".encode()

    def _tell(self, topic: Topic, position: int) -> None:
        loop = self._loop
        if loop is None or loop.is_closed():  # nobody can be watching yet, or any more
            return
        with contextlib.suppress(RuntimeError):  # closed between the question and the call
            loop.call_soon_threadsafe(self._told, topic, position)

    def _told(self, topic: Topic, position: int) -> None:
        if topic == "feed" and position <= self._position:
            return
        self._position = max(self._position, position)
        for watcher in self._watchers:
            if topic != "feed":
                watcher.changed.add(topic)
            watcher.wake.set()

    def _look_from_now_on(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="live-look")

    async def _look(self) -> None:
        while self._watchers and not self._is_closed:
            await asyncio.sleep(self._look_seconds)
            try:
                position = await self._read_position()
            except Exception:  # noqa: S112 - the database is away: pages stay open, and it is looked at again
                continue
            self._told("feed", position)


class _Watcher:
    def __init__(self, told_through: int, owner: str) -> None:
        self.told_through = told_through
        self.owner = owner
        self.is_over = False
        self.changed: set[Topic] = set()
        self.wake = asyncio.Event()

    def end(self) -> None:
        self.is_over = True
        self.wake.set()


def _position_in(last_event_id: str | None) -> int:
    """-1 where nothing usable was sent, so that even an empty feed's position 0 is told."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else -1
