"""Tickets as they stand, who has them on a phone, and what the desk finds them by.

The whole ticket is one value (`data`, the bytes that phones are sent); the columns beside it are there to be searched
and are computed from it whenever it is saved. How a ticket changes is shared_schema.apply's business, in which order is
services.operations'.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from shared_schema import operations as op
from shared_schema import wire
from shared_schema.lifecycle import OVER, Kind, Severity, Status
from shared_schema.ticket import Ticket, undecided, unreviewed
from sync_server.clock import milliseconds
from sync_server.storage.dialects import Among, ForMany, Insert, bytes_of, joined, on_both, text_of
from sync_server.storage.feed import Feed
from sync_server.storage.metadata import Number, clean, metadata
from sync_server.storage.people import people

tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("number", sa.Text, nullable=False, unique=True),
    sa.Column("version", Number, nullable=False),
    sa.Column("position", Number, nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("severity", sa.Text),
    sa.Column("technician", sa.Text),
    sa.Column("holder", sa.Text),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("created_at_ms", Number, nullable=False, index=True),
    sa.Column("window_start_ms", Number),
    sa.Column("window_end_ms", Number),
    sa.Column("over_at_ms", Number),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("linked_ticket", sa.Text, index=True),
    sa.Column("duplicate_of", sa.Text, index=True),
    sa.Column("phone", sa.Text, nullable=False, index=True),
    sa.Column("serial", sa.Text, nullable=False, index=True),
    sa.Column("search", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("ix_tickets_holder", "holder", "position"),
    sa.Index("ix_tickets_technician", "technician", "window_start_ms"),
)
"""`holder` is the technician on whose phone the ticket is: its technician, until it is over and has expired."""

_is_late = tickets.c.late.is_(True)
sa.Index("ix_tickets_late", tickets.c.position, sqlite_where=_is_late, postgresql_where=_is_late)

withdrawals = sa.Table(
    "withdrawals",
    metadata,
    sa.Column("technician", sa.Text, primary_key=True),
    sa.Column("position", Number, primary_key=True, autoincrement=False),
    sa.Column("ticket", sa.Text, nullable=False),
)

numbers = sa.Table(
    "ticket_numbers",
    metadata,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("last", Number, nullable=False),
)


class TicketSort(str, Enum):
    NEWEST = "newest"
    CHANGED = "changed"
    WINDOW = "window"
    SEVERITY = "severity"


class TicketFilter(Struct, frozen=True, kw_only=True):
    """What the desk wants to see; everything empty means all tickets."""

    words: str = ""
    """All of them must occur in number, customer, phone, address, model, serial, order or problem."""
    statuses: tuple[Status, ...] = ()
    severities: tuple[Severity, ...] = ()
    technician: str = ""
    region: str = ""
    """The beginning of the region."""
    kind: Kind | None = None
    late_only: bool = False
    """Only those with late evidence or proposals."""
    page: int = 1
    page_size: int = 50
    sort: TicketSort = TicketSort.NEWEST


class Kept(Struct, frozen=True, gc=False):
    """A ticket as it is to be saved."""

    ticket: Ticket
    position: int
    """In the feed, of the last operation applied to it."""
    is_expired: bool = False
    """Over for so long that it has left its technician's phone."""
    loaded: Ticket | None = None
    """As it is in the database, where it is there."""
    has_only_gone_on: bool = True
    """Whether nothing has been done to it since but what GOES_ON."""


class FeedRow(Struct, frozen=True, gc=False):
    """What happened to a technician's scope: a ticket's bytes, or None where it was withdrawn."""

    position: int
    ticket: str
    status: str | None
    data: bytes | None


_decode = msgspec.json.Decoder(Ticket).decode


class _NamedPhoto(Struct, frozen=True, gc=False):
    sha256: str
    operation_id: str


class _PhotosOnly(Struct, frozen=True, gc=False):
    """Of a ticket, which is read in a fifth of the time."""

    photos: tuple[_NamedPhoto, ...] = ()


_decode_photos = msgspec.json.Decoder(_PhotosOnly).decode
_decode_loaded = msgspec.json.Decoder(list[tuple[int, bool, Ticket]]).decode

_locked = (
    sa.select(tickets.c.data, tickets.c.position, tickets.c.technician, tickets.c.holder)
    .where(tickets.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(tickets.c.id)
    .with_for_update()
    .subquery()
)
_has_expired = _locked.c.technician.is_not(None) & _locked.c.holder.is_(None)
_LOAD = Among(
    sa.select(
        bytes_of(
            joined(
                sa.literal_column("'['", sa.Text)
                + sa.cast(_locked.c.position, sa.Text)
                + sa.case((_has_expired, sa.literal_column("',true,'")), else_=sa.literal_column("',false,'"))
                + text_of(_locked.c.data)
                + sa.literal_column("']'")
            )
        )
    )
)
"""All of them in one row: the inside of a JSON array of what _decode_loaded reads."""
_BY_ID = sa.select(tickets.c.data).where(tickets.c.id.in_(sa.bindparam("ids", expanding=True)))

_in_scope = (
    tickets.c.holder == sa.bindparam("person"),
    tickets.c.position > sa.bindparam("cursor"),
    tickets.c.position <= sa.bindparam("through"),
)
_left_scope = (
    withdrawals.c.technician == sa.bindparam("person"),
    withdrawals.c.position > sa.bindparam("cursor"),
    withdrawals.c.position <= sa.bindparam("through"),
)
CHANGES = (
    sa.select(tickets.c.position.label("position"), tickets.c.id.label("ticket"), tickets.c.status, tickets.c.data)
    .where(*_in_scope)
    .union_all(
        sa.select(
            withdrawals.c.position,
            withdrawals.c.ticket,
            sa.cast(sa.null(), sa.Text),
            sa.cast(sa.null(), sa.LargeBinary),
        ).where(*_left_scope)
    )
    .order_by("position")
    .limit(sa.bindparam("limit"))
)
"""The columns of a FeedRow, of what happened to `person`'s scope after `cursor` up to `through`."""
SCOPE = sa.select(joined(tickets.c.id + sa.literal_column("':'") + sa.cast(tickets.c.version, sa.Text))).where(
    tickets.c.holder == sa.bindparam("person")
)
"""Everything that belongs on `person`'s phone, in one row: see `scope_in`."""

_SCOPES = Among(
    sa.select(tickets.c.holder, *SCOPE.selected_columns)
    .where(tickets.c.holder.in_(sa.bindparam("people", expanding=True)))
    .group_by(tickets.c.holder)
)
_SCOPES_CHANGED_AT = Among(
    sa.select(
        people.c.id,
        sa.select(sa.func.max(tickets.c.position)).where(tickets.c.holder == people.c.id).scalar_subquery(),
        sa.select(sa.func.max(withdrawals.c.position)).where(withdrawals.c.technician == people.c.id).scalar_subquery(),
    ).where(people.c.id.in_(sa.bindparam("people", expanding=True)))
)

_SEVERITY_RANK = sa.case(
    {severity.value: rank for rank, severity in enumerate(Severity)}, value=tickets.c.severity, else_=len(Severity)
)
_ORDERS: dict[TicketSort, tuple[Any, ...]] = {
    TicketSort.NEWEST: (tickets.c.created_at_ms.desc(), tickets.c.number.desc()),
    TicketSort.CHANGED: (tickets.c.position.desc(),),
    TicketSort.WINDOW: (tickets.c.window_start_ms.asc().nulls_last(), tickets.c.number),
    TicketSort.SEVERITY: (_SEVERITY_RANK, tickets.c.created_at_ms),
}


def scope_in(found: str | None) -> list[tuple[str, int]]:
    """(ticket id, version) of each, from what SCOPE found."""
    pairs = (each.partition(":") for each in found.split(",")) if found else ()
    return [(ticket, int(version)) for ticket, _, version in pairs]


def _saving(inserting: Any) -> Insert:
    others = [column.name for column in tickets.c if column.name != "id"]
    saving: Insert = inserting.on_conflict_do_update(
        index_elements=["id"], set_={name: inserting.excluded[name] for name in others}
    )
    return saving


_SAVE = ForMany(on_both(tickets, _saving))
_GO_ON = ForMany(
    sa.update(tickets)
    .where(tickets.c.id == sa.bindparam("ticket"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("version", "position", "status", "late", "data")}),
    ("new_version", "new_position", "new_status", "new_late", "new_data", "ticket"),
)
GOES_ON = frozenset(
    {
        op.AddNote,
        op.AddPhoto,
        op.AcceptTicket,
        op.StartTravel,
        op.Arrive,
        op.ShowCredential,
        op.WaitFor,
        op.ResumeWork,
        op.FinishWork,
        op.SignOffVisit,
        op.RaiseObjection,
    }
)
"""Operations that change nothing from which other columns are computed than those that _GO_ON sets: nearly all that is
done on a visit."""
OF_EACH_PHONE = (_SCOPES, _SCOPES_CHANGED_AT)
OF_EACH_TICKET = (_LOAD, _GO_ON)
"""Statements that every round makes which brings work."""
_WITHDRAW = ForMany(sa.insert(withdrawals))
_NEXT_NUMBER = on_both(
    numbers,
    lambda inserting: inserting.on_conflict_do_update(
        index_elements=["day"], set_={"last": numbers.c.last + 1}
    ).returning(numbers.c.last),
)
_SKIP_NUMBERS = on_both(
    numbers,
    lambda inserting: inserting.on_conflict_do_update(
        index_elements=["day"], set_={"last": numbers.c.last + inserting.excluded.last}
    ).returning(numbers.c.last),
)


class Tickets:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # -- changing ------------------------------------------------------------------------------------------------------

    def to_change(self, ids: Iterable[str]) -> dict[str, Kept]:
        """These tickets, locked until the transaction ends; in the order of their ids, so that nobody deadlocks."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        ((found,),) = _LOAD.rows(self._connection, wanted)
        loaded = _decode_loaded(b"[%b]" % (found or b""))
        return {ticket.id: Kept(ticket, position, is_expired, ticket) for position, is_expired, ticket in loaded}

    def save(self, changed: Sequence[Kept]) -> dict[str, bytes]:
        """What phones are sent of each."""
        going_on, others = [], []
        for kept in changed:
            if kept.loaded is not None and not kept.is_expired and kept.has_only_gone_on:
                going_on.append(_progress(kept))
            else:
                others.append(columns_of(kept))
        if going_on:
            _GO_ON.execute(self._connection, going_on)
        if others:
            _SAVE.execute(self._connection, others)
        saved: dict[str, bytes] = {ticket: data for *_, data, ticket in going_on}
        return saved | {row["id"]: row["data"] for row in others}

    def withdraw(self, gone: Sequence[tuple[str, str, int]]) -> None:
        """Take tickets off phones: (technician, ticket, feed position)."""
        _WITHDRAW.execute(
            self._connection,
            [{"technician": person, "ticket": ticket, "position": position} for person, ticket, position in gone],
        )

    def expire(self, over_before: int, feed: Feed) -> int:
        """Take tickets that were over before that Unix time (ms) off their technicians' phones; how many."""
        due = self._connection.execute(
            sa.select(tickets.c.id, tickets.c.holder)
            .where(
                tickets.c.holder.is_not(None),
                tickets.c.status.in_([status.value for status in OVER]),
                tickets.c.over_at_ms < over_before,
            )
            .order_by(tickets.c.id)
            .with_for_update()
        ).all()
        if not due:
            return 0
        first = feed.take(len(due))
        self.withdraw([(person, ticket, first + place) for place, (ticket, person) in enumerate(due)])
        self._connection.execute(
            sa.update(tickets).where(tickets.c.id == sa.bindparam("expired")).values(holder=None),
            [{"expired": ticket} for ticket, _ in due],
        )
        return len(due)

    def next_number(self, day: str) -> str:
        """The next free ticket number of a day given as YYMMDD."""
        last = self._connection.scalar(_NEXT_NUMBER[self._connection.dialect.name], {"day": day, "last": 1})
        return f"{day}-{last:03d}"

    def skip_numbers(self, day: str, count: int) -> None:
        """Let so many numbers of that day be given to no ticket."""
        self._connection.scalar(_SKIP_NUMBERS[self._connection.dialect.name], {"day": day, "last": count})

    # -- for phones ----------------------------------------------------------------------------------------------------

    def changes(self, person: str, cursor: int, through: int, limit: int) -> list[FeedRow]:
        """What happened to a technician's scope after `cursor`, in the order of the feed."""
        rows = self._connection.execute(
            CHANGES, {"person": person, "cursor": cursor, "through": through, "limit": limit}
        )
        return [FeedRow(*row) for row in rows]

    def scopes_changed_at(self, people: Collection[str]) -> dict[str, int]:
        """Person → feed position of the newest change to what belongs on their phones; 0 where there was none."""
        rows = _SCOPES_CHANGED_AT.rows(self._connection, sorted(set(people)))
        return {person: max(put or 0, withdrawn or 0) for person, put, withdrawn in rows}

    def scopes(self, people: Collection[str]) -> dict[str, str]:
        """Person → what SCOPE finds of theirs, where it finds anything."""
        return dict(_SCOPES.rows(self._connection, sorted(set(people))))

    def scope(self, person: str) -> list[tuple[str, int]]:
        """(ticket id, version) of everything that belongs on this technician's phone."""
        return scope_in(self._connection.scalar(SCOPE, {"person": person}))

    # -- for the desk --------------------------------------------------------------------------------------------------

    def by_id(self, ids: Iterable[str]) -> dict[str, Ticket]:
        found = (_decode(data) for data in self._connection.scalars(_BY_ID, {"ids": list(ids)}))
        return {ticket.id: ticket for ticket in found}

    def by_number(self, number: str) -> Ticket | None:
        data = self._connection.scalar(sa.select(tickets.c.data).where(tickets.c.number == clean(number)))
        return _decode(data) if data else None

    def find(self, wanted: TicketFilter) -> list[Ticket]:
        """One page of what is wanted."""
        rows = self._connection.scalars(
            sa.select(tickets.c.data)
            .where(*_conditions(wanted), *_in_statuses(wanted))
            .order_by(*_ORDERS[wanted.sort], tickets.c.id)
            .limit(wanted.page_size)
            .offset((max(wanted.page, 1) - 1) * wanted.page_size)
        )
        return [_decode(data) for data in rows]

    def count_by_status(self, wanted: TicketFilter) -> dict[Status, int]:
        """How many of each status there are among what is wanted, whichever statuses are."""
        rows = self._connection.execute(
            sa.select(tickets.c.status, sa.func.count()).where(*_conditions(wanted)).group_by(tickets.c.status)
        )
        return {Status(status): count for status, count in rows}

    def similar(self, phone: str, serial: str, limit: int = 20) -> list[Ticket]:
        """Tickets of the same customer's phone number, or about the same piece."""
        same = []
        if len(digits := _digits(phone)) >= 5:
            same.append(tickets.c.phone == digits)
        if piece := _serial(serial):
            same.append(tickets.c.serial == piece)
        if not same:
            return []
        rows = self._connection.scalars(
            sa.select(tickets.c.data).where(sa.or_(*same)).order_by(tickets.c.created_at_ms.desc()).limit(limit)
        )
        return [_decode(data) for data in rows]

    def visits(self, technician: str, start: int, end: int) -> list[Ticket]:
        """A technician's visits whose window touches the time between two Unix times (ms), by time."""
        rows = self._connection.scalars(
            sa.select(tickets.c.data)
            .where(
                tickets.c.technician == technician,
                tickets.c.window_start_ms < end,
                tickets.c.window_end_ms > start,
                tickets.c.status != Status.CANCELLED.value,
            )
            .order_by(tickets.c.window_start_ms, tickets.c.number)
        )
        return [_decode(data) for data in rows]

    def linked_to(self, ticket: str) -> list[Ticket]:
        """Tickets that came from this one."""
        rows = self._connection.scalars(
            sa.select(tickets.c.data).where(tickets.c.linked_ticket == ticket).order_by(tickets.c.created_at_ms)
        )
        return [_decode(data) for data in rows]

    def late(self, limit: int) -> list[Ticket]:
        """Those with a proposal or with evidence that waits for the desk; those longest unchanged first."""
        rows = self._connection.scalars(
            sa.select(tickets.c.data).where(_is_late).order_by(tickets.c.position).limit(limit)
        )
        return [_decode(data) for data in rows]

    def photos_named_after(self, position: int, limit: int) -> tuple[dict[str, str], int]:
        """SHA-256 → the operation that named it, of the next so many tickets whose last operation stands behind a feed
        position; and where the last of them stands: there, where there are none."""
        rows = self._connection.execute(
            sa.select(tickets.c.position, tickets.c.data)
            .where(tickets.c.position > position)
            .order_by(tickets.c.position)
            .limit(limit)
        ).all()
        named = {photo.sha256: photo.operation_id for _, data in rows for photo in _decode_photos(data).photos}
        return named, rows[-1][0] if rows else position

    def duplicates_of(self, ticket: str) -> list[Ticket]:
        """Tickets that were merged into this one."""
        rows = self._connection.scalars(
            sa.select(tickets.c.data).where(tickets.c.duplicate_of == ticket).order_by(tickets.c.created_at_ms)
        )
        return [_decode(data) for data in rows]

    def regions(self) -> list[str]:
        return list(self._connection.scalars(sa.select(tickets.c.region).distinct().order_by(tickets.c.region)))


def _progress(kept: Kept) -> tuple[Any, ...]:
    """A row for _GO_ON."""
    ticket = kept.ticket
    late, data = _waits_for_the_desk(ticket), wire.encode(ticket)
    return ticket.version, kept.position, ticket.status.value, late, data, ticket.id


def _waits_for_the_desk(ticket: Ticket) -> bool:
    return bool(undecided(ticket)) or bool(unreviewed(ticket))


def columns_of(kept: Kept) -> dict[str, Any]:
    """A ticket's row: itself, and what it is found by."""
    ticket = kept.ticket
    customer, product, assignment = ticket.customer, ticket.product, ticket.assignment
    return {
        "id": ticket.id,
        "number": clean(ticket.number),
        "version": ticket.version,
        "position": kept.position,
        "status": ticket.status.value,
        "kind": ticket.kind.value,
        "severity": ticket.severity.value if ticket.severity else None,
        "technician": ticket.technician,
        "holder": None if kept.is_expired else ticket.technician,
        "region": clean(customer.region),
        "created_at_ms": milliseconds(ticket.created_at),
        "window_start_ms": milliseconds(assignment.window.start) if assignment else None,
        "window_end_ms": milliseconds(assignment.window.end) if assignment else None,
        "over_at_ms": milliseconds(ticket.over_at) if ticket.over_at else None,
        "late": _waits_for_the_desk(ticket),
        "linked_ticket": ticket.linked_ticket,
        "duplicate_of": ticket.duplicate_of,
        "phone": _digits(customer.phone),
        "serial": _serial(product.serial),
        "search": _searchable(ticket),
        "data": wire.encode(ticket),
    }


# -- words ------------------------------------------------------------------------------------------------------------

_NOT_DIGITS = re.compile(r"\D+")
_TELEPHONE = re.compile(r"[+()\d-]{3,}")


def _plain(text: str) -> str:
    """As it is compared: width and case of letters, and the amount of white space, make no difference."""
    return " ".join(unicodedata.normalize("NFKC", clean(text)).casefold().split())


def _digits(phone: str) -> str:
    digits = _NOT_DIGITS.sub("", unicodedata.normalize("NFKC", phone))
    return digits.removeprefix("86") if len(digits) == 13 else digits


def _serial(serial: str) -> str:
    return _plain(serial).replace(" ", "")


def _searchable(ticket: Ticket) -> str:
    customer, product = ticket.customer, ticket.product
    return _plain(
        "\n".join(
            (
                ticket.number,
                customer.name,
                customer.phone,
                _digits(customer.phone),
                customer.region,
                customer.address,
                product.category,
                product.model,
                product.serial,
                product.order_number,
                ticket.problem,
                ticket.confirmed_problem,
            )
        )
    )


def _conditions(wanted: TicketFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    for word in _plain(wanted.words).split():
        found = tickets.c.search.contains(word, autoescape=True)
        if _TELEPHONE.fullmatch(word) and (digits := _digits(word)):
            found = found | tickets.c.search.contains(digits)
        conditions.append(found)
    if wanted.severities:
        conditions.append(tickets.c.severity.in_([severity.value for severity in wanted.severities]))
    if wanted.technician:
        conditions.append(tickets.c.technician == clean(wanted.technician))
    if wanted.region:
        conditions.append(tickets.c.region.startswith(clean(wanted.region), autoescape=True))
    if wanted.kind:
        conditions.append(tickets.c.kind == wanted.kind.value)
    if wanted.late_only:
        conditions.append(_is_late)
    return conditions


def _in_statuses(wanted: TicketFilter) -> list[sa.ColumnElement[bool]]:
    return [tickets.c.status.in_([status.value for status in wanted.statuses])] if wanted.statuses else []
