"""What the store hands out, and the ways in which its machinery can break.

Nothing here knows SQL; how the values are kept is in the modules beside this one.
"""

from datetime import datetime
from enum import Enum
from typing import Any

from msgspec import Struct

from shared_schema.operations import Envelope, RefusalAnswer
from shared_schema.rejections import Rejection


class StorageUnavailable(Exception):
    """What was to be kept is not certain to be kept: the disk is full, the file is damaged or was taken away.

    Nothing that was saved before is touched. The person must be told that this one entry is not saved.
    """


class StorageDamaged(StorageUnavailable):
    """A place of the file holds something else than was written there; what lies elsewhere can be read."""


class StoreTooNew(StorageUnavailable):
    """A newer version of the app has written this store; it was left as it is."""


class NoRoomToUpdate(StorageUnavailable):
    """A newer app must change the store and there is no room for the copy it keeps meanwhile; nothing was touched."""

    def __init__(self, needed_bytes: int, room_bytes: int) -> None:
        super().__init__(f"needs {needed_bytes} bytes, has {room_bytes}")
        self.needed_bytes = needed_bytes
        self.room_bytes = room_bytes


class UpdateFailed(StorageUnavailable):
    """A newer app could not change the store, which is as it was before, with everything in it.

    A version of the app that can is needed; until then nothing can be recorded.
    """


class EntryState(str, Enum):
    """What the office has said about one entry of the journal."""

    WAITING = "waiting"
    """Not answered yet: saved on this phone."""
    ACCEPTED = "accepted"
    LATE = "late"
    PROPOSAL = "proposal"
    REFUSED = "refused"
    RECEIVED = "received"
    """The office holds it, and its answer is one that this version of the app cannot read."""


class Identity(Struct, frozen=True):
    """Who this phone is to the office."""

    device: str
    person: str
    name: str
    token: str


class PhotoBytes(Struct, frozen=True):
    sha256: str
    media_type: str
    data: bytes


ON_THIS_PHONE = "photo-damaged-on-phone"
"""The bytes kept here are no longer those that were recorded."""


class PhotoState(Struct, frozen=True):
    """How far one photo has come; its bytes are `Store.photo`'s."""

    sha256: str
    media_type: str
    size_bytes: int
    ticket: str
    ticket_number: str
    operation_id: str
    location: str | None
    """Where the office takes the bytes, once it has said so."""
    offset: int
    """Bytes the office durably holds, by its last word."""
    restarts: int
    recorded_at: datetime
    received_at: datetime | None
    trouble: str | None
    """Why the last attempt to send it ended: a code of the office's registry, or ON_THIS_PHONE."""
    freed_at: datetime | None
    """Its bytes are at the office alone since then."""


class JournalEntry(Struct, frozen=True):
    id: str
    device: str
    sequence: int
    ticket: str
    ticket_number: str
    """As it was when the entry was made: readable even after the ticket has been withdrawn."""
    kind: str
    state: EntryState
    rejection: Rejection | None
    """None for a refused entry: a reason this version of the app does not know."""
    recorded_at: datetime
    answered_at: datetime | None
    envelope: Envelope | None
    """None for an entry a newer version of the app has made."""
    answer: RefusalAnswer | None = None
    """What the technician made of it, where it was refused and has been dealt with."""


class Recorded(Struct, frozen=True):
    id: str
    sequence: int


class Counts(Struct, frozen=True):
    operations: int = 0
    """Waiting: not answered by the office yet."""
    photos: int = 0
    """Waiting: not, or not wholly, received by the office."""
    refused: int = 0
    """Refused, and nothing made of it yet."""
    stranded: int = 0
    """Typed and not recorded, in forms to which no page leads any more."""


class Stranded(Struct, frozen=True):
    """What was typed into a form and not recorded, on a ticket that is over or no longer this person's."""

    key: str
    form: str
    ticket: str
    ticket_number: str
    """Empty where nothing on this phone tells it any more."""
    values: dict[str, Any]
    saved_at: datetime


class Held(Struct, frozen=True):
    """What would be missing in the office if this phone went into the river now."""

    operations: int = 0
    """Recorded and not received."""
    photos: int = 0
    photo_bytes: int = 0
    """What is still to be sent of them."""
    drafts: int = 0
    """Forms in which something was typed that is not recorded yet."""
    refused: int = 0
    """Refused by the office, and nothing made of it yet: the office has the words, and nobody there acts on them."""

    @property
    def is_nothing(self) -> bool:
        return self == Held()


class Rescued(Struct, frozen=True):
    """The newest rescue file that was handed on."""

    at: datetime
    name: str
    through: int
    """Row of the last journal entry in it."""
    photos: tuple[str, ...]
    """SHA-256 of each in it: those the office had not received then."""
    drafts_digest: str
    """Of the drafts in it."""


class Answering(Struct, frozen=True):
    """That an operation takes the place of a refused one."""

    refused: str
    answer: RefusalAnswer


class Incident(Struct, frozen=True):
    """Something that should not have happened and was survived; for the office's technicians, not for the user."""

    kind: str
    detail: str
    times: int
    first_at: datetime
    last_at: datetime


class Exchange(Struct, frozen=True):
    """What the next request to the office carries."""

    cursor: int
    entries: tuple[tuple[int, bytes], ...]
    """(sequence, raw envelope), in order of sequence."""
    more: bool
    """Whether entries are left that did not fit."""
    reference: str
    head: tuple[int, str] | None = None
    """(sequence, hash) the device is to sign: of the newest entry in here, or of the newest the office has received
    where it holds no signature on that; None where there is nothing to sign."""


class Taken(Struct, frozen=True):
    """What one reply changed."""

    verdicts: int = 0
    changes: int = 0
    advanced: bool = False
    """Whether the cursor, or what the office has received, moved at all."""
