"""The phone's app with a stopwatch in it: published by bench.phone in the place of main.py, never otherwise.

Says in the console: `opened` when the store is open and its tickets are read; `recorded`, once the office has them,
with how long each of some notes took to be on the disk. Times are the page's clock, in milliseconds since 1970.
"""

import asyncio
import json
import time
from typing import Any

import flet as ft

from field_app import main as app
from field_app.state.phone import Phone

NOTES = 150
PAUSE_SECONDS = 0.1
"""Between two notes, for the screen to show the one before: nobody types faster."""
TICKETS = 200

_open = Phone.open


def _say(what: str, **facts: Any) -> None:
    import js  # type: ignore[import-not-found]

    js.console.log(json.dumps({"bench": what, "at_ms": time.time() * 1000, **facts}))


async def _opened(device: Any) -> Phone:
    phone = await _open(device)
    _say("opened", tickets=len(phone.store.tickets()))
    return phone


async def _record() -> None:
    """Once in a profile's life: notes on its tickets, one after the other, as a technician's thumb would."""
    phone = next(iter(app._phones.values()))
    while len(tickets := phone.store.tickets()) < TICKETS:  # noqa: ASYNC110 — the app has nothing that would tell it
        await asyncio.sleep(0.5)
    if phone.store.journal(limit=1):
        return
    took = []
    for number in range(NOTES):
        ticket = tickets[number % len(tickets)].id
        started = time.perf_counter()
        phone.actions.add_note(ticket, "换了整流器，观察十分钟没有再闪")
        took.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)
    while phone.store.waiting():  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    _say("recorded", took_ms=took)


async def main(page: ft.Page) -> None:
    Phone.open = _opened  # type: ignore[method-assign]
    await app.main(page)
    page.run_task(_record)


if __name__ == "__main__":
    ft.run(main)
