"""What is on this phone and survives it being switched off at any moment.

`Store` is the whole of it; the modules beside it each keep one kind of thing. Nobody else imports sqlite_utils.
"""

from field_app.store.store import BYTES_PER_ROUND, Store
from field_app.store.values import (
    Counts,
    EntryState,
    Exchange,
    Identity,
    Incident,
    JournalEntry,
    PhotoBytes,
    PhotoState,
    Recorded,
    StorageUnavailable,
    StoreTooNew,
    Taken,
)

__all__ = [
    "BYTES_PER_ROUND",
    "Counts",
    "EntryState",
    "Exchange",
    "Identity",
    "Incident",
    "JournalEntry",
    "PhotoBytes",
    "PhotoState",
    "Recorded",
    "StorageUnavailable",
    "Store",
    "StoreTooNew",
    "Taken",
]
