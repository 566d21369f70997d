"""States as people see them: always a colour, an icon and a word together, never one of them alone."""

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.store import EntryState
from field_app.words import Words
from shared_schema.lifecycle import Severity, Status

_STATUS: dict[Status, tuple[ft.IconData, ft.Colors]] = {
    Status.RECEIVED: (ft.Icons.INBOX_OUTLINED, theme.INFORMATION),
    Status.CONFIRMED: (ft.Icons.FACT_CHECK_OUTLINED, theme.INFORMATION),
    Status.ASSIGNED: (ft.Icons.ASSIGNMENT_IND_OUTLINED, theme.INFORMATION),
    Status.ACCEPTED: (ft.Icons.THUMB_UP_ALT_OUTLINED, theme.PRIMARY),
    Status.TRAVELLING: (ft.Icons.DIRECTIONS_CAR_OUTLINED, theme.PRIMARY),
    Status.ARRIVED: (ft.Icons.LOCATION_ON_OUTLINED, theme.PRIMARY),
    Status.WORKING: (ft.Icons.HANDYMAN_OUTLINED, theme.PRIMARY),
    Status.WAITING: (ft.Icons.HOURGLASS_EMPTY, theme.SAVED),
    Status.WORK_DONE: (ft.Icons.DRAW_OUTLINED, theme.INFORMATION),
    Status.OBJECTED: (ft.Icons.FEEDBACK_OUTLINED, theme.ATTENTION),
    Status.SIGNED_OFF: (ft.Icons.VERIFIED_OUTLINED, theme.RECEIVED),
    Status.SOLVED_REMOTELY: (ft.Icons.SUPPORT_AGENT, theme.RECEIVED),
    Status.CLOSED: (ft.Icons.LOCK_OUTLINE, theme.QUIET),
    Status.REOPENED: (ft.Icons.REPLAY, theme.INFORMATION),
    Status.CANCELLED: (ft.Icons.CANCEL_OUTLINED, theme.QUIET),
}

_SEVERITY: dict[Severity, tuple[ft.IconData, ft.Colors]] = {
    Severity.EMERGENCY: (ft.Icons.PRIORITY_HIGH, theme.ATTENTION),
    Severity.SEVERE: (ft.Icons.WARNING_AMBER, theme.SAVED),
    Severity.ORDINARY: (ft.Icons.REMOVE, theme.QUIET),
    Severity.ADVICE: (ft.Icons.CHAT_BUBBLE_OUTLINE, theme.QUIET),
}

_ENTRY: dict[EntryState, tuple[ft.IconData, ft.Colors]] = {
    EntryState.WAITING: (ft.Icons.SAVE_OUTLINED, theme.SAVED),
    EntryState.ACCEPTED: (ft.Icons.CHECK_CIRCLE_OUTLINE, theme.RECEIVED),
    EntryState.LATE: (ft.Icons.HISTORY, theme.RECEIVED),
    EntryState.PROPOSAL: (ft.Icons.CALL_SPLIT, theme.INFORMATION),
    EntryState.REFUSED: (ft.Icons.ERROR_OUTLINE, theme.ATTENTION),
    EntryState.RECEIVED: (ft.Icons.CHECK_CIRCLE_OUTLINE, theme.RECEIVED),
}


def badge(icon: ft.IconData, label: str, role: ft.Colors) -> ft.Control:
    return ft.Container(
        ft.Row([ft.Icon(icon, size=15, color=role), text.small(label, color=role, strong=True)], spacing=4, tight=True),
        bgcolor=theme.tint(role),
        border_radius=theme.RADIUS_PILL,
        padding=ft.Padding.only(left=8, right=10, top=2, bottom=2),
    )


def status_badge(status: Status, words: Words) -> ft.Control:
    icon, role = _STATUS[status]
    return badge(icon, words.shared(f"status.{status.value}"), role)


def severity_badge(severity: Severity | None, words: Words) -> ft.Control | None:
    if severity is None:
        return None
    icon, role = _SEVERITY[severity]
    return badge(icon, words.shared(f"severity.{severity.value}"), role)


def entry_badge(state: EntryState, words: Words) -> ft.Control:
    icon, role = _ENTRY[state]
    return badge(icon, words(f"entry.{state.value}"), role)


def facts_row(*items: ft.Control | None) -> ft.Control:
    """Badges side by side, going on in the next line where they do not fit."""
    return ft.Row([item for item in items if item is not None], wrap=True, spacing=8, run_spacing=4)


def headed(head: ft.Control, badge: ft.Control) -> ft.Control:
    """The badge at the end of the head's line, and in a line of its own where large text leaves no room for both."""
    return ft.Row([head, badge], alignment=ft.MainAxisAlignment.SPACE_BETWEEN, wrap=True, spacing=8, run_spacing=4)


def fact(icon: ft.IconData, words: str, *, color: str = theme.INK) -> ft.Control:
    """One fact in one line or more, with the icon at its first line."""
    return ft.Row(
        [
            ft.Container(ft.Icon(icon, size=20, color=theme.QUIET), padding=ft.Padding.only(top=3)),
            text.body(words, color=color, expand=True),
        ],
        spacing=10,
        vertical_alignment=ft.CrossAxisAlignment.START,
    )
