"""The phone in the customer's hand: what was found and done, in plain words, to be accepted or objected to.

These pages are locked: the customer may end their part at any time, and what they entered is kept, but that leads to a
page that asks them to give the phone back. From there only the technician's press and hold leads to the ticket: other
customers' names and addresses lie behind it, and a tap is too easily made.

What is shown is `state.statement`, sentence by sentence; the moment the customer accepts or objects, that very text is
kept with the draft, so that what is signed is what was read, even if the phone is killed on the way.
"""

from collections.abc import Callable, Sequence
from typing import cast

import flet as ft
import msgspec

from field_app import theme
from field_app.components import buttons, fields, photos, text
from field_app.components.boundary import component
from field_app.components.frame import NoticeBar
from field_app.components.identifiers import identified
from field_app.components.saved import saved_line
from field_app.components.stars import stars
from field_app.screens.paper import paper_view
from field_app.screens.ticket import gone
from field_app.state.app import AppState
from field_app.state.current import use_app
from field_app.state.drafts import Draft, form_key, use_draft
from field_app.state.statement import Section, sections, shown_photos, statement
from shared_schema.evidence import PhotoSlot, Statement
from shared_schema.lifecycle import Status
from shared_schema.ticket import Ticket

_LARGER = 19
_COMMENT_LIMIT = 1000
_SWIFT_MS = 200

_scroll_key = cast("Callable[[str], ft.ScrollKey]", ft.ScrollKey)
"""Typed: what Flet declares it by hides its one argument."""


def draft_key(ticket_id: str) -> str:
    return form_key("hand-over", ticket_id)


def statement_parts(app: AppState, ticket: Ticket) -> tuple[Section, ...]:
    return sections(ticket, app.words, *_who(app))


def statement_of(app: AppState, ticket: Ticket) -> Statement:
    return statement(ticket, app.words, *_who(app))


def _who(app: AppState) -> tuple[str, str]:
    """The technician's name and the company's, as on the credential."""
    reference, identity = app.reference(), app.phone.store.identity()
    if reference is not None:
        return reference.credential.name, reference.credential.company
    return (identity.name if identity is not None else ""), ""


def keep_statement(draft: Draft, shown: Statement) -> None:
    draft.keep("statement", msgspec.to_builtins(shown))


def kept_statement(draft: Draft) -> Statement | None:
    """What the customer read before they accepted or objected."""
    try:
        return msgspec.convert(draft.values.get("statement"), Statement)
    except msgspec.ValidationError:
        return None


def while_customer_decides(page: Callable[[AppState, Ticket], ft.Control]) -> ft.Control:
    """One of the customer's pages, for as long as there is work to accept or to object to."""
    app = use_app()
    ticket_id = ft.use_route_params().get("ticket", "")
    ticket = app.ticket(ticket_id)
    if ticket is None:
        return gone(app, ticket_id)
    if ticket.status is not Status.WORK_DONE:
        return HandedBack(app, ticket)
    return page(app, ticket)


@component
def HandOverPage(key: str = "") -> ft.Control:  # noqa: ARG001
    return while_customer_decides(HandOver)


@component
def HandOver(app: AppState, ticket: Ticket) -> ft.Control:
    words = app.words
    draft = use_draft(app, draft_key(ticket.id))
    rating, set_rating = ft.use_state(draft.number("rating"))
    fault, set_fault = ft.use_state("")
    scrolled: ft.MutableRef[ft.ListView] = ft.use_ref(None)
    here = f"/tickets/{ticket.id}/hand-over"
    # The pages the customer holds lie one upon the other, this one undermost: while it is there, it keeps them all.
    _stay_with_the_customer(app, ticket, here)

    def rate(chosen: int) -> None:
        draft.keep("rating", chosen)
        set_rating(chosen)
        set_fault("")

    def name(signer: str) -> None:
        draft.keep("signer", signer)
        set_fault("")

    async def ask_for(missing: str) -> None:
        """What is asked for comes into view: below the record it may not have been seen yet."""
        set_fault(missing)
        assert scrolled.current is not None
        await scrolled.current.scroll_to(scroll_key=missing, duration=_SWIFT_MS)

    async def accept() -> None:
        if not rating:
            await ask_for("rating")
        elif not draft.text("signer", ticket.customer.name).strip():
            await ask_for("signer")
        else:
            keep_statement(draft, statement_of(app, ticket))
            app.go(f"{here}/signature")

    def object_() -> None:
        keep_statement(draft, statement_of(app, ticket))
        app.go(f"{here}/objection")

    missing = words(f"hand-over.{fault}-missing") if fault else ""
    shown = shown_photos(ticket)
    body: list[ft.Control] = [
        identified("hand-over", text.display(words("hand-over.title", name=ticket.customer.name))),
        text.large_body(words("hand-over.please-read"), color=theme.QUIET),
        identified("statement", ft.Column([*_shown(statement_parts(app, ticket))], spacing=16)),
    ]
    if shown:
        body.append(ft.Row(photos.strip(app, shown, here, size=104), wrap=True, spacing=8, run_spacing=8))
    body += [
        ft.Divider(height=1, color=theme.LINE),
        ft.Column(
            [
                text.title(words("hand-over.rate"), align=ft.TextAlign.CENTER),
                stars(app, words, rating, rate, missing=missing if fault == "rating" else ""),
            ],
            key=_scroll_key("rating"),
            spacing=18,
            horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        ),
    ]
    body += [
        fields.typed(
            app,
            "comment",
            label=words("hand-over.comment"),
            hint=words("hand-over.comment-hint"),
            value=draft.text("comment"),
            on_typed=lambda value: draft.keep("comment", value),
            lines=2,
            limit=_COMMENT_LIMIT,
            size=_LARGER,
        ),
        ft.Container(
            fields.typed(
                app,
                "signer",
                label=words("hand-over.signer"),
                value=draft.text("signer", ticket.customer.name),
                on_typed=name,
                error=words("form.required") if fault == "signer" else "",
                size=_LARGER,
            ),
            key=_scroll_key("signer"),
        ),
        ft.Row(
            [
                buttons.quiet(
                    "hand-back",
                    words("hand-over.back"),
                    app.going(f"/tickets/{ticket.id}/handed-back"),
                    color=theme.QUIET,
                )
            ],
            alignment=ft.MainAxisAlignment.CENTER,
        ),
    ]
    foot = [
        NoticeBar(app),
        ft.Row(
            [
                buttons.secondary(
                    "object",
                    words("hand-over.object"),
                    app.doing(object_),
                    color=theme.ATTENTION,
                    height=theme.TOUCH + 4,
                ),
                buttons.primary("accept", words("hand-over.accept"), app.doing(accept), expand=True),
            ],
            spacing=12,
        ),
    ]
    if fault:
        foot.insert(0, _missing(missing))
    return paper_view(here, body, foot, scrolled)


def _stay_with_the_customer(app: AppState, ticket: Ticket, home: str) -> None:
    """While the component that asks for it is there, the browser's back button leads to no page but the customer's."""
    held: ft.MutableRef[Callable[[], None]] = ft.use_ref(None)

    def hold() -> None:
        held.current = app.hold(home, f"/tickets/{ticket.id}/hand")

    def let_go() -> None:
        if held.current is not None:
            held.current()

    ft.use_effect(hold, dependencies=[], cleanup=let_go)


def _missing(words: str) -> ft.Control:
    return ft.Row(
        [
            ft.Icon(ft.Icons.ERROR_OUTLINE, size=20, color=theme.ATTENTION),
            text.flexible(text.note(words, color=theme.ATTENTION)),
        ],
        alignment=ft.MainAxisAlignment.CENTER,
        spacing=6,
    )


def _shown(parts: Sequence[Section]) -> list[ft.Control]:
    return [ft.Column([text.note(part.heading, strong=True), text.large_body(part.words)], spacing=0) for part in parts]


@component
def ObjectionPage(key: str = "") -> ft.Control:  # noqa: ARG001
    """What the customer does not accept, in their words, with a photo if they wish."""
    return while_customer_decides(ObjectionForm)


@component
def ObjectionForm(app: AppState, ticket: Ticket) -> ft.Control:
    words = app.words
    key, hand_over_key = form_key("objection", ticket.id), draft_key(ticket.id)
    draft = use_draft(app, key)
    read = use_draft(app, hand_over_key)
    error, set_error = ft.use_state("")
    here = f"/tickets/{ticket.id}/hand-over"
    named = {sha256 for objection in ticket.objections for sha256 in objection.photos}
    taken = [photo for photo in ticket.photos if photo.slot is PhotoSlot.OBJECTION and photo.sha256 not in named]

    def typed(value: str) -> None:
        draft.keep("words", value)
        set_error("")

    def submit() -> None:
        said = draft.text("words").strip()
        shown = kept_statement(read) or statement_of(app, ticket)
        if not said:
            set_error(words("objection.required"))
        elif app.perform(
            lambda: app.phone.actions.raise_objection(
                ticket.id,
                shown,
                said,
                [photo.sha256 for photo in taken],
                clear_drafts=[key],
                # Comment and name wait for the next time; what was read, and a signature begun on that, do not.
                rewrite_drafts={hand_over_key: read.without("statement", "strokes", "rating")},
            )
        ):
            app.go(f"/tickets/{ticket.id}/handed-back")

    body = [
        identified("objection", text.display(words("objection.title"))),
        text.large_body(words("objection.how"), color=theme.QUIET),
        fields.typed(
            app,
            "objection-words",
            label=words("objection.words"),
            hint=words("objection.hint"),
            value=draft.text("words"),
            on_typed=typed,
            error=error,
            lines=4,
            limit=4000,
            size=_LARGER,
        ),
        photos.slot(
            app,
            "objection-photo",
            words("objection.photos"),
            taken,
            app.going(f"{here}/camera/{PhotoSlot.OBJECTION.value}"),
            is_awaited=False,
        ),
    ]
    foot = [
        NoticeBar(app),
        buttons.primary("objection-submit", words("objection.submit"), app.stepping(submit), resting=app.resting),
        buttons.quiet("objection-back", words("objection.back"), app.going(here), color=theme.QUIET),
    ]
    return paper_view(f"{here}/objection", body, foot)


@component
def HandedBackPage(key: str = "") -> ft.Control:  # noqa: ARG001
    app = use_app()
    ticket_id = ft.use_route_params().get("ticket", "")
    ticket = app.ticket(ticket_id)
    return gone(app, ticket_id) if ticket is None else HandedBack(app, ticket)


@component
def HandedBack(app: AppState, ticket: Ticket) -> ft.Control:
    """Thanks to the customer, whatever they decided, and the technician's way back."""
    words = app.words
    is_tapped, set_tapped = ft.use_state(False)
    here = f"/tickets/{ticket.id}/handed-back"
    _stay_with_the_customer(app, ticket, here)
    if ticket.status in {Status.SIGNED_OFF, Status.CLOSED}:
        name, icon, role = "signed", ft.Icons.VERIFIED_OUTLINED, theme.RECEIVED
    elif ticket.status is Status.OBJECTED:
        name, icon, role = "objected", ft.Icons.FEEDBACK_OUTLINED, theme.SAVED
    else:  # not yet; or the office has meanwhile cancelled the ticket or given it away
        name, icon, role = "undecided", ft.Icons.SMARTPHONE_OUTLINED, theme.INFORMATION
    line = saved_line(app, ticket.id, is_customers=True)
    body: list[ft.Control] = [
        ft.Container(height=56),
        ft.Icon(icon, size=72, color=role),
        identified("handed-back", text.title(words(f"handed-back.{name}"), align=ft.TextAlign.CENTER)),
        ft.Container(
            text.body(words(f"handed-back.{name}-next"), color=theme.QUIET, align=ft.TextAlign.CENTER),
            alignment=ft.Alignment.CENTER,
        ),
    ]
    foot: list[ft.Control] = [
        *([line] if line is not None else []),
        *(
            [identified("hold-on", text.note(words("handed-back.hold"), align=ft.TextAlign.CENTER))]
            if is_tapped
            else []
        ),
        buttons.held(
            "back-to-ticket",
            words("handed-back.technician"),
            on_hold=app.going(f"/tickets/{ticket.id}"),
            on_tap=app.doing(lambda: set_tapped(True)),
        ),
    ]
    if ticket.status is Status.WORK_DONE:
        foot.append(
            buttons.quiet(
                "read-on", words("handed-back.read-on"), app.going(f"/tickets/{ticket.id}/hand-over"), color=theme.QUIET
            )
        )
    return paper_view(here, body, foot)
