"""How much of the phone's storage is used, and whether what is kept there is sure to stay."""

from collections.abc import Awaitable, Callable

import flet as ft

from field_app import theme
from field_app.components import buttons, text
from field_app.components.frame import card
from field_app.components.identifiers import identified
from field_app.device.contract import StorageState
from field_app.state.app import AppState
from field_app.words import Words

NEARLY_FULL = 0.85
"""From this share on, it is said in the colour of attention: a day of photos may not fit any more."""

_MEGABYTE, _GIGABYTE = 1e6, 1e9


def amount(size_bytes: int) -> str:
    """Such as 12.5 MB."""
    if size_bytes >= _GIGABYTE:
        return f"{size_bytes / _GIGABYTE:.1f} GB"
    return f"{size_bytes / _MEGABYTE:.1f} MB"


def storage_card(app: AppState, state: StorageState | None, look_again: Callable[[], Awaitable[None]]) -> ft.Control:
    """`state` is None until the device has said."""
    words = app.words
    lines: list[ft.Control] = [text.strong(words("storage.title"))]
    if state is None:
        lines.append(text.note(words("storage.looking")))
        return identified("storage", card(*lines))
    if state.used_bytes is not None and state.quota_bytes:
        share = min(1.0, state.used_bytes / state.quota_bytes)
        is_tight = share >= NEARLY_FULL
        role = theme.ATTENTION if is_tight else theme.PRIMARY
        lines += [
            ft.ProgressBar(value=share, color=role, bgcolor=theme.LINE, bar_height=6, border_radius=3),
            text.note(words("storage.used", used=amount(state.used_bytes), quota=amount(state.quota_bytes))),
        ]
        if is_tight:
            lines.append(_warning(words, "storage.nearly-full"))
    if state.may_be_evicted:
        if state.idle_days is not None:
            lines.append(_warning(words, "storage.idle", days=state.idle_days))
        else:
            lines.append(_warning(words, "storage.may-be-cleared"))

        async def ask() -> None:
            kept = await app.phone.device.ask_to_persist()
            app.say(words("storage.kept-now" if kept else "storage.not-kept"))
            await look_again()

        lines.append(
            buttons.secondary(
                "storage-keep", words("storage.keep"), app.doing(ask), icon=ft.Icons.VERIFIED_USER_OUTLINED
            )
        )
    else:
        lines.append(text.note(words("storage.stays"), color=theme.RECEIVED))
    return identified("storage", card(*lines))


def _warning(words: Words, key: str, **facts: object) -> ft.Control:
    return ft.Row(
        [
            ft.Icon(ft.Icons.WARNING_AMBER, size=20, color=theme.ATTENTION),
            text.note(words(key, **facts), color=theme.INK, expand=True),
        ],
        spacing=8,
        vertical_alignment=ft.CrossAxisAlignment.START,
    )
