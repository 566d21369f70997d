"""One to five stars, large enough for a finger that is not used to the phone."""

from collections.abc import Callable
from functools import partial

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.identifiers import identified
from field_app.state.app import AppState
from field_app.words import Words

MOST = 5


def stars(app: AppState, words: Words, rating: int, on_rate: Callable[[int], None], *, missing: str = "") -> ft.Control:
    """`missing`: said in their place while none is chosen."""
    said = (
        text.note(missing, color=theme.ATTENTION)
        if missing
        else text.body(words(f"rating.{rating}"), color=theme.QUIET)
    )
    return ft.Column(
        [
            ft.Row(
                [
                    identified(
                        f"rating-{number}",
                        ft.IconButton(
                            ft.Icons.STAR_ROUNDED if number <= rating else ft.Icons.STAR_OUTLINE_ROUNDED,
                            icon_color=theme.SAVED if number <= rating else theme.QUIET,
                            icon_size=42,
                            width=60,
                            height=60,
                            padding=0,
                            tooltip=words.count("rating.stars", number),
                            on_click=app.doing(partial(on_rate, number)),
                        ),
                        selected=number <= rating,
                    )
                    for number in range(1, MOST + 1)
                ],
                alignment=ft.MainAxisAlignment.CENTER,
                spacing=2,
            ),
            identified("rating", ft.Row([said], alignment=ft.MainAxisAlignment.CENTER), live=True),
        ],
        spacing=0,
    )
