"""Where a person types. Every change is kept as a draft before the next one can be made."""

from collections.abc import Callable
from typing import Any

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.boundary import component
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
    return _Typed(
        app, identifier, label, value, on_typed, hint, error, lines, limit, size, autofocus=autofocus, key=identifier
    )


@component
def _Typed(
    app: AppState,
    identifier: str,
    label: str,
    value: str,
    on_typed: Callable[[str], None],
    hint: str,
    error: str,
    lines: int,
    limit: int,
    size: int,
    *,
    autofocus: bool,
    key: str = "",  # noqa: ARG001
) -> ft.Control:
    shown: ft.MutableRef[ft.TextField] = ft.use_ref(None)
    given: ft.MutableRef[str] = ft.use_ref(value)
    told: ft.MutableRef[str] = ft.use_ref(value)
    is_full, set_full = ft.use_state(len(value) >= limit)
    # What is typed comes ahead of the event that tells of it. Rendered in between, or once more with what it was given
    # before, the field would have the client put that in the place of what was just typed.
    is_news = value not in (given.current, told.current)
    given.current = value
    if is_news:
        told.current = value
    elif shown.current is not None:
        value = shown.current.value or ""

    def changed(event: Any) -> None:
        # Not the control's value: rendered in between, the control is another one.
        told.current = written = str(event.data or "")
        set_full(len(written) >= limit)
        on_typed(written)

    shown.current = ft.TextField(
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
    )
    return ft.Column(
        [
            # The client cuts off what is pasted or typed beyond the limit, and says nothing of it. It is said above the
            # field, which so much text makes as high as the screen.
            ft.Column(
                [
                    text.note(label, color=theme.INK, strong=True),
                    *(
                        [
                            identified(
                                f"{identifier}-full",
                                text.note(app.words("form.full", limit=limit), color=theme.SAVED),
                                live=True,
                            )
                        ]
                        if is_full
                        else []
                    ),
                ],
                spacing=0,
            ),
            identified(identifier, shown.current, label=label),
        ],
        spacing=6,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
    )
