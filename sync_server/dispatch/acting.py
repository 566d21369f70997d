"""The form of an act as it stands on the page: fresh, or come back with what was typed and why it was refused."""

import asyncio
import secrets
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from shared_schema.credentials import Certificate
from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import OPEN, OVER, Role
from shared_schema.rejections import ChangedMeanwhile
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket, Window
from sync_server.accounts import Accounts, Person
from sync_server.clock import Clock, milliseconds
from sync_server.dispatch.acts import (
    Act,
    Quick,
    customer_values,
    may_go_on,
    name_for,
    product_values,
    quick_windows,
    seen_values,
    typed_window,
    window_now,
    window_values,
)
from sync_server.dispatch.forms import Form
from sync_server.dispatch.late import LateItem
from sync_server.dispatch.reader import Reader
from sync_server.services.desk import Desk, TicketSummary

EXPIRES_SOON = timedelta(days=30)


def new_id(clock: Clock) -> str:
    """For an operation or a ticket; in the form, so that sending it twice is sending it once."""
    return uuid7(milliseconds(clock.now()), secrets.token_bytes(10))


class CertificateState(Struct, frozen=True):
    name: str
    number: str
    valid_until: date
    expired: bool
    soon: bool


class Visit(Struct, frozen=True):
    id: str
    number: str
    customer: str
    region: str
    window: Window
    status: Any
    clash: bool = False


class Candidate(Struct, frozen=True):
    person: Person
    certificates: list[CertificateState]
    fitting_skills: frozenset[str]
    visits: list[Visit]
    clash: bool
    has_it_now: bool


class Acting(Struct, kw_only=True):
    kind: str
    name: str
    icon: str
    template: str
    form: Form
    about: list[LateItem] = []
    """What came late and is decided about."""
    field: str = ""
    required: bool = True
    grave: bool = False
    encoding: str = ""
    hint: str = ""
    refusal: str = ""
    now: list[tuple[str, str]] = []
    """What a colleague has meanwhile made of it, beside what was typed."""
    day: date | None = None
    candidates: list[Candidate] = []
    quick: list[Quick] = []
    into: TicketSummary | None = None
    """The ticket into which a duplicate would be merged, as far as its number is typed."""
    similar: list[TicketSummary] = []
    may_be_sent: bool = True
    """False where what it is about has been decided by somebody else in the meantime."""


def fresh(act: Act, ticket: Ticket, reader: Reader, clock: Clock) -> Acting:
    begun = act.begin(ticket, reader.display)
    begun |= {"operation_id": new_id(clock), "base_version": str(ticket.version)}
    return around(act, ticket, Form(begun, reader.words), reader)


def around(act: Act, ticket: Ticket, form: Form, reader: Reader) -> Acting:
    """The act's frame around a form."""
    name = name_for(act, ticket)
    hint = f"act.{act.name}.hint"
    return Acting(
        kind=act.kind,
        name=name,
        icon=act.icon,
        template=act.template,
        form=form,
        field=act.field,
        required=act.required,
        grave=act.grave,
        encoding="multipart/form-data" if act.kind == "add_photo" else "",
        hint=reader.words(hint) if reader.words.knows(hint) else "",
        quick=quick_windows(reader.display, reader.words) if act.kind == "assign_ticket" else [],
    )


def refused(act: Act, ticket: Ticket, form: Form, verdict: Verdict, reader: Reader, clock: Clock) -> Acting:
    """What was typed, ready to be sent anew against the ticket as it is now."""
    form.put("operation_id", new_id(clock))
    form.put("base_version", str(ticket.version))
    acting = around(act, ticket, form, reader)
    acting.refusal = reader.words.refusal(verdict.rejection)
    if not isinstance(verdict.rejection, ChangedMeanwhile):
        return acting
    if act.kind == "assign_ticket":
        form.put("replaces", ticket.technician or "")
        form.put("seen_window", window_now(ticket))
    if act.kind == "correct_details":
        acting.now = _merge(ticket, form)
    return acting


_LABELS = {"name": "customer_name", "phone": "customer_phone"}


def _merge(ticket: Ticket, form: Form) -> list[tuple[str, str]]:
    """Bring a correction up to the ticket as it is now; what a colleague has changed in between, to be shown.

    A field this dispatcher had not touched takes the colleague's value; one that both changed keeps what was typed.
    """
    seen = seen_values(form)
    now = customer_values(ticket.customer) | product_values(ticket.product)
    changed = {name: value for name, value in now.items() if seen.get(name) != value}
    for name, value in changed.items():
        if form.value(name) == seen.get(name):
            form.put(name, value)
    form.put("seen_customer", msgspec.json.encode(ticket.customer).decode())
    form.put("seen_product", msgspec.json.encode(ticket.product).decode())
    return [(f"field.{_LABELS.get(name, name)}", value) for name, value in changed.items()]


# -- which ticket goes on ----------------------------------------------------------------------------------------------

_SIMILAR = 5


async def with_ticket_named(form: Form, ticket: Ticket, desk: Desk) -> Ticket | None:
    """The ticket whose number is typed as the one that goes on; what is wrong with it is noted on the form."""
    form.put("into_id", "")
    number = form.line("into")
    if not number or form.faults:
        return None
    other = await desk.ticket_numbered(number)
    if (fault := may_go_on(ticket, other)) is not None:
        form.fault("into", fault[0], **fault[1])
        return None
    assert other is not None
    form.put("into_id", other.id)
    return other


async def with_similar(acting: Acting, ticket: Ticket, desk: Desk) -> Acting:
    """Tickets of the same customer or about the same piece, into which this one could be merged."""
    found = await desk.similar(phone=ticket.customer.phone, serial=ticket.product.serial)
    acting.similar = [each for each in found if each.id != ticket.id and each.status in OPEN][:_SIMILAR]
    return acting


# -- who could go -----------------------------------------------------------------------------------------------------


async def with_candidates(acting: Acting, ticket: Ticket, reader: Reader, accounts: Accounts, desk: Desk) -> Acting:
    """The technicians with what they have on the day that is typed; those that fit and are free first."""
    looking = Form(
        {name: acting.form.value(name) for name in ("date", "start", "end")}, reader.words
    )  # its faults are shown when the form is sent, not while a date is being chosen
    window = typed_window(looking, reader.display)
    day = looking.day("date")
    people = await accounts.people(Role.TECHNICIAN)
    days: list[list[TicketSummary]] = [[] for _ in people]
    if day is not None:
        days = await asyncio.gather(*(desk.day(person.id, day) for person in people))
    candidates = [
        _candidate(person, visits, ticket, window, day or reader.display.today)
        for person, visits in zip(people, days, strict=True)
    ]
    acting.day = day
    acting.candidates = sorted(
        candidates, key=lambda one: (not one.has_it_now, one.clash, not one.fitting_skills, len(one.visits))
    )
    return acting


_DAYS_AHEAD = 14


async def moved_on(acting: Acting, ticket: Ticket, reader: Reader, desk: Desk) -> Acting:
    """An overdue visit's form begins at its hours of the next day on which its technician has nothing else then."""
    display, assignment = reader.display, ticket.assignment
    if acting.kind != "assign_ticket" or assignment is None or assignment.window.end > display.now:
        return acting
    start = assignment.window.start.astimezone(display.zone)
    lasts = assignment.window.end - assignment.window.start
    ahead = [display.today + timedelta(days=days) for days in range(_DAYS_AHEAD)]
    starts = [datetime.combine(day, start.time(), display.zone) for day in ahead]
    windows = [Window(begins, begins + lasts) for begins in starts]
    wanted = [window for window in windows if window.start > display.now]
    for window in wanted:
        visits = await desk.day(assignment.technician, window.start.date())
        if not any(_clashes(one, ticket, window) for one in visits):
            break
    else:
        window = wanted[0]
    for name, value in window_values(window, display).items():
        acting.form.put(name, value)
    return acting


def _clashes(one: TicketSummary, ticket: Ticket, window: Window) -> bool:
    """Whether another visit takes place in the same hours."""
    if one.window is None or one.id == ticket.id or one.status in OVER:
        return False
    return one.window.start < window.end and window.start < one.window.end


def _candidate(person: Person, day: list[TicketSummary], ticket: Ticket, window: Window | None, on: date) -> Candidate:
    visits = [
        Visit(
            id=one.id,
            number=one.number,
            customer=one.customer_name,
            region=one.region,
            window=one.window,
            status=one.status,
            clash=window is not None and _clashes(one, ticket, window),
        )
        for one in day
        if one.window is not None and one.id != ticket.id and one.status not in OVER
    ]
    return Candidate(
        person=person,
        certificates=certificate_states(person.certificates, on),
        fitting_skills=_fitting(person.skills, ticket),
        visits=visits,
        clash=any(visit.clash for visit in visits),
        has_it_now=person.id == ticket.technician,
    )


def certificate_states(certificates: tuple[Certificate, ...], on: date) -> list[CertificateState]:
    """How the certificates stand on a day."""
    return [
        CertificateState(
            each.name,
            each.number,
            each.valid_until,
            expired=each.valid_until < on,
            soon=on <= each.valid_until < on + EXPIRES_SOON,
        )
        for each in certificates
    ]


def _fitting(skills: tuple[str, ...], ticket: Ticket) -> frozenset[str]:
    """The skills that seem to be about such a product: they share a word with its category.

    Chinese has no spaces: two characters in a row count as a word, and the last one alone, which says what kind of
    thing it is (吊灯: 灯).
    """
    category = ticket.product.category.casefold()
    pairs = {category[at : at + 2] for at in range(len(category) - 1)} | {category[-1:]}
    words = set(category.split()) if category.isascii() else pairs
    return frozenset(skill for skill in skills if any(word and word in skill.casefold() for word in words))
