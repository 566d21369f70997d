"""How a screen comes by the state: routed screens take no arguments."""

import flet as ft

from field_app.state.app import AppState

current_app: "ft.ContextProvider[AppState | None]" = ft.create_context(None)


def use_app() -> AppState:
    """The state; the component that asks is rendered again whenever it changes."""
    app = ft.use_context(current_app)
    assert app is not None, "rendered outside the app"
    return app
