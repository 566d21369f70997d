"""One photo as large as the screen, to be looked at closely with two fingers."""

import flet as ft

from field_app.components import buttons, text
from field_app.components.boundary import component
from field_app.components.identifiers import identified
from field_app.state.current import use_app

_WHITE = "#FFFFFF"
_BLACK = "#0B0E0D"
_CLOSEST = 6


@component
def PhotoPage(key: str = "") -> ft.Control:  # noqa: ARG001
    app = use_app()
    route = ft.use_view_path()
    back, _, sha256 = route.partition("/photo/")
    data = app.photo(sha256)
    picture: ft.Control = (
        ft.InteractiveViewer(ft.Image(src=data, fit=ft.BoxFit.CONTAIN), min_scale=1, max_scale=_CLOSEST, expand=True)
        if data is not None
        else ft.Container(
            text.body(app.words("photo.only-at-office"), color=_WHITE), alignment=ft.Alignment.CENTER, expand=True
        )
    )
    return ft.View(
        route=route,
        bgcolor=_BLACK,
        padding=0,
        controls=[
            ft.SafeArea(
                ft.Column(
                    [
                        ft.Row(
                            [
                                buttons.round_icon(
                                    "back", ft.Icons.CLOSE, app.words("photo.close"), app.going(back), color=_WHITE
                                ),
                                identified("photo", text.strong(app.words("photo.title"), color=_WHITE)),
                            ]
                        ),
                        picture,
                    ],
                    expand=True,
                    horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
                ),
                expand=True,
            )
        ],
    )
