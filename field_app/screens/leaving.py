"""Leaving this phone: what the office has not got stands first, and there is no way past it that loses any of it."""

import flet as ft

from field_app import theme
from field_app.components import buttons, text
from field_app.components.boundary import component
from field_app.components.frame import card, page_view
from field_app.components.identifiers import identified
from field_app.components.rescue import rescue_card
from field_app.state.app import AppState
from field_app.state.current import use_app
from field_app.state.leaving import InTheWay, Left, in_the_way, leave
from field_app.store import Held
from field_app.words import Words


@component
def LeavePage() -> ft.Control:
    app = use_app()
    words = app.words
    is_leaving, set_leaving = ft.use_state(False)
    way = in_the_way(app.phone)

    async def go() -> None:
        set_leaving(True)
        try:
            match await leave(app.phone):
                case Left():
                    app.go("/")
                case InTheWay():
                    app.say(words("leave.still-in-the-way"))
        finally:
            set_leaving(False)

    body: list[ft.Control]
    if way is None:
        body = [card(text.strong(words("leave.ready-title")), text.body(words("leave.ready")))]
    else:
        body = [_held(way.held, words), rescue_card(app)]
    return page_view(
        app,
        "leave",
        route="/me/leave",
        title=words("leave.title"),
        body=body,
        foot=[
            buttons.primary(
                "leave-now",
                words("leave.now" if way is None else "leave.send-and-leave"),
                app.doing(go),
                icon=ft.Icons.LOGOUT,
                busy=is_leaving,
            )
        ],
    )


def _held(held: Held, words: Words) -> ft.Control:
    counted = [
        ("operations", ft.Icons.SAVE_OUTLINED, held.operations),
        ("photos", ft.Icons.PHOTO_OUTLINED, held.photos),
        ("drafts", ft.Icons.EDIT_NOTE, held.drafts),
        ("refused", ft.Icons.ERROR_OUTLINE, held.refused),
    ]
    return identified(
        "held",
        card(
            text.strong(words("leave.held-title")),
            text.note(words("leave.held")),
            *(
                ft.Row(
                    [ft.Icon(icon, color=theme.SAVED), text.body(words.count(f"leave.{name}", number), expand=True)],
                    spacing=10,
                )
                for name, icon, number in counted
                if number
            ),
        ),
    )


def leave_row(app: AppState) -> ft.Control:
    """On the technician's own page, where it is looked for."""
    return buttons.quiet("leave-phone", app.words("leave.title"), app.going("/me/leave"), icon=ft.Icons.LOGOUT)
