"""Phones' keys, and the word a phone gives about its journal."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared_schema.sync_protocol import SignedHead, head_text


def a_signing_key(whose: str = "phone") -> Ed25519PrivateKey:
    """The same for the same name, in every run."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(whose.encode()).digest())


def a_signed_head(key: Ed25519PrivateKey, device: str, sequence: int, envelope: bytes) -> SignedHead:
    """That the journal up to this number is the one that ends with this envelope."""
    hash_ = hashlib.sha256(envelope).hexdigest()
    signature = key.sign(head_text(device, sequence, hash_))
    return SignedHead(sequence, hash_, key.public_key().public_bytes_raw(), signature)
