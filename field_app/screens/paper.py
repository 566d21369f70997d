"""The ground of the customer's pages: paper, larger type, nothing of the app around it."""

from collections.abc import Sequence

import flet as ft

from field_app import theme
from field_app.components.frame import centred

_STRETCH = ft.CrossAxisAlignment.STRETCH


def on_paper(content: ft.Control) -> ft.Control:
    """Always light, whatever the phone is set to: the customer's page looks the same on every phone."""
    look = theme.theme(theme.PAPER)
    return ft.Container(
        content,
        expand=True,
        bgcolor=theme.PAPER.ground,
        theme=look,
        dark_theme=look,
        theme_mode=ft.ThemeMode.LIGHT,
    )


def paper_view(
    route: str,
    body: Sequence[ft.Control],
    foot: Sequence[ft.Control],
    scrolled: "ft.MutableRef[ft.ListView] | None" = None,
) -> ft.View:
    """`scrolled` is given the list that the body is in, for a page that brings something in it into view."""
    content = ft.ListView(
        [centred(ft.Column(list(body), spacing=18, horizontal_alignment=_STRETCH))],
        expand=True,
        padding=ft.Padding.only(left=24, right=24, top=28, bottom=16),
    )
    if scrolled is not None:
        scrolled.current = content
    return ft.View(
        route=route,
        bgcolor=theme.PAPER.ground,
        padding=0,
        spacing=0,
        can_pop=False,
        horizontal_alignment=_STRETCH,
        controls=[
            on_paper(
                ft.SafeArea(
                    ft.Column(
                        [
                            content,
                            ft.Container(
                                centred(ft.Column(list(foot), spacing=8, horizontal_alignment=_STRETCH)),
                                padding=ft.Padding.only(left=24, right=24, top=8, bottom=16),
                            )
                            if foot
                            else ft.Container(),
                        ],
                        spacing=0,
                        expand=True,
                        horizontal_alignment=_STRETCH,
                    ),
                    expand=True,
                )
            )
        ],
    )
