"""Where a person types. Every change is kept as a draft before the next one can be made."""

from collections.abc import Callable
from typing import Any

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.identifiers import identified
from field_app.state.app import AppState


def _border(role: ft.Colors, width: int = 1) -> ft.InputBorder:
    return ft.OutlineInputBorder(side=ft.BorderSide(width, role), border_radius=theme.RADIUS_FIELD)


_BORDERS: dict[ft.ControlState, ft.InputBorder] = {
    ft.ControlState.FOCUSED: _border(theme.PRIMARY, 2),
    ft.ControlState.ERROR: _border(theme.ATTENTION),
    ft.ControlState.DEFAULT: _border(theme.LINE),
}


def typed(
    app: AppState,
    identifier: str,
    *,
    label: str,
    value: str,
    on_typed: Callable[[str], None],
    hint: str = "",
    error: str = "",
    lines: int = 1,
    limit: int = 200,
    size: int = theme.BODY,
    autofocus: bool = False,
) -> ft.Control:
    """A labelled field; `on_typed` is given all of its text after each change."""

    def changed(event: Any) -> None:
        on_typed(event.control.value or "")

    return ft.Column(
        [
            text.note(label, color=theme.INK, strong=True),
            identified(
                identifier,
                ft.TextField(
                    value=value,
                    hint_text=hint,
                    hint_style=ft.TextStyle(color=theme.QUIET, size=size, height=1.5),
                    hint_max_lines=3,
                    error=text.note(error, color=theme.ATTENTION) if error else None,
                    multiline=lines > 1,
                    min_lines=lines,
                    max_lines=lines * 3 if lines > 1 else 1,
                    max_length=limit,
                    counter="",
                    autofocus=autofocus,
                    filled=True,
                    fill_color=theme.SURFACE,
                    border=_BORDERS,
                    cursor_color=theme.PRIMARY,
                    text_style=ft.TextStyle(size=size, height=1.5, color=theme.INK),
                    content_padding=ft.Padding.symmetric(horizontal=14, vertical=12),
                    on_change=app.handling(changed),
                ),
                label=label,
            ),
        ],
        spacing=6,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
    )
