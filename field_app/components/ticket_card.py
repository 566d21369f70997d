"""One visit in the list: when, where, what, and how it stands."""

from datetime import date

import flet as ft

from field_app import theme
from field_app.components import badges, text
from field_app.components.boundary import memo
from field_app.components.identifiers import identified
from field_app.state.app import Handler
from field_app.state.day import FINISHED, window_start
from field_app.words import Words
from shared_schema.ticket import Ticket


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
    lines: list[ft.Control] = (
        [text.title(window), badges.facts_row(status, severity)]
        if is_next
        else [
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
    )
    if past or (is_next and day != today):
        lines.insert(0, text.note(words.near_day(day, today), color=theme.ATTENTION if late else theme.QUIET))
    name = ticket.customer.name
    lines += [
        text.strong(f"{name}　{ticket.customer.region}" if ticket.customer.region else name, lines=1),
        text.note(what(ticket, words), lines=1),
    ]
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
