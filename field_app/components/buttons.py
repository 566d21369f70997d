"""What a thumb presses: the one next action, what stands beside it, and small ones in a row."""

import flet as ft

from field_app import theme
from field_app.components.identifiers import identified
from field_app.state.app import Handler

_LINE_HEIGHT = 1.4


def _style(
    background: str | None,
    color: str,
    height: int,
    border: str | None = None,
    size: int = theme.BODY,
    side: int = 16,
) -> ft.ButtonStyle:
    """So high with a label in one line; larger text, and more lines of it, make the button higher."""
    return ft.ButtonStyle(
        bgcolor=background,
        color=color,
        icon_color=color,
        elevation=0,
        padding=ft.Padding.symmetric(horizontal=side, vertical=(height - size * _LINE_HEIGHT) / 2),
        shape=ft.RoundedRectangleBorder(radius=theme.RADIUS_CARD),
        side=ft.BorderSide(1, border) if border else None,
        text_style=ft.TextStyle(size=size, height=_LINE_HEIGHT, weight=ft.FontWeight.W_600, font_family=theme.FONT),
    )


def primary(
    identifier: str,
    label: str,
    on_click: Handler | None,
    *,
    icon: ft.IconData | None = None,
    busy: bool = False,
    resting: bool = False,
    expand: bool | None = None,
) -> ft.Control:
    """The one thing to do next: as wide as the screen; while it rests it looks the same and cannot be pressed."""
    return identified(
        identifier,
        ft.FilledButton(
            _label(label),
            icon=icon,
            on_click=on_click,
            disabled=busy or resting,
            width=None if expand else float("inf"),
            expand=expand,
            style=_style(
                theme.tint(theme.INK) if busy else theme.PRIMARY,
                theme.QUIET if busy else theme.ON_PRIMARY,
                theme.TOUCH + 4,
            ),
        ),
        expand=expand,
    )


def held(identifier: str, label: str, *, on_hold: Handler, on_tap: Handler) -> ft.Control:
    """What must not be done by a mere tap: `on_hold` comes once the finger has stayed for half a second."""
    return identified(
        identifier,
        ft.FilledButton(
            _label(label),
            on_click=on_tap,
            on_long_press=on_hold,
            width=float("inf"),
            style=_style(theme.PRIMARY, theme.ON_PRIMARY, theme.TOUCH + 4),
        ),
    )


def _label(words: str) -> ft.Text:
    return ft.Text(words, text_align=ft.TextAlign.CENTER)


def secondary(
    identifier: str,
    label: str,
    on_click: Handler | None = None,
    *,
    icon: ft.IconData | None = None,
    url: str | None = None,
    color: ft.Colors = theme.PRIMARY,
    expand: bool | None = None,
    height: int = theme.TOUCH - 4,
) -> ft.Control:
    """Something else one may do here."""
    return identified(
        identifier,
        ft.OutlinedButton(
            _label(label),
            icon=icon,
            on_click=on_click,
            url=url,
            expand=expand,
            style=_style(None, color, height, theme.LINE, theme.NOTE, side=8 if expand else 16),
        ),
        expand=expand,
    )


def quiet(
    identifier: str,
    label: str,
    on_click: Handler | None,
    *,
    icon: ft.IconData | None = None,
    color: ft.Colors = theme.PRIMARY,
) -> ft.Control:
    return identified(
        identifier,
        ft.TextButton(_label(label), icon=icon, on_click=on_click, style=_style(None, color, 48, size=theme.NOTE)),
    )


def round_icon(
    identifier: str,
    icon: ft.IconData,
    label: str,
    on_click: Handler | None,
    *,
    color: str = theme.INK,
    url: str | None = None,
) -> ft.Control:
    """A button that is only an icon; `label` is read aloud and shown when it is held."""
    return identified(
        identifier,
        ft.IconButton(icon=icon, icon_color=color, tooltip=label, on_click=on_click, url=url, width=48, height=48),
    )
