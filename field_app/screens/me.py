"""The technician's own page: the credential first, prices to look up, language and look, what this phone is."""

from functools import partial

import flet as ft

from field_app import theme
from field_app.components import buttons, fields, text
from field_app.components.boundary import component
from field_app.components.choices import Choice, choices
from field_app.components.frame import card, page_view
from field_app.components.identifiers import identified
from field_app.screens.leaving import leave_row
from field_app.settings import VERSION
from field_app.state.app import AppState, Handler, ThemeChoice
from field_app.state.current import use_app
from field_app.words import LANGUAGES
from shared_schema.credentials import Price

_PHOTO = 72
_SHOWN_PRICES = 100


@component
def MePage() -> ft.Control:
    app = use_app()
    words, reference = app.words, app.reference()
    body: list[ft.Control] = [_credential(app)]
    if reference is not None and reference.office_phone:
        body.append(
            buttons.secondary(
                "call-office",
                words("me.call-office", phone=reference.office_phone),
                icon=ft.Icons.SUPPORT_AGENT,
                url=f"tel:{reference.office_phone}",
            )
        )
    body += [
        _row("prices", ft.Icons.RECEIPT_LONG_OUTLINED, words("prices.title"), app.going("/me/prices")),
        card(
            text.note(words("me.language"), strong=True),
            choices(
                [
                    _choice(
                        f"language-{language}",
                        words(f"language.{language}"),
                        language == words.language,
                        app.doing(partial(app.choose_language, language)),
                    )
                    for language in LANGUAGES
                ]
            ),
            text.note(words("me.theme"), strong=True),
            choices(
                [
                    _choice(
                        f"theme-{choice.value}",
                        words(f"theme.{choice.value}"),
                        choice is app.theme_choice,
                        app.doing(partial(app.choose_theme, choice)),
                    )
                    for choice in ThemeChoice
                ]
            ),
            spacing=10,
        ),
        _device(app),
        leave_row(app),
        card(
            text.note(words("me.about"), strong=True),
            text.body(words("me.version", version=VERSION)),
            text.note(words("me.about-text")),
            spacing=4,
        ),
    ]
    return page_view(app, "me", route="/me", title=words("me.title"), body=body, place="me")


def _credential(app: AppState) -> ft.Control:
    words, reference, identity = app.words, app.reference(), app.phone.store.identity()
    if reference is None:
        name = identity.name if identity is not None else ""
        return card(text.title(name), text.note(words("credential.missing-how")))
    credential = reference.credential
    return identified(
        "me-credential",
        ft.Container(
            ft.Row(
                [
                    ft.Image(
                        src=credential.photo,
                        width=_PHOTO,
                        height=_PHOTO,
                        fit=ft.BoxFit.COVER,
                        border_radius=theme.RADIUS_FIELD,
                        semantics_label=words("credential.photo-of", name=credential.name),
                        error_content=ft.Icon(ft.Icons.PERSON, size=48, color=theme.QUIET),
                    ),
                    ft.Column(
                        [
                            text.title(credential.name),
                            text.note(words("credential.number", number=credential.number)),
                            text.note(words("me.show-credential"), color=theme.PRIMARY, strong=True),
                        ],
                        spacing=0,
                        expand=True,
                    ),
                    ft.Icon(ft.Icons.CHEVRON_RIGHT, color=theme.QUIET),
                ],
                spacing=14,
            ),
            bgcolor=theme.SURFACE,
            border=ft.Border.all(1, theme.LINE),
            border_radius=theme.RADIUS_CARD,
            padding=14,
            ink=True,
            on_click=app.going("/me/credential"),
        ),
        label=f"{credential.name} {words('me.show-credential')}",
    )


def _row(identifier: str, icon: ft.IconData, label: str, on_click: Handler) -> ft.Control:
    return identified(
        identifier,
        ft.Container(
            ft.Row(
                [
                    ft.Icon(icon, color=theme.PRIMARY),
                    text.body(label, expand=True),
                    ft.Icon(ft.Icons.CHEVRON_RIGHT, color=theme.QUIET),
                ],
                spacing=14,
            ),
            bgcolor=theme.SURFACE,
            border=ft.Border.all(1, theme.LINE),
            border_radius=theme.RADIUS_CARD,
            padding=ft.Padding.symmetric(horizontal=16, vertical=14),
            ink=True,
            on_click=on_click,
        ),
    )


def _choice(identifier: str, label: str, is_chosen: bool, on_click: Handler) -> Choice:
    role = theme.PRIMARY if is_chosen else theme.INK
    shown: list[ft.Control] = [text.note(label, color=role, strong=is_chosen, align=ft.TextAlign.CENTER)]
    if is_chosen:
        shown.insert(0, ft.Icon(ft.Icons.CHECK, size=18, color=theme.PRIMARY))
    return Choice(identifier, shown, is_chosen, on_click, label)


def _platform(app: AppState) -> str:
    """What a device tells the office, "browser · Chrome 156, Linux", with what kind it is in words."""
    kind, dot, more = app.phone.device.platform.partition(" · ")
    return f"{app.words(f'platform.{kind}')}{dot}{more}"


def _device(app: AppState) -> ft.Control:
    words, identity = app.words, app.phone.store.identity()
    rows = [
        (words("me.device-id"), identity.device if identity is not None else ""),
        (words("me.platform"), _platform(app)),
        (words("me.office"), app.phone.device.office_url),
    ]
    return card(
        text.note(words("me.device"), strong=True),
        *(
            ft.Row(
                [
                    ft.Container(text.note(label), width=88),
                    text.note(value, color=theme.INK, lines=2, expand=True),
                ],
                vertical_alignment=ft.CrossAxisAlignment.START,
            )
            for label, value in rows
            if value
        ),
        spacing=4,
    )


@component
def PricesPage() -> ft.Control:
    """The price list, to look up; it is on the phone and works without a network."""
    app = use_app()
    words, reference = app.words, app.reference()
    wanted, set_wanted = ft.use_state("")
    prices = reference.prices if reference is not None else ()
    sought = wanted.strip().casefold()
    found = [price for price in prices if sought in f"{price.name} {price.code}".casefold()]
    body: list[ft.Control] = [
        fields.typed(
            app,
            "prices-search",
            label=words("prices.search"),
            hint=words("prices.search-hint"),
            value=wanted,
            on_typed=set_wanted,
        )
    ]
    if found:
        body.append(card(*(_price(app, price) for price in found[:_SHOWN_PRICES]), spacing=12))
    else:
        body.append(card(text.note(words("prices.nothing" if prices else "prices.missing"))))
    return page_view(app, "prices-page", route="/me/prices", title=words("prices.title"), body=body)


def _price(app: AppState, price: Price) -> ft.Control:
    unit = app.words("prices.per", unit=price.unit) if price.unit else ""
    return ft.Row(
        [
            ft.Column([text.body(price.name), text.small(price.code)], spacing=0, expand=True),
            ft.Column(
                [text.strong(app.words.money(price.price_fen)), text.small(unit)],
                spacing=0,
                horizontal_alignment=ft.CrossAxisAlignment.END,
            ),
        ],
        vertical_alignment=ft.CrossAxisAlignment.START,
    )
