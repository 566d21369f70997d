"""Today's visits by time, the next one larger; then the days to come; what is past stays folded."""

import asyncio
from typing import Any

import flet as ft

from field_app import theme
from field_app.components import buttons, text
from field_app.components.boundary import component
from field_app.components.frame import card, heading, page_view
from field_app.components.identifiers import identified
from field_app.components.ticket_card import TicketCard, rehearsal
from field_app.state.app import AppState
from field_app.state.current import use_app
from field_app.state.day import Visits, visits
from field_app.state.opening import Opening
from shared_schema.ticket import Ticket

_A_CARD_FOR_EVERY = 150.0
"""Points of the screen's height: so many cards at first that they fill it, for the list to be there at once."""

_A_BREATH_SECONDS = 0.5
"""Until the others of the first page follow, below the end of the screen: by then the first ones are drawn."""

_A_PAGE = 15
"""Cards shown soon after, a few screens full; as many again whenever the end of them comes near, or on request."""

_NEAR_THE_END = 600.0

_PAST = 50

_PULL = 70.0
"""How far the list must be pulled past its top to sync."""


def _empty(app: AppState, day: Visits) -> ft.Control:
    words, today = app.words, app.today()
    if day.coming:
        first, tickets = day.coming[0]
        assignment = tickets[0].assignment
        assert assignment is not None, tickets[0].id
        sentence = words("today.empty-next", day=words.near_day(first, today), window=words.window(assignment.window))
    elif app.phone.engine.status.last_round_at is None:
        sentence = words("today.empty-never-synced")
    else:
        sentence = words("today.empty")
    return identified(
        "empty-day",
        card(
            ft.Row([ft.Icon(ft.Icons.EVENT_AVAILABLE_OUTLINED, size=40, color=theme.QUIET)]),
            text.strong(words("today.empty-title")),
            text.note(sentence),
        ),
    )


def _screenful() -> int:
    return min(_A_PAGE, int((ft.context.page.height or 0.0) / _A_CARD_FOR_EVERY))


@component
def Today() -> ft.Control:
    app = use_app()
    words, today = app.words, app.today()
    past_open, set_past_open = ft.use_state(False)
    opening = app if isinstance(app, Opening) else None
    limit, set_limit = ft.use_state(_screenful())
    pulled = ft.use_ref(0.0)
    day = visits(app.tickets(), app.now())

    async def follow() -> None:
        if opening is None:
            await asyncio.sleep(_A_BREATH_SECONDS)
            set_limit(lambda limit: max(limit, _A_PAGE))

    ft.use_effect(follow, [opening is None])

    def show(ticket: Ticket) -> ft.Control:
        is_next = day.next is not None and ticket.id == day.next.id
        return TicketCard(ticket, words, today, app.going(f"/tickets/{ticket.id}"), is_next, key=ticket.id)

    async def sync() -> None:
        app.phone.engine.wake()

    def scrolled(event: Any) -> None:
        if event.event_type == ft.ScrollType.OVERSCROLL and (event.overscroll or 0) < 0:
            pulled.current = (pulled.current or 0.0) - event.overscroll
        elif event.event_type == ft.ScrollType.END:
            if (pulled.current or 0.0) > _PULL:
                app.phone.engine.wake()
            pulled.current = 0.0
            if is_cut and event.max_scroll_extent - event.pixels < _NEAR_THE_END:
                set_limit(limit + _A_PAGE)

    body: list[ft.Control] = [
        ft.Row(
            [
                text.title(words.day(today), expand=True),
                text.note(words.count("today.count", len(day.today))) if day.today else ft.Container(),
            ]
        )
    ]
    if opening is not None:
        body += [rehearsal(words, app.now())] if opening.rehearses else []
    elif not day.today:
        body.append(_empty(app, day))
    left = limit
    for date, tickets in ((today, day.today), *day.coming):
        if left > 0 and tickets:
            if date != today:
                body.append(heading(words.near_day(date, today)))
            body += [show(ticket) for ticket in tickets[:left]]
        left -= len(tickets)
    is_cut = left < 0
    if is_cut:
        body.append(buttons.quiet("more", words("today.more"), app.doing(lambda: set_limit(limit + _A_PAGE))))
    if day.past:
        body.append(
            buttons.quiet(
                "past-toggle",
                words.count("today.past", len(day.past)),
                app.doing(lambda: set_past_open(not past_open)),
                icon=ft.Icons.EXPAND_LESS if past_open else ft.Icons.EXPAND_MORE,
                color=theme.QUIET,
            )
        )
        if past_open:
            body += [show(ticket) for ticket in day.past[:_PAST]]
    status = app.phone.engine.status
    return page_view(
        app,
        "today",
        route="/",
        title=words("today.title"),
        body=body,
        place="today",
        on_scroll=app.handling(scrolled),
        actions=[
            ft.ProgressRing(width=20, height=20, stroke_width=2, color=theme.PRIMARY)
            if status.syncing and status.last_round_at is None
            else buttons.round_icon("sync-now", ft.Icons.SYNC, words("today.sync-now"), app.doing(sync))
        ],
    )
