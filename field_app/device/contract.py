"""What the app needs of the place it runs in: one contract, one module per place (`browser`, `desktop`, `phone`).

`main` chooses the module once; nowhere else is it asked where the app runs.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import httpx


class StoreInUse(Exception):
    """The store is open elsewhere (a second tab, a second process); nothing was touched."""


class StorageMissing(Exception):
    """This place cannot keep anything: plain HTTP from another machine, private browsing, no file system.

    `reason` is a stable key for the catalogue: "insecure" | "unsupported" | "denied".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Persistence(Protocol):
    async def open(self) -> str:
        """Make the store's file ready and return its path for sqlite3. Raises StoreInUse or StorageMissing."""
        ...

    def flush(self) -> None:
        """Return when everything committed so far survives the loss of this process and of power."""
        ...

    async def close(self) -> None: ...


class Device(Protocol):
    @property
    def platform(self) -> str:
        """ "browser", "desktop" or "phone", with what the office may want to read beside the device's name."""
        ...

    @property
    def office_url(self) -> str:
        """Where the office answers, without a slash at the end, such as https://doorstep.example."""
        ...

    @property
    def persistence(self) -> Persistence: ...

    def now(self) -> datetime:
        """The device's own clock, aware (UTC), whole milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...

    def random_bytes(self, count: int) -> bytes: ...

    def http_transport(self) -> httpx.AsyncBaseTransport | None:
        """None where httpx's own serves."""
        ...

    def enrolment_key(self) -> str | None:
        """The one-time key of the link this app was opened with; what the link looks like: enrolment_link."""
        ...

    def belong_to(self, link: str, /) -> bool:
        """Take the office's address out of an enrolment link, where the app did not come from an office; else False."""
        ...

    def on_maybe_online(self, callback: Callable[[], None]) -> None:
        """Call back when the place hints that the network may have returned (a hint, never the truth)."""
        ...
