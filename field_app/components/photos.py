"""Photos small and in rows, and the empty slots that say which are still to be taken."""

from collections.abc import Callable, Sequence

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.boundary import memo
from field_app.components.identifiers import identified
from field_app.state.app import AppState, Handler
from field_app.words import Words
from shared_schema.evidence import Photo

THUMB = 88
_DECODED = 264
"""Pixels across to which the client decodes a small photo: three per unit, whatever the camera's resolution."""


@memo
def Thumb(
    photo: Photo,
    read: Callable[[str], bytes | None],
    words: Words,
    size: int = THUMB,
    on_open: Handler | None = None,
    key: str = "",  # noqa: ARG001
) -> ft.Control:
    """One photo; where its bytes are not on this phone, the sign that they are at the office."""
    data = read(photo.sha256)
    label = words.shared(f"slot.{photo.slot.value}")
    if data is None:
        return ft.Container(
            ft.Column(
                [
                    ft.Icon(ft.Icons.CLOUD_OUTLINED, color=theme.QUIET),
                    text.small(words("photo.at-office"), lines=2, align=ft.TextAlign.CENTER),
                ],
                alignment=ft.MainAxisAlignment.CENTER,
                horizontal_alignment=ft.CrossAxisAlignment.CENTER,
                spacing=2,
            ),
            width=size,
            height=size,
            border=ft.Border.all(1, theme.LINE),
            border_radius=theme.RADIUS_FIELD,
        )
    picture = ft.Image(
        src=data,
        width=size,
        height=size,
        fit=ft.BoxFit.COVER,
        border_radius=theme.RADIUS_FIELD,
        cache_width=_DECODED,
        gapless_playback=True,
        semantics_label=label,
        error_content=ft.Container(ft.Icon(ft.Icons.BROKEN_IMAGE_OUTLINED, color=theme.QUIET), width=size, height=size),
    )
    return ft.Container(picture, width=size, height=size, on_click=on_open) if on_open is not None else picture


def strip(app: AppState, photos: Sequence[Photo], here: str = "", size: int = THUMB) -> list[ft.Control]:
    """`here` is the route of the page they stand on, from which each opens large; empty where none does."""
    return [
        identified(
            f"photo-{photo.slot.value}-{number}",
            Thumb(
                photo,
                app.photo,
                app.words,
                size,
                app.going(f"{here}/photo/{photo.sha256}") if here else None,
                key=photo.operation_id,
            ),
        )
        for number, photo in enumerate(photos, start=1)
    ]


def slot(
    app: AppState,
    identifier: str,
    label: str,
    photos: Sequence[Photo],
    on_add: Handler,
    *,
    here: str = "",
    is_awaited: bool = True,
) -> ft.Control:
    """The photos of one kind, and the place that waits for the next one."""
    words, role = app.words, theme.PRIMARY
    items = strip(app, photos, here)
    items.append(
        identified(
            identifier,
            ft.Container(
                ft.Column(
                    [
                        ft.Icon(ft.Icons.ADD_A_PHOTO_OUTLINED, color=role, size=26),
                        text.small(
                            words("photo.more") if photos else words("photo.take"),
                            color=role,
                            strong=True,
                            align=ft.TextAlign.CENTER,
                        ),
                    ],
                    alignment=ft.MainAxisAlignment.CENTER,
                    horizontal_alignment=ft.CrossAxisAlignment.CENTER,
                    spacing=4,
                ),
                width=THUMB,
                padding=ft.Padding.symmetric(horizontal=4, vertical=(THUMB - 51) / 2),  # as high as wide, or higher
                bgcolor=theme.tint(role),
                border=ft.Border.all(1, ft.Colors.with_opacity(0.4, role)),
                border_radius=theme.RADIUS_FIELD,
                ink=True,
                on_click=on_add,
            ),
            label=f"{words('photo.take')} · {label}",
        )
    )
    heading: list[ft.Control] = [text.note(label, color=theme.INK, strong=True, expand=True)]
    if photos:
        heading.append(text.small(words.count("photo.count", len(photos))))
    elif is_awaited:
        heading.append(text.small(words("photo.slot-waits"), color=theme.SAVED))
    return ft.Column([ft.Row(heading), ft.Row(items, wrap=True, spacing=8, run_spacing=8)], spacing=6)
