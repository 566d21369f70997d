"""The messages between a phone and the office, and the one interface the sync engine sees.

`POST /sync/v1/round` carries a RoundRequest up and a RoundReply down, `POST /sync/v1/photos/unheld` a PhotosOffered up
and a PhotosUnheld down. Operations, verdicts and changes inside them are
left undecoded (`Raw`), so that one that cannot be read never takes its neighbours with it. See docs/sync-protocol.md.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Protocol, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from shared_schema.apply import Filing
from shared_schema.credentials import Reference
from shared_schema.identifiers import Count, DeviceId, Line, PersonId, RequiredLine, Sha256
from shared_schema.rejections import Rejection
from shared_schema.ticket import Ticket

PROTOCOL = 2
"""The version this code speaks. 2: signed journals, anchored clocks, decisions on what came late."""

OLDEST_PROTOCOL = 1
"""The oldest version whose rounds the office takes; what an older or a newer one says is `upgrade-required`."""

OPERATIONS_PER_ROUND = 200
CHANGES_PER_ROUND = 200
PHOTOS_PER_OFFER = 200
OPERATION_BYTES = 1_000_000
"""The largest operation taken: a signature drawn for ten minutes without a break stays below it."""


class Holding(Struct, frozen=True, gc=False):
    """What the phone believes its scope to be, for the check that ends its asking."""

    count: Count
    digest: Sha256


class SignedHead(Struct, frozen=True, gc=False):
    """A device's word that its journal is this one: each envelope names the hash of the one before it."""

    sequence: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    hash: Sha256
    """Of the envelope with that number."""
    key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    """The device's public key, Ed25519; Base64 in JSON."""
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]
    """Over `head_text`."""


def head_text(device: str, sequence: int, hash_: str) -> bytes:
    """What a device signs."""
    return f"doorstep journal 1\n{device}\n{sequence}\n{hash_}\n".encode()


class RoundRequest(Struct, frozen=True):
    protocol: int
    device: DeviceId
    cursor: Count
    """Feed position up to which the phone has applied everything; 0 for nothing yet."""
    ops: Annotated[list[Raw], Meta(max_length=OPERATIONS_PER_ROUND)] = []
    reference: str = ""
    """Version of the Reference held."""
    holding: Holding | None = None
    """Together with `ops`: what it will be where all of them are accepted and nothing else has happened."""
    head: SignedHead | UnsetType = UNSET
    """Of the newest operation in `ops`, or of the newest the office holds; unset where the device cannot sign."""
    works_out: bool | UnsetType = UNSET
    """Whether the phone works out for itself what `ops` make of its tickets (OwnWork); else it is told them whole."""


class Verdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """The server's answer to one operation, stored under its id: asking again gets the same answer."""

    id: str
    sequence: int
    filing: Filing
    version: int = 0
    """The ticket's version after it."""
    rejection: Rejection | None = None
    """Set exactly when refused; None there means a reason this reader does not know yet."""


class PutTicket(Struct, frozen=True, gc=False, tag_field="change", tag="put_ticket"):
    position: Count
    ticket: Ticket


class WithdrawTicket(Struct, frozen=True, gc=False, tag_field="change", tag="withdraw_ticket"):
    """The ticket left this identity's scope: reassigned, or closed and expired."""

    position: Count
    ticket: str


class OwnWork(Struct, frozen=True, gc=False, tag_field="change", tag="own_work"):
    """The ticket is what the phone's own operations of this round make of what it had confirmed before, and nothing
    else: the phone works it out, and has everything told anew where its result has another digest."""

    position: Count
    ticket: str
    digest: str
    """See digest_of_ticket."""


Change: TypeAlias = PutTicket | WithdrawTicket | OwnWork


def digest_of_ticket(encoded: bytes) -> str:
    """By which two computations of a ticket are compared, not more: sixteen digits of the SHA-256 of its JSON."""
    return hashlib.sha256(encoded).hexdigest()[:16]


class RoundReply(Struct, frozen=True, omit_defaults=True):
    protocol: int
    server_time_ms: int
    """Unix time in milliseconds when the reply was made."""
    received_through: int
    """The office durably holds this device's journal from 1 up to here."""
    cursor: int
    verdicts: list[Raw] = []
    changes: list[Raw] = []
    more: bool = False
    in_step: bool | None = None
    """The answer to `holding`; None where there was nothing to compare. Together with `ops` never False: what differs
    then may be for a good reason, and the phone asks again when it has none under way."""
    reference: Reference | None = None
    signed_through: int = 0
    """Up to this number the office holds the journal under the device's own signature."""
    upgrade: bool = False
    """What was brought has been taken, but nothing is told until the app has been updated."""


class PhotosOffered(Struct, frozen=True):
    """What a phone may send next: asked about before any of it goes, so that nothing the office has is sent again."""

    photos: Annotated[list[Sha256], Meta(max_length=PHOTOS_PER_OFFER)]


class PhotosUnheld(Struct, frozen=True):
    photos: list[Sha256]
    """Those offered of which the office holds nothing, neither whole nor begun by this person nor set aside: their
    bytes may come with their creation."""


class EnrolRequest(Struct, frozen=True):
    protocol: int
    key: Annotated[str, Meta(min_length=8, max_length=200)]
    """The one-time key from the QR code."""
    device: DeviceId
    """Made by the phone, so that asking again after a lost reply is the same request."""
    name: Line = ""
    platform: Line = ""
    public_key: Annotated[bytes, Meta(min_length=32, max_length=32)] | UnsetType = UNSET
    """The device's, Ed25519; Base64 in JSON. Unset where the device cannot sign."""


class EnrolReply(Struct, frozen=True):
    device: DeviceId
    token: RequiredLine
    person: PersonId
    name: RequiredLine
    server_time_ms: int


# -- the world away is a value ---------------------------------------------------------------------------------------


class Offline(Struct, frozen=True):
    """No usable answer: no network, no server, a captive portal, a reply cut short, or the server is in trouble."""

    retry_after_seconds: float | None = None


class SignedOut(Struct, frozen=True):
    """The device is not, or no longer, known to the office. Nothing on it is touched."""

    code: str = "device-unknown"


class UpgradeRequired(Struct, frozen=True):
    """This app is too old to pull; what it holds stays and can still be pushed."""


class RefusedRequest(Struct, frozen=True):
    """The server understood and said no: a problem code of its registry."""

    code: str
    detail: str = ""


Away: TypeAlias = Offline | SignedOut | UpgradeRequired | RefusedRequest


class Upload(Struct, frozen=True):
    """Where one photo's bytes go and how many of them the office durably holds."""

    location: str
    offset: int
    complete: bool


class SyncService(Protocol):
    """The office as the engine sees it: over httpx in life, over httpx.ASGITransport in journeys."""

    async def enrol(self, request: EnrolRequest) -> EnrolReply | Away: ...

    async def round(self, request: RoundRequest) -> RoundReply | Away: ...

    async def unheld_photos(self, photos: Sequence[str]) -> PhotosUnheld | Away:
        """Of at most PHOTOS_PER_OFFER photos; RefusedRequest from an office too old to know the question."""
        ...

    async def begin_upload(self, sha256: str, size_bytes: int, media_type: str, first: bytes = b"") -> Upload | Away:
        """Create the upload, or find that the office already has these bytes (`complete`), or some of them. `first`,
        the beginning of a photo that is unheld, or all of it, goes along."""
        ...

    async def resume_upload(self, location: str, size_bytes: int) -> Upload | Away:
        """Ask how far an earlier upload came; RefusedRequest("upload-unknown") where it has expired."""
        ...

    async def send_chunk(self, upload: Upload, chunk: bytes, size_bytes: int) -> Upload | Away: ...


def holding(versions: Iterable[tuple[str, int]]) -> Holding:
    """The count and digest of a scope given as (ticket id, version); both ends compute it alike."""
    lines = sorted(f"{ticket}:{version}\n" for ticket, version in versions)
    return Holding(len(lines), hashlib.sha256("".join(lines).encode()).hexdigest())
