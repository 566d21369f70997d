"""Where what was entered on a ticket is now: on this phone alone, or also at the office. Never both words at once."""

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.identifiers import RECEIVED_BY_OFFICE, SAVED_ON_PHONE, identified
from field_app.state.app import AppState


def saved_line(app: AppState, ticket_id: str) -> ft.Control | None:
    """None where nothing was entered on this ticket here."""
    store = app.phone.store
    if not store.journal(ticket=ticket_id, limit=1):
        return None
    photos = len(store.photos_waiting_on(ticket_id))
    if store.waiting(ticket=ticket_id):
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
