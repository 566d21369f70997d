"""Rescue files as a phone makes them, made by another library and read from no code of ours but the form's names."""

import hashlib
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import UNSET, json

from shared_schema.rescue import DraftRecord, EnvelopeRecord, PhotoRecord, Record, RescueHeader

CHUNK_BYTES = 1_000_000


def an_envelope(raw: bytes) -> tuple[Record, bytes]:
    return EnvelopeRecord(len(raw)), raw


def a_photo(data: bytes, **different: Any) -> tuple[Record, bytes]:
    usual: dict[str, Any] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "media_type": "image/jpeg"}
    return PhotoRecord(**(usual | different)), data


def a_draft(key: str, body: bytes) -> tuple[Record, bytes]:
    return DraftRecord(len(body), key), body


def seal(
    office_public_key: bytes,
    signing_key: Ed25519PrivateKey | None,
    records: Iterable[tuple[Record, bytes]],
    *,
    device: str,
    person: str,
    made_at_ms: int = 1_772_413_200_000,
    chunk_bytes: int = CHUNK_BYTES,
    **header: Any,
) -> bytes:
    """The whole file. The same office key, device and time give the same file; `header` puts something else into it."""
    seed = hashlib.sha256(f"{device} {made_at_ms}".encode()).digest()
    ephemeral = ec.derive_private_key(int.from_bytes(seed[:31], "big"), ec.SECP256R1())
    usual: dict[str, Any] = {
        "device": device,
        "person": person,
        "made_at_ms": made_at_ms,
        "office_key": hashlib.sha256(office_public_key).hexdigest(),
        "ephemeral_key": ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "salt": seed,
        "signing_key": signing_key.public_key().public_bytes_raw() if signing_key else UNSET,
    }
    head = json.encode(RescueHeader(**(usual | header)))
    office = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), office_public_key)
    agreed = ephemeral.exchange(ec.ECDH(), office)
    cipher = AESGCM(HKDF(SHA256(), 32, salt=seed, info=b"doorstep rescue 1").derive(agreed))
    file = b"DOORSTEP-RESCUE-1\n" + _framed(head)
    about = hashlib.sha256(file[: len(b"DOORSTEP-RESCUE-1\n")] + head).digest()
    plain = b"".join(_framed(json.encode(record)) + body for record, body in records)
    starts = range(0, max(len(plain), 1), chunk_bytes)
    for number, start in enumerate(starts):
        ending = b"\x01" if number == len(starts) - 1 else b"\x00"
        file += _framed(cipher.encrypt(number.to_bytes(12, "big"), plain[start : start + chunk_bytes], about + ending))
    file += _framed(b"")
    if signing_key is not None:
        file += signing_key.sign(b"doorstep rescue 1\n" + hashlib.sha256(file).digest())
    return file


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
