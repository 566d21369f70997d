"""Small things the phone must know after a restart, one value per key: who it is, where the feed stands, settings."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from field_app.store.database import StoreFile
from field_app.store.values import Identity, Rescued
from shared_schema.operations import Clock

T = TypeVar("T")

IDENTITY = "identity"
ENROLLING_DEVICE = "enrolling_device"
CURSOR = "cursor"
GENERATION = "generation"
PULLING_AGAIN = "pulling_again"
RECEIVED_THROUGH = "received_through"
SIGNED_THROUGH = "signed_through"
CLOCK = "clock"
LAST_ROUND_AT = "last_round_at"
RESCUED = "rescued"
LEFT_DEVICE = "left_device"
LEFT_PERSON = "left_person"
OTHERS_THROUGH = "others_through"


class Facts:
    """Read once, when the store opens; written through. A write that fails must be followed by `forget`."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file
        self._values: dict[str, bytes] = {}
        self.forget()

    def forget(self) -> None:
        """What is remembered may differ from what is stored: read it anew."""
        self._values = {key: bytes(value) for key, value in self._file.rows("SELECT key, value FROM facts")}

    def get(self, key: str, form: type[T]) -> T | None:
        raw = self._values.get(key)
        return None if raw is None else msgspec.json.decode(raw, type=form)

    def put(self, key: str, value: Any) -> bool:
        """Whether this changed anything. Inside a transaction."""
        raw = msgspec.json.encode(value)
        if self._values.get(key) == raw:
            return False
        self._file.upsert("facts", {"key": key, "value": raw}, "key")
        self._values[key] = raw
        return True

    def remove(self, key: str) -> None:
        self._file.write("DELETE FROM facts WHERE key = ?", (key,))
        self._values.pop(key, None)

    @property
    def identity(self) -> Identity | None:
        return self.get(IDENTITY, Identity)

    @property
    def cursor(self) -> int:
        return self.get(CURSOR, int) or 0

    @property
    def generation(self) -> int:
        """Counts how often everything was pulled from the beginning."""
        return self.get(GENERATION, int) or 0

    @property
    def is_pulling_again(self) -> bool:
        return self.get(PULLING_AGAIN, bool) or False

    @property
    def received_through(self) -> int:
        return self.get(RECEIVED_THROUGH, int) or 0

    @property
    def signed_through(self) -> int:
        return self.get(SIGNED_THROUGH, int) or 0

    @property
    def rescued(self) -> Rescued | None:
        return self.get(RESCUED, Rescued)

    @property
    def others_through(self) -> int:
        """Row of the last journal entry that was made when this phone was somebody else's."""
        return self.get(OTHERS_THROUGH, int) or 0

    @property
    def clock(self) -> Clock:
        return self.get(CLOCK, Clock) or Clock()

    @property
    def last_round_at(self) -> datetime | None:
        return self.get(LAST_ROUND_AT, datetime)
