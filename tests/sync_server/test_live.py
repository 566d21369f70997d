"""Open pages hear that the feed moved: at once, across processes, after a break, and never past the server's end."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import httpx
import pytest
import uvicorn
from litestar import Litestar, get
from litestar.datastructures import State
from litestar.response import Stream

from sync_server.__main__ import _Server
from sync_server.services.live import Live, LiveEvent
from sync_server.settings import Settings
from sync_server.storage import Storage
from tests.builders.tickets import a_request
from tests.sync_server.office import LIN, Office, StandingClock, decide, hire, new_id
from tests.sync_server.serving import PATIENCE_SECONDS, until


class Feed:
    """The counter in the database, as another process might raise it."""

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self.looked = 0
        self.is_away = False

    async def __call__(self) -> int:
        self.looked += 1
        if self.is_away:
            raise ConnectionError("the database is being restarted")
        return self.position


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), PATIENCE_SECONDS))


async def next_of(events: AsyncIterator[LiveEvent]) -> LiveEvent:
    return await asyncio.wait_for(anext(events), PATIENCE_SECONDS)


async def still_silent(events: AsyncIterator[LiveEvent]) -> asyncio.Task[LiveEvent]:
    """The page's next event, not come yet."""
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    return waiting


def test_a_page_hears_of_each_commit() -> None:
    """From the writer's thread, as the storage tells it."""

    async def story() -> None:
        live = Live(Feed(7))
        live.open()
        events = live.watch()
        assert await next_of(events) == LiveEvent("feed", 7)
        waiting = await still_silent(events)
        threading.Thread(target=live.feed_is_at, args=(8,)).start()
        assert await waiting == LiveEvent("feed", 8)
        live.feed_is_at(10)
        live.feed_is_at(9)
        assert await next_of(events) == LiveEvent("feed", 10)
        await still_silent(events)
        await live.close()

    play(story)


def test_a_page_that_was_cut_off_hears_only_what_it_missed() -> None:
    """Last-Event-ID is the feed position it saw last; nonsense there counts as nothing."""

    async def story() -> None:
        live = Live(Feed(7))
        live.open()
        up_to_date = live.watch("7")
        await still_silent(up_to_date)
        for header in ("6", "0", "-1", "7; DROP", "٧", "9" * 100, "", None, "1000"):
            behind = live.watch(header)
            assert await next_of(behind) == LiveEvent("feed", 7), header
        await live.close()

    play(story)


def test_what_another_process_committed_is_found() -> None:
    """The command line writes beside the server; a database away for a moment ends nothing."""

    async def story() -> None:
        feed = Feed(7)
        live = Live(feed, look_seconds=0.01)
        live.open()
        events = live.watch()
        assert await next_of(events) == LiveEvent("feed", 7)
        feed.is_away = True
        await asyncio.sleep(0.05)
        feed.is_away, feed.position = False, 8
        assert await next_of(events) == LiveEvent("feed", 8)
        await live.close()

    play(story)


def test_nobody_looks_while_nobody_watches() -> None:
    async def story() -> None:
        feed = Feed(7)
        live = Live(feed, look_seconds=0.01)
        live.open()
        async with contextlib.aclosing(live.watch()) as events:
            await anext(events)
        await asyncio.sleep(0.05)
        looked = feed.looked
        await asyncio.sleep(0.05)
        assert feed.looked == looked
        await live.close()

    play(story)


def test_phones_and_photos_are_news_too() -> None:
    """Neither moves the feed: a phone being enrolled, a photo arriving after the operation that names it."""

    async def story() -> None:
        live = Live(Feed(7))
        live.open()
        events = live.watch("7")
        waiting = await still_silent(events)
        live.photos_changed()
        assert await waiting == LiveEvent("photos", 7)
        live.devices_changed()
        live.devices_changed()
        assert await next_of(events) == LiveEvent("devices", 7)
        await still_silent(events)
        await live.close()

    play(story)


def test_a_quiet_stream_gives_signs_of_life() -> None:
    async def story() -> None:
        live = Live(Feed(7))
        live.open()
        events = live.watch("7", heartbeat_seconds=0.01)
        assert await next_of(events) == LiveEvent("heartbeat", 7)
        assert await next_of(events) == LiveEvent("heartbeat", 7)
        await live.close()

    play(story)


def test_closing_ends_every_watch() -> None:
    async def story() -> None:
        live = Live(Feed(7))
        live.open()
        watches = [live.watch("7") for _ in range(3)]
        waiting = [await still_silent(watch) for watch in watches]
        await live.close()
        for event in waiting:
            with pytest.raises(StopAsyncIteration):
                await event

    play(story)


def test_a_commit_in_the_office_reaches_an_open_page(
    settings: Settings, storage: Storage, clock: StandingClock
) -> None:
    """The storage's own writer tells; nothing is polled."""

    async def story() -> None:
        storage.write_now(hire)
        live = Live(lambda: storage.read(lambda reading: reading.feed.latest()), look_seconds=1000)
        live.open()
        storage.on_feed(live.feed_is_at)
        before = await storage.read(lambda reading: reading.feed.latest())
        events = live.watch(str(before))
        waiting = await still_silent(events)
        await storage.write(lambda writing: decide(writing, LIN, new_id(), a_request(), clock.now()))
        assert (await waiting).position > before
        await live.close()

    play(story)


def test_an_open_stream_does_not_keep_the_server_from_stopping() -> None:
    """The page reads its stream to the end: it is not cut off, as it would be once the server's patience is over."""
    live = Live(Feed(7))

    @get("/events")
    async def events() -> Stream:
        return Stream(live.stream(), media_type="text/event-stream")

    app = Litestar([events], state=State({"live": live}), openapi_config=None)
    listening = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=60))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    until(lambda: server.started)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/events"
    with httpx.stream("GET", address, timeout=PATIENCE_SECONDS) as answer:
        lines = answer.iter_lines()
        while "data: 7" not in next(lines):
            pass
        server.should_exit = True
        assert "data" not in "".join(lines)
    thread.join(PATIENCE_SECONDS)
    listening.close()
    assert not thread.is_alive()


def test_the_office_opens_its_ear_when_it_starts(office: Office) -> None:
    """Plugged in, not only written."""
    live: Live = office.client.app.state.live
    position = office.storage.read_now(lambda reading: reading.feed.latest())
    office.received()
    until(lambda: live.position > position)
