"""What is said where the app cannot start: what is wrong, that nothing is lost, what to do. In both languages.

The language chosen is in the store, and the store is what could not be opened.
"""

import flet as ft

from field_app import theme
from field_app.components import buttons, text
from field_app.components.boundary import component
from field_app.components.frame import card, lone_view
from field_app.components.identifiers import identified
from field_app.state.app import Handler
from field_app.words import LANGUAGES, Words

INSECURE, UNSUPPORTED, DENIED = "insecure", "unsupported", "denied"
IN_USE, TOO_NEW, UNAVAILABLE, UNEXPECTED = "in-use", "too-new", "unavailable", "unexpected"
NO_ROOM, UPDATE_FAILED = "no-room", "update-failed"

_ICONS = {
    INSECURE: ft.Icons.LOCK_OPEN,
    IN_USE: ft.Icons.TAB_UNSELECTED,
    TOO_NEW: ft.Icons.SYSTEM_UPDATE_ALT,
    NO_ROOM: ft.Icons.SD_CARD_ALERT_OUTLINED,
    UPDATE_FAILED: ft.Icons.SYSTEM_UPDATE_ALT,
}


@component
def FailurePage(reason: str, code: str, on_retry: Handler | None, key: str = "") -> ft.Control:  # noqa: ARG001
    body: list[ft.Control] = [ft.Row([ft.Icon(_ICONS.get(reason, ft.Icons.INFO_OUTLINE), size=48, color=theme.SAVED)])]
    for language in LANGUAGES:
        words = Words.load(language)
        body.append(
            card(
                text.title(words(f"failure.{reason}-title")),
                text.body(words("failure.start-unexpected" if reason == UNEXPECTED else f"failure.{reason}")),
            )
        )
    body.append(identified("failure", text.small(f"{reason} · {code}")))
    if on_retry is not None:
        label = " · ".join(Words.load(language)("failure.retry") for language in LANGUAGES)
        body.append(buttons.primary("failure-retry", label, on_retry, icon=ft.Icons.REFRESH))
    return lone_view(body, spacing=16, padding=24)
