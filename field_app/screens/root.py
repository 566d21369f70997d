"""Which screen stands at which address, and what comes before any of them: a phone that belongs to somebody."""

from typing import cast

import flet as ft

from field_app.components import text
from field_app.components.boundary import component
from field_app.components.frame import card, page_view
from field_app.screens.attention import AttentionPage
from field_app.screens.camera import CameraPage
from field_app.screens.credential import CredentialAtTheDoor, OwnCredential
from field_app.screens.enrol import Enrol
from field_app.screens.forms import FinishPage, NotePage, ProblemPage, WaitPage
from field_app.screens.hand_over import HandedBackPage, HandOverPage, ObjectionPage
from field_app.screens.leaving import LeavePage
from field_app.screens.me import MePage, PricesPage
from field_app.screens.photo import PhotoPage
from field_app.screens.signature import SignaturePage
from field_app.screens.sync import SyncPage
from field_app.screens.ticket import TicketPage
from field_app.screens.today import Today
from field_app.state.app import AppState
from field_app.state.current import current_app, use_app


@component
def NowhereKnown() -> ft.Control:
    app = use_app()
    return page_view(
        app,
        "nowhere",
        route="/nowhere",
        title=app.words("nowhere.title"),
        body=[card(text.body(app.words("nowhere.text")))],
        place="today",
    )


@component
def EnrolAgain() -> ft.Control:
    """A phone the office no longer knows is given a new key; everything on it stays."""
    return Enrol(use_app(), None)


def _routes() -> list[ft.Route]:
    hand_over = [
        ft.Route(path="photo/:sha256", component=PhotoPage),
        ft.Route(path="signature", component=SignaturePage),
        ft.Route(path="objection", component=ObjectionPage),
        ft.Route(path="camera/:slot", component=CameraPage),
    ]
    visit = [
        ft.Route(path="credential", component=CredentialAtTheDoor),
        ft.Route(path="problem", component=ProblemPage),
        ft.Route(path="note", component=NotePage),
        ft.Route(path="wait", component=WaitPage),
        ft.Route(path="finish", component=FinishPage),
        ft.Route(path="camera/:slot", component=CameraPage),
        ft.Route(path="photo/:sha256", component=PhotoPage),
        ft.Route(path="hand-over", component=HandOverPage, children=hand_over),
        ft.Route(path="handed-back", component=HandedBackPage),
    ]
    return [
        ft.Route(path="enrol", component=EnrolAgain),
        ft.Route(path="sync", component=SyncPage, children=[ft.Route(path="attention", component=AttentionPage)]),
        ft.Route(
            path="me",
            component=MePage,
            children=[
                ft.Route(path="credential", component=OwnCredential),
                ft.Route(path="prices", component=PricesPage),
                ft.Route(path="leave", component=LeavePage),
            ],
        ),
        ft.Route(component=Today, children=[ft.Route(path="tickets/:ticket", component=TicketPage, children=visit)]),
        ft.Route(path=":elsewhere*", component=NowhereKnown),
    ]


@component
def Root(app: AppState, offered_key: str | None) -> ft.Control:
    if app.phone.store.identity() is None:
        # A list, as the router's: the page's views are one.
        return cast("ft.Control", [Enrol(app, offered_key)])
    return current_app(app, lambda: ft.Router(_routes(), manage_views=True))
