"""The signature: full screen, the phone held across, a line to sign on with the name under it."""

import flet as ft

from field_app import theme
from field_app.components import buttons, text
from field_app.components.boundary import component
from field_app.components.frame import NoticeBar
from field_app.components.identifiers import identified
from field_app.components.signature_pad import SignaturePad, Stroke, Strokes
from field_app.screens.hand_over import draft_key, kept_statement, statement_of, while_customer_decides
from field_app.screens.paper import on_paper
from field_app.state.app import AppState, Handler
from field_app.state.drafts import Draft, use_draft
from shared_schema.ticket import Ticket


@component
def SignaturePage(key: str = "") -> ft.Control:  # noqa: ARG001
    return while_customer_decides(Sign)


def _drawn_before(draft: Draft) -> Strokes:
    """The strokes of a signature that was begun before the phone was killed."""
    kept = draft.values.get("strokes")
    strokes: list[Stroke] = [
        [(int(x), int(y)) for x, y in stroke] for stroke in (kept if isinstance(kept, list) else []) if stroke
    ]
    return Strokes(strokes)


@component
def Sign(app: AppState, ticket: Ticket) -> ft.Control:
    words = app.words
    key = draft_key(ticket.id)
    draft = use_draft(app, key)
    held: ft.MutableRef[Strokes] = ft.use_ref(lambda: _drawn_before(draft))
    strokes = held.current
    assert strokes is not None
    sure, set_sure = ft.use_state(False)
    empty, set_empty = ft.use_state(False)
    pad, set_pad = ft.use_state(0)
    here = f"/tickets/{ticket.id}/hand-over"

    def stroked() -> None:
        draft.keep("strokes", [[list(point) for point in stroke] for stroke in strokes.drawn])
        set_empty(False)
        set_sure(False)

    def clear() -> None:
        if not sure and strokes.drawn:
            set_sure(True)
            return
        strokes.drawn.clear()
        draft.keep("strokes", [])
        set_sure(False)
        set_pad(pad + 1)

    def submit() -> None:
        shown = kept_statement(draft) or statement_of(app, ticket)
        signer = draft.text("signer", ticket.customer.name)
        if not strokes.drawn:
            set_empty(True)
        elif not draft.number("rating"):
            app.go(here)
        elif app.perform(
            lambda: app.phone.actions.sign_off(
                ticket.id,
                shown,
                signer,
                draft.number("rating"),
                draft.text("comment"),
                strokes.signature(),
                clear_drafts=[key],
            )
        ):
            app.go(f"/tickets/{ticket.id}/handed-back")

    signer = draft.text("signer", ticket.customer.name)
    page = ft.Column(
        [
            ft.Row(
                [
                    buttons.round_icon("back", ft.Icons.ARROW_BACK, words("signature.back"), app.going(here)),
                    identified("signature", text.strong(words("signature.title")), expand=True),
                    buttons.secondary(
                        "signature-clear-sure" if sure else "signature-clear",
                        words("signature.clear-sure" if sure else "signature.clear"),
                        app.doing(clear),
                        color=theme.ATTENTION if sure else theme.QUIET,
                    ),
                    _submit(words("signature.submit"), app.doing(submit)),
                ],
                spacing=12,
            ),
            ft.Container(
                ft.Stack(
                    [
                        ft.Container(
                            ft.Column(
                                [
                                    ft.Container(height=1, bgcolor=theme.INK),
                                    ft.Row(
                                        [
                                            text.note(
                                                f"{signer}　{words('signature.role')}",
                                                color=theme.INK,
                                                strong=True,
                                                lines=1,
                                                expand=True,
                                            ),
                                            text.note(words.full_day(app.today())),
                                        ],
                                        spacing=10,
                                    ),
                                ],
                                spacing=6,
                            ),
                            left=32,
                            right=32,
                            bottom=24,
                        ),
                        ft.Container(
                            SignaturePad(app, strokes, words("signature.pad"), stroked, key=f"pad-{pad}"),
                            left=0,
                            right=0,
                            top=0,
                            bottom=0,
                        ),
                    ],
                    expand=True,
                ),
                expand=True,
                border=ft.Border.all(1, theme.ATTENTION if empty else theme.LINE),
                border_radius=theme.RADIUS_CARD,
            ),
            ft.Row(
                [
                    text.note(words("signature.empty"), color=theme.ATTENTION)
                    if empty
                    else text.note(words("signature.agrees"))
                ],
                alignment=ft.MainAxisAlignment.CENTER,
            ),
            NoticeBar(app),
        ],
        spacing=8,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
    )
    return ft.View(
        route=f"{here}/signature",
        bgcolor=theme.PAPER.ground,
        padding=0,
        can_pop=False,
        controls=[
            on_paper(
                ft.SafeArea(
                    _across(ft.Container(page, padding=16, expand=True), is_upright=app.is_upright), expand=True
                )
            )
        ],
    )


def _submit(label: str, on_click: Handler) -> ft.Control:
    return identified(
        "signature-submit",
        ft.FilledButton(
            label,
            icon=ft.Icons.CHECK,
            on_click=on_click,
            style=ft.ButtonStyle(
                padding=ft.Padding.symmetric(horizontal=16, vertical=14),
                bgcolor=theme.PRIMARY,
                color=theme.ON_PRIMARY,
                shape=ft.RoundedRectangleBorder(radius=theme.RADIUS_CARD),
                text_style=ft.TextStyle(size=theme.BODY, weight=ft.FontWeight.W_600, font_family=theme.FONT),
            ),
        ),
    )


def _across(content: ft.Control, *, is_upright: bool) -> ft.Control:
    """Landscape, also on a phone that is held upright: a signature needs width."""
    return ft.RotatedBox(quarter_turns=1, content=content, expand=True) if is_upright else content
