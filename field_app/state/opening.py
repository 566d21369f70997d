"""The state while the store is being opened: nothing is known of the phone yet, not even its language.

With it the first page's frame is drawn, under whatever covers the screen. The controls, the theme and the font are then
there before the visits are, and only the visits are new to Python and to Flutter.
"""

from datetime import UTC, datetime
from typing import cast

import flet as ft

from field_app.state.app import AppState
from field_app.state.phone import Phone
from field_app.store import Identity
from field_app.sync.status import SyncStatus
from field_app.words import DEFAULT_LANGUAGE, Words
from shared_schema.ticket import Ticket


class _Nothing:
    """In the place of device, store and engine: as much of them as the frame of a page asks for."""

    status = SyncStatus()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def setting(self, _key: str) -> None:
        return None

    def identity(self) -> Identity:
        """Somebody's: only theirs have a first page."""
        return Identity("", "", "", "")

    def tickets(self) -> list[Ticket]:
        return []

    def wake(self) -> None:
        pass


class _NoPhone:
    device = store = engine = _Nothing()


class Opening(AppState):
    def __init__(self, page: ft.Page, *, rehearses: bool) -> None:
        """`rehearses`: what the visits will be made of is drawn too, beneath the ground."""
        super().__init__(cast(Phone, _NoPhone()), Words.load(DEFAULT_LANGUAGE), page)
        self.rehearses = rehearses
        self._dress()
