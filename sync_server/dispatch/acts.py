"""What a dispatcher can do to a ticket: which of it is possible now, the form for it, and the operation it makes.

`shared_schema.apply` has the last word; what is offered here is only what it would not refuse as things stand. A form
that was refused comes back as it was typed.
"""

from collections.abc import Callable
from datetime import UTC, date, time, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from shared_schema import operations as op
from shared_schema.lifecycle import OPEN, VISIT_KINDS, Severity, Status, may_be_taken, may_move
from shared_schema.ticket import Customer, Product, Ticket, Window, undecided, unreviewed
from shared_schema.wire import Unreadable, decode
from sync_server.dispatch.display import Display
from sync_server.dispatch.forms import Form


class Act(Struct, frozen=True, kw_only=True):
    kind: str
    """The operation's name; it stands in the address of the form."""
    name: str
    """In the catalogue, as act.<name>."""
    icon: str
    key: str
    template: str
    possible: Callable[[Ticket], bool]
    read: Callable[[Form, Ticket, Display], op.Operation | None]
    """The operation that was typed, or None with the faults noted on the form."""
    begin: Callable[[Ticket, Display], dict[str, str]] = lambda _ticket, _display: {}
    """What stands in the form before anything was typed."""
    field: str = ""
    """The one text field of forms that have only that."""
    required: bool = True
    grave: bool = False
    about: Literal["", "proposal", "evidence"] = ""
    """What came late and is decided about; such an act is offered beside it, not among the others."""


def _moves(kind: str) -> Callable[[Ticket], bool]:
    return lambda ticket: may_move(kind, ticket.status)


def _told(
    kind: str,
    name: str,
    icon: str,
    key: str,
    make: Callable[[str], op.Operation],
    *,
    field: str = "words",
    required: bool = True,
    grave: bool = False,
    possible: Callable[[Ticket], bool] | None = None,
) -> Act:
    """An act for which something is said in one field, and nothing else."""

    def read(form: Form, _ticket: Ticket, _display: Display) -> op.Operation | None:
        words = form.words(field, required=required)
        return None if form.faults else make(words)

    return Act(
        kind=kind,
        name=name,
        icon=icon,
        key=key,
        template="words.html",
        possible=possible or _moves(kind),
        read=read,
        field=field,
        required=required,
        grave=grave,
    )


def _decides(
    kind: str,
    name: str,
    icon: str,
    make: Callable[[str, str], op.Operation],
    possible: Callable[[Ticket], bool],
    *,
    about: Literal["proposal", "evidence"],
    field: str = "words",
    required: bool = False,
) -> Act:
    """An act on something that came late: which one stands in the form as `about`."""

    def read(form: Form, _ticket: Ticket, _display: Display) -> op.Operation | None:
        chosen, words = form.identifier("about"), form.words(field, required=required)
        return make(chosen, words) if chosen and not form.faults else None

    return Act(
        kind=kind,
        name=name,
        icon=icon,
        key="",
        template="decide.html",
        possible=possible,
        read=read,
        field=field,
        required=required,
        about=about,
    )


# -- grading ----------------------------------------------------------------------------------------------------------


def _begin_grade(ticket: Ticket, _display: Display) -> dict[str, str]:
    return {"severity": ticket.severity.value if ticket.severity else ""}


def _read_confirm(form: Form, _ticket: Ticket, _display: Display) -> op.Operation | None:
    severity, words = form.choice("severity", Severity), form.words("words")
    return op.ConfirmTicket(severity, words) if severity and not form.faults else None


def _read_grade(form: Form, _ticket: Ticket, _display: Display) -> op.Operation | None:
    severity = form.choice("severity", Severity)
    return op.GradeTicket(severity) if severity else None


# -- assigning --------------------------------------------------------------------------------------------------------

FIRST_HOUR, LAST_HOUR = time(9), time(11)


def _begin_assign(ticket: Ticket, display: Display) -> dict[str, str]:
    values = {
        "technician": ticket.technician or "",
        "replaces": ticket.technician or "",
        "seen_window": window_now(ticket),
    }
    if ticket.assignment:
        return values | window_values(ticket.assignment.window, display)
    tomorrow = display.today + timedelta(days=1)
    return values | {"date": tomorrow.isoformat(), "start": f"{FIRST_HOUR:%H:%M}", "end": f"{LAST_HOUR:%H:%M}"}


def window_values(window: Window, display: Display) -> dict[str, str]:
    start, end = (each.astimezone(display.zone) for each in (window.start, window.end))
    return {"date": start.date().isoformat(), "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}


def window_now(ticket: Ticket) -> str:
    """The visit's window, for a form to say later which one was in front of whoever fills it in."""
    if ticket.assignment is None:
        return ""
    window = ticket.assignment.window
    return f"{window.start.astimezone(UTC).isoformat()}/{window.end.astimezone(UTC).isoformat()}"


def typed_window(form: Form, display: Display) -> Window | None:
    """The window in an assignment's form, as far as it is typed well."""
    day, start, end = form.day("date", required=True), form.hour("start"), form.hour("end")
    starts, ends = form.moment(day, start, display.zone), form.moment(day, end, display.zone)
    if starts is None or ends is None:
        return None
    if ends <= starts:
        form.fault("end", "fault.window_reversed")
        return None
    return Window(starts, ends)


def _read_assign(form: Form, ticket: Ticket, display: Display) -> op.Operation | None:
    window = typed_window(form, display)
    _notice_a_move(form, ticket, window, display)
    if window is not None and window.end.astimezone(display.zone).date() < display.today:
        form.fault("date", "fault.day_over")
    technician = form.value("technician")
    if not technician:
        form.fault("technician", "fault.technician")
    if window is None or form.faults:
        return None
    try:
        return msgspec.convert(
            {
                "kind": "assign_ticket",
                "technician": technician,
                "window": {"start": window.start, "end": window.end},
                "replaces": form.value("replaces") or None,
            },
            op.AssignTicket,
        )
    except msgspec.ValidationError:
        form.fault("technician", "fault.technician")
        return None


def _notice_a_move(form: Form, ticket: Ticket, typed: Window | None, display: Display) -> None:
    """Say that a colleague has promised the customer another time meanwhile; sent again, it is changed knowingly.

    That somebody else goes is noticed by `apply`, which knows who was to be replaced and not when.
    """
    seen, now = form.value("seen_window"), window_now(ticket)
    if not seen or ticket.assignment is None or form.value("replaces") != ticket.technician:
        return
    window = ticket.assignment.window
    if seen != now and typed != window:  # the same one is this very form, sent twice
        words = f"{display.short(window.start)}–{display.clock_time(window.end)}"
        form.fault("date", "fault.visit_moved", window=words)
        form.put("seen_window", now)


# -- correcting -------------------------------------------------------------------------------------------------------


def product_typed(form: Form, today: date) -> Product:
    """The product's fields, as in intake and in corrections."""
    product = Product(
        category=form.line("category", required=True),
        model=form.line("model", required=True),
        serial=form.line("serial"),
        order_number=form.line("order_number"),
        purchased_on=form.day("purchased_on"),
        warranty_until=form.day("warranty_until"),
    )
    if product.purchased_on and product.purchased_on > today:
        form.fault("purchased_on", "fault.purchase_to_come")
    if product.purchased_on and product.warranty_until and product.warranty_until < product.purchased_on:
        form.fault("warranty_until", "fault.warranty_before_purchase")
    return product


def customer_typed(form: Form) -> Customer | None:
    customer = Customer(
        name=form.line("name", required=True),
        phone=form.line("phone", required=True),
        region=form.line("region", required=True),
        address=form.line("address", required=True),
    )
    try:
        msgspec.convert({"name": "-", "phone": customer.phone, "region": "", "address": ""}, Customer)
    except msgspec.ValidationError:  # it knows what a telephone number looks like
        form.fault("phone", "fault.phone")
    return None if {"name", "phone", "region", "address"} & set(form.faults) else customer


def product_values(product: Product) -> dict[str, str]:
    return {
        "category": product.category,
        "model": product.model,
        "serial": product.serial,
        "order_number": product.order_number,
        "purchased_on": product.purchased_on.isoformat() if product.purchased_on else "",
        "warranty_until": product.warranty_until.isoformat() if product.warranty_until else "",
    }


def customer_values(customer: Customer) -> dict[str, str]:
    return {
        "name": customer.name,
        "phone": customer.phone,
        "region": customer.region,
        "address": customer.address,
    }


def _begin_correct(ticket: Ticket, _display: Display) -> dict[str, str]:
    return {
        "seen_customer": msgspec.json.encode(ticket.customer).decode(),
        "seen_product": msgspec.json.encode(ticket.product).decode(),
        **customer_values(ticket.customer),
        **product_values(ticket.product),
    }


def _seen(form: Form) -> tuple[Customer, Product] | None:
    """What the dispatcher had in front of them; None where the fields are not as our page wrote them."""
    customer = decode(form.value("seen_customer").encode(), Customer)
    product = decode(form.value("seen_product").encode(), Product)
    return None if isinstance(customer, Unreadable) or isinstance(product, Unreadable) else (customer, product)


def seen_values(form: Form) -> dict[str, str]:
    seen = _seen(form)
    return customer_values(seen[0]) | product_values(seen[1]) if seen else {}


def _read_correct(form: Form, ticket: Ticket, display: Display) -> op.Operation | None:
    customer, product, seen = customer_typed(form), product_typed(form, display.today), _seen(form)
    if seen is None:  # then it is not known what is being overwritten
        seen = msgspec.structs.replace(ticket.customer, name="?"), ticket.product
    if customer is None or form.faults:
        return None
    return op.CorrectDetails(customer, product, *seen)


# -- merging ----------------------------------------------------------------------------------------------------------


def may_go_on(ticket: Ticket, other: Ticket | None) -> tuple[str, dict[str, object]] | None:
    """Why `ticket` cannot be merged into `other`, as a key of the catalogue and its facts; None where it can."""
    if other is None:
        return "fault.linked", {}
    if other.id == ticket.id:
        return "fault.merge_itself", {}
    if other.status not in OPEN:
        return ("fault.merge_duplicate" if other.duplicate_of else "fault.merge_over"), {"number": other.number}
    return None


def _read_merge(form: Form, _ticket: Ticket, _display: Display) -> op.Operation | None:
    form.line("into", required=True)
    words, into = form.words("words"), form.identifier("into_id")  # looked up by acting.with_ticket_named
    return op.MergeDuplicate(into, words) if into and not form.faults else None


# -- all of them ------------------------------------------------------------------------------------------------------

_BEFORE_THE_VISIT = frozenset({Status.RECEIVED, Status.REOPENED, Status.CONFIRMED, Status.ASSIGNED})


def _is_open(ticket: Ticket) -> bool:
    return ticket.status in OPEN


ACTS = (
    Act(
        kind="confirm_ticket",
        name="confirm",
        icon="confirmed",
        key="c",
        template="confirm.html",
        possible=_moves("confirm_ticket"),
        read=_read_confirm,
        begin=_begin_grade,
    ),
    _told("close_ticket", "close", "closed", "f", op.CloseTicket, required=False),
    Act(
        kind="assign_ticket",
        name="assign",
        icon="assigned",
        key="a",
        template="assign.html",
        possible=lambda ticket: ticket.kind in VISIT_KINDS and may_move("assign_ticket", ticket.status),
        read=_read_assign,
        begin=_begin_assign,
    ),
    _told(
        "record_remote_help",
        "remote_help",
        "solved_remotely",
        "h",
        op.RecordRemoteHelp,
        possible=lambda ticket: ticket.status in _BEFORE_THE_VISIT,
    ),
    _told("solve_remotely", "solve", "check", "v", op.SolveRemotely),
    Act(
        kind="grade_ticket",
        name="grade",
        icon="grade",
        key="s",
        template="grade.html",
        possible=lambda ticket: _is_open(ticket) and ticket.severity is not None,
        read=_read_grade,
        begin=_begin_grade,
    ),
    _told("add_note", "note", "note", "m", op.AddNote, field="text", possible=lambda _ticket: True),
    Act(
        kind="add_photo",
        name="photos",
        icon="photo",
        key="u",
        template="photos.html",
        possible=_is_open,
        read=lambda _form, _ticket, _display: None,  # files, not fields: ticket_pages.add_photos
    ),
    Act(
        kind="correct_details",
        name="correct",
        icon="edit",
        key="e",
        template="correct.html",
        possible=_is_open,
        read=_read_correct,
        begin=_begin_correct,
    ),
    _told("reopen_ticket", "reopen", "reopened", "r", op.ReopenTicket, field="reason"),
    Act(
        kind="merge_duplicate",
        name="merge",
        icon="merge",
        key="d",
        template="merge.html",
        possible=_moves("merge_duplicate"),
        read=_read_merge,
        grave=True,
    ),
    _told("cancel_ticket", "cancel", "cancelled", "x", op.CancelTicket, field="reason", grave=True),
    _decides(
        "take_proposal",
        "take",
        "check",
        op.TakeProposal,
        lambda ticket: any(may_be_taken(each.kind, ticket.status) for each in undecided(ticket)),
        about="proposal",
    ),
    _decides(
        "dismiss_proposal",
        "dismiss",
        "cross",
        op.DismissProposal,
        lambda ticket: bool(undecided(ticket)),
        about="proposal",
        field="reason",
        required=True,
    ),
    _decides(
        "review_evidence",
        "review",
        "check",
        op.ReviewEvidence,
        lambda ticket: bool(unreviewed(ticket)),
        about="evidence",
    ),
)
"""In the order they are offered."""

_NEXT = {
    Status.RECEIVED: "confirm_ticket",
    Status.REOPENED: "confirm_ticket",
    Status.CONFIRMED: "assign_ticket",
    Status.SIGNED_OFF: "close_ticket",
    Status.SOLVED_REMOTELY: "close_ticket",
}
"""What usually comes next at the desk."""


class Offer(Struct, frozen=True):
    kind: str
    name: str
    icon: str
    key: str
    primary: bool


def offers(ticket: Ticket) -> list[Offer]:
    """What can be done now, the usual next step first."""
    following = _NEXT.get(ticket.status)
    if following == "assign_ticket" and ticket.kind not in VISIT_KINDS:
        following = "solve_remotely"
    offered = [
        Offer(act.kind, name_for(act, ticket), act.icon, act.key, act.kind == following)
        for act in ACTS
        if not act.about and act.possible(ticket)
    ]
    return sorted(offered, key=lambda offer: not offer.primary)


def name_for(act: Act, ticket: Ticket) -> str:
    """An assignment of a ticket that somebody has is another word."""
    return "reassign" if act.kind == "assign_ticket" and ticket.assignment else act.name


def act_of(kind: str) -> Act | None:
    return next((act for act in ACTS if act.kind == kind), None)


class Quick(Struct, frozen=True):
    """A window that is often asked for."""

    date: str
    start: str
    end: str
    words: str


def quick_windows(display: Display, say: Callable[..., str]) -> list[Quick]:
    spans = (("09:00", "11:00"), ("13:30", "15:30"), ("15:30", "17:30"))
    days: list[tuple[date, str]] = [
        (display.today, say("day.today")),
        (display.today + timedelta(days=1), say("day.tomorrow")),
    ]
    return [Quick(day.isoformat(), start, end, f"{words} {start}–{end}") for day, words in days for start, end in spans]
