"""What needs the technician's attention: operations the office refused, and what was typed into forms that no page
leads to any more; each until something was made of it."""

from collections.abc import Callable
from functools import partial

import flet as ft

from field_app import theme
from field_app.actions import Correction, FormInUse, NotPossibleNow, Refusal, Saved, Way, route_of
from field_app.components import badges, buttons, text
from field_app.components.boundary import component
from field_app.components.frame import card, page_view
from field_app.components.identifiers import identified
from field_app.state.app import AppState
from field_app.state.current import use_app
from field_app.state.rejections import sentence
from field_app.state.stranded import has_signature, leads_on, may_be_note, said_in
from field_app.store import EntryState, Stranded
from shared_schema.rejections import Rejection


@component
def AttentionPage() -> ft.Control:
    app = use_app()
    words = app.words
    # The one refusal, or draft, of which it is being asked whether it really is to be let go.
    asked_about, set_asked_about = ft.use_state("")
    refusals, stranded = app.phone.actions.refusals(), app.phone.store.stranded()

    def ask(about: str) -> None:
        set_asked_about(about)

    body: list[ft.Control] = []
    if refusals:
        body.append(text.note(words("attention.intro")))
        body += [_refusal(app, refusal, asked_about == refusal.entry.id, ask) for refusal in refusals]
    if stranded:
        body.append(text.note(words("attention.stranded-intro")))
        body += [_stranded(app, each, asked_about == each.key, ask) for each in stranded]
    if not body:
        body = [
            identified(
                "nothing-to-attend",
                card(
                    ft.Row([ft.Icon(ft.Icons.TASK_ALT, size=40, color=theme.RECEIVED)]),
                    text.strong(words("attention.nothing-title")),
                    text.note(words("attention.nothing")),
                ),
            )
        ]
    return page_view(app, "attention", route="/sync/attention", title=words("attention.title"), body=body)


def _refusal(app: AppState, refusal: Refusal, is_withdrawing: bool, ask: Callable[[str], None]) -> ft.Control:
    words, entry = app.words, refusal.entry
    kind = f"operation.{entry.kind}"
    lines: list[ft.Control] = [
        badges.headed(
            text.strong(words.shared(kind) if words.knows_shared(kind) else entry.kind),
            badges.entry_badge(EntryState.REFUSED, words),
        ),
        text.small(
            words(
                "sync.entry",
                number=entry.sequence,
                ticket=entry.ticket_number,
                when=words.moment(entry.recorded_at, app.today()),
            )
        ),
        text.body(sentence(entry.rejection, words)),
    ]
    if refusal.typed:
        lines.append(_typed(app, f"typed-{entry.sequence}", refusal.typed))
    if refusal.photo is not None and (data := app.photo(refusal.photo)) is not None:
        lines.append(ft.Row([_picture(data, words("attention.photo"))]))
    if refusal.ways == (Way.WITHDRAW,):
        lines.append(text.note(words("attention.only-withdraw")))
    lines += _withdrawing(app, refusal, ask) if is_withdrawing else _ways(app, refusal, ask)
    return identified(f"refusal-{entry.sequence}", card(*lines))


def _typed(app: AppState, identifier: str, typed: str) -> ft.Control:
    return identified(
        identifier,
        ft.Container(
            ft.Column([text.small(app.words("attention.typed")), text.body(typed, selectable=True)], spacing=2),
            bgcolor=theme.GROUND,
            border_radius=theme.RADIUS_FIELD,
            padding=12,
        ),
    )


def _picture(data: bytes, label: str) -> ft.Control:
    return ft.Image(
        src=data,
        width=_PHOTO,
        height=_PHOTO,
        fit=ft.BoxFit.COVER,
        border_radius=theme.RADIUS_FIELD,
        cache_width=3 * _PHOTO,
        semantics_label=label,
    )


_PHOTO = 120

_ICONS = {
    Way.CORRECT: ft.Icons.EDIT_OUTLINED,
    Way.AGAIN: ft.Icons.REPLAY,
    Way.NOTE: ft.Icons.STICKY_NOTE_2_OUTLINED,
    Way.WITHDRAW: ft.Icons.UNDO,
}


def _ways(app: AppState, refusal: Refusal, ask: Callable[[str], None]) -> list[ft.Control]:
    """One below the other: their words are of different lengths, and none must be cut."""
    entry = refusal.entry

    def record_again() -> None:
        _try(app, lambda: app.phone.actions.record_again(entry.id))

    def turn_into_note() -> None:
        _try(app, lambda: app.phone.actions.turn_into_note(entry.id))

    doing: dict[Way, Callable[[], None]] = {
        Way.CORRECT: partial(_correct, app, entry.id),
        Way.AGAIN: record_again,
        Way.NOTE: turn_into_note,
        Way.WITHDRAW: partial(ask, entry.id),
    }
    return [
        buttons.secondary(
            f"{way.value}-{entry.sequence}",
            app.words(f"attention.{way.value}"),
            app.stepping(doing[way]),
            icon=_ICONS[way],
            color=theme.QUIET if way is Way.WITHDRAW else theme.PRIMARY,
        )
        for way in refusal.ways
        if way is not Way.NOTE or refusal.typed
    ]


def _withdrawing(app: AppState, refusal: Refusal, ask: Callable[[str], None]) -> list[ft.Control]:
    entry = refusal.entry

    def withdraw() -> None:
        if _try(app, lambda: app.phone.actions.withdraw(entry.id)):
            ask("")

    return _letting_go(app, str(entry.sequence), app.words("attention.withdraw-asked"), withdraw, ask)


def _letting_go(
    app: AppState, name: str, question: str, let_go: Callable[[], None], ask: Callable[[str], None]
) -> list[ft.Control]:
    return [
        text.note(question, color=theme.INK),
        buttons.secondary(
            f"withdraw-sure-{name}",
            app.words("attention.withdraw-sure"),
            app.stepping(let_go),
            icon=ft.Icons.UNDO,
            color=theme.ATTENTION,
        ),
        buttons.quiet(f"withdraw-not-{name}", app.words("attention.withdraw-not"), app.doing(lambda: ask(""))),
    ]


# -- typed and not recorded -------------------------------------------------------------------------------------------

_FORMS = frozenset({"note", "problem", "wait", "finish", "objection", "hand-over"})


def _stranded(app: AppState, stranded: Stranded, is_letting_go: bool, ask: Callable[[str], None]) -> ft.Control:
    words, name = app.words, f"{stranded.form}-{stranded.ticket_number or stranded.ticket}"
    when = words.moment(stranded.saved_at, app.today())
    said = said_in(stranded, words)
    lines: list[ft.Control] = [
        # Not by the name of what it would have become: nobody has finished, signed or objected.
        text.strong(words(f"attention.begun-{stranded.form}") if stranded.form in _FORMS else stranded.form),
        text.small(
            words("attention.stranded-on", ticket=stranded.ticket_number, when=when) if stranded.ticket_number else when
        ),
    ]
    if said:
        lines.append(_typed(app, f"typed-{name}", said))
    if has_signature(stranded):
        lines.append(text.note(words("attention.stranded-signature"), color=theme.INK))
    elif not said:
        lines.append(text.note(words("attention.stranded-nothing")))
    if is_letting_go:

        def let_go() -> None:
            app.phone.actions.let_draft_go(stranded.key)
            ask("")

        lines += _letting_go(app, name, words("attention.stranded-asked"), let_go, ask)
    else:
        lines += _ways_of_stranded(app, stranded, name, said, ask)
    return identified(f"stranded-{name}", card(*lines))


def _ways_of_stranded(
    app: AppState, stranded: Stranded, name: str, said: str, ask: Callable[[str], None]
) -> list[ft.Control]:
    words, store = app.words, app.phone.store
    may_be_noted = may_be_note(stranded, store)
    controls: list[ft.Control] = []
    if leads_on(stranded, store):
        controls.append(
            buttons.secondary(
                f"go-on-{name}",
                words("attention.stranded-go-on"),
                app.going(route_of(stranded.form, stranded.ticket)),
                icon=ft.Icons.EDIT_OUTLINED,
            )
        )
    if said and may_be_noted:

        def keep() -> None:
            # A signature that was begun is no words: it stays until somebody lets it go.
            left = {"strokes": stranded.values["strokes"]} if has_signature(stranded) else {}
            app.perform(lambda: app.phone.actions.keep_draft_as_note(stranded.key, stranded.ticket, said, left))

        controls.append(
            buttons.secondary(
                f"note-{name}", words("attention.note"), app.stepping(keep), icon=ft.Icons.STICKY_NOTE_2_OUTLINED
            )
        )
    if not may_be_noted:
        controls.append(text.note(words("attention.stranded-only-here")))
    controls.append(
        buttons.secondary(
            f"withdraw-{name}",
            words("attention.withdraw"),
            app.stepping(partial(ask, stranded.key)),
            icon=ft.Icons.UNDO,
            color=theme.QUIET,
        )
    )
    return controls


def _try(app: AppState, action: Callable[[], Saved | Rejection | NotPossibleNow]) -> bool:
    """Whether it was recorded; where it was not, the reason is put up for reading."""
    outcome = action()
    if isinstance(outcome, NotPossibleNow):
        app.say(app.words("attention.not-now"))
        return False
    return app.perform(lambda: outcome)


def _correct(app: AppState, operation_id: str) -> None:
    match app.phone.actions.begin_correction(operation_id):
        case Correction(route=route):
            app.go(route)
        case FormInUse(route=route):
            # What is being typed there comes first: the person is taken to it and told why.
            app.go(route)
            app.say(app.words("attention.form-in-use"))
        case NotPossibleNow():
            app.say(app.words("attention.not-now"))
