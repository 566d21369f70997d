"""Whose signature is whose: the phones' public keys, how far each journal is signed, and the office's own secrets.

A device's newest key is the one its signatures are checked against; earlier ones stay for what was signed before. How a
signature is checked is services.signatures' business, what a rescue file is sealed with services.rescue's.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import asdict

from sync_server.storage.dialects import Among, ForMany, on_both
from sync_server.storage.journal import journals
from sync_server.storage.metadata import Number, metadata

device_keys = sa.Table(
    "device_keys",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("since_ms", Number, primary_key=True, autoincrement=False),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Column("learnt_by", sa.Text, nullable=False),
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("private", sa.LargeBinary, nullable=False),
    sa.Column("public", sa.LargeBinary, nullable=False),
    sa.Column("made_at_ms", Number, nullable=False),
)


RESCUE = "rescue"
"""The secret that rescue files are sealed for: P-256, private as PKCS #8, public as an uncompressed point."""


class LearntBy(str, Enum):
    """How the office came to believe that a key is a device's."""

    ENROLMENT = "enrolment"
    """It came with the one-time key of an enrolment."""
    FIRST_USE = "first_use"
    """A device enrolled before there were signatures sent it under its token, with the first head it signed."""


class DeviceKey(Struct, frozen=True):
    device: str
    since_ms: int
    key: bytes
    """Ed25519, raw."""
    learnt_by: LearntBy


class SignatureFault(str, Enum):
    """Why a device's word about its journal was not believed."""

    MISSING = "missing"
    """Operations came without it, from a device that can sign."""
    UNKNOWN_KEY = "unknown_key"
    WRONG = "wrong"
    """Not the signature of what it is said to be of, by this key."""
    ANOTHER_JOURNAL = "another_journal"
    """Rightly signed, but what the office holds under that number has another hash."""


class JournalSignature(Struct, frozen=True, kw_only=True):
    """How far a device's journal is held under its own signature: its last SignedHead that was right, and faults."""

    signed_through: int = 0
    signed_hash: str | None = None
    signed_key: bytes | None = None
    signature: bytes | None = None
    signed_at_ms: int | None = None
    signature_failed_at_ms: int | None = None
    """When it first failed since it was last right; it stays when a later signature is right again."""
    signature_fault: SignatureFault | None = None

    @property
    def is_in_doubt(self) -> bool:
        """It has failed and has not been right since: an alarm. It never was a reason to refuse work."""
        failed = self.signature_failed_at_ms
        return failed is not None and (self.signed_at_ms is None or self.signed_at_ms < failed)


class SignedJournal(Struct, frozen=True):
    """What a device's word is compared with."""

    received_through: int
    last_hash: str
    key: bytes | None
    """The device's newest; None where it has none."""
    signature: JournalSignature


class Secret(Struct, frozen=True):
    """A key pair of the office's own. The private part never leaves the database but into its backups."""

    private: bytes
    public: bytes
    made_at_ms: int


_KEYS = [device_keys.c[name] for name in DeviceKey.__struct_fields__]
_OF_DEVICE = (
    sa.select(*_KEYS).where(device_keys.c.device == sa.bindparam("device")).order_by(device_keys.c.since_ms.desc())
)
_SIGNATURE = [journals.c[name] for name in JournalSignature.__struct_fields__]
_OF_JOURNAL = sa.select(*_SIGNATURE).where(journals.c.device == sa.bindparam("device"))
_later = device_keys.alias()
_newest_since = sa.select(sa.func.max(_later.c.since_ms)).where(_later.c.device == device_keys.c.device)
_NEWEST_KEY = (
    sa.select(device_keys.c.key)
    .where(device_keys.c.device == journals.c.device, device_keys.c.since_ms == _newest_since.scalar_subquery())
    .scalar_subquery()
)
_JOURNALS = Among(
    sa.select(journals.c.device, journals.c.received_through, journals.c.last_hash, _NEWEST_KEY, *_SIGNATURE).where(
        journals.c.device.in_(sa.bindparam("devices", expanding=True))
    )
)
_MARK = ForMany(
    sa.update(journals)
    .where(journals.c.device == sa.bindparam("marked"))
    .values({name: sa.bindparam(name) for name in JournalSignature.__struct_fields__})
)
OF_EACH_PHONE = (_JOURNALS, _MARK)
"""Statements that every round makes which brings work."""
_KEEP_SECRET = on_both(secrets, lambda inserting: inserting.on_conflict_do_nothing().returning(secrets.c.name))


class Keys:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # -- phones' keys --------------------------------------------------------------------------------------------------

    def of_device(self, device: str) -> list[DeviceKey]:
        """Newest first."""
        return [_key(row) for row in self._connection.execute(_OF_DEVICE, {"device": device})]

    def of_devices(self) -> dict[str, DeviceKey]:
        """The newest of each device that has one."""
        rows = self._connection.execute(sa.select(*_KEYS).order_by(device_keys.c.since_ms))
        return {row.device: _key(row) for row in rows}

    def learn(self, device: str, key: bytes, learnt_by: LearntBy, at_ms: int) -> None:
        """From now on this is the device's key; nothing happens where it was already."""
        newest = next(iter(self.of_device(device)), None)
        if newest is None or newest.key != key:
            since_ms = at_ms if newest is None else max(at_ms, newest.since_ms + 1)
            values = {"device": device, "since_ms": since_ms, "key": key, "learnt_by": learnt_by.value}
            self._connection.execute(device_keys.insert(), [values])

    # -- how far a journal is signed -----------------------------------------------------------------------------------

    def signature(self, device: str) -> JournalSignature:
        row = self._connection.execute(_OF_JOURNAL, {"device": device}).first()
        return JournalSignature() if row is None else _journal_signature(row)

    def journals(self, devices: Iterable[str]) -> dict[str, SignedJournal]:
        """Of those whose journal the office has begun."""
        rows = _JOURNALS.rows(self._connection, sorted(set(devices)))
        return {
            device: SignedJournal(received_through, last_hash, key, _journal_signature(signature))
            for device, received_through, last_hash, key, *signature in rows
        }

    def signatures(self, devices: Iterable[str]) -> dict[str, JournalSignature]:
        """Of those whose journal the office has begun."""
        wanted = sa.select(journals.c.device, *_SIGNATURE).where(journals.c.device.in_(list(devices)))
        return {device: _journal_signature(signature) for device, *signature in self._connection.execute(wanted)}

    def mark(self, signatures: Mapping[str, JournalSignature]) -> None:
        """By device, whose journal must have been begun (Journal.head)."""
        _MARK.execute(self._connection, [_marked(device, each) for device, each in signatures.items()])

    # -- the office's own ----------------------------------------------------------------------------------------------

    def secret(self, name: str) -> Secret | None:
        wanted = sa.select(secrets.c.private, secrets.c.public, secrets.c.made_at_ms).where(secrets.c.name == name)
        row = self._connection.execute(wanted).first()
        return None if row is None else Secret(bytes(row.private), bytes(row.public), row.made_at_ms)

    def keep_secret(self, name: str, secret: Secret) -> bool:
        """False where there is one of that name already: it stays."""
        keeping = _KEEP_SECRET[self._connection.dialect.name]
        return self._connection.scalar(keeping, asdict(secret) | {"name": name}) is not None


def _key(row: Any) -> DeviceKey:
    return DeviceKey(row.device, row.since_ms, bytes(row.key), LearntBy(row.learnt_by))


def _journal_signature(row: Sequence[Any]) -> JournalSignature:
    values: dict[str, Any] = dict(zip(JournalSignature.__struct_fields__, row, strict=True))
    fault = values["signature_fault"]
    return JournalSignature(**values | {"signature_fault": None if fault is None else SignatureFault(fault)})


def _marked(device: str, signature: JournalSignature) -> dict[str, Any]:
    fault = signature.signature_fault
    return asdict(signature) | {"marked": device, "signature_fault": None if fault is None else fault.value}
