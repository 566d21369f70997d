"""What is on this phone and survives it being switched off at any moment.

`Store` is the whole of it; the modules beside it each keep one kind of thing. Nobody else imports sqlite_utils.
"""

from field_app.store.store import BYTES_PER_ROUND, Store
from field_app.store.values import (
    ON_THIS_PHONE,
    Answering,
    Counts,
    EntryState,
    Exchange,
    Held,
    Identity,
    Incident,
    JournalEntry,
    NoRoomToUpdate,
    PhotoBytes,
    PhotoState,
    Recorded,
    Rescued,
    StorageUnavailable,
    StoreTooNew,
    Stranded,
    Taken,
    UpdateFailed,
)

__all__ = [
    "BYTES_PER_ROUND",
    "ON_THIS_PHONE",
    "Answering",
    "Counts",
    "EntryState",
    "Exchange",
    "Held",
    "Identity",
    "Incident",
    "JournalEntry",
    "NoRoomToUpdate",
    "PhotoBytes",
    "PhotoState",
    "Recorded",
    "Rescued",
    "StorageUnavailable",
    "Store",
    "StoreTooNew",
    "Stranded",
    "Taken",
    "UpdateFailed",
]
