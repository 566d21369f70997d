"""Uploads begun by phones: whose they are, what they will contain, when they run out.

How far an upload has come is not here: the length of its file is the truth (services.photo_files), and a number kept
beside it could disagree after a crash.
"""

from collections.abc import Sequence
from enum import Enum

import sqlalchemy as sa
from msgspec import Struct

from sync_server.storage.dialects import ForMany
from sync_server.storage.metadata import Number, metadata

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size_bytes", Number, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("begun_at_ms", Number, nullable=False),
    sa.Column("expires_at_ms", Number, nullable=False),
    sa.Column("settled_at_ms", Number),
    sa.Index("ix_uploads_person_sha256", "person", "sha256"),
    sa.Index("ix_uploads_state_expires_at_ms", "state", "expires_at_ms"),
)


class UploadState(str, Enum):
    UNFINISHED = "unfinished"
    RECEIVED = "received"
    SET_ASIDE = "set_aside"
    """Complete, but no picture: its bytes are kept in quarantine."""


class StoredUpload(Struct, frozen=True, kw_only=True):
    id: str
    device: str
    person: str
    sha256: str
    """What the phone says the whole will hash to."""
    size_bytes: int
    state: UploadState = UploadState.UNFINISHED
    begun_at_ms: int
    expires_at_ms: int


class Settled(Struct, frozen=True):
    """The bytes are complete and where they stay."""

    id: str
    state: UploadState
    at_ms: int


_BEGUN = ("id", "device", "person", "sha256", "size_bytes", "state", "begun_at_ms", "expires_at_ms")
BEGIN = ForMany(sa.insert(uploads).values({name: sa.bindparam(name) for name in _BEGUN}), _BEGUN)
BEGIN_AGAIN = ForMany(
    sa.update(uploads).where(uploads.c.id == sa.bindparam("known")).values(begun_at_ms=sa.bindparam("at_ms")),
    ("at_ms", "known"),
)
"""For a photo that somebody has brought and asks about again: no row is added each time that all of a phone's are."""
_SETTLE = ForMany(
    sa.update(uploads)
    .where(uploads.c.id == sa.bindparam("settled"))
    .values(state=sa.bindparam("new_state"), settled_at_ms=sa.bindparam("at_ms"))
)


def begun_row(upload: StoredUpload) -> tuple[str | int, ...]:
    """What BEGIN takes."""
    return (
        upload.id,
        upload.device,
        upload.person,
        upload.sha256,
        upload.size_bytes,
        upload.state.value,
        upload.begun_at_ms,
        upload.expires_at_ms,
    )


class Uploads:
    """Reads and writes within the caller's transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def upload(self, upload_id: str) -> StoredUpload | None:
        return self._first(uploads.c.id == upload_id)

    def unfinished_with(self, person: str, sha256: str, size_bytes: int, at_ms: int) -> StoredUpload | None:
        """An upload of the same content the person has begun and that has not run out."""
        return self._first(
            (uploads.c.person == person)
            & (uploads.c.sha256 == sha256)
            & (uploads.c.size_bytes == size_bytes)
            & (uploads.c.state == UploadState.UNFINISHED.value)
            & (uploads.c.expires_at_ms > at_ms)
        )

    def unfinished_content(self, person: str, at_ms: int) -> set[str]:
        """The SHA-256 of each upload the person has begun and that has not run out."""
        under_way = sa.select(uploads.c.sha256).where(
            uploads.c.person == person,
            uploads.c.state == UploadState.UNFINISHED.value,
            uploads.c.expires_at_ms > at_ms,
        )
        return set(self._connection.scalars(under_way))

    def unfinished_of(self, person: str, at_ms: int) -> tuple[int, int]:
        """How many uploads the person has under way, and the bytes they will have."""
        wanted = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(uploads.c.size_bytes), 0)).where(
            uploads.c.person == person,
            uploads.c.state == UploadState.UNFINISHED.value,
            uploads.c.expires_at_ms > at_ms,
        )
        count, size_bytes = self._connection.execute(wanted).one()
        return int(count), int(size_bytes)

    def received_from(self, person: str, sha256: str) -> StoredUpload | None:
        """A photo that the person has brought."""
        received = uploads.c.state == UploadState.RECEIVED.value
        return self._first((uploads.c.person == person) & (uploads.c.sha256 == sha256) & received)

    def has_arrived(self, person: str, sha256: str) -> bool:
        """Whether the person has brought these bytes, pictures or not."""
        arrived = uploads.c.state != UploadState.UNFINISHED.value
        return self._first((uploads.c.person == person) & (uploads.c.sha256 == sha256) & arrived) is not None

    def unfinished(self) -> list[StoredUpload]:
        return self._all(uploads.c.state == UploadState.UNFINISHED.value)

    def expired(self, at_ms: int) -> list[str]:
        ran_out = (uploads.c.state == UploadState.UNFINISHED.value) & (uploads.c.expires_at_ms <= at_ms)
        return list(self._connection.scalars(sa.select(uploads.c.id).where(ran_out)))

    def extend(self, upload_id: str, expires_at_ms: int) -> None:
        self._connection.execute(
            uploads.update().where(uploads.c.id == upload_id).values(expires_at_ms=expires_at_ms),
        )

    def settle_all(self, settled: Sequence[Settled]) -> None:
        _SETTLE.execute(
            self._connection,
            [{"settled": each.id, "new_state": each.state.value, "at_ms": each.at_ms} for each in settled],
        )

    def forget(self, upload_ids: list[str]) -> None:
        """Unfinished ones only; what has been received stays on record."""
        unfinished = uploads.c.id.in_(upload_ids) & (uploads.c.state == UploadState.UNFINISHED.value)
        self._connection.execute(uploads.delete().where(unfinished))

    def forget_unfinished(self) -> None:
        """All of them: what had arrived of them is not there (a restored backup). Phones begin anew."""
        self._connection.execute(uploads.delete().where(uploads.c.state == UploadState.UNFINISHED.value))

    def _first(self, wanted: "sa.ColumnElement[bool]") -> StoredUpload | None:
        found = self._all(wanted, limit=1)
        return found[0] if found else None

    def _all(self, wanted: "sa.ColumnElement[bool]", limit: int | None = None) -> list[StoredUpload]:
        columns = (
            uploads.c.id,
            uploads.c.device,
            uploads.c.person,
            uploads.c.sha256,
            uploads.c.size_bytes,
            uploads.c.state,
            uploads.c.begun_at_ms,
            uploads.c.expires_at_ms,
        )
        rows = self._connection.execute(sa.select(*columns).where(wanted).limit(limit)).mappings()
        return [StoredUpload(**{**row, "state": UploadState(row["state"])}) for row in rows]
