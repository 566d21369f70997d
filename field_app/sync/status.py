"""What the screens may know about syncing."""

from datetime import datetime

from msgspec import Struct

from field_app.store import Counts
from shared_schema.sync_protocol import Away


class UploadProgress(Struct, frozen=True):
    """The photo whose bytes are on their way."""

    sha256: str
    sent_bytes: int
    size_bytes: int


class SyncStatus(Struct, frozen=True):
    reachable: bool | None = None
    """Whether the office answered the last time it was asked; None before the first time."""
    syncing: bool = False
    last_round_at: datetime | None = None
    """By this phone's clock: when the office last answered."""
    received_through: int = 0
    """The office durably holds everything recorded here up to this number."""
    signed_through: int = 0
    """That far it also holds this phone's own signature; below `received_through` for long: the device cannot sign."""
    counts: Counts = Counts()
    upload: UploadProgress | None = None
    signed_out: bool = False
    """The office does not know this phone, or no longer; everything on it is kept."""
    upgrade_required: bool = False
    """The office tells this version of the app nothing new; what is recorded is sent and taken all the same."""


class RoundOutcome(Struct, frozen=True):
    """What one complete exchange achieved, and what ended it early."""

    sent: int = 0
    verdicts: int = 0
    changes: int = 0
    photos: int = 0
    upgrade: bool = False
    """Everything was taken, and nothing told until the app has been updated."""
    away: Away | None = None
