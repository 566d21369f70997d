"""Whether an office is sound: journals, hash chains, verdicts, tickets, feed and photos checked against each other.

Everything that is stored twice must agree: what a ticket is, with what its operations make of it; how far a journal is
held, with its last entry; what its device has signed of it, with that entry and the device's key; a photo's name, with
the hash of its bytes. The database is read in one snapshot, the files after it, so that this may run while the office
is open: files are only ever added, or put in the place of damaged ones.

A `Problem` is something that must not be; a `Note` something a person may want to know. What is said about them is the
command line's (sync_server.backup_commands) and docs/operations.md's.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from shared_schema import wire
from shared_schema.apply import Filing, apply, filing
from shared_schema.operations import FIRST_HASH, AddPhoto, Envelope, RaiseObjection
from shared_schema.sync_protocol import Verdict, head_text
from shared_schema.ticket import Ticket
from sync_server.services.file_hashes import file_hash
from sync_server.services.signatures import is_signed_by
from sync_server.storage import Reading, Storage
from sync_server.storage.audit import TicketRow
from sync_server.storage.journal import OFFICE, Entry, Head
from sync_server.storage.keys import JournalSignature
from sync_server.storage.uploads import UploadState

Tell: TypeAlias = Callable[[str, int, int], None]
"""How far something has come: its name, how much is done, and of how much (0: not known)."""

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_DAMAGED = re.compile(r"([0-9a-f]{64})-\d+\Z")


class Problem(str, Enum):
    """Something that must not be. `about` says of what, `detail` what was found."""

    DATABASE_DAMAGED = "database-damaged"
    FEED_GAP = "feed-gap"
    FEED_COUNTER = "feed-counter"
    JOURNAL_GAP = "journal-gap"
    JOURNAL_HEAD = "journal-head"
    JOURNAL_OF_NOBODY = "journal-of-nobody"
    CHAIN_BROKEN = "chain-broken"
    ENTRY_MISFILED = "entry-misfiled"
    SIGNATURE_WRONG = "signature-wrong"
    VERDICT_WRONG = "verdict-wrong"
    REFUSAL_MISFILED = "refusal-misfiled"
    RESCUED_DAMAGED = "rescued-damaged"
    APPLIED_TWICE = "applied-twice"
    REPLAY_DIFFERS = "replay-differs"
    TICKET_DIFFERS = "ticket-differs"
    TICKET_MISSING = "ticket-missing"
    TICKET_UNEXPLAINED = "ticket-unexplained"
    TICKET_MISFILED = "ticket-misfiled"
    PHOTO_MISSING = "photo-missing"
    PHOTO_DAMAGED = "photo-damaged"
    PHOTO_OF_OTHER_SIZE = "photo-of-other-size"
    SET_ASIDE_MISSING = "set-aside-missing"
    SET_ASIDE_DAMAGED = "set-aside-damaged"


class Note(str, Enum):
    """Something that is in order, and that a person may want to know."""

    JOURNAL_FLAGGED = "journal-flagged"
    SIGNATURE_DOUBTED = "signature-doubted"
    OPERATIONS_WAITING = "operations-waiting"
    RESTORED = "restored"
    PHOTOS_AWAITED = "photos-awaited"
    PHOTOS_UNNAMED = "photos-unnamed"
    PHOTOS_REPLACED = "photos-replaced"
    UPLOADS_WITHOUT_FILE = "uploads-without-file"
    UPLOADS_LEFT_OVER = "uploads-left-over"
    STRAY_FILES = "stray-files"


_DAMAGE = frozenset({Problem.PHOTO_DAMAGED, Problem.SET_ASIDE_DAMAGED})


class Finding(Struct, frozen=True):
    what: Problem | Note
    about: str
    detail: str = ""


class Verification(Struct, frozen=True):
    findings: tuple[Finding, ...]
    operations: int
    journals: int
    tickets: int
    photos: int
    """Files."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if isinstance(each.what, Problem))

    @property
    def notes(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if isinstance(each.what, Note))


def verify(storage: Storage, folder: Path, *, tell: Tell, hashes: bool = True) -> Verification:
    """Check the office whose files are in `folder`. Without `hashes` the bytes of its files are not read.

    Raises StorageUnavailable or OSError.
    """
    check = _Check(folder, tell, hashes)
    storage.read_now(check.database)
    check.files()
    return Verification(tuple(check.findings), check.operations, check.journals, check.tickets, check.photos)


class _Check:
    def __init__(self, folder: Path, tell: Tell, hashes: bool) -> None:
        self._folder = folder
        self._tell = tell
        self._hashes = hashes
        self.findings: list[Finding] = []
        self.operations = self.journals = self.tickets = self.photos = 0
        self._named: dict[str, tuple[str, int | None]] = {}
        """Photos that operations speak of: the device they come from, and their size where it was said."""
        self._received: dict[str, tuple[int, UploadState]] = {}
        self._unfinished: set[str] = set()
        self._filed: set[tuple[str, int, str]] = set()
        """What is filed as refused, until it is met."""

    def _find(self, what: Problem | Note, about: str, detail: str = "") -> None:
        self.findings.append(Finding(what, about, detail))

    # -- the database --------------------------------------------------------------------------------------------------

    def database(self, reading: Reading) -> None:
        self._tell("database", 0, 0)
        for fault in reading.audit.faults():
            self._find(Problem.DATABASE_DAMAGED, "database", fault)
        for look in (self._feed, self._journals, self._tickets, self._arrived):
            try:
                look(reading)
            except (TypeError, ValueError) as fault:
                # SQLite gives back whatever its disk has made of a row: text where bytes belong, a word that is none.
                self._find(Problem.DATABASE_DAMAGED, "database", f"{look.__name__.strip('_')}: {fault}")

    def _arrived(self, reading: Reading) -> None:
        for upload in reading.audit.uploads():
            if upload.state is UploadState.UNFINISHED:
                self._unfinished.add(upload.id)
            else:
                self._received[upload.sha256] = (upload.size_bytes, upload.state)

    def _feed(self, reading: Reading) -> None:
        jumps = {restore.feed_through: restore.feed_resumes_after for restore in reading.feed.restores()}
        for restore in reading.feed.restores():
            self._find(Note.RESTORED, str(restore.feed_through), str(restore.feed_resumes_after))
        last = 0
        for position in reading.audit.positions():
            before = self._after_jumps(last, jumps)
            if position != before + 1:
                self._find(Problem.FEED_GAP, f"{before + 1}", f"{position - 1}")
            last = position
        counter = reading.feed.latest()
        if counter != self._after_jumps(last, jumps):
            self._find(Problem.FEED_COUNTER, str(counter), str(last))

    @staticmethod
    def _after_jumps(position: int, jumps: dict[int, int]) -> int:
        while position in jumps:
            position = jumps[position]
        return position

    def _journals(self, reading: Reading) -> None:
        heads = reading.audit.heads()
        self._filed = set(reading.audit.refusals())
        signatures = reading.keys.signatures(heads)
        devices = reading.audit.devices() | {OFFICE}
        for device, entries in groupby(reading.audit.by_device(), lambda entry: entry.device):
            keys = {each.key for each in reading.keys.of_device(device)}
            signed = signatures.pop(device, JournalSignature())
            self._journal(device, entries, heads.pop(device, None), signed, keys)
            if device not in devices:
                self._find(Problem.JOURNAL_OF_NOBODY, device)
        for device, head in heads.items():
            if head.received_through:
                self._find(Problem.JOURNAL_HEAD, device, f"{head.received_through} ≠ 0")
        for entry, kept_under in reading.audit.put_aside():
            self._name_photos(entry)
            self._meet_refusal(entry, kept_under)
            if wire.hash_of(entry.raw) != kept_under:
                self._find(Problem.ENTRY_MISFILED, _place(entry), "hash")
            verdict = wire.decode_verdict(entry.verdict)
            if not isinstance(verdict, Verdict) or verdict.filing is not Filing.REFUSED:
                self._find(Problem.VERDICT_WRONG, _place(entry))
        for device, sequence, _ in sorted(self._filed):
            self._find(Problem.REFUSAL_MISFILED, f"{device} no. {sequence}", "of nothing")
        for device, kept_under, content in reading.audit.rescued():
            if wire.hash_of(content) != kept_under:
                self._find(Problem.RESCUED_DAMAGED, device, kept_under)
        for device, count in sorted(reading.attention.waiting_by_device().items()):
            self._find(Note.OPERATIONS_WAITING, device, str(count))
        for operation in reading.audit.repeated_ids():
            if sum(_is_accepted(entry) for entry in reading.audit.with_id(operation)) > 1:
                self._find(Problem.APPLIED_TWICE, operation)

    def _journal(
        self, device: str, entries: Iterator[Entry], head: Head | None, signed: JournalSignature, keys: set[bytes]
    ) -> None:
        """One device's: numbers without a gap, each entry naming the hash of the one before it, and the device's word
        about one of them."""
        signed_hash = ""
        self.journals += 1
        sequence, last_hash, broken = 0, FIRST_HASH, 0
        for entry in entries:
            self.operations += 1
            if self.operations % 1000 == 0:
                self._tell("operations", self.operations, 0)
            if entry.sequence != sequence + 1:
                self._find(Problem.JOURNAL_GAP, device, f"{sequence + 1}–{entry.sequence - 1}")
                last_hash = ""
            self._entry(entry)
            envelope = wire.decode_envelope(entry.raw)
            if isinstance(envelope, Envelope) and last_hash and envelope.previous_hash != last_hash:
                broken += 1
                if _is_accepted(entry):
                    self._find(Problem.CHAIN_BROKEN, _place(entry))
            sequence, last_hash = entry.sequence, wire.hash_of(entry.raw)
            if sequence == signed.signed_through:
                signed_hash = last_hash
            if not _is_accepted(entry):
                self._meet_refusal(entry, last_hash)
        if head is None or (head.received_through, head.last_hash) != (sequence, last_hash):
            held = "none" if head is None else str(head.received_through)
            self._find(Problem.JOURNAL_HEAD, device, f"{held} ≠ {sequence}")
        if head is not None and head.broken_at is not None:
            self._find(Note.JOURNAL_FLAGGED, device, str(broken))
        if signed.signed_through:
            self._signature(device, signed, signed_hash, keys)
        if signed.is_in_doubt and signed.signature_fault is not None:
            self._find(Note.SIGNATURE_DOUBTED, device, signed.signature_fault.value)

    def _signature(self, device: str, signed: JournalSignature, held_hash: str, keys: set[bytes]) -> None:
        key, signature = signed.signed_key or b"", signed.signature or b""
        if signed.signed_hash != held_hash:
            self._find(Problem.SIGNATURE_WRONG, device, "it is of another entry")
        elif key not in keys:
            self._find(Problem.SIGNATURE_WRONG, device, "the key is not the device's")
        elif not is_signed_by(key, head_text(device, signed.signed_through, held_hash), signature):
            self._find(Problem.SIGNATURE_WRONG, device, "the key has not signed this")

    def _meet_refusal(self, entry: Entry, kept_under: str) -> None:
        filed = (entry.device, entry.sequence, kept_under)
        if filed in self._filed:
            self._filed.remove(filed)
        else:
            self._find(Problem.REFUSAL_MISFILED, _place(entry), "missing")

    def _entry(self, entry: Entry) -> None:
        """Whether what it is found by agrees with its bytes, and its verdict with it."""
        self._name_photos(entry)
        envelope = wire.decode_envelope(entry.raw)
        if (envelope.id, envelope.sequence) != (entry.id, entry.sequence):
            self._find(Problem.ENTRY_MISFILED, _place(entry), "id")
        elif isinstance(envelope, Envelope) and envelope.ticket != entry.ticket:
            self._find(Problem.ENTRY_MISFILED, _place(entry), "ticket")
        elif isinstance(envelope, Envelope) and envelope.device != entry.device and _is_accepted(entry):
            self._find(Problem.ENTRY_MISFILED, _place(entry), "device")
        verdict = wire.decode_verdict(entry.verdict)
        if not isinstance(verdict, Verdict) or (verdict.id, verdict.sequence) != (entry.id, entry.sequence):
            self._find(Problem.VERDICT_WRONG, _place(entry))

    def _name_photos(self, entry: Entry) -> None:
        envelope = wire.decode_envelope(entry.raw)
        if not isinstance(envelope, Envelope):
            return
        match envelope.operation:
            case AddPhoto(sha256=sha256, size_bytes=size_bytes):
                self._named[sha256] = (entry.device, size_bytes)
            case RaiseObjection(photos=photos):
                for sha256 in photos:
                    self._named.setdefault(sha256, (entry.device, None))
            case _:
                pass

    # -- tickets: what their operations make of them -------------------------------------------------------------------

    def _tickets(self, reading: Reading) -> None:
        saved = reading.audit.tickets()
        row = next(saved, None)
        for ticket_id, entries in groupby(reading.audit.by_ticket(), lambda entry: entry.ticket or ""):
            while row is not None and row.id < ticket_id:
                self._ticket(row, None, 0)
                row = next(saved, None)
            made, position = self._replayed(entries)
            if row is not None and row.id == ticket_id:
                self._ticket(row, made, position)
                row = next(saved, None)
            elif made is not None:
                self._find(Problem.TICKET_MISSING, ticket_id)
        while row is not None:
            self._ticket(row, None, 0)
            row = next(saved, None)

    def _replayed(self, entries: Iterator[Entry]) -> tuple[Ticket | None, int]:
        """The ticket after all that was accepted, and the position of the last of it."""
        ticket: Ticket | None = None
        position = 0
        for entry in entries:
            verdict = wire.decode_verdict(entry.verdict)
            if not isinstance(verdict, Verdict) or verdict.filing is Filing.REFUSED:
                continue
            envelope = wire.decode_envelope(entry.raw)
            after = apply(envelope, ticket) if isinstance(envelope, Envelope) else envelope.rejection
            if not isinstance(after, Ticket):
                self._find(Problem.REPLAY_DIFFERS, _place(entry), f"{verdict.filing.value} ≠ refused")
                continue
            filed = filing(entry.id, after)
            if (filed, after.version) != (verdict.filing, verdict.version):
                detail = f"{verdict.filing.value}, version {verdict.version} ≠ {filed.value}, version {after.version}"
                self._find(Problem.REPLAY_DIFFERS, _place(entry), detail)
            ticket, position = after, entry.position
        return ticket, position

    def _ticket(self, row: TicketRow, made: Ticket | None, position: int) -> None:
        self.tickets += 1
        if self.tickets % 1000 == 0:
            self._tell("tickets", self.tickets, 0)
        about = row.id if row.ticket is None else f"{row.ticket.number} ({row.id})"
        if made is None:
            self._find(Problem.TICKET_UNEXPLAINED, about)
        elif row.ticket != made:
            self._find(Problem.TICKET_DIFFERS, about, _differing(row.ticket, made))
        elif row.position != position:
            self._find(Problem.TICKET_MISFILED, about, f"position {row.position} ≠ {position}")
        if row.misfiled:
            self._find(Problem.TICKET_MISFILED, about, ", ".join(row.misfiled))

    # -- the files -----------------------------------------------------------------------------------------------------

    def files(self) -> None:
        photos = self._photos()
        aside = self._set_aside()
        lost = self._damaged(photos.keys() | aside)
        awaited: Counter[str] = Counter()
        for sha256 in sorted((self._named.keys() | self._received.keys()) - lost):
            device, said_bytes = self._named.get(sha256, ("", None))
            received_bytes, state = self._received.get(sha256, (None, None))
            if sha256 in photos:
                if any(size not in (None, photos[sha256]) for size in (said_bytes, received_bytes)):
                    said = said_bytes if said_bytes is not None else received_bytes
                    self._find(Problem.PHOTO_OF_OTHER_SIZE, sha256, f"{photos[sha256]} ≠ {said}")
            elif state is UploadState.RECEIVED or (device == OFFICE and state is None):
                self._find(Problem.PHOTO_MISSING, sha256)
            elif state is None:
                awaited[device] += 1
        for device, count in sorted(awaited.items()):
            self._find(Note.PHOTOS_AWAITED, device, str(count))
        if unnamed := photos.keys() - self._named.keys():
            self._find(Note.PHOTOS_UNNAMED, str(len(unnamed)), min(unnamed))
        self._uploads()

    def _photos(self) -> dict[str, int]:
        """SHA-256 → size of the files that are what their names say."""
        found: dict[str, int] = {}
        paths = sorted(_entries(self._folder / "photos", depth=2))
        for done, path in enumerate(paths):
            if done % 100 == 0:
                self._tell("photos", done, len(paths))
            if not _SHA256.match(path.name) or path.parent.name != path.name[:2] or not path.is_file():
                self._find(Note.STRAY_FILES, path.relative_to(self._folder).as_posix())
            elif self._hashes and file_hash(path) != path.name:
                self._find(Problem.PHOTO_DAMAGED, path.name)
                found[path.name] = self._named.get(path.name, ("", None))[1] or path.stat().st_size
            else:
                found[path.name] = path.stat().st_size
        self.photos = len(found)
        return found

    def _set_aside(self) -> set[str]:
        paths = {path.name: path for path in _entries(self._folder / "set-aside", depth=1)}
        for name, path in sorted(paths.items()):
            if not _SHA256.match(name):
                self._find(Note.STRAY_FILES, path.relative_to(self._folder).as_posix())
            elif self._hashes and file_hash(path) != name:
                self._find(Problem.SET_ASIDE_DAMAGED, name)
        for sha256, (_, state) in sorted(self._received.items()):
            if state is UploadState.SET_ASIDE and sha256 not in paths:
                self._find(Problem.SET_ASIDE_MISSING, sha256)
        return set(paths)

    def _damaged(self, in_place: Set[str]) -> set[str]:
        """What damaged files are kept of photos that have been brought anew; those of which there is nothing else."""
        kept: set[str] = set()
        for path in sorted(_entries(self._folder / "damaged", depth=1)):
            if named := _DAMAGED.match(path.name):
                kept.add(named[1])
            else:
                self._find(Note.STRAY_FILES, path.relative_to(self._folder).as_posix())
        lost = kept - in_place
        for sha256 in sorted(lost):
            self._find(Problem.PHOTO_DAMAGED, sha256)
        if replaced := kept - {finding.about for finding in self.findings if finding.what in _DAMAGE}:
            self._find(Note.PHOTOS_REPLACED, str(len(replaced)), min(replaced))
        return lost

    def _uploads(self) -> None:
        arriving = {path.name for path in _entries(self._folder / "uploads", depth=1)}
        if left_over := arriving - self._unfinished:
            self._find(Note.UPLOADS_LEFT_OVER, str(len(left_over)), min(left_over))
        if gone := self._unfinished - arriving:
            self._find(Note.UPLOADS_WITHOUT_FILE, str(len(gone)))


def _is_accepted(entry: Entry) -> bool:
    verdict = wire.decode_verdict(entry.verdict)
    return isinstance(verdict, Verdict) and verdict.filing is not Filing.REFUSED


def _place(entry: Entry) -> str:
    return f"{entry.device} no. {entry.sequence}"


def _differing(saved: Ticket | None, made: Ticket) -> str:
    """Names of the fields that are not what they should be."""
    if saved is None:
        return "unreadable"
    return ", ".join(name for name in Ticket.__struct_fields__ if getattr(saved, name) != getattr(made, name))


def _entries(folder: Path, depth: int) -> Iterator[Path]:
    """What is in the folder, `depth` levels down; files on the way too, which do not belong there."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if depth > 1 and path.is_dir():
            yield from _entries(path, depth - 1)
        else:
            yield path
