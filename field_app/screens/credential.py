"""The work credential as the customer is shown it: large, with everything by which the technician can be checked."""

import flet as ft

from field_app import theme
from field_app.components import badges, buttons, text
from field_app.components.boundary import component
from field_app.components.frame import NoticeBar, card, centred
from field_app.components.identifiers import identified
from field_app.state.app import AppState
from field_app.state.current import use_app
from shared_schema.credentials import Credential

_PHOTO = 232


@component
def CredentialAtTheDoor(key: str = "") -> ft.Control:  # noqa: ARG001
    """Shown to the customer as a step of the visit."""
    app = use_app()
    ticket_id = ft.use_route_params().get("ticket", "")
    back = f"/tickets/{ticket_id}"

    def shown() -> None:
        if app.perform(lambda: app.phone.actions.show_credential(ticket_id)):
            app.go(back)

    ticket = app.ticket(ticket_id)
    done = ticket is not None and ticket.credential_shown_at is not None
    button = (
        buttons.primary("credential-back", app.words("credential.back"), app.going(back))
        if done
        else buttons.primary(
            "credential-shown",
            app.words("credential.shown"),
            app.stepping(shown),
            icon=ft.Icons.TASK_ALT,
            resting=app.resting,
        )
    )
    return credential_view(app, f"{back}/credential", back, button)


@component
def OwnCredential() -> ft.Control:
    app = use_app()
    return credential_view(app, "/me/credential", "/me", None)


def credential_view(app: AppState, route: str, back: str, button: ft.Control | None) -> ft.View:
    words, reference = app.words, app.reference()
    content: list[ft.Control] = (
        _card(app, reference.credential)
        if reference is not None
        else [card(text.strong(words("credential.missing")), text.note(words("credential.missing-how")))]
    )
    foot = (
        [
            ft.Container(
                centred(ft.Column([NoticeBar(app), button], spacing=8, horizontal_alignment=_STRETCH)),
                padding=ft.Padding.only(left=16, right=16, top=8, bottom=16),
            )
        ]
        if button
        else []
    )
    return ft.View(
        route=route,
        bgcolor=theme.SURFACE,
        padding=0,
        spacing=0,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        controls=[
            ft.SafeArea(
                ft.Column(
                    [
                        ft.Row(
                            [buttons.round_icon("back", ft.Icons.CLOSE, words("credential.close"), app.going(back))],
                            alignment=ft.MainAxisAlignment.END,
                        ),
                        ft.ListView(
                            [centred(ft.Column(content, spacing=6, horizontal_alignment=_STRETCH))],
                            expand=True,
                            padding=ft.Padding.symmetric(horizontal=24),
                        ),
                        *foot,
                    ],
                    spacing=0,
                    expand=True,
                    horizontal_alignment=_STRETCH,
                ),
                expand=True,
            )
        ],
    )


_STRETCH = ft.CrossAxisAlignment.STRETCH


def _card(app: AppState, credential: Credential) -> list[ft.Control]:
    words, today = app.words, app.today()
    valid = credential.valid_until >= today
    day = words.full_day(credential.valid_until)
    controls: list[ft.Control] = [
        ft.Container(text.note(credential.company, align=ft.TextAlign.CENTER), alignment=ft.Alignment.CENTER),
        ft.Container(
            ft.Image(
                src=credential.photo,
                width=_PHOTO,
                height=_PHOTO,
                fit=ft.BoxFit.COVER,
                border_radius=theme.RADIUS_CARD,
                semantics_label=words("credential.photo-of", name=credential.name),
                error_content=ft.Icon(ft.Icons.PERSON, size=120, color=theme.QUIET),
            ),
            alignment=ft.Alignment.CENTER,
            padding=ft.Padding.symmetric(vertical=10),
        ),
        ft.Container(
            identified("credential", text.display(credential.name, align=ft.TextAlign.CENTER)),
            alignment=ft.Alignment.CENTER,
        ),
        ft.Container(text.body(words("credential.role"), color=theme.QUIET), alignment=ft.Alignment.CENTER),
        ft.Container(text.title(words("credential.number", number=credential.number)), alignment=ft.Alignment.CENTER),
        ft.Row(
            [
                badges.badge(
                    ft.Icons.VERIFIED_OUTLINED if valid else ft.Icons.ERROR_OUTLINE,
                    words("credential.valid-until" if valid else "credential.expired", day=day),
                    theme.RECEIVED if valid else theme.ATTENTION,
                )
            ],
            alignment=ft.MainAxisAlignment.CENTER,
        ),
        ft.Container(height=8),
    ]
    if credential.phone:
        controls.append(_row(words("credential.phone"), text.body(credential.phone)))
    if credential.skills:
        controls.append(_row(words("credential.skills"), text.body(" · ".join(credential.skills))))
    for certificate in credential.certificates:
        good = certificate.valid_until >= today
        until = words("credential.until" if good else "credential.ended", day=words.full_day(certificate.valid_until))
        controls.append(
            _row(
                words("credential.certificate"),
                ft.Column(
                    [
                        text.body(certificate.name),
                        *([text.small(certificate.number)] if certificate.number else []),
                        ft.Row(
                            [
                                ft.Icon(
                                    ft.Icons.CHECK_CIRCLE_OUTLINE if good else ft.Icons.ERROR_OUTLINE,
                                    size=16,
                                    color=theme.RECEIVED if good else theme.ATTENTION,
                                ),
                                text.flexible(
                                    text.small(until, color=theme.RECEIVED if good else theme.ATTENTION, strong=True)
                                ),
                            ],
                            spacing=4,
                        ),
                    ],
                    spacing=0,
                ),
            )
        )
    return controls


def _row(label: str, content: ft.Control) -> ft.Control:
    return ft.Container(
        ft.Row(
            [ft.Container(text.note(label), width=84), ft.Container(content, expand=True)],
            vertical_alignment=ft.CrossAxisAlignment.START,
        ),
        border=ft.Border.only(top=ft.BorderSide(1, theme.LINE)),
        padding=ft.Padding.symmetric(vertical=8),
    )
