"""What must hold after every kill, and what must hold in the end; told as sentences about what does not.

The files of a process that was killed are looked at as copies: whatever has to be mended in them is left to the process
that comes next. They are read as SQLite files and not through the code that wrote them.
"""

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from shared_schema import wire
from shared_schema.apply import Filing, apply
from shared_schema.operations import FIRST_HASH, AddPhoto, Envelope
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket


class Looked(Struct):
    """How much has been looked at."""

    integrity_checks: int = 0
    entries_found: int = 0
    """Acknowledged entries looked for and found on a phone that was killed, over all kills."""
    receipts_held: int = 0
    """Times the office was killed and still held what it had said to have received."""
    operations: int = 0
    """In the end, at the office: exactly once, with one verdict, its bytes those of the phone."""
    acknowledged: int = 0
    """Of these, those a person had been told of."""
    photos: int = 0
    photo_bytes: int = 0
    tickets: int = 0
    """Made again from the feed, and the same."""


class PhoneKnown(Struct):
    """What is known of a phone from outside: what it said, and what it was told."""

    store: Path
    saved: list[tuple[str, str]] = []
    """Operation id and photo (or "-") of everything it called saved."""
    received_through: int = 0
    photos_received: set[str] = set()
    device: str = ""
    saved_looked_at: int = 0


class Judge:
    def __init__(self, office: Path, phones: list[PhoneKnown]) -> None:
        self._office = office
        self._database = office / "doorstep.db"
        self._phones = phones
        self._photos_seen: set[str] = set()
        self.looked = Looked()
        self.faults: list[str] = []

    def _fault(self, sentence: str) -> None:
        self.faults.append(sentence)

    # -- after a kill ---------------------------------------------------------------------------------------------

    def phone_died(self, phone: PhoneKnown) -> None:
        """Everything it called saved is in its file, unaltered and in an unbroken row."""
        with self._reading(phone.store.name), self._copied(phone.store) as database:
            device, rows = _journal(database)
            self._is_a_chain(phone.store.name, [raw for _, raw in rows])
            held = {operation_id for operation_id, _ in rows}
            for operation_id, _ in phone.saved:
                if operation_id not in held:
                    self._fault(f"{phone.store.name}: {operation_id} was called saved and is gone")
                self.looked.entries_found += 1
            for operation_id, photo in phone.saved[phone.saved_looked_at :]:
                if photo != "-" and _photo(database, photo) != photo:
                    self._fault(f"{phone.store.name}: the photo of {operation_id} was called saved and is not whole")
            phone.saved_looked_at = len(phone.saved)
            phone.device = device
            phone.received_through = max(phone.received_through, _received_through(database))
            told = database.execute("SELECT sha256 FROM photos WHERE received_at IS NOT NULL")
            phone.photos_received |= {sha256 for (sha256,) in told}

    def office_died(self) -> None:
        """Everything it had acknowledged to a phone by the phone's last death is in its files."""
        with self._reading("office"), self._copied(self._database) as database:
            self._feed_is_whole(database)
            for phone in self._phones:
                if not phone.device:
                    continue
                held, first, last = database.execute(
                    "SELECT count(*), min(sequence), max(sequence) FROM operations WHERE device = ?", (phone.device,)
                ).fetchone()
                if held and (first, last) != (1, held):
                    self._fault(f"office: holes in the journal of {phone.store.name}")
                if held < phone.received_through:
                    self._fault(f"office: told {phone.store.name} {phone.received_through} and holds {held}")
                self._photos_are_whole(phone.photos_received)
            self.looked.receipts_held += 1

    @contextmanager
    def _copied(self, file: Path) -> Iterator[sqlite3.Connection]:
        """A database that is sound, out of copies of the file and what lies beside it (a rollback journal, a log)."""
        with tempfile.TemporaryDirectory(prefix="doorstep-torture-") as folder:
            for end in ("", "-journal", "-wal"):
                beside = file.with_name(file.name + end)
                if beside.exists():
                    shutil.copy(beside, folder)
            with self._opened(Path(folder) / file.name) as database:
                yield database

    @contextmanager
    def _opened(self, file: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(file)) as database:
            self._is_sound(database, file.name)
            yield database

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, msgspec.DecodeError) as fault:
            self._fault(f"{name} cannot be read: {fault}")

    def _photos_are_whole(self, photos: set[str]) -> None:
        """The office's files are never altered, so each is read once here and once in the end."""
        for sha256 in photos - self._photos_seen:
            if _hash_of(self._photo_file(sha256)) != sha256:
                self._fault(f"office: said to hold the photo {sha256} and does not")
            self._photos_seen.add(sha256)

    def _photo_file(self, sha256: str) -> Path:
        return self._office / "photos" / sha256[:2] / sha256

    def _is_sound(self, database: sqlite3.Connection, name: str) -> None:
        found = database.execute("PRAGMA integrity_check").fetchall()
        if found != [("ok",)]:
            self._fault(f"{name}: {found}")
        if broken := database.execute("PRAGMA foreign_key_check").fetchall():
            self._fault(f"{name}: {broken}")
        self.looked.integrity_checks += 1

    def _is_a_chain(self, name: str, journal: list[bytes]) -> None:
        previous = FIRST_HASH
        for place, raw in enumerate(journal, start=1):
            link = msgspec.json.decode(raw, type=_Link)
            if (link.sequence, link.previous_hash) != (place, previous):
                self._fault(f"{name}: the journal breaks at {place}")
                return
            previous = hashlib.sha256(raw).hexdigest()

    def _feed_is_whole(self, database: sqlite3.Connection) -> None:
        held, first, last = database.execute("SELECT count(*), min(position), max(position) FROM operations").fetchone()
        if held and (first, last) != (1, held):
            self._fault(f"office: the feed has holes: {held} from {first} to {last}")

    # -- in the end -----------------------------------------------------------------------------------------------

    def settled(self) -> None:
        """All has calmed down, nobody runs any more: both sides hold the same, once, and all of it."""
        with self._reading("office"), self._opened(self._database) as office:
            self._feed_is_whole(office)
            for phone in self._phones:
                with self._reading(phone.store.name), self._opened(phone.store) as database:
                    self._agree(phone, database, office)
            self._tickets_follow(office)

    def _agree(self, phone: PhoneKnown, database: sqlite3.Connection, office: sqlite3.Connection) -> None:
        name = phone.store.name
        device, journal = _journal(database)
        self._is_a_chain(name, [raw for _, raw in journal])
        kept = database.execute("SELECT id, state, verdict FROM journal ORDER BY row").fetchall()
        answered = {operation_id: (state, verdict) for operation_id, state, verdict in kept}
        rows = office.execute(
            "SELECT id, raw, verdict FROM operations WHERE device = ? ORDER BY sequence", (device,)
        ).fetchall()
        if [(operation_id, raw) for operation_id, raw, _ in rows] != journal:
            self._fault(f"{name}: the office's journal is not the phone's")
        for operation_id, _, verdict in rows:
            state, told = answered.get(operation_id, ("gone", None))
            if told != verdict or state == "waiting" or not verdict:
                self._fault(f"{name}: {operation_id} is {state}, and its verdict here is not the one at the office")
        copies = office.execute("SELECT id FROM operations GROUP BY id HAVING count(*) > 1").fetchall()
        if copies or office.execute("SELECT count(*) FROM set_aside").fetchone() != (0,):
            self._fault(f"office: more than once: {copies}")
        self.looked.operations += len(rows)
        held = {operation_id for operation_id, _, _ in rows}
        for operation_id, _ in phone.saved:
            if operation_id not in held:
                self._fault(f"{name}: {operation_id} was called saved and never reached the office")
        self.looked.acknowledged += len(phone.saved)
        if _received_through(database) != len(rows):
            self._fault(f"{name}: does not know that everything was received")
        self._photos_agree(phone, database)
        shown = database.execute("SELECT id, version FROM tickets WHERE withdrawn_at IS NULL").fetchall()
        for ticket, version in shown:
            if office.execute("SELECT version FROM tickets WHERE id = ?", (ticket,)).fetchone() != (version,):
                self._fault(f"{name}: shows another version of {ticket} than the office")

    def _photos_agree(self, phone: PhoneKnown, database: sqlite3.Connection) -> None:
        recorded = database.execute("SELECT sha256, size_bytes, received_at FROM photos").fetchall()
        missing = {photo for _, photo in phone.saved if photo != "-"} - {sha256 for sha256, _, _ in recorded}
        if missing:
            self._fault(f"{phone.store.name}: photos called saved are gone: {sorted(missing)}")
        for sha256, size_bytes, received_at in recorded:
            if received_at is None or _hash_of(self._photo_file(sha256)) != sha256:
                self._fault(f"{phone.store.name}: the photo {sha256} is not at the office, byte for byte")
            self.looked.photos += 1
            self.looked.photo_bytes += size_bytes

    def _tickets_follow(self, office: sqlite3.Connection) -> None:
        """Every ticket is what the operations of the feed make of it, and every photo it names is there."""
        tickets: dict[str, Ticket] = {}
        for operation_id, raw, told in office.execute("SELECT id, raw, verdict FROM operations ORDER BY position"):
            envelope, verdict = wire.decode_envelope(raw), wire.decode_verdict(told)
            if not isinstance(envelope, Envelope) or not isinstance(verdict, Verdict):
                self._fault(f"office: {operation_id} cannot be read")
                continue
            if verdict.filing is Filing.REFUSED:
                continue
            after = apply(envelope, tickets.get(envelope.ticket))
            if not isinstance(after, Ticket):
                self._fault(f"office: {operation_id} was accepted, and does not apply")
                continue
            tickets[envelope.ticket] = after
            if isinstance(envelope.operation, AddPhoto) and not self._photo_file(envelope.operation.sha256).exists():
                self._fault(f"office: no bytes of {envelope.operation.sha256}")
        kept = dict(office.execute("SELECT id, data FROM tickets").fetchall())
        for ticket_id, ticket in tickets.items():
            if wire.decode(kept.get(ticket_id, b""), Ticket) != ticket:
                self._fault(f"office: {ticket_id} is not what the feed makes of it")
            self.looked.tickets += 1


class _Link(Struct):
    sequence: int
    previous_hash: str


def _journal(database: sqlite3.Connection) -> tuple[str, list[tuple[str, bytes]]]:
    """The device, and (id, bytes) of each entry in the order of recording."""
    rows = database.execute("SELECT device, id, raw FROM journal ORDER BY row").fetchall()
    return (rows[0][0] if rows else ""), [(operation_id, raw) for _, operation_id, raw in rows]


def _received_through(database: sqlite3.Connection) -> int:
    row = database.execute("SELECT value FROM facts WHERE key = 'received_through'").fetchone()
    return int(row[0]) if row else 0


def _photo(database: sqlite3.Connection, sha256: str) -> str | None:
    row = database.execute("SELECT bytes FROM photo_bytes WHERE sha256 = ?", (sha256,)).fetchone()
    return None if row is None else hashlib.sha256(row[0]).hexdigest()


def _hash_of(file: Path) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
