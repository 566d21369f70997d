"""The list of tickets as it is shown: tabs with counts, columns, rows, pages."""

import hashlib
from datetime import datetime
from typing import Any

from msgspec import Struct

from shared_schema.lifecycle import Kind, Severity, Status
from shared_schema.ticket import Window
from sync_server.dispatch.reader import Reader
from sync_server.dispatch.wanted import TABS, Wanted
from sync_server.services.desk import TicketPage, TicketSort, TicketSummary


class Tab(Struct, frozen=True):
    words: str
    address: str
    count: int
    chosen: bool


class ExactStatus(Struct, frozen=True):
    status: Status
    address: str
    count: int
    chosen: bool


class Column(Struct, frozen=True):
    name: str
    address: str = ""
    """Where the list is ordered by it; empty where it cannot be."""
    direction: str = ""


class Row(Struct, frozen=True):
    id: str
    address: str
    mark: str
    """Changes with anything the row shows; a row whose mark is new is tinted for a moment."""
    number: str
    status: Status
    severity: Severity | None
    kind: Kind
    customer: str
    region: str
    product: str
    window: Window | None
    technician: str
    is_overdue: bool
    """The time that the customer was told is over, and nobody has arrived."""
    late: int
    created_at: datetime


_SORTS = {
    "severity": (TicketSort.SEVERITY, "descending"),
    "window": (TicketSort.WINDOW, "ascending"),
    "age": (TicketSort.NEWEST, "ascending"),
}
_COLUMNS = ("severity", "number", "status", "customer", "product", "window", "technician", "flags", "age")


def list_values(found: TicketPage, wanted: Wanted, reader: Reader) -> dict[str, Any]:
    """What the templates of the list need."""
    return {
        "wanted": wanted,
        "tabs": _tabs(found, wanted, reader),
        "exact_statuses": [
            ExactStatus(status, wanted.address(statuses=(status.value,)), count, wanted.statuses == (status.value,))
            for status, count in found.counts.items()
        ],
        "exact_status": wanted.statuses[0] if len(wanted.statuses) == 1 and not _is_tab(wanted) else "",
        "columns": [_column(name, wanted) for name in _COLUMNS],
        "rows": [_row(summary, wanted, reader.display.now) for summary in found.rows],
        "total": found.total,
        "pages": found.pages,
        "page_shown": found.page,
        "previous_page": wanted.address(page=found.page - 1) if found.page > 1 else "",
        "next_page": wanted.address(page=found.page + 1) if found.page < found.pages else "",
    }


def _tabs(found: TicketPage, wanted: Wanted, reader: Reader) -> list[Tab]:
    return [
        Tab(
            words=reader.words(f"tab.{name}"),
            address=wanted.address(statuses=tuple(status.value for status in statuses)),
            count=sum(found.counts[status] for status in statuses or Status),
            chosen={*wanted.statuses} == {status.value for status in statuses},
        )
        for name, statuses in TABS
    ]


def _is_tab(wanted: Wanted) -> bool:
    return any({*wanted.statuses} == {status.value for status in statuses} for _, statuses in TABS)


def _column(name: str, wanted: Wanted) -> Column:
    if name not in _SORTS:
        return Column(name)
    sort, direction = _SORTS[name]
    return Column(name, wanted.address(sort=sort.value), direction if wanted.sort == sort.value else "")


_NOT_ARRIVED = frozenset({Status.ASSIGNED, Status.ACCEPTED, Status.TRAVELLING})


def _row(summary: TicketSummary, wanted: Wanted, now: datetime) -> Row:
    is_overdue = summary.window is not None and summary.window.end < now and summary.status in _NOT_ARRIVED
    shown = f"{summary.version}|{summary.technician_name}|{is_overdue}"
    return Row(
        id=summary.id,
        address=wanted.address(chosen=summary.id),
        mark=hashlib.sha256(shown.encode()).hexdigest()[:12],
        number=summary.number,
        status=summary.status,
        severity=summary.severity,
        kind=summary.kind,
        customer=summary.customer_name,
        region=summary.region,
        product=summary.product_model,
        window=summary.window,
        technician=summary.technician_name,
        is_overdue=is_overdue,
        late=summary.late,
        created_at=summary.created_at,
    )
