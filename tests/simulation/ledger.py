"""What was promised to whom: everything a person was told is saved, received or done, and what has been excused since.

An excuse is made out only by an event that destroys data outside what the product can promise (a phone lost for good,
a store put back to an old copy, an office put back to an old backup while the phone is gone), for exactly those
promises that nobody holds any more at that moment.
"""

from collections import Counter
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from shared_schema.apply import Filing


class Promise(Struct, frozen=True):
    """`Saved`, said on a phone."""

    id: str
    phone: str
    device: str
    sequence: int
    ticket: str
    operation: bytes
    """As the person entered it."""
    at: datetime
    """When, by no clock of anybody's."""


class RescueFile(Struct, frozen=True):
    """What left a phone by hand."""

    path: Path
    phone: str
    operations: frozenset[str]
    photos: frozenset[str]
    """SHA-256."""
    drafts: frozenset[tuple[str, str]]
    """Their keys, and the SHA-256 of what was typed."""


class Ledger:
    def __init__(self) -> None:
        self.saved: dict[str, Promise] = {}
        self.photos: dict[str, bytes] = {}
        """SHA-256 → the bytes that were captured."""
        self.photo_of: dict[str, str] = {}
        """SHA-256 → the operation first saved with it."""
        self.desk: dict[str, Filing] = {}
        """What the desk was told of its own operations."""
        self.drafts: dict[tuple[str, str], set[str]] = {}
        """(phone, key) → the words that were said to be kept; several where it is not certain which, "" for none."""
        self.answered: set[str] = set()
        """Refused operations that a person has made something of."""
        self.rescue_files: list[RescueFile] = []
        """Kept until the end: what is in one may be missing nowhere."""
        self.numbers: dict[str, str] = {}
        """Ticket numbers that customers were told, and of which ticket."""
        self.revoked: dict[str, str] = {}
        """Tokens that are worth nothing any more, and of which device."""
        self.excused: dict[str, str] = {}
        """Operation id → why it may be missing."""
        self.excused_photos: dict[str, str] = {}
        self.damaged: set[str] = set()
        """Photos that the office had received, and that its disk has damaged or lost."""

    def excuses(self) -> Counter[str]:
        return Counter(self.excused.values()) + Counter(f"{reason} (photos)" for reason in self.excused_photos.values())
