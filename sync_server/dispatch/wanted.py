"""What a dispatcher wants to see of the tickets, as it stands in the address bar: to be kept, sent and gone back to.

What an address says wrongly (an old bookmark, a typing error) is left out, never a fault.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from shared_schema.identifiers import TicketId
from shared_schema.lifecycle import ON_VISIT, OVER, Kind, Severity, Status
from sync_server.services.desk import TicketFilter, TicketSort

PAGE_SIZE = 50

TABS: tuple[tuple[str, tuple[Status, ...]], ...] = (
    ("all", ()),
    ("to_do", (Status.RECEIVED, Status.REOPENED, Status.CONFIRMED)),
    ("assigned", (Status.ASSIGNED,)),
    ("on_visit", tuple(status for status in Status if status in ON_VISIT)),
    ("to_close", (Status.SIGNED_OFF, Status.SOLVED_REMOTELY)),
    ("over", tuple(status for status in Status if status in OVER)),
)
"""The ways a dispatcher looks at the day; any other set of states can be chosen by name."""


class Wanted(Struct, frozen=True, kw_only=True):
    words: str = ""
    statuses: tuple[str, ...] = ()
    severity: str = ""
    kind: str = ""
    technician: str = ""
    region: str = ""
    late: bool = False
    sort: str = TicketSort.NEWEST.value
    page: int = 1
    chosen: str = ""
    """The ticket in the right panel."""

    @property
    def narrowed(self) -> bool:
        """Whether anything but the page, the order and the chosen ticket is asked for."""
        return any((self.words, self.statuses, self.severity, self.kind, self.technician, self.region, self.late))

    def filter(self) -> TicketFilter:
        return TicketFilter(
            words=self.words,
            statuses=tuple(Status(status) for status in self.statuses),
            severities=(Severity(self.severity),) if self.severity else (),
            technician=self.technician,
            region=self.region,
            kind=Kind(self.kind) if self.kind else None,
            late_only=self.late,
            page=self.page,
            page_size=PAGE_SIZE,
            sort=TicketSort(self.sort),
        )

    def address(self, **changes: Any) -> str:
        """Where this is seen, with some of it changed. Another filter begins at its first page."""
        if changes and "page" not in changes and set(changes) != {"chosen"}:
            changes["page"] = 1
        wanted = msgspec.structs.replace(self, **changes)
        query: list[tuple[str, str]] = [("words", wanted.words)]
        query += [("status", status) for status in wanted.statuses]
        query += [("severity", wanted.severity), ("kind", wanted.kind), ("technician", wanted.technician)]
        query += [("region", wanted.region), ("late", "1" if wanted.late else "")]
        query += [("sort", "" if wanted.sort == TicketSort.NEWEST.value else wanted.sort)]
        query += [("page", str(wanted.page) if wanted.page > 1 else ""), ("chosen", wanted.chosen)]
        said = urlencode([(name, value) for name, value in query if value])
        return f"/tickets?{said}" if said else "/tickets"


def wanted_in(query: Mapping[str, Any]) -> Wanted:
    """`query` as Litestar's multi-dict."""
    first = {name: str(query.get(name, ""))[:200] for name in ("words", "technician", "region", "page", "chosen")}
    repeated = query.getall("status", []) if hasattr(query, "getall") else []
    known = {status.value for status in Status}
    return Wanted(
        words=_printable(first["words"]),
        statuses=tuple(dict.fromkeys(status for status in repeated if status in known)),
        severity=_one_of(query.get("severity"), Severity),
        kind=_one_of(query.get("kind"), Kind),
        technician=_printable(first["technician"]),
        region=_printable(first["region"]),
        late=query.get("late") == "1",
        sort=_one_of(query.get("sort"), TicketSort) or TicketSort.NEWEST.value,
        page=_page(first["page"]),
        chosen=first["chosen"] if _is_ticket(first["chosen"]) else "",
    )


def _one_of(value: object, kind: Iterable[Any]) -> str:
    return next((each.value for each in kind if each.value == value), "")


def _page(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= 6 else 1


def _printable(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable()).strip()


def _is_ticket(text: str) -> bool:
    try:
        msgspec.convert(text, TicketId)
    except msgspec.ValidationError:
        return False
    return True
