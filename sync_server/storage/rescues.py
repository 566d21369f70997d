"""Rescue files that were taken in: which, when, by whom, and what was in them. See services.rescue."""

import sqlalchemy as sa
from msgspec import Struct

from sync_server.storage.metadata import Number, metadata

rescues = sa.Table(
    "rescues",
    metadata,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("file_sha256", sa.Text, nullable=False, index=True),
    sa.Column("size_bytes", Number, nullable=False),
    sa.Column("device", sa.Text, nullable=False, index=True),
    sa.Column("made_at_ms", Number, nullable=False),
    sa.Column("taken_in_at_ms", Number, nullable=False),
    sa.Column("taken_in_by", sa.Text, nullable=False),
    sa.Column("report", sa.LargeBinary, nullable=False),
)
"""Only added to; a file that comes again is noted again."""


class Rescue(Struct, frozen=True):
    """A rescue file that was taken in."""

    file_sha256: str
    size_bytes: int
    device: str
    made_at_ms: int
    """By the phone's clock."""
    taken_in_at_ms: int
    taken_in_by: str
    """Person id."""
    report: bytes
    """A services.rescue.RescueReport, as JSON."""


_COLUMNS = [rescues.c[name] for name in Rescue.__struct_fields__]


class Rescues:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def note(self, rescue: Rescue) -> None:
        values = {name: getattr(rescue, name) for name in Rescue.__struct_fields__}
        self._connection.execute(rescues.insert(), [values])

    def was_taken_in(self, file_sha256: str) -> bool:
        wanted = sa.select(rescues.c.id).where(rescues.c.file_sha256 == file_sha256).limit(1)
        return self._connection.execute(wanted).first() is not None

    def taken_in(self, *, device: str | None = None, newest: int = 100) -> list[Rescue]:
        """Newest first."""
        wanted = sa.select(*_COLUMNS).order_by(rescues.c.id.desc()).limit(newest)
        if device is not None:
            wanted = wanted.where(rescues.c.device == device)
        return [Rescue(*row) for row in self._connection.execute(wanted)]
