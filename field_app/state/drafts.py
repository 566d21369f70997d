"""What is typed but not yet recorded, kept in the store on every change so that it survives a kill.

A draft is cleared in the transaction that records what it became (see actions), or by `discard`.
"""

import flet as ft

from field_app.actions import form_key
from field_app.state.app import AppState

__all__ = ["Draft", "form_key", "use_draft"]


class Draft:
    """The texts of one form, by field."""

    def __init__(self, app: AppState, key: str) -> None:
        self._app = app
        self._key = key
        self.values: dict[str, object] = dict(app.phone.store.draft(key) or {})

    def text(self, field: str, otherwise: str = "") -> str:
        value = self.values.get(field, otherwise)
        return value if isinstance(value, str) else otherwise

    def number(self, field: str) -> int:
        value = self.values.get(field, 0)
        return value if isinstance(value, int) else 0

    def keep(self, field: str, value: object) -> None:
        self.values[field] = value
        self._app.phone.store.save_draft(self._key, self.values)


def use_draft(app: AppState, key: str) -> Draft:
    """The form's draft, read from the store when the screen opens."""
    held: ft.MutableRef[Draft] = ft.use_ref(lambda: Draft(app, key))
    draft: Draft = held.current
    return draft
