"""Every operation anybody ever brought, exactly as its bytes arrived, with the answer it was given.

Nothing here is altered or deleted. A device's operations are numbered without gaps; `journals` says how far the office
holds them and what the next must name as the hash before it. What cannot take its place in that row (another operation
has the number already) is set aside whole. The desk's own operations are the journal of the device OFFICE.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import asdict

from shared_schema.operations import FIRST_HASH
from sync_server.storage.dialects import Among, ForMany, on_both
from sync_server.storage.metadata import Number, metadata

OFFICE = "office"

journals = sa.Table(
    "journals",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("received_through", Number, nullable=False),
    sa.Column("last_hash", sa.Text, nullable=False),
    sa.Column("broken_at_ms", Number),
    sa.Column("signed_through", Number, nullable=False, server_default="0"),
    sa.Column("signed_hash", sa.Text),
    sa.Column("signed_key", sa.LargeBinary),
    sa.Column("signature", sa.LargeBinary),
    sa.Column("signed_at_ms", Number),
    sa.Column("signature_failed_at_ms", Number),
    sa.Column("signature_fault", sa.Text),
)
"""How far a journal is signed is storage.keys'."""

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("position", Number, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, index=True),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("sequence", Number, nullable=False),
    sa.Column("ticket", sa.Text),
    sa.Column("received_at_ms", Number, nullable=False),
    sa.Column("verdict", sa.LargeBinary, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("device", "sequence"),
    sa.Index("ix_operations_ticket", "ticket", "position"),
)

set_aside = sa.Table(
    "set_aside",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("sequence", Number, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("ticket", sa.Text, index=True),
    sa.Column("received_at_ms", Number, nullable=False),
    sa.Column("verdict", sa.LargeBinary, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)


class Head(Struct, frozen=True, gc=False):
    """How far the office holds a device's journal."""

    received_through: int = 0
    last_hash: str = FIRST_HASH
    broken_at: int | None = None
    """Unix time in milliseconds at which an operation first came that did not fit the one before it."""


class Entry(Struct, frozen=True, gc=False):
    """One operation as it arrived, and the verdict it was given (bytes of a Verdict)."""

    position: int
    """In the feed; 0 for one that was set aside."""
    id: str
    device: str
    sequence: int
    ticket: str | None
    received_at_ms: int
    verdict: bytes
    raw: bytes


_COLUMNS = [operations.c[name] for name in Entry.__struct_fields__]

_HEADS_TO_MOVE = Among(
    sa.select(journals.c.device, journals.c.received_through, journals.c.last_hash, journals.c.broken_at_ms)
    .where(journals.c.device.in_(sa.bindparam("devices", expanding=True)))
    .order_by(journals.c.device)
    .with_for_update()
)
_MOVE_HEADS = ForMany(
    sa.update(journals)
    .where(journals.c.device == sa.bindparam("moved"))
    .values(
        received_through=sa.bindparam("received_through"),
        last_hash=sa.bindparam("last_hash"),
        broken_at_ms=sa.bindparam("broken_at"),
    )
)
_RECEIVED = sa.select(journals.c.received_through).where(journals.c.device == sa.bindparam("device"))
_HELD = sa.select(*_COLUMNS).where(
    operations.c.device == sa.bindparam("device"),
    operations.c.sequence.in_(sa.bindparam("sequences", expanding=True)),
)
_OF_TICKET = sa.union_all(
    sa.select(*_COLUMNS).where(operations.c.ticket == sa.bindparam("ticket")),
    sa.select(
        *(
            set_aside.c[name] if name != "position" else sa.literal(0, Number).label(name)
            for name in Entry.__struct_fields__
        )
    ).where(set_aside.c.ticket == sa.bindparam("ticket")),
)
_KNOWN = Among(sa.select(operations.c.id).where(operations.c.id.in_(sa.bindparam("ids", expanding=True))))
_APPEND = ForMany(sa.insert(operations), Entry.__struct_fields__)
_BEGIN = ForMany(
    on_both(
        journals,
        lambda inserting: inserting.values(
            {name: sa.bindparam(name) for name in ("device", "received_through", "last_hash")}
        ).on_conflict_do_nothing(),
    )
)
OF_EACH_PHONE = (_HEADS_TO_MOVE, _BEGIN, _MOVE_HEADS)
OF_EACH_OPERATION = (_KNOWN, _APPEND)
"""Statements that every round makes which brings work."""
_PUT_ASIDE = on_both(set_aside, lambda inserting: inserting.on_conflict_do_nothing())


class Journal:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def head(self, device: str) -> Head:
        """The device's head, locked until the transaction ends."""
        return self.heads_to_move([device])[device]

    def heads_to_move(self, devices: Iterable[str]) -> dict[str, Head]:
        """These devices' heads, locked until the transaction ends; in their order, so that nobody deadlocks."""
        wanted = sorted(set(devices))
        heads = self._locked_heads(wanted)
        if new := [device for device in wanted if device not in heads]:
            beginning = {"received_through": 0, "last_hash": FIRST_HASH}
            _BEGIN.execute(self._connection, [beginning | {"device": device} for device in new])
            heads |= self._locked_heads(new)
        return heads

    def _locked_heads(self, devices: list[str]) -> dict[str, Head]:
        rows = _HEADS_TO_MOVE.rows(self._connection, devices)
        return {device: Head(*head) for device, *head in rows}

    def received_through(self, device: str) -> int:
        return int(self._connection.scalar(_RECEIVED, {"device": device}) or 0)

    def heads(self, devices: Iterable[str]) -> dict[str, Head]:
        rows = self._connection.execute(
            sa.select(
                journals.c.device, journals.c.received_through, journals.c.last_hash, journals.c.broken_at_ms
            ).where(journals.c.device.in_(list(devices)))
        )
        return {device: Head(*head) for device, *head in rows}

    def move_heads(self, heads: Mapping[str, Head]) -> None:
        _MOVE_HEADS.execute(
            self._connection,
            [
                {
                    "moved": device,
                    "received_through": head.received_through,
                    "last_hash": head.last_hash,
                    "broken_at": head.broken_at,
                }
                for device, head in heads.items()
            ],
        )

    def held(self, device: str, sequences: Iterable[int]) -> dict[int, Entry]:
        """What the office already holds under these numbers of the device's journal."""
        rows = self._connection.execute(_HELD, {"device": device, "sequences": list(sequences)})
        return {row.sequence: Entry(*row) for row in rows}

    def aside(self, device: str, sequences: Iterable[int]) -> set[tuple[int, str]]:
        """What was set aside under these numbers: number and hash."""
        wanted = (set_aside.c.device == device) & set_aside.c.sequence.in_(list(sequences))
        rows = self._connection.execute(sa.select(set_aside.c.sequence, set_aside.c.hash).where(wanted))
        return {(row.sequence, row.hash) for row in rows}

    def known(self, ids: Collection[str]) -> set[str]:
        """Which of these operation ids any journal holds."""
        return {known for (known,) in _KNOWN.rows(self._connection, ids)}

    def by_id(self, operation_id: str) -> Entry | None:
        row = self._connection.execute(sa.select(*_COLUMNS).where(operations.c.id == operation_id)).first()
        return Entry(*row) if row else None

    def append(self, entries: Sequence[Entry]) -> None:
        # SQLite's driver searches for an adapter of every `bytes`, and takes a `bytearray` as it is.
        rows = [
            (e.position, e.id, e.device, e.sequence, e.ticket, e.received_at_ms, bytearray(e.verdict), bytearray(e.raw))
            for e in entries
        ]
        _APPEND.execute(self._connection, rows)

    def put_aside(self, entries: Sequence[tuple[Entry, str]]) -> None:
        """Keep what cannot take its place in the journal, each with the hash of its bytes; bringing the same bytes
        again changes nothing."""
        rows = [asdict(entry) | {"hash": raw_hash} for entry, raw_hash in entries]
        for row in rows:
            del row["position"]
        self._connection.execute(_PUT_ASIDE[self._connection.dialect.name], rows)

    def of_ticket(self, ticket: str, *, newest: int = -1, skip: int = 0) -> list[Entry]:
        """Oldest first, as the office received them; of those before the last `skip`, the `newest`, or all (-1)."""
        everything = _OF_TICKET.subquery()
        position = everything.c.position
        wanted = sa.select(everything).order_by(
            everything.c.received_at_ms.desc(),
            position > 0,  # what was set aside came after what has its place
            position.desc(),
            everything.c.id,
        )
        if newest >= 0:
            wanted = wanted.limit(newest).offset(skip)
        return [Entry(*row) for row in self._connection.execute(wanted, {"ticket": ticket})][::-1]

    def count_of_ticket(self, ticket: str) -> int:
        placed, aside = (
            sa.select(sa.func.count()).where(table.c.ticket == ticket).scalar_subquery()
            for table in (operations, set_aside)
        )
        return int(self._connection.execute(sa.select(placed + aside)).scalar_one())

    def after(self, position: int, limit: int) -> list[Entry]:
        """Operations of all journals in the order of the feed."""
        rows = self._connection.execute(
            sa.select(*_COLUMNS).where(operations.c.position > position).order_by(operations.c.position).limit(limit)
        )
        return [Entry(*row) for row in rows]
