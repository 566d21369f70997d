"""The composition root: one application out of settings, a database and a clock.

Nothing else in sync_server makes a service; everything is handed its needs, here. `doorstep serve` (__main__) runs what
this returns, and so do the tests.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

from litestar import HttpMethod, Litestar, MediaType, Response, route
from litestar.datastructures import State
from litestar.di import Provide

from sync_server import app_files, dispatch
from sync_server.accounts import Accounts, access_ticket
from sync_server.clock import Clock, milliseconds
from sync_server.problems import PROBLEM_PAGE, exception_handlers
from sync_server.services.attention import AttentionQueue
from sync_server.services.desk import Desk
from sync_server.services.health import HealthWatch
from sync_server.services.live import Live
from sync_server.services.photo_files import PhotoFiles
from sync_server.services.reference import References
from sync_server.services.rescue import RescueDesk
from sync_server.services.rounds import Rounds
from sync_server.services.scrubbing import PhotoScrub
from sync_server.settings import Settings
from sync_server.storage import Storage
from sync_server.sync import description, enrolment, uploads
from sync_server.sync import rounds as round_endpoint

EXPIRY_EVERY = timedelta(hours=1)

log = logging.getLogger("sync_server")


@route("/health", http_method=[HttpMethod.GET, HttpMethod.HEAD], sync_to_thread=False)
def health() -> Response[bytes]:
    return Response(b'{"status":"ok"}', media_type=MediaType.JSON)


def create_app(
    settings: Settings, storage: Storage, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic
) -> Litestar:
    """The whole office. `storage` stays the caller's, and open after the application has shut down. `monotonic` counts
    seconds that never run backwards."""
    accounts = Accounts(storage, settings, clock, monotonic=monotonic)
    photo_files = PhotoFiles(settings.data)
    desk = Desk(storage, photo_files, clock, settings.time_zone)
    scrub = PhotoScrub(storage, photo_files, clock, settings.scrub_days, monotonic=monotonic)
    rounds = Rounds(
        storage,
        References(settings),
        clock,
        access_ticket,
        oldest_protocol=settings.oldest_protocol,
        is_set_back=scrub.is_set_back,
    )
    given: dict[str, Any] = {
        "storage": storage,
        "settings": settings,
        "clock": clock,
        "accounts": accounts,
        "attention": AttentionQueue(storage, clock),
        "health_watch": HealthWatch(storage, photo_files, scrub, settings.data, clock),
        "desk": desk,
        "rounds": rounds,
        "photo_files": photo_files,
    }
    live = given["live"] = Live(desk.feed_position)
    rescue = given["rescue"] = RescueDesk(storage, photo_files, clock, live.photos_changed)
    accounts.on_devices(live.devices_changed)

    @contextlib.asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        await rescue.prepare()
        await rounds.prepare()
        await photo_files.settle_finished(storage, milliseconds(clock.now()))
        live.open()
        stop_telling = storage.on_feed(live.feed_is_at)
        expiring = asyncio.create_task(_expire_now_and_then(rounds, photo_files, rescue, storage, settings, clock))
        scrubbing = asyncio.create_task(scrub.run_forever())
        try:
            yield
        finally:
            expiring.cancel()
            scrubbing.cancel()
            stop_telling()
            await live.close()
            accounts.close()
            photo_files.close()

    dependencies: dict[str, Provide] = {name: Provide(_always(value), use_cache=True) for name, value in given.items()}
    return Litestar(
        [
            health,
            *round_endpoint.route_handlers(accounts, rounds, settings),
            *enrolment.route_handlers,
            *uploads.route_handlers(accounts, storage, clock, photo_files, live),
            *description.route_handlers,
            *dispatch.route_handlers,
            *app_files.route_handlers,
        ],
        dependencies=dependencies,
        exception_handlers=exception_handlers,
        lifespan=[running],
        state=State({"live": live, PROBLEM_PAGE: dispatch.problem_page(settings, clock)}),
        openapi_config=None,  # see sync.description
        logging_config=None,
    )


def _always(value: Any) -> Callable[[], Any]:
    async def given() -> Any:
        return value

    return given


async def _expire_now_and_then(
    rounds: Rounds, photo_files: PhotoFiles, rescue: RescueDesk, storage: Storage, settings: Settings, clock: Clock
) -> None:
    while True:
        try:
            await rounds.expire(settings.expiry_days)
            await photo_files.discard_expired(storage, milliseconds(clock.now()))
            await rescue.place_waiting()
        except Exception:  # whatever it was, the next hour is another
            log.warning("what has run out stays for another hour", exc_info=True)
        await asyncio.sleep(EXPIRY_EVERY.total_seconds())
