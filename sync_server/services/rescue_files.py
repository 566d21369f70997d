"""Opening rescue files. Their form is shared_schema.rescue's, what becomes of what is in them services.rescue's.

A file may have gigabytes: it is read from disk piece by piece, and twice, so that nothing of it is believed before
everything has been checked.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from msgspec import Struct

from shared_schema import wire
from shared_schema.rescue import (
    CHUNK_BYTES,
    HEADER_BYTES,
    HKDF_INFO,
    MAGIC,
    SEALED_EXTRA_BYTES,
    SIGNATURE_BYTES,
    NotARescueFile,
    Record,
    RescueHeader,
    associated_data,
    nonce,
    records_in,
    signed_text,
)
from shared_schema.wire import Unreadable

_CURVE = ec.SECP256R1()
_KEY_BYTES = 32


class SealedFile(Struct, frozen=True):
    """A rescue file on disk whose frame is sound."""

    path: Path
    header: RescueHeader
    header_bytes: bytes
    signature: bytes
    """Empty where there is none."""
    signed: bytes
    """What it is a signature of."""
    file_sha256: str
    size_bytes: int


def made_key_pair() -> tuple[bytes, bytes]:
    """A new key that rescue files can be sealed for: private (PKCS #8), public (an uncompressed point)."""
    private = ec.generate_private_key(_CURVE)
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), public


def sealed_file(path: Path) -> SealedFile:
    """Go through the frame. Raises NotARescueFile."""
    hashing = hashlib.sha256()
    with path.open("rb") as file:
        header_bytes = _begin(file)
        header = wire.decode(header_bytes, RescueHeader)
        if isinstance(header, Unreadable):
            raise NotARescueFile(f"header: {header.place} {header.reason}")
        hashing.update(MAGIC + len(header_bytes).to_bytes(4, "big") + header_bytes)
        for chunk in _chunks(file):
            hashing.update(len(chunk).to_bytes(4, "big"))
            hashing.update(chunk)
        hashing.update(bytes(4))
        signed = signed_text(hashing.digest())
        signature = file.read(SIGNATURE_BYTES + 1)
        if len(signature) not in {0, SIGNATURE_BYTES}:
            raise NotARescueFile("what follows the last chunk is no signature")
        hashing.update(signature)
        return SealedFile(path, header, header_bytes, signature, signed, hashing.hexdigest(), file.tell())


def unsealed(file: SealedFile, private: bytes) -> Iterator[tuple[Record, bytes]]:
    """The records in it, one after the other. Raises NotARescueFile."""
    opening = AESGCM(_agreed_key(file.header, private))
    return records_in(_unsealed_chunks(file, opening))


def _unsealed_chunks(file: SealedFile, opening: AESGCM) -> Iterator[bytes]:
    with file.path.open("rb") as sealed:
        _begin(sealed)
        chunks = _chunks(sealed)
        number, chunk = 0, next(chunks, b"")
        while chunk:
            following = next(chunks, b"")
            about = associated_data(file.header_bytes, is_last=not following)
            try:
                yield opening.decrypt(nonce(number), chunk, about)
            except InvalidTag as fault:
                raise NotARescueFile(f"chunk {number} was altered") from fault
            number, chunk = number + 1, following


def _agreed_key(header: RescueHeader, private: bytes) -> bytes:
    office = load_der_private_key(private, None)
    assert isinstance(office, ec.EllipticCurvePrivateKey), type(office)
    try:
        ephemeral = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, header.ephemeral_key)
    except ValueError as fault:
        raise NotARescueFile("the ephemeral key is no point of the curve") from fault
    agreed = office.exchange(ec.ECDH(), ephemeral)
    return HKDF(SHA256(), _KEY_BYTES, salt=header.salt, info=HKDF_INFO).derive(agreed)


def _begin(file: BinaryIO) -> bytes:
    """The header's bytes."""
    if file.read(len(MAGIC)) != MAGIC:
        raise NotARescueFile("does not begin like one")
    length = _length(file)
    if not 0 < length <= HEADER_BYTES:
        raise NotARescueFile(f"a header of {length} bytes")
    return _exactly(file, length)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Still sealed; none of them is empty. There is at least one."""
    length = _length(file)
    if not length:
        raise NotARescueFile("holds nothing")
    while length:
        if not SEALED_EXTRA_BYTES <= length <= CHUNK_BYTES + SEALED_EXTRA_BYTES:
            raise NotARescueFile(f"a chunk of {length} bytes")
        yield _exactly(file, length)
        length = _length(file)


def _length(file: BinaryIO) -> int:
    return int.from_bytes(_exactly(file, 4), "big")


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise NotARescueFile("cut short")
    return data
