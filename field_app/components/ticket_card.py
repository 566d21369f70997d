"""One visit in the list: when, where, what, and how it stands."""

from datetime import date, datetime
from typing import Any

import flet as ft

from field_app import theme
from field_app.components import badges, buttons, text
from field_app.components.boundary import memo
from field_app.components.identifiers import identified
from field_app.state.app import Handler
from field_app.state.day import CONTACT_SHOWN, FINISHED, window_start
from field_app.words import Words
from shared_schema.lifecycle import Channel, Kind, Severity, Status
from shared_schema.regions import district
from shared_schema.ticket import Assignment, Customer, Product, Ticket, Window

_DIGITS = "0123456789:–"
"""For a rehearsal: what nearly every card has of its own."""


def what(ticket: Ticket, words: Words) -> str:
    """Such as 维修 · 灯具 LX-240."""
    return " · ".join(part for part in (words.shared(f"kind.{ticket.kind.value}"), product(ticket, words)) if part)


def product(ticket: Ticket, words: Words) -> str:
    key = f"category.{ticket.product.category}"
    category = words.shared(key) if words.knows_shared(key) else ticket.product.category
    return " ".join(part for part in (category, ticket.product.model) if part)


@memo
def TicketCard(
    ticket: Ticket,
    words: Words,
    today: date,
    on_open: Handler,
    is_next: bool = False,
    key: str = "",  # noqa: ARG001
) -> ft.Control:
    assert ticket.assignment is not None, ticket.id
    day = window_start(ticket).astimezone().date()
    window = words.window(ticket.assignment.window)
    past = day < today
    late = past and ticket.status not in FINISHED
    severity = badges.severity_badge(ticket.severity, words)
    status = badges.status_badge(ticket.status, words)
    lines: list[ft.Control] = []
    if past or (is_next and day != today):
        lines.append(text.note(words.near_day(day, today), color=theme.ATTENTION if late else theme.QUIET))
    if is_next:
        lines += [text.title(window), badges.facts_row(status, severity)]
    else:
        marks = [mark for mark in (severity, status) if mark is not None]
        lines.append(badges.headed(text.strong(window), ft.Row(marks, spacing=8, tight=True)))
    who = "　".join(part for part in (ticket.customer.name, _where(ticket)) if part)
    lines += [text.strong(who, lines=2), text.note(what(ticket, words), lines=2)]
    if is_next:
        lines.append(text.body(ticket.problem, lines=3))
    return identified(
        f"ticket-{ticket.number}",
        ft.Container(
            ft.Column(lines, spacing=6 if is_next else 3, horizontal_alignment=ft.CrossAxisAlignment.STRETCH),
            bgcolor=theme.SURFACE,
            border=ft.Border.all(1, theme.PRIMARY if is_next else theme.LINE),
            border_radius=theme.RADIUS_CARD,
            padding=16 if is_next else ft.Padding.symmetric(horizontal=16, vertical=12),
            ink=True,
            on_click=on_open,
        ),
    )


def _where(ticket: Ticket) -> str:
    """What tells the places of a day apart, in as far as it may be known yet."""
    street = ticket.customer.address if ticket.status in CONTACT_SHOWN else ""
    return " ".join(part for part in (district(ticket.customer.region), street) if part)


def rehearsal(words: Words, now: datetime) -> ft.Control:
    """Cards of no visit, seen and heard by nobody: the ground lies over them.

    They are made as every card is, and beside them stand the signs and the words a card may have, so that Python and
    Flutter have met all of them, and their shapes are drawn, before the visits are there.
    """
    nobodys, today = _nobodys(now), now.astimezone().date()
    below = [
        badges.facts_row(*(badges.status_badge(status, words) for status in Status if status not in FINISHED)),
        badges.facts_row(*(badges.severity_badge(severity, words) for severity in Severity)),
        text.note(" · ".join(words.shared(f"kind.{kind.value}") for kind in Kind)),
        buttons.quiet("", words("today.more"), _stay),
    ]
    cards = [TicketCard(nobodys, words, today, _stay, is_next) for is_next in (True, False)]
    cover = ft.Container(bgcolor=theme.GROUND, left=0, right=0, top=0, bottom=0)
    return ft.Semantics(content=ft.Stack([ft.Column([*cards, *below]), cover]), exclude_semantics=True)


def _nobodys(now: datetime) -> Ticket:
    return Ticket(
        id="",
        number="",
        kind=Kind.REPAIR,
        channel=Channel.PHONE,
        status=Status.ASSIGNED,
        version=0,
        created_at=now,
        created_by="",
        customer=Customer(_DIGITS, "", _DIGITS, ""),
        product=Product(_DIGITS, "", "", "", None, None),
        problem=_DIGITS,
        severity=Severity.ORDINARY,
        assignment=Assignment("", Window(now, now), "", now),
    )


async def _stay(_event: Any) -> None:
    """There is nothing to open."""
