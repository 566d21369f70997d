"""The rescue file: what a phone still holds, in one file that only the office can read.

    DOORSTEP-RESCUE-1\\n | length, header (JSON) | length, sealed chunk | … | length 0 | signature (64 bytes, or none)

Lengths are 4 bytes, most significant first. The header names the device, the office's key the file is sealed for, and
the ephemeral key of the agreement (ECDH P-256 → HKDF-SHA256 → AES-256-GCM). Each chunk is sealed with a nonce that
counts from 0 and with the SHA-256 of the header, and whether it is the last, as associated data. The signature is the
device's (Ed25519), over `signed_text` of everything before it. Unsealed, the chunks are records one after another.

The forms and the framing are here; who seals and opens is field_app.device's and sync_server.services'.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from shared_schema.evidence import PHOTO_BYTES
from shared_schema.identifiers import Count, DeviceId, PersonId, Sha256

MAGIC = b"DOORSTEP-RESCUE-1\n"
CHUNK_BYTES = 1_000_000
SEALED_EXTRA_BYTES = 16
"""What AES-GCM adds to a chunk."""
HEADER_BYTES = 16_000
SIGNATURE_BYTES = 64
ENDING = ".doorstep-rescue"

_RECORD_HEAD_BYTES = 16_000

PublicKey: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""Ed25519, raw; Base64 in JSON."""
AgreementKey: TypeAlias = Annotated[bytes, Meta(min_length=65, max_length=65)]
"""P-256, an uncompressed point; Base64 in JSON."""


class RescueHeader(Struct, frozen=True):
    device: DeviceId
    person: PersonId
    made_at_ms: Count
    office_key: Sha256
    """SHA-256 of the office's public key."""
    ephemeral_key: AgreementKey
    salt: Annotated[bytes, Meta(min_length=32, max_length=32)]
    signing_key: PublicKey | UnsetType = UNSET
    """Unset where the device cannot sign; there is then no signature."""


class EnvelopeRecord(Struct, frozen=True, tag_field="form", tag="envelope"):
    """Followed by the envelope's bytes."""

    size: Count


class PhotoRecord(Struct, frozen=True, tag_field="form", tag="photo"):
    """Followed by the photo's bytes."""

    size: Annotated[int, Meta(ge=1, le=PHOTO_BYTES)]
    sha256: Sha256
    media_type: str


class DraftRecord(Struct, frozen=True, tag_field="form", tag="draft"):
    """Followed by what was typed and not yet recorded, as JSON."""

    size: Count
    key: str


Record: TypeAlias = EnvelopeRecord | PhotoRecord | DraftRecord

_record: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class NotARescueFile(Exception):
    """Of another form, cut short, or altered. The argument is for a log, not for a person."""


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def nonce(number: int) -> bytes:
    """Of the chunk with this number, from 0. The key serves for one file only."""
    return number.to_bytes(12, "big")


def associated_data(header: bytes, *, is_last: bool) -> bytes:
    return hashlib.sha256(MAGIC + header).digest() + (b"\x01" if is_last else b"\x00")


HKDF_INFO = b"doorstep rescue 1"


def signed_text(digest: bytes) -> bytes:
    """What the device signs: the SHA-256 of everything in the file before the signature."""
    return b"doorstep rescue 1\n" + digest


def record_bytes(head: Record, body: bytes) -> bytes:
    assert head.size == len(body), head
    return framed(msgspec.json.encode(head)) + body


def in_chunks(records: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The records' bytes in chunks to be sealed, each with whether it is the last; at least one."""
    held = bytearray()
    for record in records:
        held += record
        while len(held) > CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES]), False
            del held[:CHUNK_BYTES]
    yield bytes(held), True


def records_in(chunks: Iterable[bytes]) -> Iterator[tuple[Record, bytes]]:
    """The records of unsealed chunks, one after the other. Raises NotARescueFile."""
    pieces = iter(chunks)
    held = bytearray()

    def take(count: int) -> bytes:
        while len(held) < count:
            piece = next(pieces, None)
            if piece is None:
                raise NotARescueFile("ends within a record")
            held.extend(piece)
        taken = bytes(held[:count])
        del held[:count]
        return taken

    def is_over() -> bool:
        while not held:
            piece = next(pieces, None)
            if piece is None:
                return True
            held.extend(piece)
        return False

    while not is_over():
        length = int.from_bytes(take(4), "big")
        if not 0 < length <= _RECORD_HEAD_BYTES:
            raise NotARescueFile(f"a record's head of {length} bytes")
        try:
            head = _record.decode(take(length))
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as fault:
            raise NotARescueFile(f"a record's head: {fault}") from fault
        if head.size > PHOTO_BYTES:
            raise NotARescueFile(f"a record of {head.size} bytes")
        yield head, take(head.size)
