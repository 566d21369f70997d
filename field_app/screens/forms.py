"""The short pages on which a technician types: the problem as agreed, a note, what is waited for, what was done.

Each keeps its draft on every change; the action that records it clears the draft in the same transaction.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flet as ft

from field_app import theme
from field_app.components import buttons, fields, text
from field_app.components.boundary import component
from field_app.components.choices import Choice, choices
from field_app.components.frame import card, page_view
from field_app.screens.ticket import gone
from field_app.state.app import AppState
from field_app.state.current import use_app
from field_app.state.drafts import Draft, form_key, use_draft
from field_app.state.stranded import waited_for
from shared_schema.evidence import PhotoSlot
from shared_schema.ticket import Ticket

WORDS_LIMIT = 4000


def _form(
    app: AppState,
    ticket: Ticket,
    name: str,
    above: Sequence[ft.Control],
    inputs: Sequence[ft.Control],
    submit: Callable[[], None],
) -> ft.Control:
    words = app.words
    return page_view(
        app,
        name,
        route=f"/tickets/{ticket.id}/{name}",
        title=words(f"{name}.title"),
        body=[*above, *inputs],
        foot=[
            buttons.primary(
                f"{name}-submit",
                words(f"{name}.submit"),
                app.stepping(submit),
                icon=ft.Icons.CHECK,
                resting=app.resting,
            )
        ],
    )


def _words_field(
    app: AppState,
    draft: Draft,
    identifier: str,
    field: str,
    error: str,
    on_typed: Callable[[], None],
    *,
    otherwise: str = "",
    lines: int = 5,
) -> ft.Control:
    """`on_typed` takes away the error, which is being answered."""

    def typed(value: str) -> None:
        draft.keep(field, value)
        on_typed()

    return fields.typed(
        app,
        identifier,
        label=app.words(f"{identifier}.label"),
        hint=app.words(f"{identifier}.hint"),
        value=draft.text(field, otherwise),
        on_typed=typed,
        error=error,
        lines=lines,
        limit=WORDS_LIMIT,
    )


@component
def ProblemPage(key: str = "") -> ft.Control:  # noqa: ARG001
    """The problem as technician and customer agree on it at the door; the reported one is kept beside it."""
    app = use_app()
    ticket_id = ft.use_route_params().get("ticket", "")
    form = form_key("problem", ticket_id)
    draft = use_draft(app, form)
    error, set_error = ft.use_state("")
    ticket = app.ticket(ticket_id)
    if ticket is None:
        return gone(app, ticket_id)
    reported = ticket.problem

    def submit() -> None:
        agreed = draft.text("words", reported).strip()
        if not agreed:
            set_error(app.words("form.required"))
        elif app.perform(lambda: app.phone.actions.confirm_problem(ticket_id, agreed, clear_drafts=[form])):
            app.go(f"/tickets/{ticket_id}")

    above = [card(text.note(app.words("ticket.problem-reported"), strong=True), text.body(reported), spacing=4)]
    return _form(
        app,
        ticket,
        "problem",
        above,
        [_words_field(app, draft, "problem-words", "words", error, lambda: set_error(""), otherwise=reported)],
        submit,
    )


@component
def NotePage(key: str = "") -> ft.Control:  # noqa: ARG001
    app = use_app()
    ticket_id = ft.use_route_params().get("ticket", "")
    form = form_key("note", ticket_id)
    draft = use_draft(app, form)
    error, set_error = ft.use_state("")
    ticket = app.ticket(ticket_id)
    if ticket is None:
        return gone(app, ticket_id)

    def submit() -> None:
        written = draft.text("text").strip()
        if not written:
            set_error(app.words("form.required"))
        elif app.perform(lambda: app.phone.actions.add_note(ticket_id, written, clear_drafts=[form])):
            app.go(f"/tickets/{ticket_id}")

    return _form(
        app,
        ticket,
        "note",
        [],
        [_words_field(app, draft, "note-text", "text", error, lambda: set_error(""), lines=7)],
        submit,
    )


@component
def WaitPage(key: str = "") -> ft.Control:  # noqa: ARG001
    """What the visit has to wait for before it can go on."""
    app = use_app()
    words = app.words
    ticket_id = ft.use_route_params().get("ticket", "")
    form = form_key("wait", ticket_id)
    draft = use_draft(app, form)
    error, set_error = ft.use_state("")
    reason, set_reason = ft.use_state(draft.text("reason"))
    ticket = app.ticket(ticket_id)
    if ticket is None:
        return gone(app, ticket_id)

    def choose(chosen: str) -> None:
        draft.keep("reason", chosen)
        set_reason(chosen)
        set_error("")

    def submit() -> None:
        said = waited_for(draft.values, words)
        if not said:
            set_error(words("wait.required"))
        elif app.perform(lambda: app.phone.actions.wait_for(ticket_id, said, clear_drafts=[form])):
            app.go(f"/tickets/{ticket_id}")

    def offered(name: str, icon: ft.IconData) -> Choice:
        is_chosen = name == reason
        shown: list[ft.Control] = [
            ft.Icon(icon, size=20, color=theme.PRIMARY if is_chosen else theme.QUIET),
            text.body(words(f"wait.{name}-choice"), color=theme.PRIMARY if is_chosen else theme.INK),
        ]
        return Choice(f"wait-{name}", shown, is_chosen, app.doing(partial(choose, name)))

    reasons = [offered("parts", ft.Icons.INVENTORY_2_OUTLINED), offered("customer", ft.Icons.PERSON_OUTLINE)]
    return _form(
        app,
        ticket,
        "wait",
        [choices(reasons, is_main=True)],
        [_words_field(app, draft, "wait-words", "words", error, lambda: set_error(""))],
        submit,
    )


@component
def FinishPage(key: str = "") -> ft.Control:  # noqa: ARG001
    app = use_app()
    ticket_id = ft.use_route_params().get("ticket", "")
    form = form_key("finish", ticket_id)
    draft = use_draft(app, form)
    errors, set_errors = ft.use_state(("", ""))
    ticket = app.ticket(ticket_id)
    if ticket is None:
        return gone(app, ticket_id)

    # After an objection the words of the last time are where the work goes on from.
    found_before, done_before = ticket.found, ticket.done

    def submit() -> None:
        found = draft.text("found", found_before).strip()
        done = draft.text("done", done_before).strip()
        required = app.words("form.required")
        set_errors(("" if found else required, "" if done else required))
        if (
            found
            and done
            and app.perform(lambda: app.phone.actions.finish_work(ticket_id, found, done, clear_drafts=[form]))
        ):
            app.go(f"/tickets/{ticket_id}")

    above: list[ft.Control] = []
    if not any(photo.slot is PhotoSlot.AFTER for photo in ticket.photos):
        above.append(
            ft.Container(
                ft.Row(
                    [
                        ft.Icon(ft.Icons.PHOTO_CAMERA_OUTLINED, color=theme.SAVED),
                        text.note(app.words("finish.no-after-photo"), color=theme.INK, expand=True),
                        buttons.quiet(
                            "finish-take-photo",
                            app.words("photo.take"),
                            app.going(f"/tickets/{ticket_id}/camera/{PhotoSlot.AFTER.value}"),
                        ),
                    ],
                    spacing=10,
                ),
                bgcolor=theme.tint(theme.SAVED),
                border_radius=theme.RADIUS_CARD,
                padding=ft.Padding.only(left=14, right=4, top=4, bottom=4),
            )
        )
    inputs = [
        _words_field(
            app,
            draft,
            "finish-found",
            "found",
            errors[0],
            lambda: set_errors(("", errors[1])),
            otherwise=found_before,
            lines=3,
        ),
        _words_field(
            app,
            draft,
            "finish-done",
            "done",
            errors[1],
            lambda: set_errors((errors[0], "")),
            otherwise=done_before,
            lines=3,
        ),
    ]
    return _form(app, ticket, "finish", above, inputs, submit)
