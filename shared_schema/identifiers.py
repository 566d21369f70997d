"""Names of things: identifiers, and the bounded texts that people type.

Bounds are part of the type, so that a value too long is refused where it is decoded and never reaches a database.
"""

import re
from functools import lru_cache
from typing import Annotated, TypeAlias

from msgspec import Meta

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
_NAME = r"^[0-9a-z][0-9a-z-]{0,63}\Z"
_SHA256 = r"^[0-9a-f]{64}\Z"

OperationId: TypeAlias = Annotated[str, Meta(pattern=_UUID)]
TicketId: TypeAlias = Annotated[str, Meta(pattern=_UUID)]
DeviceId: TypeAlias = Annotated[str, Meta(pattern=_NAME)]
PersonId: TypeAlias = Annotated[str, Meta(pattern=_NAME)]
Sha256: TypeAlias = Annotated[str, Meta(pattern=_SHA256)]

KnownId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
"""Any of these on a ticket, which names dozens: each was checked when it came in, as part of an operation."""

# In an envelope, of which one comes for every tap of everybody, they are checked together, by wire.decode_envelope: a
# pattern for each took a tenth of all that the office does about an operation.
EnvelopeUuid: TypeAlias = Annotated[str, Meta(min_length=36, max_length=36, extra_json_schema={"pattern": _UUID})]
EnvelopeName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema={"pattern": _NAME})]
EnvelopeSha256: TypeAlias = Annotated[str, Meta(min_length=64, max_length=64, extra_json_schema={"pattern": _SHA256})]

Line: TypeAlias = Annotated[str, Meta(max_length=200)]
"""One line a person typed, at most 200 characters."""

RequiredLine: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]

Words: TypeAlias = Annotated[str, Meta(max_length=4000)]
"""Free text a person typed, at most 4,000 characters."""

RequiredWords: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4000)]

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A whole number that every JSON reader holds exactly (RFC 8259, section 6)."""

_uuid, _name, _sha256 = re.compile(_UUID), re.compile(_NAME), re.compile(_SHA256)
_HEXADECIMAL = b"0123456789abcdef"
_TRIPLE = 36 + 36 + 64
_HYPHENS = (8, 13, 18, 23, 44, 49, 54, 59)


def are_uuids_and_sha256(triples: str) -> bool:
    """Whether `triples` is any number of two UUIDs and a SHA-256 each, one behind the other, given that each is as long
    as it should be.

    Raises UnicodeEncodeError where there is something in them that is no text at all.
    """
    count = len(triples) // _TRIPLE
    if triples.encode().translate(None, _HEXADECIMAL) != b"-" * (len(_HYPHENS) * count):
        return False
    hyphens = "-" * count
    return all(triples[place::_TRIPLE] == hyphens for place in _HYPHENS)


@lru_cache(1024)
def is_name(text: str) -> bool:
    """Whether it can be a device's or a person's: the few that there are come again and again."""
    return _name.search(text) is not None


def is_uuid(text: str) -> bool:
    return _uuid.search(text) is not None


def is_sha256(text: str) -> bool:
    return _sha256.search(text) is not None


def uuid7(time_ms: int, random_bytes: bytes) -> str:
    """The UUIDv7 (RFC 9562, section 5.7) of a Unix time in milliseconds and ten random bytes."""
    assert len(random_bytes) == 10, len(random_bytes)
    value = (time_ms & (2**48 - 1)) << 80 | int.from_bytes(random_bytes, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
