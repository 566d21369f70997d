"""The rescue file: everything the office has not got, in one file that leaves the phone by hand."""

import flet as ft

from field_app import theme
from field_app.components import buttons, text
from field_app.components.frame import card
from field_app.components.identifiers import identified
from field_app.device.contract import SharingFailed, SigningFailed
from field_app.state.app import AppState
from field_app.sync import NotPossible


def rescue_card(app: AppState) -> ft.Control:
    words, store = app.words, app.phone.store
    why_not, made = app.phone.why_no_rescue(), store.rescued()
    lines: list[ft.Control] = [text.strong(words("rescue.title")), text.note(words("rescue.about"))]
    if made is not None:
        key = "rescue.made-all" if store.is_rescued() else "rescue.made-older"
        lines.append(
            identified(
                "rescue-made",
                text.note(
                    words(key, name=made.name, when=words.moment(made.at, app.today())),
                    color=theme.INK if store.is_rescued() else theme.SAVED,
                ),
            )
        )
    if why_not is not None:
        lines.append(text.note(words(f"rescue.{why_not.value}"), color=theme.INK))
    else:

        async def make() -> None:
            await _make(app)

        lines.append(
            buttons.secondary("rescue-make", words("rescue.make"), app.doing(make), icon=ft.Icons.IOS_SHARE_OUTLINED)
        )
    return identified("rescue", card(*lines))


async def _make(app: AppState) -> None:
    words = app.words
    try:
        shared = await app.phone.rescue()
    except SigningFailed:
        app.say(words("rescue.signing-failed"))
        return
    except SharingFailed:
        app.say(words("rescue.sharing-failed"))
        return
    if isinstance(shared, NotPossible):
        app.say(words(f"rescue.{shared.reason.value}"))
