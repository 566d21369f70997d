"""Whether a device's word about its journal is to be believed (Ed25519, RFC 8032).

Each envelope names the hash of the one before it, so one signature over the newest hash is over everything up to it.
Whatever comes of it, the work that came with it is taken: a signature that fails is an alarm at the desk.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from shared_schema import wire
from shared_schema.sync_protocol import SignedHead, head_text
from sync_server.storage import Writing
from sync_server.storage.keys import JournalSignature, LearntBy, SignatureFault, SignedJournal


def is_signed_by(key: bytes, text: bytes, signature: bytes) -> bool:
    """Whether that is the key's signature over the text; False, too, where the key is none."""
    try:
        # libsodium's takes half the time of OpenSSL's, and every round of every phone brings one.
        VerifyKey(key).verify(text, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


class Word(Struct, frozen=True):
    """What a device says about its journal."""

    device: str
    head: SignedHead | None
    """None where it brought operations and said nothing about them."""
    is_right: bool
    """Whether it is signed by the key it names: see `word_of`."""
    at_ms: int


def word_of(device: str, head: SignedHead | None, at_ms: int) -> Word:
    """The word, looked at as far as that needs no database. Whose the key is, `note_words` looks up."""
    is_right = head is not None and is_signed_by(head.key, head_text(device, head.sequence, head.hash), head.signature)
    return Word(device, head, is_right, at_ms)


class Noted(Struct, frozen=True):
    """What became of a device's word."""

    is_settled: bool
    """Not where it is about operations that the office does not hold yet: it has to be given again."""
    signed_through: int
    """How far the journal is held under the device's signature."""


def note_words(writing: Writing, words: Sequence[Word]) -> list[Noted]:
    """Keep what became of each, in the transaction in which the devices' operations were received."""
    before = writing.keys.journals(word.device for word in words)
    after = dict(before)
    all_noted: list[Noted] = []
    for word in words:
        noted = _noted(writing, word, after[word.device])
        if noted is not None:
            after[word.device] = noted
        all_noted.append(Noted(noted is not None, after[word.device].signature.signed_through))
    changed = {device: each.signature for device, each in after.items() if each.signature != before[device].signature}
    if changed:
        writing.keys.mark(changed)
    return all_noted


def _noted(writing: Writing, word: Word, journal: SignedJournal) -> SignedJournal | None:
    head = word.head
    fault = _fault(writing, word, journal)
    if fault is not None:
        return replace(journal, signature=_with_fault(journal.signature, fault, word.at_ms))
    if head is None:
        return journal
    if journal.key is None:
        writing.keys.learn(word.device, head.key, LearntBy.FIRST_USE, word.at_ms)
        journal = replace(journal, key=head.key)
    if head.sequence > journal.received_through:
        return None
    return replace(journal, signature=_signed(journal.signature, head, word.at_ms))


def _fault(writing: Writing, word: Word, journal: SignedJournal) -> SignatureFault | None:
    head = word.head
    if head is None:
        return None if journal.key is None else SignatureFault.MISSING
    if not word.is_right:
        return SignatureFault.WRONG
    if journal.key not in {None, head.key}:
        return SignatureFault.UNKNOWN_KEY
    if head.sequence > journal.received_through:
        return None
    held_hash = journal.last_hash
    if head.sequence < journal.received_through:
        held_hash = wire.hash_of(writing.journal.held(word.device, [head.sequence])[head.sequence].raw)
    return None if held_hash == head.hash else SignatureFault.ANOTHER_JOURNAL


def _with_fault(before: JournalSignature, fault: SignatureFault, at_ms: int) -> JournalSignature:
    failed_at_ms = before.signature_failed_at_ms if before.is_in_doubt else max(at_ms, (before.signed_at_ms or 0) + 1)
    return replace(before, signature_failed_at_ms=failed_at_ms, signature_fault=fault)


def _signed(before: JournalSignature, head: SignedHead, at_ms: int) -> JournalSignature:
    # Which came later, the fault or this, must show whatever the office's clock does.
    at_ms = max(at_ms, before.signature_failed_at_ms or 0)
    if head.sequence > before.signed_through:
        return replace(
            before,
            signed_through=head.sequence,
            signed_hash=head.hash,
            signed_key=head.key,
            signature=head.signature,
            signed_at_ms=at_ms,
        )
    # A later number is signed already. That the phone can still sign is worth knowing where it was in doubt.
    return replace(before, signed_at_ms=at_ms) if before.is_in_doubt else before
