"""What the app needs of the place it runs in: one contract, one module per place (`browser`, `desktop`, `phone`).

`main` chooses the module once; nowhere else is it asked where the app runs.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from enum import Enum
from typing import Protocol

import httpx
from msgspec import Struct


class StoreInUse(Exception):
    """The store is open elsewhere (a second tab, a second process); nothing was touched."""


class StorageMissing(Exception):
    """This place cannot keep anything: plain HTTP from another machine, private browsing, no file system.

    `reason` is a stable key for the catalogue: "insecure" | "unsupported" | "denied".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SigningFailed(Exception):
    """The key is there, or was, and nothing could be signed with it now."""


class SharingFailed(Exception):
    """The file could not be handed on: no place to put it, or nobody there to take it. Nothing was lost by that."""


class StorageState(Struct, frozen=True):
    """How much there is of the storage that the store lives in, and how sure it is of staying."""

    used_bytes: int | None
    """By all of this app; None where the place does not say."""
    quota_bytes: int | None
    """What this app may use in all, `used_bytes` included; None where the place does not say."""
    persisted: bool | None
    """Whether the browser has promised to keep it until a person deletes it; None where nobody clears anything."""
    may_be_evicted: bool
    """Whether a browser may throw the store away by itself: when space runs out, or after `idle_days`."""
    idle_days: int | None = None
    """The browser deletes everything after so many days on which the app was not used (Safari: 7, unless the app
    stands on the home screen); None where there is no such rule."""


class Sharing(str, Enum):
    SHARED = "shared"
    """Handed to another app by the share sheet."""
    SAVED = "saved"
    """In the downloads folder."""
    CANCELLED = "cancelled"
    """The person has put it aside."""


class Shared(Struct, frozen=True):
    how: Sharing
    place: str = ""
    """Where it was saved, as far as this place tells: a path, or only the file's name."""


class Signer(Protocol):
    """The device's own key (Ed25519, RFC 8032), made on first use. The private half never leaves."""

    async def public_key(self) -> bytes | None:
        """Raw, 32 bytes; None where this place cannot sign. Raises SigningFailed."""
        ...

    async def sign(self, text: bytes) -> bytes:
        """The signature, 64 bytes. Raises SigningFailed."""
        ...


class Seal(Protocol):
    """One agreement with the office, for one file (shared_schema.rescue)."""

    @property
    def ephemeral_key(self) -> bytes:
        """Its public half: P-256, an uncompressed point."""
        ...

    async def sealed(self, data: bytes, nonce: bytes, associated_data: bytes) -> bytes:
        """AES-256-GCM, the tag at the end."""
        ...


class Sealer(Protocol):
    async def agree(self, office_key: bytes, salt: bytes, info: bytes) -> Seal:
        """ECDH with a new key of ours, HKDF-SHA256. Raises ValueError where `office_key` is no point of P-256."""
        ...


class Persistence(Protocol):
    async def open(self) -> str:
        """Make the store's file ready and return its path for sqlite3. Raises StoreInUse or StorageMissing.

        Beside it, under the same name with "-copy", lies a file for the store's own copy during an update, empty at
        other times: where files cannot be made later, it is there from the start.
        """
        ...

    def room_bytes(self) -> int | None:
        """How much more could be kept, as it was when the store was opened; None where the place does not say."""
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

    @property
    def signer(self) -> Signer: ...

    @property
    def sealer(self) -> Sealer: ...

    async def storage(self) -> StorageState: ...

    async def ask_to_persist(self) -> bool:
        """Ask the browser to keep the store for good; some ask the person. Whether it is kept now (also: without
        having been asked, where nobody clears anything)."""
        ...

    async def share(self, name: str, chunks: AsyncIterator[bytes]) -> Shared:
        """Hand the file to the person: by share sheet, or into the downloads. Takes as long as they take.

        Raises SharingFailed, and whatever `chunks` raises.
        """
        ...

    def enrolment_key(self) -> str | None:
        """The one-time key of the link this app was opened with; what the link looks like: enrolment_link."""
        ...

    def belong_to(self, link: str, /) -> bool:
        """Take the office's address out of an enrolment link, where the app did not come from an office; else False."""
        ...

    def look_for_update(self) -> None:
        """Have a newer version of this app fetched, where it comes from the office; it takes over at a later start.

        Returns at once; where there is none, or no network, nothing happens.
        """
        ...

    def speak(self, language: str) -> None:
        """Have what this place says around the app, before it and over it, said in this language (zh_CN, en).

        Returns at once.
        """
        ...

    def on_maybe_online(self, callback: Callable[[], None]) -> None:
        """Call back when the place hints that the network may have returned (a hint, never the truth)."""
        ...
