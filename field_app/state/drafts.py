"""What is typed but not yet recorded, kept in the store on every change so that it survives a kill.

A draft is cleared in the transaction that records what it became (see actions), or by the person who lets it go.
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
        self._typed: dict[str, object] = {}
        self.values: dict[str, object] = self._kept()

    def text(self, field: str, otherwise: str = "") -> str:
        value = self.values.get(field, otherwise)
        return value if isinstance(value, str) else otherwise

    def number(self, field: str) -> int:
        value = self.values.get(field, 0)
        return value if isinstance(value, int) else 0

    def keep(self, field: str, value: object) -> None:
        """A page that lies beneath another may keep in the same draft: of each only what was typed there counts."""
        self._typed[field] = value
        self.values = self._kept() | self._typed
        self._app.phone.store.save_draft(self._key, self.values)

    def without(self, *fields: str) -> dict[str, object]:
        """What was typed elsewhere in the form."""
        return {field: value for field, value in (self._kept() | self._typed).items() if field not in fields}

    def _kept(self) -> dict[str, object]:
        return dict(self._app.phone.store.draft(self._key) or {})


def use_draft(app: AppState, key: str) -> Draft:
    """The form's draft, read from the store when the screen opens."""
    held: ft.MutableRef[Draft] = ft.use_ref(lambda: Draft(app, key))
    draft: Draft = held.current
    return draft
