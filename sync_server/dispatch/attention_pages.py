"""The queue of what waits for a person: late steps and evidence, refused operations, drafts out of rescue files."""

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from msgspec import Struct

from shared_schema import wire
from shared_schema.ticket import Ticket
from shared_schema.wire import Unreadable
from sync_server.accounts import Accounts
from sync_server.clock import moment
from sync_server.dispatch.forms import texts
from sync_server.dispatch.late import late_on
from sync_server.dispatch.pages import long_page, looked_at
from sync_server.dispatch.pages import page as short_page
from sync_server.dispatch.reader import Reader
from sync_server.dispatch.ticket_pages import ascii_json, file_of, shown
from sync_server.dispatch.ticket_view import detail_of
from sync_server.problems import Problem, form_of
from sync_server.services.attention import AttentionQueue, Queue, Waiting, WaitingKind
from sync_server.services.desk import Desk, TicketSummary
from sync_server.services.live import Live

_ICONS = {
    WaitingKind.PROPOSAL: "reopened",
    WaitingKind.EVIDENCE: "late",
    WaitingKind.REFUSED: "alert",
    WaitingKind.DRAFT: "edit",
}
_TONES = {
    WaitingKind.PROPOSAL: "tone-saved",
    WaitingKind.EVIDENCE: "tone-saved",
    WaitingKind.REFUSED: "tone-attention",
    WaitingKind.DRAFT: "tone-information",
}
_LONGEST_LIST = 8
"""Of numbers: a signature's points are thousands."""
_SHOWN_LETTERS = 20_000


class Row(Struct, frozen=True, kw_only=True):
    waiting: Waiting
    icon: str
    tone: str
    title: str
    note: str
    """What taking the step would do, or why the operation was refused."""
    words: str
    person: str
    device: str
    shows: str
    """The ticket or item that the panel shows for it."""
    address: str
    panel: str


class Item(Struct, frozen=True, kw_only=True):
    """A refused operation or a draft with all that is in it."""

    row: Row
    content: str
    seen_by: str
    seen_at: datetime | None
    others: int
    """Further refusals of the same phone that wait."""

    @property
    def open(self) -> int:
        return self.others + (self.row.waiting.refusal is not None and self.row.waiting.refusal.is_open)


class _Around(Struct, frozen=True):
    ticket: Ticket | None
    names: dict[str, str]
    goes_on_in: TicketSummary | None = None


def _row(waiting: Waiting, queue: Queue, reader: Reader) -> Row:
    words = reader.words
    title, note, said, icon = "", "", "", _ICONS[waiting.kind]
    if waiting.proposal is not None and waiting.ticket is not None:
        late = late_on(waiting.ticket, queue.names, words)
        (step,) = [each for each in late.proposals if each.operation_id == waiting.proposal.operation_id]
        title, note, said = words(f"operation.{step.kind}"), step.effect, waiting.proposal.words
    elif waiting.evidence and waiting.ticket is not None:
        title, said = _evidence(waiting, reader)
    elif waiting.refusal is not None:
        kind = waiting.refusal.kind
        title = words(f"operation.{kind}") if words.knows(f"operation.{kind}") else words("history.unreadable")
        note = words.refusal(waiting.rejection)
        if waiting.envelope is not None:
            said = detail_of(waiting.envelope.operation, _Around(waiting.ticket, queue.names), words, reader.display)
        else:
            said = _short(_words_in(waiting.raw))
    elif waiting.draft is not None:
        title = words("attention.draft")
        said = _short(_readable(waiting.draft.body))
    shows = waiting.ticket.id if waiting.ticket and waiting.refusal is None else waiting.mark
    panel = f"/tickets/{shows}/panel" if shows != waiting.mark else f"/attention/item?{urlencode({'mark': shows})}"
    return Row(
        waiting=waiting,
        icon=icon,
        tone=_TONES[waiting.kind],
        title=title,
        note=note,
        words=said,
        person=queue.names.get(waiting.person, waiting.person),
        device=queue.devices.get(waiting.device, ""),
        shows=shows,
        address="",
        panel=panel,
    )


def _evidence(waiting: Waiting, reader: Reader) -> tuple[str, str]:
    """What there is of each kind, and the words in it."""
    assert waiting.ticket is not None, waiting.mark
    late = late_on(waiting.ticket, {}, reader.words)
    brought = [each for each in late.evidence if each.operation_id in waiting.evidence]
    counted = Counter(each.kind for each in brought)
    parts = [
        reader.words(f"operation.{kind}") + (f" × {reader.display.number(count)}" if count > 1 else "")
        for kind, count in counted.items()
    ]
    return reader.words("list.comma").join(parts), " · ".join(each.words for each in brought if each.words)


# -- original content, to be read by people ---------------------------------------------------------------------------


def _readable(raw: bytes) -> str:
    """JSON with a line for each value; anything else as the text it is."""
    value = _decoded(raw)
    if isinstance(value, dict) and "operation" in value:  # what was done before by whom, when and with which clock
        value = {"operation": value["operation"]} | value
    try:
        lines = [] if value is None else _lines(value, "")
    except RecursionError:  # nested as nothing of ours is, and yet somebody has to be able to deal with it
        lines = []
    return ("\n".join(lines) if lines else raw.decode(errors="replace"))[:_SHOWN_LETTERS]


def _words_in(raw: bytes) -> str:
    """What was typed into an operation of which only the form is known."""
    value = _decoded(raw)
    operation = value.get("operation") if isinstance(value, dict) else None
    fields = operation.items() if isinstance(operation, dict) else ()
    return " · ".join(text for name, text in fields if name != "kind" and isinstance(text, str))


def _decoded(raw: bytes) -> Any:
    value = wire.decode(raw, object)
    return None if isinstance(value, Unreadable) else value


def _lines(value: object, place: str) -> list[str]:
    if isinstance(value, dict):
        return [
            line for name, each in value.items() for line in _lines(each, f"{place}.{name}" if place else str(name))
        ]
    if isinstance(value, list):
        if len(value) > _LONGEST_LIST and not any(isinstance(each, dict) for each in value):
            return [f"{place}: … ({len(value)})"]
        return [line for number, each in enumerate(value, 1) for line in _lines(each, f"{place}[{number}]")]
    return [f"{place}: {value}" if place else str(value)]


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


# -- the queue --------------------------------------------------------------------------------------------------------


def _kind(text: str) -> WaitingKind | None:
    try:
        return WaitingKind(text)
    except ValueError:
        return None


def _address(kind: WaitingKind | None, page_number: int = 1, chosen: str = "") -> str:
    asked = {"kind": kind.value if kind else "", "page": page_number if page_number > 1 else "", "chosen": chosen}
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"/attention?{query}" if query else "/attention"


@looked_at("/attention")
async def attention_page(
    reader: NamedDependency[Reader],
    attention: NamedDependency[AttentionQueue],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
    kind: FromQuery[str] = "",
    page: FromQuery[str] = "",
    chosen: FromQuery[str] = "",
) -> Response[Any]:
    wanted = _kind(kind)
    queue = await attention.queue(wanted, int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1)
    found = await asyncio.to_thread(lambda: [_row(waiting, queue, reader) for waiting in queue.rows])
    rows = [msgspec.structs.replace(row, address=_address(wanted, queue.page, row.shows)) for row in found]
    total = sum(queue.counts.values())
    tabs = [
        (each, _address(each), queue.counts[each] if each else total, each is wanted) for each in (None, *WaitingKind)
    ]
    values: dict[str, Any] = {
        "rows": rows,
        "tabs": tabs,
        "kind": wanted,
        "here_address": _address(wanted, queue.page),
        "page_shown": queue.page,
        "pages": queue.pages,
        "shown": len(rows),
        "total": queue.counts[wanted] if wanted else total,
        "previous_page": _address(wanted, queue.page - 1) if queue.page > 1 else "",
        "next_page": _address(wanted, queue.page + 1) if queue.page < queue.pages else "",
        "chosen": chosen,
    }
    if reader.target == "list":
        return await long_page("attention/list.html", reader, **values)
    values |= {"file": None, "acting": None, "item": None}
    if ":" in chosen:
        values["item"] = await _item(chosen, reader, attention)
    elif chosen and await desk.ticket(chosen):
        file = await file_of(chosen, reader, desk)
        values |= await shown(file, reader, accounts, "panel")
    values["close_address"] = _address(wanted, queue.page)
    return await long_page("attention/page.html", reader, here="attention", **values)


@looked_at("/attention/count")
async def attention_count(reader: NamedDependency[Reader], attention: NamedDependency[AttentionQueue]) -> Response[Any]:
    return short_page("attention/count.html", reader, waiting=await attention.count())


# -- what has no ticket's page to be decided on ------------------------------------------------------------------------


async def _item(mark: str, reader: Reader, attention: AttentionQueue) -> Item | None:
    kind, _, rest = mark.partition(":")
    waiting, others = None, 0
    if kind == WaitingKind.REFUSED.value:
        device, _, named = rest.partition(":")
        sequence, _, hash_ = named.partition(":")
        if sequence.isascii() and sequence.isdigit() and len(sequence) < 17:
            waiting = await attention.refused(device, int(sequence), hash_)
            others = await attention.open_refusals(device)
    elif kind == WaitingKind.DRAFT.value:
        device, _, hash_ = rest.partition(":")
        waiting = await attention.draft(device, hash_)
    if waiting is None:
        return None
    around = await attention.around(waiting)
    row = _row(waiting, around, reader)
    if waiting.refusal is not None:
        content, seen_by, seen_at_ms = _readable(waiting.raw), waiting.refusal.seen_by, waiting.refusal.seen_at_ms
        others -= waiting.refusal.is_open
    else:
        assert waiting.draft is not None, mark
        content, seen_by, seen_at_ms = _readable(waiting.draft.body), waiting.draft.seen_by, waiting.draft.seen_at_ms
    return Item(
        row=row,
        content=content,
        seen_by=around.names.get(seen_by or "", seen_by or ""),
        seen_at=None if seen_at_ms is None else moment(seen_at_ms),
        others=max(0, others),
    )


@looked_at("/attention/item")
async def attention_item(
    reader: NamedDependency[Reader], attention: NamedDependency[AttentionQueue], mark: FromQuery[str] = ""
) -> Response[Any]:
    item = await _item(mark[:400], reader, attention)
    if item is None:
        raise Problem("not-found")
    if not reader.target:
        return Redirect(_address(None, chosen=item.row.shows), status_code=303)
    return await long_page("attention/panel.html", reader, item=item, file=None, close_address="/attention")


@post("/attention/seen/{what:str}", include_in_schema=False, request_max_body_size=64_000)
async def see(
    request: Request[Any, Any, Any],
    what: FromPath[str],
    reader: NamedDependency[Reader],
    attention: NamedDependency[AttentionQueue],
    live: NamedDependency[Live],
) -> Response[Any]:
    """`what` is "one", or "all" for everything that is open of the same phone."""
    typed = texts(await form_of(request))
    mark = typed.get("mark", "")[:400]
    item = await _item(mark, reader, attention)
    if item is None or what not in {"one", "all"}:
        raise Problem("not-found")
    waiting, told = item.row.waiting, "attention.seen_told"
    if waiting.draft is not None:
        await attention.see_draft(reader.person, waiting.device, waiting.draft.key, waiting.draft.hash)
    elif what == "all" and typed.get("open") != str(item.open):
        told = "attention.more_came"  # nobody has seen those: the page that comes back counts them
    elif what == "all":
        await attention.see_refusals_of(reader.person, waiting.device)
    else:
        assert waiting.refusal is not None, mark
        await attention.see_refusal(reader.person, waiting.refusal)
    live.devices_changed()
    if not reader.target:
        return Redirect(_address(None, chosen=mark), status_code=303)
    after = await _item(mark, reader, attention)
    answer = await long_page("attention/item.html", reader, item=after, close_address="/attention")
    answer.headers["HX-Trigger"] = ascii_json({"told": reader.words(told)})
    return answer


route_handlers = [attention_page, attention_count, attention_item, see]
