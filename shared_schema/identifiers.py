"""Names of things: identifiers, and the bounded texts that people type.

Bounds are part of the type, so that a value too long is refused where it is decoded and never reaches a database.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta

_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"

OperationId: TypeAlias = Annotated[str, Meta(pattern=_UUID)]
TicketId: TypeAlias = Annotated[str, Meta(pattern=_UUID)]
DeviceId: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-z][0-9a-z-]{0,63}\Z")]
PersonId: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-z][0-9a-z-]{0,63}\Z")]
Sha256: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]

Line: TypeAlias = Annotated[str, Meta(max_length=200)]
"""One line a person typed, at most 200 characters."""

RequiredLine: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]

Words: TypeAlias = Annotated[str, Meta(max_length=4000)]
"""Free text a person typed, at most 4,000 characters."""

RequiredWords: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4000)]

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""A whole number that every JSON reader holds exactly (RFC 8259, section 6)."""


def uuid7(time_ms: int, random_bytes: bytes) -> str:
    """The UUIDv7 (RFC 9562, section 5.7) of a Unix time in milliseconds and ten random bytes."""
    assert len(random_bytes) == 10, len(random_bytes)
    value = (time_ms & (2**48 - 1)) << 80 | int.from_bytes(random_bytes, "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
