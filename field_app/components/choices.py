"""A few choices side by side, one of which may be chosen."""

from collections.abc import Sequence

import flet as ft
from msgspec import Struct

from field_app import theme
from field_app.components.identifiers import identified
from field_app.state.app import Handler


class Choice(Struct, frozen=True):
    identifier: str
    shown: list[ft.Control]
    """A sign and words, the one above the other where large text leaves no room for both in one line."""
    is_chosen: bool
    on_click: Handler
    label: str | None = None


def choices(offered: Sequence[Choice], *, is_main: bool = False) -> ft.Control:
    """`is_main`: larger, for what the page is about."""
    gap, height, line, radius = (10, 16, 2, theme.RADIUS_CARD) if is_main else (8, 12, 1, theme.RADIUS_FIELD)
    return ft.Row(
        [
            identified(
                each.identifier,
                ft.Container(
                    ft.Row(
                        each.shown,
                        alignment=ft.MainAxisAlignment.CENTER,
                        wrap=True,
                        spacing=gap - 2,
                        run_spacing=0,
                        run_alignment=ft.MainAxisAlignment.CENTER,
                    ),
                    padding=ft.Padding.symmetric(horizontal=4, vertical=height),
                    bgcolor=theme.tint(theme.PRIMARY) if each.is_chosen else theme.SURFACE,
                    border=ft.Border.all(line, theme.PRIMARY) if each.is_chosen else ft.Border.all(1, theme.LINE),
                    border_radius=radius,
                    ink=True,
                    on_click=each.on_click,
                ),
                expand=True,
                selected=each.is_chosen,
                label=each.label,
            )
            for each in offered
        ],
        spacing=gap,
        intrinsic_height=True,
        vertical_alignment=ft.CrossAxisAlignment.STRETCH,
    )
