"""Signing and sealing by a library, for the places that are no browser: the key is a file beside the store.

`cryptography` is imported when it is first needed: Python in a browser has none (there it is keys.js).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from field_app.device.contract import Seal, SigningFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class KeyFile:
    """Implements Signer. 32 bytes (RFC 8032, section 5.1.5) that only this user of the machine may read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: Ed25519PrivateKey | None = None

    async def public_key(self) -> bytes | None:
        return self._private_key().public_key().public_bytes_raw()

    async def sign(self, text: bytes) -> bytes:
        return self._private_key().sign(text)

    def _private_key(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if self._key is None:
            try:
                if not self._path.exists():
                    _write_once(self._path, Ed25519PrivateKey.generate().private_bytes_raw())
                self._key = Ed25519PrivateKey.from_private_bytes(self._path.read_bytes())
            except (OSError, ValueError) as fault:
                raise SigningFailed(str(fault)) from fault
        return self._key


def _write_once(path: Path, data: bytes) -> None:
    """Whole and on the disk, or not there."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    unfinished.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A file just made is not there after a power cut until its folder is on the disk too."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class LibrarySealer:
    """Implements Sealer."""

    async def agree(self, office_key: bytes, salt: bytes, info: bytes) -> Seal:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        curve = ec.SECP256R1()
        office = ec.EllipticCurvePublicKey.from_encoded_point(curve, office_key)
        ours = ec.generate_private_key(curve)
        secret = HKDF(SHA256(), 32, salt, info).derive(ours.exchange(ec.ECDH(), office))
        point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        cipher = AESGCM(secret)
        return _LibrarySeal(point, cipher.encrypt)


_Encrypt: TypeAlias = Callable[[bytes, bytes, bytes], bytes]


class _LibrarySeal:
    def __init__(self, ephemeral_key: bytes, encrypt: _Encrypt) -> None:
        self._ephemeral_key = ephemeral_key
        self._encrypt = encrypt

    @property
    def ephemeral_key(self) -> bytes:
        return self._ephemeral_key

    async def sealed(self, data: bytes, nonce: bytes, associated_data: bytes) -> bytes:
        return self._encrypt(nonce, data, associated_data)
