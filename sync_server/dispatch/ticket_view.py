"""A ticket as its page shows it: history in plain words, evidence with whether it holds, and what can be done next."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from shared_schema import operations as op
from shared_schema.apply import Filing
from shared_schema.evidence import Objection, Photo, PhotoSlot, SignOff, digest
from shared_schema.lifecycle import VISIT_KINDS, Kind, Status
from shared_schema.ticket import Ticket, late_evidence
from sync_server.dispatch.acts import Offer, offers
from sync_server.dispatch.display import Display
from sync_server.dispatch.late import Late, kind_of_evidence, late_on
from sync_server.dispatch.pages import icon_of_operation
from sync_server.dispatch.signatures import Drawing, drawing
from sync_server.services.desk import HistoryEntry, TicketFile, TicketSummary
from sync_server.storage.journal import OFFICE
from sync_server.words import Words

_NOTICEABLE = timedelta(minutes=2)
"""An operation received so much later than it was made was made without a network."""

_UNCERTAIN = timedelta(minutes=1)
"""What is known no better than to so much is shown as the span it is."""

_VISIT_WAY = (
    Status.RECEIVED,
    Status.CONFIRMED,
    Status.ASSIGNED,
    Status.ACCEPTED,
    Status.TRAVELLING,
    Status.ARRIVED,
    Status.WORKING,
    Status.WORK_DONE,
    Status.SIGNED_OFF,
    Status.CLOSED,
)
_REMOTE_WAY = (Status.RECEIVED, Status.CONFIRMED, Status.SOLVED_REMOTELY, Status.CLOSED)
_STANDS_AT = {
    Status.REOPENED: Status.RECEIVED,
    Status.WAITING: Status.WORKING,
    Status.OBJECTED: Status.WORK_DONE,
}
"""States beside the way, and where on it they are."""


class Step(Struct, frozen=True):
    status: str
    state: str
    """past, now or ahead"""


class HistoryLine(Struct, frozen=True):
    kind: str
    icon: str
    tone: str
    title: str
    actor: str
    occurred_at: datetime | None
    between: tuple[datetime, datetime] | None
    """Where it is not known to the minute."""
    jumped: bool
    """The phone's clock had been set."""
    received_at: datetime
    filing: str
    detail: str
    refusal: str
    device: str
    """Empty for what was done at the desk."""
    sequence: int | None
    delayed: bool


class Signed(Struct, frozen=True):
    value: SignOff
    width: int
    height: int
    path: str
    verified: bool


class Objected(Struct, frozen=True):
    value: Objection
    verified: bool


class TicketView(Struct, frozen=True):
    ticket: Ticket
    mark: str
    """Changes whenever anything on the page does; the page asks with it whether it is still current."""
    way: list[Step]
    offers: list[Offer]
    late: Late
    refused: list[HistoryLine]
    history: list[HistoryLine]
    """The newest, newest first."""
    history_length: int
    photos: list[tuple[str, list[Photo]]]
    present: set[str]
    set_aside: set[str]
    photos_missing: bool
    sign_offs: list[Signed]
    objections: list[Objected]
    links: list[TicketSummary]
    goes_on_in: TicketSummary | None
    """Of a duplicate: the ticket it was merged into."""
    duplicates: list[TicketSummary]


def ticket_view(file: TicketFile, words: Words, display: Display) -> TicketView:
    ticket = file.ticket
    late = late_on(ticket, file.names, words)
    history = [_line(entry, file, words, display) for entry in file.history]
    photos = _by_slot(ticket.photos)
    wanted = {photo.sha256 for photo in ticket.photos}
    return TicketView(
        ticket=ticket,
        mark=mark_of(file),
        way=_way(ticket),
        offers=offers(ticket),
        late=late,
        refused=[line for line in history if line.filing == Filing.REFUSED.value and line.device],
        history=history[::-1],
        history_length=file.history_length,
        photos=photos,
        present=file.photos,
        set_aside=file.set_aside,
        photos_missing=bool(wanted - file.photos - file.set_aside),
        sign_offs=[_signed(each) for each in reversed(ticket.sign_offs)],
        objections=[
            Objected(each, digest(each.statement) == each.statement_sha256) for each in reversed(ticket.objections)
        ],
        links=file.links,
        goes_on_in=file.goes_on_in,
        duplicates=file.duplicates,
    )


def photo_hashes(ticket: Ticket) -> set[str]:
    """Every photo the page may show."""
    objected = (sha256 for objection in ticket.objections for sha256 in objection.photos)
    return {photo.sha256 for photo in ticket.photos}.union(objected)


def mark_of(file: TicketFile) -> str:
    others = [*file.links, *file.duplicates, *((file.goes_on_in,) if file.goes_on_in else ())]
    links = ",".join(f"{link.id}:{link.version}" for link in others)
    seen = f"{file.ticket.version}|{file.history_length}|{sorted(file.photos)}|{sorted(file.set_aside)}|{links}"
    return hashlib.sha256(seen.encode()).hexdigest()[:16]


def _way(ticket: Ticket) -> list[Step]:
    visit = ticket.kind in VISIT_KINDS and ticket.status is not Status.SOLVED_REMOTELY
    if ticket.status in {Status.CLOSED, Status.CANCELLED}:
        visit = ticket.assignment is not None
    way = list(_VISIT_WAY if visit else _REMOTE_WAY)
    if ticket.status is Status.CANCELLED:
        way = [*way[:-1], Status.CANCELLED]
        return [Step(status.value, "now" if status is Status.CANCELLED else "skipped") for status in way]
    stands = _STANDS_AT.get(ticket.status, ticket.status)
    at = way.index(stands) if stands in way else 0
    shown = [ticket.status if place == at else status for place, status in enumerate(way)]
    return [
        Step(status.value, "past" if place < at else "now" if place == at else "ahead")
        for place, status in enumerate(shown)
    ]


def _by_slot(photos: Iterable[Photo]) -> list[tuple[str, list[Photo]]]:
    found: dict[PhotoSlot, dict[str, Photo]] = {}
    for photo in photos:
        found.setdefault(photo.slot, {}).setdefault(photo.sha256, photo)
    return [(slot.value, list(found[slot].values())) for slot in PhotoSlot if slot in found]


def _signed(sign_off: SignOff) -> Signed:
    drawn: Drawing = drawing(sign_off.signature)
    verified = digest(sign_off.statement) == sign_off.statement_sha256
    return Signed(sign_off, drawn.width, drawn.height, drawn.path, verified)


# -- history in plain words -------------------------------------------------------------------------------------------


def _line(entry: HistoryEntry, file: TicketFile, words: Words, display: Display) -> HistoryLine:
    operation = entry.envelope.operation if entry.envelope else None
    title = words(f"operation.{entry.kind}") if words.knows(f"operation.{entry.kind}") else words("history.unreadable")
    if isinstance(operation, op.AssignTicket) and operation.replaces not in {None, operation.technician}:
        title = words("history.reassigned")
    is_phone = entry.device != OFFICE
    delayed = entry.occurred_at is not None and abs(entry.received_at - entry.occurred_at) > _NOTICEABLE
    made = entry.occurrence
    is_uncertain = made is not None and made.latest - made.earliest > _UNCERTAIN
    return HistoryLine(
        kind=entry.kind,
        icon=icon_of_operation(entry.kind),
        tone=f"filed-{entry.filing.value}",
        title=title,
        actor=entry.actor_name or words("history.somebody"),
        occurred_at=entry.occurred_at,
        between=(made.earliest, made.latest) if made and is_uncertain else None,
        jumped=made is not None and made.jumped,
        received_at=entry.received_at,
        filing=entry.filing.value,
        detail=detail_of(operation, file, words, display) if operation else "",
        refusal=words.refusal(entry.rejection) if entry.filing is Filing.REFUSED else "",
        device=(entry.device_name or words("device.unnamed")) if is_phone else "",
        sequence=entry.envelope.sequence if entry.envelope and is_phone else None,
        delayed=is_phone and delayed,
    )


class Known(Protocol):
    """What is known around an operation."""

    @property
    def ticket(self) -> Ticket | None: ...

    @property
    def names(self) -> dict[str, str]: ...

    @property
    def goes_on_in(self) -> TicketSummary | None: ...


def detail_of(operation: op.Operation, known: Known, words: Words, display: Display) -> str:
    """What was said or decided, beside what kind of operation it was."""
    match operation:
        case op.CreateTicket(ticket_kind=kind, problem=problem):
            return f"{words('kind.' + Kind(kind).value)} · {problem}"
        case op.ConfirmTicket(severity=severity, words=said):
            return _joined(words(f"severity.{severity.value}"), said)
        case op.GradeTicket(severity=severity):
            return words(f"severity.{severity.value}")
        case op.AssignTicket(technician=technician, window=window):
            name = known.names.get(technician, technician)
            return f"{name} · {display.short(window.start)}–{display.clock_time(window.end)}"
        case op.CancelTicket(reason=said) | op.ReopenTicket(reason=said):
            return said
        case (
            op.RecordRemoteHelp(words=said)
            | op.SolveRemotely(words=said)
            | op.CloseTicket(words=said)
            | op.ConfirmProblem(words=said)
            | op.WaitFor(words=said)
            | op.RaiseObjection(words=said)
        ):
            return said
        case op.FinishWork(found=found, done=done):
            colon = words("list.colon")
            return f"{words('problem_of.found')}{colon}{found}\n{words('problem_of.done')}{colon}{done}"
        case op.SignOffVisit(signer=signer, rating=rating, comment=comment):
            return _joined(f"{signer} · {words.count('sign_off.stars', rating)}", comment)
        case op.AddNote(text=text):
            return text
        case op.AddPhoto(slot=slot):
            return words(f"slot.{slot.value}")
        case op.CorrectDetails():
            return _corrections(operation, words)
        case op.MergeDuplicate(into=into, words=said):
            other = known.goes_on_in
            number = other.number if other and other.id == into else into
            return _joined(words("history.merged_into", number=number), said)
        case op.TakeProposal(proposal=about, words=said) | op.DismissProposal(proposal=about, reason=said):
            return _joined(_step_of(known.ticket, about, words), said)
        case op.ReviewEvidence(evidence=about, words=said):
            return _joined(_step_of(known.ticket, about, words), said)
        case op.AnswerRefusal(answer=answer):
            return words(f"refusal_answer.{answer.value}")
        case _:
            return ""


def _step_of(ticket: Ticket | None, about: str, words: Words) -> str:
    """What the operation that came late was."""
    if ticket is None:
        return ""
    for proposal in ticket.proposals:
        if proposal.operation_id == about:
            return words(f"operation.{proposal.kind}")
    found = next((item for item in late_evidence(ticket) if item.operation_id == about), None)
    return words(f"operation.{kind_of_evidence(found)}") if found else ""


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _corrections(operation: op.CorrectDetails, words: Words) -> str:
    before_and_after = (
        ("field.customer_name", operation.seen_customer.name, operation.customer.name),
        ("field.customer_phone", operation.seen_customer.phone, operation.customer.phone),
        ("field.region", operation.seen_customer.region, operation.customer.region),
        ("field.address", operation.seen_customer.address, operation.customer.address),
        ("field.category", operation.seen_product.category, operation.product.category),
        ("field.model", operation.seen_product.model, operation.product.model),
        ("field.serial", operation.seen_product.serial, operation.product.serial),
        ("field.order_number", operation.seen_product.order_number, operation.product.order_number),
        ("field.purchased_on", operation.seen_product.purchased_on, operation.product.purchased_on),
        ("field.warranty_until", operation.seen_product.warranty_until, operation.product.warranty_until),
    )
    return "\n".join(
        f"{words(key)}{words('list.colon')}{before or '—'} → {after or '—'}"
        for key, before, after in before_and_after
        if before != after
    )
