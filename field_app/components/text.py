"""Text in the few sizes and weights there are."""

import flet as ft

from field_app import theme

_LINE_HEIGHT = 1.5
_TIGHT_LINE_HEIGHT = 1.3


def _text(
    value: str,
    size: int,
    color: str | None,
    *,
    strong: bool = False,
    lines: int | None = None,
    expand: bool | None = None,
    align: ft.TextAlign = ft.TextAlign.START,
    selectable: bool = False,
) -> ft.Text:
    return ft.Text(
        value,
        color=color,
        text_align=align,
        max_lines=lines,
        overflow=ft.TextOverflow.ELLIPSIS if lines else ft.TextOverflow.CLIP,
        expand=expand,
        selectable=selectable,
        style=ft.TextStyle(
            size=size,
            height=_TIGHT_LINE_HEIGHT if size >= theme.TITLE else _LINE_HEIGHT,
            weight=ft.FontWeight.W_600 if strong else ft.FontWeight.W_400,
            # Also while the client is still on its way from its own theme to ours, and has no Chinese in its own.
            font_family=theme.FONT,
        ),
    )


def display(value: str, *, color: str | None = theme.INK, align: ft.TextAlign = ft.TextAlign.START) -> ft.Text:
    return _text(value, theme.LARGE, color, strong=True, align=align)


def title(
    value: str, *, color: str | None = theme.INK, align: ft.TextAlign = ft.TextAlign.START, expand: bool | None = None
) -> ft.Text:
    return _text(value, theme.TITLE, color, strong=True, align=align, expand=expand)


def strong(
    value: str, *, color: str | None = theme.INK, lines: int | None = None, expand: bool | None = None
) -> ft.Text:
    return _text(value, theme.BODY, color, strong=True, lines=lines, expand=expand)


def body(
    value: str,
    *,
    color: str | None = theme.INK,
    lines: int | None = None,
    expand: bool | None = None,
    align: ft.TextAlign = ft.TextAlign.START,
    selectable: bool = False,
) -> ft.Text:
    return _text(value, theme.BODY, color, lines=lines, expand=expand, align=align, selectable=selectable)


def note(
    value: str,
    *,
    color: str | None = theme.QUIET,
    strong: bool = False,
    lines: int | None = None,
    expand: bool | None = None,
    align: ft.TextAlign = ft.TextAlign.START,
) -> ft.Text:
    return _text(value, theme.NOTE, color, strong=strong, lines=lines, expand=expand, align=align)


def small(
    value: str,
    *,
    color: str | None = theme.QUIET,
    strong: bool = False,
    lines: int | None = None,
    expand: bool | None = None,
    align: ft.TextAlign = ft.TextAlign.START,
) -> ft.Text:
    return _text(value, theme.SMALL, color, strong=strong, lines=lines, expand=expand, align=align)


def figure(number: int, color: str) -> ft.Text:
    """A number in a mark of fixed size: no higher than its figures, so that large text still fits in."""
    drawn = small(str(number), color=color, strong=True)
    assert isinstance(drawn.style, ft.TextStyle)
    drawn.style.height = 1.0
    return drawn


def large_body(value: str, *, color: str | None = theme.INK, strong: bool = False) -> ft.Text:
    """One step larger than body: what a customer reads."""
    return _text(value, 19, color, strong=strong, selectable=False)


def flexible(words: ft.Text) -> ft.Text:
    """In a row: as wide as its words are, and in more lines where there is no room for one."""
    words.expand = words.expand_loose = True
    return words
