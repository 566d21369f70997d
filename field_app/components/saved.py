"""Where what was entered on a ticket is now: on this phone alone, or also at the office. Never both words at once."""

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.identifiers import RECEIVED_BY_OFFICE, SAVED_ON_PHONE, identified
from field_app.state.app import AppState
from field_app.store import EntryState


def saved_line(app: AppState, ticket_id: str) -> ft.Control | None:
    """None where nothing was entered on this ticket here."""
    entries = app.phone.store.journal(ticket=ticket_id)
    if not entries:
        return None
    waiting = sum(entry.state is EntryState.WAITING for entry in entries)
    photos = sum(state.ticket == ticket_id for state in app.phone.store.photos_waiting())
    if waiting:
        icon, role, identifier, words = ft.Icons.SAVE_OUTLINED, theme.SAVED, SAVED_ON_PHONE, app.words("saved.on-phone")
    elif photos:
        icon, role, identifier = ft.Icons.CLOUD_UPLOAD_OUTLINED, theme.SAVED, SAVED_ON_PHONE
        words = app.words.count("saved.photos-waiting", photos)
    else:
        icon, role, identifier = ft.Icons.CLOUD_DONE_OUTLINED, theme.RECEIVED, RECEIVED_BY_OFFICE
        words = app.words("saved.received")
    return identified(
        identifier,
        ft.Row(
            [ft.Icon(icon, size=18, color=role), text.flexible(text.note(words, color=role, strong=True))],
            spacing=6,
            alignment=ft.MainAxisAlignment.CENTER,
        ),
        live=True,
    )
