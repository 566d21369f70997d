"""The office's own look at its photos: how far it has come, what it has found, and which phones were asked about it.

What is looked at, when and by which process is services.scrubbing's.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import asdict

from sync_server.storage.dialects import on_both, text_of
from sync_server.storage.metadata import Number, metadata
from sync_server.storage.tickets import tickets
from sync_server.storage.uploads import UploadState, uploads

scrubs = sa.Table(
    "scrubs",
    metadata,
    sa.Column("folder", sa.Text, primary_key=True),
    sa.Column("begun_at_ms", Number, nullable=False),
    sa.Column("ended_at_ms", Number),
    sa.Column("done_through", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("process_until_ms", Number, nullable=False),
)

photo_faults = sa.Table(
    "photo_faults",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("fault", sa.Text, nullable=False),
    sa.Column("found_at_ms", Number, nullable=False),
    sa.Column("ticket", sa.Text),
)
"""A row for as long as the photo is not whole."""

photo_recalls = sa.Table(
    "photo_recalls",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("heard_at_ms", Number, nullable=False),
)
"""When a phone last heard that it is to offer its photos again."""

_PHOTOS = "photos"


class Fault(str, Enum):
    """What is wrong with a photo that was received."""

    DAMAGED = "damaged"
    """Its bytes do not have its hash, or cannot be read."""
    MISSING = "missing"


class PhotoFault(Struct, frozen=True):
    sha256: str
    fault: Fault
    found_at_ms: int
    ticket: str | None = None
    """The id of one that names it; None where none did when the fault was found."""


class Bringer(Struct, frozen=True):
    """Who has once brought a photo."""

    sha256: str
    device: str
    person: str
    begun_at_ms: int
    """When they began to bring it, the last time."""


class Scrub(Struct, frozen=True):
    """The look that is under way, or the last one."""

    begun_at_ms: int
    ended_at_ms: int | None
    done_through: str
    """The SHA-256 of the last photo looked at, in the order of their names; "" at the beginning."""
    process: str
    """Which one goes on with it."""
    process_until_ms: int
    """From then on any other may, unless this one has said again that it does."""


_COLUMNS = [scrubs.c[name] for name in Scrub.__struct_fields__]
_KEEP = on_both(
    scrubs,
    lambda inserting: inserting.on_conflict_do_update(
        index_elements=["folder"], set_={name: inserting.excluded[name] for name in Scrub.__struct_fields__}
    ),
)
_NOTE = on_both(
    photo_faults,
    lambda inserting: inserting.on_conflict_do_update(
        index_elements=["sha256"],
        set_={
            "fault": inserting.excluded.fault,
            "ticket": sa.func.coalesce(inserting.excluded.ticket, photo_faults.c.ticket),
        },
    ),
)
_HEARD = on_both(
    photo_recalls,
    lambda inserting: inserting.on_conflict_do_update(
        index_elements=["device"], set_={"heard_at_ms": inserting.excluded.heard_at_ms}
    ),
)


class Scrubs:
    """Reads and writes within the caller's transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def scrub(self) -> Scrub | None:
        """None before the first."""
        row = self._connection.execute(sa.select(*_COLUMNS).where(scrubs.c.folder == _PHOTOS)).first()
        return None if row is None else Scrub(*row)

    def scrub_to_change(self) -> Scrub | None:
        """The same; other processes that want to change it wait until this transaction has ended."""
        if self._connection.dialect.name == "postgresql":  # before the first there is no row that could be locked
            self._connection.execute(sa.text("LOCK TABLE scrubs IN SHARE ROW EXCLUSIVE MODE"))
        return self.scrub()

    def keep(self, scrub: Scrub) -> None:
        self._connection.execute(_KEEP[self._connection.dialect.name], {"folder": _PHOTOS, **asdict(scrub)})

    # -- what was found ------------------------------------------------------------------------------------------------

    def received_between(self, after: str, through: str | None) -> set[str]:
        """Photos that phones have brought, by the order of their SHA-256; `through` None: to the end."""
        wanted = sa.select(uploads.c.sha256).where(
            uploads.c.state == UploadState.RECEIVED.value, _bytewise(self._connection, uploads.c.sha256) > after
        )
        if through is not None:
            wanted = wanted.where(_bytewise(self._connection, uploads.c.sha256) <= through)
        return set(self._connection.scalars(wanted))

    def note(self, faults: Sequence[PhotoFault]) -> None:
        """Since when a photo is not whole stays as it was found first."""
        if faults:
            rows = [{**asdict(each), "fault": each.fault.value} for each in faults]
            self._connection.execute(_NOTE[self._connection.dialect.name], rows)

    def forget(self, sha256s: Collection[str]) -> None:
        """They are whole again."""
        if sha256s:
            self._connection.execute(photo_faults.delete().where(photo_faults.c.sha256.in_(sorted(sha256s))))

    def faults(self, limit: int) -> list[PhotoFault]:
        """Those found first."""
        columns = (photo_faults.c[name] for name in PhotoFault.__struct_fields__)
        rows = self._connection.execute(
            sa.select(*columns).order_by(photo_faults.c.found_at_ms, photo_faults.c.sha256).limit(limit)
        )
        return [PhotoFault(row[0], Fault(row[1]), *row[2:]) for row in rows]

    def count_faults(self) -> int:
        return int(self._connection.scalar(sa.select(sa.func.count()).select_from(photo_faults)) or 0)

    def ticket_naming(self, sha256: str) -> str | None:
        """The id of a ticket that speaks of this photo. Reads all of them: for the few that are not whole."""
        speaks = text_of(tickets.c.data).contains(sha256)
        return self._connection.scalar(sa.select(tickets.c.id).where(speaks).order_by(tickets.c.position).limit(1))

    # -- who may still have it -----------------------------------------------------------------------------------------

    def bringers(self, sha256s: Collection[str]) -> list[Bringer]:
        columns = (uploads.c.sha256, uploads.c.device, uploads.c.person)
        received = uploads.c.sha256.in_(sorted(sha256s)) & (uploads.c.state == UploadState.RECEIVED.value)
        wanted = sa.select(*columns, sa.func.max(uploads.c.begun_at_ms)).where(received)
        rows = self._connection.execute(wanted.group_by(*columns).order_by(*columns))
        return [Bringer(*row) for row in rows]

    def recalls(self) -> dict[str, int]:
        """Device → when it last heard that it is to offer its photos again."""
        rows = self._connection.execute(sa.select(photo_recalls.c.device, photo_recalls.c.heard_at_ms))
        return {row[0]: row[1] for row in rows}

    def recalls_heard(self, heard: Mapping[str, int]) -> None:
        rows = [{"device": device, "heard_at_ms": at_ms} for device, at_ms in heard.items()]
        self._connection.execute(_HEARD[self._connection.dialect.name], rows)


def _bytewise(connection: sa.Connection, column: "sa.Column[str]") -> "sa.ColumnElement[str]":
    """Compared as Python compares, whatever language PostgreSQL was told to sort in."""
    return column.collate("C") if connection.dialect.name == "postgresql" else column
