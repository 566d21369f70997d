"""The first thing a new phone shows: how it becomes somebody's."""

from functools import partial

import flet as ft

from field_app import theme
from field_app.components import buttons, fields, text
from field_app.components.boundary import component
from field_app.components.frame import NoticeBar, lone_view
from field_app.components.identifiers import identified
from field_app.state.app import AppState
from field_app.store import Identity
from field_app.words import LANGUAGES
from shared_schema.sync_protocol import Offline, RefusedRequest, UpgradeRequired

_KNOWN_REFUSALS = frozenset(
    {"enrolment-expired", "enrolment-used", "enrolment-unknown", "device-of-another-person", "too-many-requests"}
)
"""Problem codes of the office's registry that have a sentence of their own here."""


def _why_not(away: object) -> tuple[str, str]:
    """The sentence's key, and the code that stands small below it."""
    match away:
        case Offline():
            return "enrol.offline", ""
        case UpgradeRequired():
            return "enrol.upgrade", ""
        case RefusedRequest(code=code) if code in _KNOWN_REFUSALS:
            return f"enrol.{code}", code
        case RefusedRequest(code=code):
            return "enrol.refused", code
        case _:
            return "enrol.refused", ""


@component
def Enrol(app: AppState, offered_key: str | None) -> ft.Control:
    words = app.words
    typed: ft.MutableRef[dict[str, str]] = ft.use_ref(lambda: {"key": offered_key or ""})
    values = typed.current or {}
    usual_name = words("enrol.device-name-default")  # in the language chosen, until another is typed
    busy, set_busy = ft.use_state(False)
    fault, set_fault = ft.use_state(("", ""))

    async def submit() -> None:
        set_busy(True)
        set_fault(("", ""))
        try:
            outcome = await app.phone.enrol(values["key"], values.get("name", "").strip() or usual_name)
        finally:
            set_busy(False)
        if outcome is None:
            set_fault(("enrol.key-wrong", ""))
            return
        if isinstance(outcome, Identity):
            app.phone.keep_in_sync()
            app.go("/")
        else:
            set_fault(_why_not(outcome))

    def keep(field: str, value: str) -> None:
        values[field] = value

    async def begin() -> None:
        if offered_key:
            await app.doing(submit)(None)

    ft.use_effect(begin, dependencies=[])

    sentence, code = fault  # the key of the sentence: the language may be changed while it stands there
    form: list[ft.Control] = [
        ft.Container(
            ft.Icon(ft.Icons.DOOR_FRONT_DOOR_OUTLINED, size=44, color=theme.PRIMARY),
            alignment=ft.Alignment.CENTER_LEFT,
        ),
        identified("enrol", text.display(words("enrol.title"))),
        text.body(words("enrol.from-link" if offered_key and not sentence else "enrol.how"), color=theme.QUIET),
        fields.typed(
            app,
            "enrol-key",
            label=words("enrol.key"),
            hint=words("enrol.key-hint"),
            value=values["key"],
            on_typed=lambda value: keep("key", value),
            limit=400,
        ),
        fields.typed(
            app,
            "enrol-device-name",
            label=words("enrol.device-name"),
            value=values.get("name", usual_name),
            on_typed=lambda value: keep("name", value),
        ),
    ]
    if sentence:
        form.append(
            identified(
                "enrol-error",
                ft.Container(
                    ft.Row(
                        [
                            ft.Icon(ft.Icons.ERROR_OUTLINE, color=theme.ATTENTION),
                            ft.Column(
                                [text.note(words(sentence), color=theme.INK), *([text.small(code)] if code else [])],
                                spacing=0,
                                expand=True,
                            ),
                        ],
                        spacing=10,
                    ),
                    bgcolor=theme.tint(theme.ATTENTION),
                    border_radius=theme.RADIUS_CARD,
                    padding=14,
                ),
                live=True,
            )
        )
    form.append(NoticeBar(app))
    form.append(
        buttons.primary("enrol-submit", words("enrol.busy" if busy else "enrol.submit"), app.doing(submit), busy=busy)
    )
    form.append(
        ft.Row(
            [
                buttons.quiet(
                    f"language-{language}",
                    words(f"language.{language}"),
                    app.doing(partial(app.choose_language, language)),
                    color=theme.PRIMARY if language == words.language else theme.QUIET,
                )
                for language in LANGUAGES
            ],
            alignment=ft.MainAxisAlignment.CENTER,
        )
    )
    return lone_view(form, spacing=18, padding=ft.Padding.symmetric(horizontal=24, vertical=40))
