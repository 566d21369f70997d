"""What waits for a person: refused operations, and what a rescue file brought that could not take its place.

A refusal is open until the technician has answered it (AnswerRefusal) or somebody at the desk has seen it; both are
kept where both happen. The operation itself is in storage.journal, with its bytes and its verdict; here is what the
queue is made of. Nothing is deleted but what has meanwhile found its place in the journal.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import asdict

from sync_server.storage.dialects import Among, on_both
from sync_server.storage.journal import operations, set_aside
from sync_server.storage.metadata import Number, clean, metadata

COUNTED = "counted"
"""The answer of an AnswerRefusal that was itself refused: it counted all the same, and asks for nothing."""

refusals = sa.Table(
    "refusals",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("sequence", Number, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, nullable=False, index=True),
    sa.Column("position", Number, nullable=False),
    sa.Column("ticket", sa.Text, index=True),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("refused_at_ms", Number, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("answered_at_ms", Number),
    sa.Column("answered_by", sa.Text),
    sa.Column("by_operation", sa.Text),
    sa.Column("seen_at_ms", Number),
    sa.Column("seen_by", sa.Text),
)
_is_open = refusals.c.answered_at_ms.is_(None) & refusals.c.seen_at_ms.is_(None)
sa.Index("ix_refusals_open", refusals.c.refused_at_ms, sqlite_where=_is_open, postgresql_where=_is_open)

rescued_drafts = sa.Table(
    "rescued_drafts",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("made_at_ms", Number, nullable=False),
    sa.Column("taken_in_at_ms", Number, nullable=False),
    sa.Column("seen_at_ms", Number),
    sa.Column("seen_by", sa.Text),
)

rescued_operations = sa.Table(
    "rescued_operations",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("sequence", Number, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("ticket", sa.Text),
    sa.Column("taken_in_at_ms", Number, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
)
"""Behind a gap in their journal; sequence 0: not even the number can be read."""


class Refusal(Struct, frozen=True, kw_only=True):
    """A refused operation, and what has been made of it."""

    operation: str
    device: str
    sequence: int
    hash: str
    """Of its bytes: several can have come under one number."""
    position: int
    """In the feed; 0 for one that was set aside."""
    ticket: str | None
    person: str
    """Whose phone brought it."""
    kind: str
    """Empty where even that could not be read."""
    code: str
    """Of the rejection."""
    refused_at_ms: int
    answer: str | None = None
    """A RefusalAnswer, or COUNTED."""
    answered_at_ms: int | None = None
    answered_by: str | None = None
    by_operation: str | None = None
    """The note or the corrected operation that takes its place."""
    seen_at_ms: int | None = None
    """When somebody at the desk had seen to it; of the desk's own operations, at once."""
    seen_by: str | None = None

    @property
    def is_open(self) -> bool:
        return self.answered_at_ms is None and self.seen_at_ms is None


class Answered(Struct, frozen=True):
    """A technician's AnswerRefusal as it was brought."""

    refused: str
    answer: str
    by_operation: str | None


class RescuedDraft(Struct, frozen=True, kw_only=True):
    """Typed on a phone and never recorded; came in a rescue file."""

    device: str
    key: str
    hash: str
    person: str
    body: bytes
    """JSON, as the phone kept it."""
    made_at_ms: int
    """When the rescue file was made, by the phone's clock."""
    taken_in_at_ms: int
    seen_at_ms: int | None = None
    seen_by: str | None = None


class RescuedOperation(Struct, frozen=True):
    """An operation that waits for those before it in its device's journal."""

    device: str
    sequence: int
    """0 where not even that can be read."""
    hash: str
    id: str
    ticket: str | None
    taken_in_at_ms: int
    raw: bytes


class Origin(Struct, frozen=True):
    """Where an operation came from, and when."""

    device: str
    received_at_ms: int


_ORIGINS = Among(
    sa.select(operations.c.id, operations.c.device, operations.c.received_at_ms).where(
        operations.c.id.in_(sa.bindparam("ids", expanding=True))
    )
)
_IDS_AT_ONCE = 10_000
"""No database takes any number: of a disk that has lost its photos as many are asked about as there are."""

_COLUMNS = [refusals.c[name] for name in Refusal.__struct_fields__]
_DRAFT = [rescued_drafts.c[name] for name in RescuedDraft.__struct_fields__]
_RESCUED = [rescued_operations.c[name] for name in RescuedOperation.__struct_fields__]

_REFUSE = on_both(refusals, lambda inserting: inserting.on_conflict_do_nothing())
_ANSWER = (
    sa.update(refusals)
    .where(
        refusals.c.operation == sa.bindparam("refused"),
        (refusals.c.device == sa.bindparam("from_device")) | (refusals.c.person == sa.bindparam("from_person")),
        refusals.c.answered_at_ms.is_(None),
    )
    .values(
        answer=sa.bindparam("given"),
        answered_at_ms=sa.bindparam("at_ms"),
        answered_by=sa.bindparam("from_person"),
        by_operation=sa.bindparam("instead"),
    )
)
_KEEP_DRAFT = on_both(
    rescued_drafts, lambda inserting: inserting.on_conflict_do_nothing().returning(rescued_drafts.c.hash)
)
_KEEP_OPERATION = on_both(rescued_operations, lambda inserting: inserting.on_conflict_do_nothing())


class Attention:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # -- refused operations --------------------------------------------------------------------------------------------

    def refuse(self, refused: Sequence[Refusal]) -> None:
        """File them; one that is there already stays as it is."""
        rows = [asdict(each) | {"kind": clean(each.kind), "code": clean(each.code)} for each in refused]
        self._connection.execute(_REFUSE[self._connection.dialect.name], rows)

    def answer(self, device: str, person: str, answers: Sequence[Answered], at_ms: int) -> None:
        """What a technician made of refusals of this device, or of another device of the same person.

        The first answer stays.
        """
        self._connection.execute(
            _ANSWER,
            [
                {
                    "refused": each.refused,
                    "from_device": device,
                    "from_person": person,
                    "given": each.answer,
                    "at_ms": at_ms,
                    "instead": each.by_operation,
                }
                for each in answers
            ],
        )

    def see(self, refusal: Refusal, person: str, at_ms: int) -> bool:
        """Somebody at the desk has seen to it; False where there is none such, or somebody has before."""
        # Not by the operation's id: what cannot be read has none, and two may come under the same.
        wanted = (refusals.c.device == refusal.device) & (refusals.c.sequence == refusal.sequence)
        wanted &= (refusals.c.hash == refusal.hash) & refusals.c.seen_at_ms.is_(None)
        seen = sa.update(refusals).where(wanted).values(seen_at_ms=at_ms, seen_by=person)
        return self._connection.execute(seen).rowcount > 0

    def see_all(self, device: str, person: str, at_ms: int) -> int:
        """The same for everything of the device that is open; how many."""
        wanted = (refusals.c.device == device) & _is_open
        return self._connection.execute(
            sa.update(refusals).where(wanted).values(seen_at_ms=at_ms, seen_by=person)
        ).rowcount

    def refusals(
        self,
        *,
        device: str | None = None,
        ticket: str | None = None,
        open_only: bool = True,
        newest: int = 100,
        skip: int = 0,
    ) -> list[Refusal]:
        """Newest first."""
        wanted = sa.select(*_COLUMNS).where(*_wanted(device, ticket, open_only=open_only))
        order = (refusals.c.refused_at_ms.desc(), refusals.c.device, refusals.c.sequence.desc(), refusals.c.hash)
        rows = self._connection.execute(wanted.order_by(*order).limit(newest).offset(skip)).mappings()
        return [Refusal(**row) for row in rows]

    def refusal(self, device: str, sequence: int, hash_: str) -> Refusal | None:
        wanted = (refusals.c.device == clean(device)) & (refusals.c.sequence == sequence)
        wanted &= refusals.c.hash == clean(hash_)
        row = self._connection.execute(sa.select(*_COLUMNS).where(wanted)).mappings().first()
        return Refusal(**row) if row else None

    def count_refusals(self, *, device: str | None = None, ticket: str | None = None, open_only: bool = True) -> int:
        counted = sa.select(sa.func.count()).select_from(refusals).where(*_wanted(device, ticket, open_only=open_only))
        return int(self._connection.execute(counted).scalar_one())

    def open_by_device(self) -> dict[str, int]:
        """How many refusals of each device are open; devices without are not there."""
        counted = (
            sa.select(refusals.c.device, sa.func.count().label("open")).where(_is_open).group_by(refusals.c.device)
        )
        return {row.device: row.open for row in self._connection.execute(counted)}

    def bytes_of(self, refused: Iterable[Refusal]) -> dict[tuple[str, int, str], bytes]:
        """The operations' bytes, by device, sequence and hash."""
        return {key: raw for key, (raw, _) in self._kept(refused).items()}

    def verdicts_of(self, refused: Iterable[Refusal]) -> dict[tuple[str, int, str], bytes]:
        """The verdicts they were given, by device, sequence and hash."""
        return {key: verdict for key, (_, verdict) in self._kept(refused).items()}

    def _kept(self, refused: Iterable[Refusal]) -> dict[tuple[str, int, str], tuple[bytes, bytes]]:
        found: dict[tuple[str, int, str], tuple[bytes, bytes]] = {}
        for each in refused:
            table = operations if each.position else set_aside
            same = (table.c.device == each.device) & (table.c.sequence == each.sequence)
            if not each.position:
                same &= set_aside.c.hash == each.hash
            row = self._connection.execute(sa.select(table.c.raw, table.c.verdict).where(same)).first()
            if row is not None:
                found[each.device, each.sequence, each.hash] = (bytes(row.raw), bytes(row.verdict))
        return found

    # -- what came late ------------------------------------------------------------------------------------------------

    def origins(self, ids: Iterable[str]) -> dict[str, Origin]:
        """Of those of these operations that a journal holds."""
        found: dict[str, Origin] = {}
        remaining = iter(ids)
        while some := list(islice(remaining, _IDS_AT_ONCE)):
            found |= {id_: Origin(device, at_ms) for id_, device, at_ms in _ORIGINS.rows(self._connection, some)}
        return found

    # -- out of rescue files -------------------------------------------------------------------------------------------

    def keep_draft(self, draft: RescuedDraft) -> bool:
        """False where it was there already."""
        keeping = _KEEP_DRAFT[self._connection.dialect.name]
        return self._connection.scalar(keeping, asdict(draft) | {"key": clean(draft.key)}) is not None

    def drafts(self, *, device: str | None = None, unseen_only: bool = True, newest: int = 100) -> list[RescuedDraft]:
        """Newest first."""
        wanted = sa.select(*_DRAFT)
        if device is not None:
            wanted = wanted.where(rescued_drafts.c.device == device)
        if unseen_only:
            wanted = wanted.where(rescued_drafts.c.seen_at_ms.is_(None))
        order = (rescued_drafts.c.taken_in_at_ms.desc(), rescued_drafts.c.device, rescued_drafts.c.key)
        rows = self._connection.execute(wanted.order_by(*order, rescued_drafts.c.hash).limit(newest)).mappings()
        return [RescuedDraft(**row) for row in rows]

    def draft(self, device: str, hash_: str) -> RescuedDraft | None:
        wanted = (rescued_drafts.c.device == clean(device)) & (rescued_drafts.c.hash == clean(hash_))
        row = self._connection.execute(sa.select(*_DRAFT).where(wanted).limit(1)).mappings().first()
        return RescuedDraft(**row) if row else None

    def count_drafts(self) -> int:
        """Of those nobody has seen."""
        wanted = sa.select(sa.func.count()).select_from(rescued_drafts).where(rescued_drafts.c.seen_at_ms.is_(None))
        return int(self._connection.execute(wanted).scalar_one())

    def see_draft(self, device: str, key: str, hash_: str, person: str, at_ms: int) -> bool:
        """Somebody at the desk has seen to it; False where there is none such, or somebody has before. It stays."""
        draft = rescued_drafts.c
        wanted = (draft.device == device) & (draft.key == clean(key)) & (draft.hash == hash_)
        seen = sa.update(rescued_drafts).where(wanted & draft.seen_at_ms.is_(None))
        return self._connection.execute(seen.values(seen_at_ms=at_ms, seen_by=person)).rowcount > 0

    def keep_waiting(self, waiting: Sequence[RescuedOperation]) -> None:
        """Keep operations that stand behind a gap; one that is there already stays as it is."""
        self._connection.execute(
            _KEEP_OPERATION[self._connection.dialect.name],
            [asdict(each) | {"ticket": each.ticket} for each in waiting],
        )

    def waiting(
        self, device: str | None = None, *, through: int | None = None, limit: int = 1000
    ) -> list[RescuedOperation]:
        """Operations that stand behind a gap, in the order of their journals; of one device, up to a number."""
        rescued = rescued_operations.c
        wanted = sa.select(*_RESCUED).order_by(rescued.device, rescued.sequence, rescued.hash).limit(limit)
        if device is not None:
            wanted = wanted.where(rescued.device == device)
        if through is not None:
            wanted = wanted.where(rescued.sequence.between(1, through))
        return [RescuedOperation(*row) for row in self._connection.execute(wanted)]

    def count_waiting(self, device: str) -> int:
        """How many operations of the device stand behind a gap."""
        behind = (rescued_operations.c.device == device) & (rescued_operations.c.sequence > 0)
        counted = sa.select(sa.func.count()).select_from(rescued_operations).where(behind)
        return int(self._connection.execute(counted).scalar_one())

    def waiting_by_device(self) -> dict[str, int]:
        """How many stand behind a gap in each device's journal; devices without are not there."""
        counted = sa.select(rescued_operations.c.device, sa.func.count().label("waiting")).group_by(
            rescued_operations.c.device
        )
        return {row.device: row.waiting for row in self._connection.execute(counted)}

    def no_longer_waiting(self, placed: Iterable[RescuedOperation]) -> None:
        """They have their place in the journal, or were set aside from it with a verdict."""
        rescued = rescued_operations.c
        self._connection.execute(
            sa.delete(rescued_operations).where(
                rescued.device == sa.bindparam("of"),
                rescued.sequence == sa.bindparam("number"),
                rescued.hash == sa.bindparam("named"),
            ),
            [{"of": each.device, "number": each.sequence, "named": each.hash} for each in placed],
        )


def _wanted(device: str | None, ticket: str | None, *, open_only: bool) -> list[Any]:
    wanted: list[Any] = []
    if device is not None:
        wanted.append(refusals.c.device == clean(device))
    if ticket is not None:
        wanted.append(refusals.c.ticket == ticket)
    if open_only:
        wanted.append(_is_open)
    return wanted
