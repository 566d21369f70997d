"""What all of the technician's pages have in common: the bar, the thin status line, the place for the one next action.

The customer's pages (screens.hand_over and after) have none of it.
"""

from collections.abc import Sequence
from typing import Any

import flet as ft

from field_app import theme
from field_app.components import buttons, text
from field_app.components.boundary import component
from field_app.components.identifiers import STATUS_LINE, identified
from field_app.state.app import AppState
from field_app.store import Counts
from field_app.words import Words

WIDEST = 640
"""Lines longer than this are hard to read; on a wide screen the page stays this narrow."""

PLACES = (
    ("today", "/", ft.Icons.EVENT_NOTE_OUTLINED, ft.Icons.EVENT_NOTE),
    ("sync", "/sync", ft.Icons.SYNC, ft.Icons.SYNC),
    ("me", "/me", ft.Icons.BADGE_OUTLINED, ft.Icons.BADGE),
)


def card(*controls: ft.Control, spacing: int = 8, padding: int = 16) -> ft.Container:
    return ft.Container(
        ft.Column(list(controls), spacing=spacing, horizontal_alignment=ft.CrossAxisAlignment.STRETCH),
        bgcolor=theme.SURFACE,
        border=ft.Border.all(1, theme.LINE),
        border_radius=theme.RADIUS_CARD,
        padding=padding,
    )


def heading(words: str) -> ft.Control:
    return ft.Container(text.note(words, strong=True), padding=ft.Padding.only(left=4, top=8))


def centred(content: ft.Control, *, expand: bool = False, width: int = WIDEST) -> ft.Control:
    """No wider than is good to read, in the middle of what there is."""
    return ft.Row(
        [ft.Container(content, width=width, expand=True, expand_loose=True)],
        alignment=ft.MainAxisAlignment.CENTER,
        vertical_alignment=ft.CrossAxisAlignment.STRETCH if expand else ft.CrossAxisAlignment.CENTER,
        expand=expand,
    )


def status_words(app: AppState) -> tuple[ft.IconData, str, ft.Colors, str]:
    """Icon, sentence, colour and what stands beside it at the end of the line."""
    words, status = app.words, app.phone.engine.status
    counts: Counts = status.counts
    waiting = counts.operations + counts.photos
    beside = words.count("status-line.waiting", waiting) if waiting else ""
    if to_attend := counts.refused + counts.stranded:
        return ft.Icons.ERROR_OUTLINE, words.count("status-line.refused", to_attend), theme.ATTENTION, ""
    if status.signed_out:
        return ft.Icons.NO_ACCOUNTS_OUTLINED, words("status-line.signed-out"), theme.ATTENTION, beside
    if status.upgrade_required:
        return ft.Icons.SYSTEM_UPDATE_ALT, words("status-line.upgrade"), theme.ATTENTION, beside
    if status.reachable is None:
        return ft.Icons.SYNC, words("status-line.connecting"), theme.QUIET, beside
    if not status.reachable:
        return ft.Icons.CLOUD_OFF_OUTLINED, words("status-line.offline"), theme.QUIET, beside
    if waiting:
        return ft.Icons.CLOUD_UPLOAD_OUTLINED, beside, theme.SAVED, ""
    return ft.Icons.CLOUD_DONE_OUTLINED, words("status-line.synced"), theme.RECEIVED, ""


@component
def StatusLine(app: AppState) -> ft.Control:
    icon, sentence, role, beside = status_words(app)
    return identified(
        STATUS_LINE,
        ft.Container(
            centred(
                ft.Row(
                    [
                        ft.Icon(icon, size=16, color=role),
                        ft.Row(
                            [
                                text.small(sentence, color=role),
                                *([text.small(beside, color=theme.SAVED)] if beside else []),
                            ],
                            alignment=ft.MainAxisAlignment.SPACE_BETWEEN,
                            wrap=True,  # in two lines where large text leaves no room for one
                            spacing=6,
                            run_spacing=0,
                            expand=True,
                        ),
                    ],
                    spacing=6,
                )
            ),
            padding=ft.Padding.symmetric(horizontal=16, vertical=5),
            border=ft.Border.only(bottom=ft.BorderSide(1, theme.LINE)),
            on_click=app.going("/sync"),
        ),
        live=True,
    )


@component
def NoticeBar(app: AppState) -> ft.Control:
    """What a person must read before going on, until they say they have."""
    notice = app.notice
    if notice is None:
        return ft.Container(height=0)
    return identified(
        "notice",
        ft.Container(
            ft.Row(
                [
                    ft.Icon(ft.Icons.ERROR_OUTLINE, size=20, color=theme.ATTENTION),
                    ft.Column(
                        [
                            text.note(notice.text, color=theme.INK),
                            *([text.small(notice.code)] if notice.code else []),
                        ],
                        spacing=0,
                        expand=True,
                    ),
                    buttons.round_icon(
                        "notice-dismiss", ft.Icons.CLOSE, app.words("notice.dismiss"), app.doing(app.dismiss)
                    ),
                ],
                spacing=10,
            ),
            bgcolor=theme.tint(theme.ATTENTION),
            border=ft.Border.all(1, ft.Colors.with_opacity(0.35, theme.ATTENTION)),
            border_radius=theme.RADIUS_CARD,
            padding=ft.Padding.only(left=14, right=4, top=4, bottom=4),
        ),
        live=True,
    )


def _place(app: AppState, words: Words, name: str, here: str, waiting: int) -> ft.Control:
    _, route, icon, chosen_icon = next(place for place in PLACES if place[0] == name)
    chosen = name == here
    role = theme.PRIMARY if chosen else theme.QUIET
    mark = ft.Badge(str(waiting), bgcolor=theme.SAVED, text_color=theme.SURFACE) if name == "sync" and waiting else None
    return identified(
        f"nav-{name}",
        ft.Container(
            ft.Column(
                [
                    ft.Icon(chosen_icon if chosen else icon, size=24, color=role, badge=mark),
                    text.small(words(f"nav.{name}"), color=role, strong=chosen),
                ],
                spacing=0,
                alignment=ft.MainAxisAlignment.CENTER,
                horizontal_alignment=ft.CrossAxisAlignment.CENTER,
            ),
            padding=ft.Padding.symmetric(vertical=10),
            ink=True,
            on_click=app.going(route),
        ),
        expand=True,
        selected=chosen,
        label=words(f"nav.{name}"),
    )


@component
def Places(app: AppState, here: str) -> ft.Control:
    """The bar at the bottom with the three places there are."""
    counts = app.phone.engine.status.counts
    return ft.Container(
        centred(
            ft.Row(
                [_place(app, app.words, name, here, counts.operations + counts.photos) for name, *_ in PLACES],
                spacing=0,
            )
        ),
        bgcolor=theme.SURFACE,
        border=ft.Border.only(top=ft.BorderSide(1, theme.LINE)),
    )


def page_view(
    app: AppState,
    identifier: str,
    *,
    route: str,
    title: str,
    body: Sequence[ft.Control],
    foot: Sequence[ft.Control] = (),
    place: str = "",
    actions: Sequence[ft.Control] = (),
    on_scroll: Any = None,
) -> ft.View:
    """One of the technician's pages; `foot` stands fixed in reach of the thumb."""
    bottom: list[ft.Control] = []
    if foot:
        bottom.append(
            ft.Container(
                centred(ft.Column(list(foot), spacing=10, horizontal_alignment=ft.CrossAxisAlignment.STRETCH)),
                bgcolor=theme.GROUND,
                border=ft.Border.only(top=ft.BorderSide(1, theme.LINE)),
                padding=ft.Padding.only(left=16, right=16, top=12, bottom=16),
            )
        )
    if place:
        bottom.append(Places(app, place))
    return ft.View(
        route=route,
        bgcolor=theme.GROUND,
        padding=0,
        spacing=0,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        appbar=ft.AppBar(
            title=identified(identifier, text.strong(title, lines=1)),
            bgcolor=theme.GROUND,
            color=theme.INK,
            elevation=0,
            elevation_on_scroll=0,
            toolbar_height=52,
            center_title=False,
            title_spacing=16 if place else 0,
            automatically_imply_leading=not place,
            actions=list(actions),
            actions_padding=ft.Padding.only(right=8),
        ),
        controls=[
            ft.SafeArea(
                ft.Column(
                    [
                        StatusLine(app),
                        centred(
                            ft.ListView(
                                [*body, ft.Container(height=8)],
                                expand=True,
                                spacing=12,
                                padding=ft.Padding.symmetric(horizontal=16, vertical=12),
                                on_scroll=on_scroll,
                            ),
                            expand=True,
                            width=WIDEST + 32,  # the list's own padding
                        ),
                        ft.Container(
                            centred(NoticeBar(app)), padding=ft.Padding.symmetric(horizontal=16), bgcolor=theme.GROUND
                        ),
                        *bottom,
                    ],
                    spacing=0,
                    expand=True,
                    horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
                ),
                expand=True,
                avoid_intrusions_top=False,
            )
        ],
    )


def lone_view(body: Sequence[ft.Control], *, spacing: int, padding: ft.PaddingValue) -> ft.View:
    """A page with nothing around it: for a phone that is nobody's yet, and for an app that cannot start."""
    return ft.View(
        route="/",
        bgcolor=theme.GROUND,
        padding=0,
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        controls=[
            ft.SafeArea(
                ft.Column(
                    [
                        ft.Container(
                            ft.Column(list(body), spacing=spacing, horizontal_alignment=ft.CrossAxisAlignment.STRETCH),
                            padding=padding,
                            width=WIDEST,
                        )
                    ],
                    scroll=ft.ScrollMode.AUTO,
                ),
                expand=True,
            )
        ],
    )
