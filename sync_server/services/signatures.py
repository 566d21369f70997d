"""Whether a device's word about its journal is to be believed (Ed25519, RFC 8032).

Each envelope names the hash of the one before it, so one signature over the newest hash is over everything up to it.
Whatever comes of it, the work that came with it is taken: a signature that fails is an alarm at the desk.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from shared_schema import wire
from shared_schema.sync_protocol import SignedHead, head_text
from sync_server.storage import Writing
from sync_server.storage.keys import JournalSignature, LearntBy, SignatureFault, SignedJournal


def is_signed_by(key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether that is the key's signature over the text; False, too, where the key is none."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_right(device: str, head: SignedHead) -> bool:
    """Whether it is signed by the key it names. Whose that is, and what the office holds, `note_head` looks up."""
    return is_signed_by(head.key, head_text(device, head.sequence, head.hash), head.signature)


def note_head(writing: Writing, device: str, head: SignedHead | None, *, right: bool, at_ms: int) -> bool:
    """Keep what became of a device's word, in the transaction in which its operations were received; whether anything
    did: the word about operations that the office does not hold yet has to be given again.

    `head` is None where operations came without one, `right` what `is_right` said of it.
    """
    journal = writing.keys.journal(device)
    fault = _fault(writing, device, journal, head, right=right)
    if fault is not None:
        _mark_fault(writing, device, journal.signature, fault, at_ms)
    elif head is not None:
        if journal.key is None:
            writing.keys.learn(device, head.key, LearntBy.FIRST_USE, at_ms)
        if head.sequence > journal.received_through:
            return False
        _mark_right(writing, device, journal.signature, head, at_ms)
    return True


def _fault(
    writing: Writing, device: str, journal: SignedJournal, head: SignedHead | None, *, right: bool
) -> SignatureFault | None:
    if head is None:
        return None if journal.key is None else SignatureFault.MISSING
    if not right:
        return SignatureFault.WRONG
    if journal.key not in {None, head.key}:
        return SignatureFault.UNKNOWN_KEY
    if head.sequence > journal.received_through:
        return None
    held_hash = journal.last_hash
    if head.sequence < journal.received_through:
        held_hash = wire.hash_of(writing.journal.held(device, [head.sequence])[head.sequence].raw)
    return None if held_hash == head.hash else SignatureFault.ANOTHER_JOURNAL


def _mark_fault(writing: Writing, device: str, before: JournalSignature, fault: SignatureFault, at_ms: int) -> None:
    if before.is_in_doubt and before.signature_fault is fault:
        return
    failed_at_ms = before.signature_failed_at_ms if before.is_in_doubt else max(at_ms, (before.signed_at_ms or 0) + 1)
    writing.keys.mark(device, replace(before, signature_failed_at_ms=failed_at_ms, signature_fault=fault))


def _mark_right(writing: Writing, device: str, before: JournalSignature, head: SignedHead, at_ms: int) -> None:
    # Which came later, the fault or this, must show whatever the office's clock does.
    at_ms = max(at_ms, before.signature_failed_at_ms or 0)
    if head.sequence > before.signed_through:
        marked = JournalSignature(
            signed_through=head.sequence,
            signed_hash=head.hash,
            signed_key=head.key,
            signature=head.signature,
            signed_at_ms=at_ms,
            signature_failed_at_ms=before.signature_failed_at_ms,
            signature_fault=before.signature_fault,
        )
        writing.keys.mark(device, marked)
    elif before.is_in_doubt:  # a later number is signed already; this says that the phone can still sign
        writing.keys.mark(device, replace(before, signed_at_ms=at_ms))
