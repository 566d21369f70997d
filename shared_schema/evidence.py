"""What a visit leaves behind that nobody may lose: notes, photos, arrivals, signatures, objections.

Evidence made on a ticket that has meanwhile moved on or changed hands is kept all the same, marked `late`.
"""

import hashlib
from datetime import datetime
from enum import Enum
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from shared_schema.identifiers import Count, KnownId, Line, RequiredLine, RequiredWords, Sha256, Words

PHOTO_BYTES = 25_000_000
"""The largest photo a phone keeps and the office takes: one figure, so that nothing saved can prove undeliverable."""


PHOTOS_PER_STATEMENT = 1_000
"""More than anybody takes in one visit: a visit whose photos a statement cannot name could not be signed."""


class PhotoSlot(str, Enum):
    """What a photo shows, seen from the visit."""

    REPORTED = "reported"
    BEFORE = "before"
    AFTER = "after"
    OBJECTION = "objection"


class Note(Struct, frozen=True, gc=False, omit_defaults=True):
    operation_id: KnownId
    author: KnownId
    written_at: datetime
    text: RequiredWords
    late: bool = False


class Photo(Struct, frozen=True, gc=False, omit_defaults=True):
    """A photo by its content; the bytes travel apart (tus) and may arrive later than this."""

    operation_id: KnownId
    sha256: Sha256
    size_bytes: Count
    media_type: str
    slot: PhotoSlot
    taken_by: KnownId
    taken_at: datetime
    late: bool = False


class Arrival(Struct, frozen=True, gc=False, omit_defaults=True):
    operation_id: KnownId
    technician: KnownId
    arrived_at: datetime
    late: bool = False


Coordinate: TypeAlias = Annotated[int, Meta(ge=0, le=10_000)]
Point: TypeAlias = tuple[Coordinate, Coordinate]


class Signature(Struct, frozen=True, gc=False):
    """Strokes as drawn, in whole units of a `width` × `height` pad, so they print sharp at any size."""

    width: Coordinate
    height: Coordinate
    strokes: Annotated[
        tuple[Annotated[tuple[Point, ...], Meta(min_length=1, max_length=5_000)], ...],
        Meta(min_length=1, max_length=200),
    ]


class Statement(Struct, frozen=True, gc=False):
    """Exactly what the customer was shown before signing or objecting."""

    language: Line
    text: Annotated[str, Meta(min_length=1, max_length=16_000)]
    """Has room for the problem, what was found and what was done, each as long as Words may be, and what is said around
    them: no visit may be too long to be signed."""
    found: Words
    done: Words
    photos: Annotated[tuple[Sha256, ...], Meta(max_length=PHOTOS_PER_STATEMENT)]


class SignOff(Struct, frozen=True, gc=False, omit_defaults=True):
    operation_id: KnownId
    technician: KnownId
    signed_at: datetime
    statement: Statement
    statement_sha256: Sha256
    signer: RequiredLine
    rating: Annotated[int, Meta(ge=1, le=5)]
    comment: Words
    signature: Signature
    late: bool = False


class Objection(Struct, frozen=True, gc=False, omit_defaults=True):
    operation_id: KnownId
    technician: KnownId
    raised_at: datetime
    statement: Statement
    statement_sha256: Sha256
    words: RequiredWords
    photos: tuple[Sha256, ...] = ()
    late: bool = False


def digest(statement: Statement) -> str:
    """SHA-256, in hexadecimal, of the statement's canonical JSON (keys in declared order, no white space, UTF-8)."""
    return hashlib.sha256(msgspec.json.encode(statement)).hexdigest()
