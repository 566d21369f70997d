"""One visit in the list: when, where, what, and how it stands."""

from datetime import date
from typing import Any

import flet as ft

from field_app import theme
from field_app.components import badges, text
from field_app.components.boundary import memo
from field_app.components.identifiers import identified
from field_app.state.app import Handler
from field_app.state.day import CONTACT_SHOWN, FINISHED, window_start
from field_app.words import Words
from shared_schema.lifecycle import Kind, Severity, Status
from shared_schema.regions import district
from shared_schema.ticket import Ticket

_DIGITS = "0123456789:–"


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
    lines = _when(window, severity, status, is_next)
    if past or (is_next and day != today):
        lines.insert(0, text.note(words.near_day(day, today), color=theme.ATTENTION if late else theme.QUIET))
    lines += _who_and_what(
        "　".join(part for part in (ticket.customer.name, _where(ticket)) if part),
        what(ticket, words),
        ticket.problem if is_next else None,
    )
    return identified(f"ticket-{ticket.number}", _card(lines, on_open, is_next))


def _where(ticket: Ticket) -> str:
    """What tells the places of a day apart, in as far as it may be known yet."""
    street = ticket.customer.address if ticket.status in CONTACT_SHOWN else ""
    return " ".join(part for part in (district(ticket.customer.region), street) if part)


def rehearsal(words: Words) -> ft.Control:
    """Two cards of no visit, seen and heard by nobody: the ground lies over them.

    They are made of the controls, the signs and the words every card is made of, so that Python and Flutter have met
    all of them, and their shapes are drawn, before the visits are there.
    """
    statuses = [badges.status_badge(status, words) for status in Status if status not in FINISHED]
    severities = [badges.severity_badge(severity, words) for severity in Severity]
    kinds = " · ".join(words.shared(f"kind.{kind.value}") for kind in Kind)
    cards = [
        _card([*_when(_DIGITS, None, status, is_next), *_who_and_what(_DIGITS, kinds, _DIGITS)], _stay, is_next)
        for is_next, status in ((True, badges.facts_row(*statuses)), (False, badges.facts_row(*severities)))
    ]
    cover = ft.Container(bgcolor=theme.GROUND, left=0, right=0, top=0, bottom=0)
    return ft.Semantics(content=ft.Stack([ft.Column(cards), cover]), exclude_semantics=True)


async def _stay(_event: Any) -> None:
    """There is nothing to open."""


def _when(window: str, severity: ft.Control | None, status: ft.Control, is_next: bool) -> list[ft.Control]:
    if is_next:
        return [text.title(window), badges.facts_row(status, severity)]
    return [
        # In two lines where large text leaves no room for one.
        ft.Row(
            [
                text.strong(window),
                ft.Row([*([severity] if severity is not None else []), status], spacing=8, tight=True),
            ],
            alignment=ft.MainAxisAlignment.SPACE_BETWEEN,
            wrap=True,
            spacing=8,
            run_spacing=4,
        )
    ]


def _who_and_what(who: str, product: str, problem: str | None) -> list[ft.Control]:
    lines: list[ft.Control] = [text.strong(who, lines=2), text.note(product, lines=2)]
    if problem is not None:
        lines.append(text.body(problem, lines=3))
    return lines


def _card(lines: list[ft.Control], on_open: Handler, is_next: bool) -> ft.Control:
    return ft.Container(
        ft.Column(lines, spacing=6 if is_next else 3, horizontal_alignment=ft.CrossAxisAlignment.STRETCH),
        bgcolor=theme.SURFACE,
        border=ft.Border.all(1, theme.PRIMARY if is_next else theme.LINE),
        border_radius=theme.RADIUS_CARD,
        padding=16 if is_next else ft.Padding.symmetric(horizontal=16, vertical=12),
        ink=True,
        on_click=on_open,
    )
