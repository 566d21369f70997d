"""Where what was entered on a ticket is now: on this phone alone, also at the office, or not taken there. Never two of
these words at once."""

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.identifiers import NOT_TAKEN, RECEIVED_BY_OFFICE, SAVED_ON_PHONE, identified
from field_app.state.app import AppState
from field_app.sync import FOR_GOOD


def saved_line(app: AppState, ticket_id: str, *, is_customers: bool = False) -> ft.Control | None:
    """None where nothing was entered on this ticket here. What the office has refused, or does not take, is the
    technician's to deal with and not shown on a customer's page: there, too, it is not called received."""
    store = app.phone.store
    if not store.journal(ticket=ticket_id, limit=1):
        return None
    photos = store.photos_waiting_on(ticket_id)
    stuck = {state.sha256 for state in store.photos_waiting() if state.trouble in FOR_GOOD} & photos
    refused = sum(entry.ticket == ticket_id for entry in store.refusals())
    if store.waiting(ticket=ticket_id):
        icon, role, identifier, words = ft.Icons.SAVE_OUTLINED, theme.SAVED, SAVED_ON_PHONE, app.words("saved.on-phone")
    elif len(photos) > len(stuck):
        icon, role, identifier = ft.Icons.CLOUD_UPLOAD_OUTLINED, theme.SAVED, SAVED_ON_PHONE
        words = app.words.count("saved.photos-waiting", len(photos) - len(stuck))
    elif refused or stuck:
        icon, role, identifier = ft.Icons.ERROR_OUTLINE, theme.ATTENTION, NOT_TAKEN
        words = app.words.count("saved.refused", refused) if refused else app.words.count("saved.stuck", len(stuck))
    else:
        icon, role, identifier = ft.Icons.CLOUD_DONE_OUTLINED, theme.RECEIVED, RECEIVED_BY_OFFICE
        words = app.words("saved.received")
    if is_customers and identifier == NOT_TAKEN:
        return None
    return identified(
        identifier,
        ft.Row(
            [ft.Icon(icon, size=18, color=role), text.flexible(text.note(words, color=role, strong=True))],
            spacing=6,
            alignment=ft.MainAxisAlignment.CENTER,
        ),
        live=True,
    )
