"""Opening a rescue file from its description alone (shared_schema.rescue's first page), with other code than ours.

Nothing but the names of the records is taken from the product: what is read here was understood, not shared.
"""

import hashlib
import json
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass
class Opened:
    header: dict[str, Any]
    is_signed: bool
    envelopes: list[bytes] = field(default_factory=list)
    photos: dict[str, bytes] = field(default_factory=dict)
    drafts: dict[str, Any] = field(default_factory=dict)


def an_office_key(number: int = 7) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number, ec.SECP256R1())


def public_half(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def opened(file: bytes, office: ec.EllipticCurvePrivateKey) -> Opened:
    """Fails where anything in the file is not as described: a wrong signature, an altered byte, a missing end."""
    magic = b"DOORSTEP-RESCUE-1\n"
    assert file.startswith(magic)
    at = len(magic)

    def framed() -> bytes:
        nonlocal at
        length = int.from_bytes(file[at : at + 4], "big")
        part = file[at + 4 : at + 4 + length]
        assert len(part) == length, "cut short"
        at += 4 + length
        return part

    head = framed()
    header = json.loads(head)
    chunks: list[bytes] = []
    while chunk := framed():
        chunks.append(chunk)
    signature = file[at:]
    if "signing_key" in header:
        text = b"doorstep rescue 1\n" + hashlib.sha256(file[:at]).digest()
        Ed25519PublicKey.from_public_bytes(b64decode(header["signing_key"])).verify(signature, text)
    else:
        assert signature == b""

    assert header["office_key"] == hashlib.sha256(public_half(office)).hexdigest()
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b64decode(header["ephemeral_key"]))
    secret = HKDF(SHA256(), 32, b64decode(header["salt"]), b"doorstep rescue 1").derive(
        office.exchange(ec.ECDH(), theirs)
    )
    about = hashlib.sha256(magic + head).digest()
    plain = b""
    for number, chunk in enumerate(chunks):
        last = b"\x01" if number == len(chunks) - 1 else b"\x00"
        plain += AESGCM(secret).decrypt(number.to_bytes(12, "big"), chunk, about + last)

    found = Opened(header, "signing_key" in header)
    place = 0
    while place < len(plain):
        length = int.from_bytes(plain[place : place + 4], "big")
        record = json.loads(plain[place + 4 : place + 4 + length])
        place += 4 + length
        body = plain[place : place + record["size"]]
        place += record["size"]
        if record["form"] == "envelope":
            found.envelopes.append(body)
        elif record["form"] == "photo":
            assert hashlib.sha256(body).hexdigest() == record["sha256"]
            found.photos[record["sha256"]] = body
        else:
            found.drafts[record["key"]] = json.loads(body)
    assert place == len(plain)
    return found
