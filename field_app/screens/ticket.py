"""One visit: who, where and when; what is wrong; the line of steps with the present one open; the one next action."""

from collections.abc import Sequence
from urllib.parse import quote

import flet as ft

from field_app import theme
from field_app.actions import next_action
from field_app.components import badges, buttons, photos, text
from field_app.components.boundary import component
from field_app.components.frame import card, page_view
from field_app.components.identifiers import identified
from field_app.components.saved import saved_line
from field_app.components.step_line import step_line
from field_app.components.ticket_card import product, what
from field_app.state.app import AppState, Handler
from field_app.state.current import use_app
from field_app.state.day import CONTACT_SHOWN
from field_app.state.history import Happening, history
from field_app.state.steps import steps, times
from field_app.store import EntryState
from field_app.words import Words
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import ON_VISIT, OVER, Status
from shared_schema.ticket import Ticket

_AT_THE_DOOR = frozenset({Status.ARRIVED, Status.WORKING, Status.WAITING, Status.WORK_DONE, Status.OBJECTED})

_ICONS = {
    "accept_ticket": ft.Icons.THUMB_UP_ALT_OUTLINED,
    "start_travel": ft.Icons.DIRECTIONS_CAR_OUTLINED,
    "arrive": ft.Icons.LOCATION_ON_OUTLINED,
    "show_credential": ft.Icons.BADGE_OUTLINED,
    "confirm_problem": ft.Icons.FACT_CHECK_OUTLINED,
    "finish_work": ft.Icons.TASK_ALT,
    "hand_over": ft.Icons.DRAW_OUTLINED,
    "resume_work": ft.Icons.PLAY_ARROW_OUTLINED,
}

_PAGES = {
    "show_credential": "credential",
    "confirm_problem": "problem",
    "finish_work": "finish",
    "hand_over": "hand-over",
}
"""Next actions that are a page of their own."""


@component
def TicketPage(key: str = "") -> ft.Control:  # noqa: ARG001
    app = use_app()
    ticket_id = ft.use_route_params().get("ticket", "")
    history_open, set_history_open = ft.use_state(False)
    ticket = app.ticket(ticket_id)
    if ticket is None:
        return gone(app, ticket_id)
    words = app.words
    # Before the door it matters what is wrong; from the door on, what is to be done.
    middle = [_problem(words, ticket), _visit(app, ticket)]
    if ticket.status in _AT_THE_DOOR:
        middle.reverse()
    body: list[ft.Control] = [
        _head(app, ticket),
        *middle,
        _product(app, ticket),
        *_history(app, ticket, history_open, app.doing(lambda: set_history_open(not history_open))),
    ]
    return page_view(
        app,
        "ticket",
        route=f"/tickets/{ticket_id}",
        title=f"{words.shared(f'kind.{ticket.kind.value}')} {ticket.number}",
        body=body,
        foot=_foot(app, ticket),
    )


def gone(app: AppState, ticket_id: str) -> ft.View:
    """The ticket has left this phone: reassigned, or closed long ago. What was entered on it is still here."""
    return page_view(
        app,
        "ticket-gone",
        route=f"/tickets/{ticket_id}",
        title=app.words("ticket.gone-title"),
        body=[card(text.body(app.words("ticket.gone")))],
        foot=[buttons.primary("to-today", app.words("nav.today"), app.going("/"))],
    )


# -- who, where, when -------------------------------------------------------------------------------------------------


def _head(app: AppState, ticket: Ticket) -> ft.Control:
    words = app.words
    at_the_door = ticket.status in _AT_THE_DOOR
    name: list[ft.Control] = [text.title(ticket.customer.name, expand=True)]
    if at_the_door:
        name += _reach(words, ticket, small=True)
    controls: list[ft.Control] = [
        badges.facts_row(
            badges.status_badge(ticket.status, words),
            badges.severity_badge(ticket.severity, words),
        ),
        ft.Row(name, spacing=4),
    ]
    if ticket.assignment is not None:
        window = ticket.assignment.window
        day = words.near_day(window.start.astimezone().date(), app.today())
        controls.append(badges.fact(ft.Icons.SCHEDULE, f"{day}　{words.window(window)}"))
    if ticket.status in CONTACT_SHOWN:
        controls += _contact(words, ticket, brief=at_the_door)
    else:
        if ticket.customer.region:
            controls.append(badges.fact(ft.Icons.PLACE_OUTLINED, ticket.customer.region))
        key = "ticket.contact-over" if ticket.status in OVER else "ticket.contact-before"
        controls.append(identified("contact-withheld", text.note(words(key))))
    if ticket.wished_time and not at_the_door:
        controls.append(text.note(words("ticket.wished", time=ticket.wished_time)))
    return card(*controls)


def _place(ticket: Ticket) -> str:
    return " ".join(part for part in (ticket.customer.region, ticket.customer.address) if part)


def _contact(words: Words, ticket: Ticket, *, brief: bool) -> list[ft.Control]:
    phone, place = ticket.customer.phone, _place(ticket)
    controls: list[ft.Control] = []
    if place:
        controls.append(badges.fact(ft.Icons.PLACE_OUTLINED, place))
    if not place and not phone:
        controls.append(text.note(words("ticket.contact-none")))
    if phone and not brief:
        controls.append(badges.fact(ft.Icons.PHONE_OUTLINED, phone))
    if not brief:
        controls.append(ft.Row(_reach(words, ticket, small=False), spacing=10))
    return controls


def _reach(words: Words, ticket: Ticket, *, small: bool) -> list[ft.Control]:
    """The ways to the customer: there, and by phone. Opened by the client itself, without the network's help."""
    place = _place(ticket)
    digits = "".join(sign for sign in ticket.customer.phone if sign.isdigit() or sign == "+")
    ways = (
        (
            "navigate",
            ft.Icons.NAVIGATION_OUTLINED,
            f"https://uri.amap.com/search?keyword={quote(place)}&callnative=1",
            place,
        ),
        ("call", ft.Icons.CALL_OUTLINED, f"tel:{digits}", digits),
    )
    return [
        buttons.round_icon(name, icon, words(f"ticket.{name}"), None, url=url, color=theme.PRIMARY)
        if small
        else buttons.secondary(name, words(f"ticket.{name}"), icon=icon, url=url, expand=True)
        for name, icon, url, known in ways
        if known
    ]


# -- what -------------------------------------------------------------------------------------------------------------


def _problem(words: Words, ticket: Ticket) -> ft.Control:
    controls: list[ft.Control] = [
        text.note(words("ticket.problem-reported"), strong=True),
        text.body(ticket.problem, selectable=True),
    ]
    if ticket.confirmed_problem and ticket.confirmed_problem != ticket.problem:
        controls += [
            text.note(words("ticket.problem-confirmed"), strong=True),
            text.body(ticket.confirmed_problem, selectable=True),
        ]
    for help_given in ticket.remote_help:
        controls += [text.note(words("ticket.remote-help"), strong=True), text.body(help_given.words)]
    return card(*controls, spacing=4)


def _warranty(app: AppState, ticket: Ticket) -> tuple[ft.IconData, str, ft.Colors]:
    words, until = app.words, ticket.product.warranty_until
    if until is None:
        return ft.Icons.HELP_OUTLINE, words("ticket.warranty-unknown"), theme.QUIET
    day = words.full_day(until)
    if until >= app.today():
        return ft.Icons.VERIFIED_USER_OUTLINED, words("ticket.warranty-until", day=day), theme.RECEIVED
    return ft.Icons.GPP_MAYBE_OUTLINED, words("ticket.warranty-over", day=day), theme.SAVED


def _product(app: AppState, ticket: Ticket) -> ft.Control:
    words, bought = app.words, ticket.product
    icon, sentence, role = _warranty(app, ticket)
    rows = [
        (words("ticket.product"), product(ticket, words)),
        (words("ticket.serial"), bought.serial),
        (words("ticket.order"), bought.order_number),
        (words("ticket.purchased"), words.full_day(bought.purchased_on) if bought.purchased_on else ""),
    ]
    return card(
        text.note(what(ticket, words), strong=True),
        *(
            ft.Row(
                [ft.Container(text.note(label), width=96), text.body(value, expand=True, selectable=True)],
                vertical_alignment=ft.CrossAxisAlignment.START,
            )
            for label, value in rows
            if value
        ),
        ft.Row(
            [ft.Icon(icon, size=20, color=role), text.note(sentence, color=role, strong=True, expand=True)], spacing=8
        ),
        spacing=4,
    )


# -- the visit --------------------------------------------------------------------------------------------------------


def _visit(app: AppState, ticket: Ticket) -> ft.Control:
    made = times((entry.kind, entry.recorded_at) for entry in app.phone.store.journal(ticket=ticket.id))
    return card(
        ft.Container(text.note(app.words("ticket.visit"), strong=True), padding=ft.Padding.only(bottom=6)),
        step_line(steps(ticket, made), app.words, app.today(), _tools(app, ticket)),
    )


_AT_THE_HOME = ON_VISIT - {Status.ACCEPTED, Status.TRAVELLING}
"""Where there is something to photograph and to note, up to the customer's signature."""


def _tools(app: AppState, ticket: Ticket) -> Sequence[ft.Control]:
    """What the open step needs beside its one action."""
    words, here = app.words, f"/tickets/{ticket.id}"
    controls: list[ft.Control] = []
    # What the customer objected to stays in sight until it is signed off: the rework is about nothing else.
    if ticket.objections and ticket.status in {Status.OBJECTED, Status.WORKING}:
        said = ticket.objections[-1].words
        controls.append(
            ft.Container(
                ft.Column(
                    [
                        text.note(words("ticket.objection"), color=theme.ATTENTION, strong=True),
                        text.body(said),
                    ],
                    spacing=2,
                ),
                bgcolor=theme.tint(theme.ATTENTION),
                border_radius=theme.RADIUS_FIELD,
                padding=12,
            )
        )
    if ticket.status is Status.WAITING:
        controls.append(
            ft.Row(
                [
                    ft.Icon(ft.Icons.HOURGLASS_EMPTY, size=20, color=theme.SAVED),
                    text.body(ticket.waiting_for, expand=True),
                ],
                vertical_alignment=ft.CrossAxisAlignment.START,
                spacing=8,
            )
        )
    if ticket.status not in _AT_THE_HOME:
        return controls
    for slot in (PhotoSlot.BEFORE, PhotoSlot.AFTER):
        taken = [photo for photo in ticket.photos if photo.slot is slot]
        if slot is PhotoSlot.AFTER and ticket.status is Status.ARRIVED:
            continue
        controls.append(
            photos.slot(
                app,
                f"add-photo-{slot.value}",
                words.shared(f"slot.{slot.value}"),
                taken,
                app.going(f"{here}/camera/{slot.value}"),
                here=here,
            )
        )
    row = [
        buttons.secondary(
            "add-note",
            words("ticket.add-note"),
            app.going(f"{here}/note"),
            icon=ft.Icons.EDIT_NOTE,
            expand=True,
        )
    ]
    if ticket.status is Status.WORKING:
        row.append(
            buttons.secondary(
                "wait",
                words("ticket.wait"),
                app.going(f"{here}/wait"),
                icon=ft.Icons.HOURGLASS_EMPTY,
                expand=True,
            )
        )
    controls.append(ft.Row(row, spacing=10))
    controls += [
        ft.Row(
            [
                ft.Icon(ft.Icons.STICKY_NOTE_2_OUTLINED, size=18, color=theme.QUIET),
                text.note(note.text, color=theme.INK, lines=3, expand=True),
            ],
            vertical_alignment=ft.CrossAxisAlignment.START,
            spacing=8,
        )
        for note in ticket.notes
    ]
    return controls


# -- history ----------------------------------------------------------------------------------------------------------


def _history(app: AppState, ticket: Ticket, is_open: bool, on_toggle: Handler) -> list[ft.Control]:
    happened = history(ticket)
    controls: list[ft.Control] = [
        buttons.quiet(
            "history-toggle",
            app.words.count("ticket.history", len(happened)),
            on_toggle,
            icon=ft.Icons.EXPAND_LESS if is_open else ft.Icons.EXPAND_MORE,
            color=theme.QUIET,
        )
    ]
    if is_open:
        store = app.phone.store
        waiting = {entry.id for entry in store.waiting(ticket=ticket.id)}
        photos_waiting = store.photos_waiting_on(ticket.id)

        def waits(item: Happening) -> bool:
            is_sent = waiting.isdisjoint(item.operations)
            return not (is_sent and photos_waiting.isdisjoint(photo.sha256 for photo in item.photos))

        controls.append(
            card(
                *(_happening(app, ticket.id, item, waits(item)) for item in happened),
                spacing=14,
            )
        )
    return controls


def _happening(app: AppState, ticket_id: str, item: Happening, is_waiting: bool) -> ft.Control:
    words = app.words
    who = app.person_name(item.person) if item.person else ""
    when = words.moment(item.at, app.today())
    lines: list[ft.Control] = [
        text.strong(words.count(f"history.{item.key}", len(item.photos) or 1)),
        text.small(" · ".join(part for part in (when, who) if part)),
    ]
    if item.words:
        lines.append(text.body(item.words, selectable=True))
    if item.photos:
        pictures = photos.strip(app, item.photos, f"/tickets/{ticket_id}")
        lines.append(ft.Row(pictures, wrap=True, spacing=8, run_spacing=8))
    marks: list[ft.Control] = []
    if item.late:
        marks.append(badges.entry_badge(EntryState.LATE, words))
    if is_waiting:
        marks.append(badges.entry_badge(EntryState.WAITING, words))
    if marks:
        lines.append(badges.facts_row(*marks))
    return ft.Column(lines, spacing=2)


# -- the one next action ----------------------------------------------------------------------------------------------


def _foot(app: AppState, ticket: Ticket) -> list[ft.Control]:
    words, actions = app.words, app.phone.actions
    foot: list[ft.Control] = []
    line = saved_line(app, ticket.id)
    if line is not None:
        foot.append(line)
    kind = next_action(ticket)
    if kind is None:
        if ticket.status is Status.SIGNED_OFF:
            foot.insert(0, text.note(words("ticket.done"), align=ft.TextAlign.CENTER))
        return foot
    if kind in _PAGES:
        act = app.stepping(lambda: app.go(f"/tickets/{ticket.id}/{_PAGES[kind]}"))
    else:
        made = {
            "accept_ticket": actions.accept,
            "start_travel": actions.start_travel,
            "arrive": actions.arrive,
            "resume_work": actions.resume_work,
        }[kind]

        def perform() -> None:
            app.perform(lambda: made(ticket.id))

        act = app.stepping(perform)
    label = words(f"action.{kind}")
    foot.append(buttons.primary("next-action", label, act, icon=_ICONS[kind], resting=app.resting))
    return foot
