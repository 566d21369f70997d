"""Which screen stands at which address, and what comes before any of them: a phone that belongs to somebody."""

from collections.abc import Callable
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
from field_app.state.app import AppState, Belonging
from field_app.state.current import current_app, use_app
from field_app.state.opening import Opening


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


def _enrolling_again(offered_key: str | None) -> Callable[[], ft.Control]:
    """A phone the office no longer knows is given a new key; everything on it stays. `offered_key` is the one of the
    link it was opened with since."""

    @component
    def EnrolAgain() -> ft.Control:
        return Enrol(use_app(), offered_key)

    return EnrolAgain


def _of_one_visit(path: str, page: Callable[..., ft.Control], children: list[ft.Route] | None = None) -> ft.Route:
    """A page that is made anew where the address changes to that of another visit, as by the browser's list of where
    one has been: the router would keep it, and with it what was typed or chosen for the visit before."""

    @component
    def PageOfVisit() -> ft.Control:
        return page(key=ft.use_view_path())

    return ft.Route(path=path, component=PageOfVisit, children=children)


def _routes(offered_key: str | None) -> list[ft.Route]:
    hand_over = [
        _of_one_visit("photo/:sha256", PhotoPage),
        _of_one_visit("signature", SignaturePage),
        _of_one_visit("objection", ObjectionPage),
        _of_one_visit("camera/:slot", CameraPage),
    ]
    visit = [
        _of_one_visit("credential", CredentialAtTheDoor),
        _of_one_visit("problem", ProblemPage),
        _of_one_visit("note", NotePage),
        _of_one_visit("wait", WaitPage),
        _of_one_visit("finish", FinishPage),
        _of_one_visit("camera/:slot", CameraPage),
        _of_one_visit("photo/:sha256", PhotoPage),
        _of_one_visit("hand-over", HandOverPage, hand_over),
        _of_one_visit("handed-back", HandedBackPage),
    ]
    return [
        ft.Route(path="enrol", component=_enrolling_again(offered_key)),
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
        ft.Route(component=Today, children=[_of_one_visit("tickets/:ticket", TicketPage, visit)]),
        ft.Route(path=":elsewhere*", component=NowhereKnown),
    ]


def _opening_routes() -> list[ft.Route]:
    """Whatever the address: the frame of the first page, which stays when the real pages follow."""
    return [ft.Route(path="/:elsewhere*", component=Today)]


class _Held:
    """The state, handed on unobserved: Flet renders whatever is given a state anew with its every change, and each page
    does that for itself."""

    def __init__(self, app: AppState) -> None:
        self.app = app


@component
def _Door(held: _Held, belonging: Belonging, offered_key: str | None, key: str = "") -> ft.Control:  # noqa: ARG001
    """Rendered again only when the phone comes to belong to somebody, or to nobody."""
    app = held.app
    begun: ft.MutableRef[tuple[AppState, bool]] = ft.use_ref(None)
    if begun.current is None or begun.current[0] is not app:
        begun.current = (app, belonging.is_somebodys)
    # The key by which the phone became somebody's in this session is used up.
    unused_key = offered_key if begun.current[1] else None
    if not belonging.is_somebodys:
        # A list, as the router's: the page's views are one.
        return cast("ft.Control", [Enrol(app, offered_key)])
    routes = _opening_routes() if isinstance(app, Opening) else _routes(unused_key)
    return current_app(app, lambda: ft.Router(routes, manage_views=True))


def Root(app: AppState, offered_key: str | None) -> ft.Control:
    return _Door(_Held(app), app.belonging, offered_key, key="door")
