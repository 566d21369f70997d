"""What is saved on this phone and what the office has received, kept apart, item by item."""

import flet as ft

from field_app import theme
from field_app.components import badges, buttons, text
from field_app.components.boundary import component, memo
from field_app.components.frame import card, heading, page_view
from field_app.components.identifiers import identified
from field_app.components.rescue import rescue_card
from field_app.components.storage_meter import storage_card
from field_app.device.contract import StorageState
from field_app.state.app import AppState
from field_app.state.current import use_app
from field_app.state.rejections import sentence
from field_app.store import Counts, EntryState, JournalEntry, PhotoState
from field_app.sync import FOR_GOOD
from field_app.words import Words

_A_PAGE = 100
"""Entries shown at first, newest first; as many again on request, to the first that was ever recorded here."""

_MEGABYTE = 1_000_000


@component
def SyncPage() -> ft.Control:
    app = use_app()
    words, store, status = app.words, app.phone.store, app.phone.engine.status
    pages, set_pages = ft.use_state(1)
    nothing_yet: StorageState | None = None
    storage, set_storage = ft.use_state(nothing_yet)

    async def look_at_storage() -> None:
        set_storage(await app.phone.device.storage())

    ft.use_effect(look_at_storage, dependencies=[])

    async def sync_now() -> None:
        app.phone.engine.wake()

    shown = _A_PAGE * pages
    entries = store.journal(limit=shown + 1)
    is_cut = len(entries) > shown
    del entries[shown:]
    counts = store.counts()
    waiting = [entry for entry in entries if entry.state is EntryState.WAITING]
    answered = [entry for entry in entries if entry.state is not EntryState.WAITING]
    photos = [photo for photo in store.photos_waiting() if photo.trouble is None]
    troubled = [photo for photo in store.photos_waiting() if photo.trouble is not None]
    body: list[ft.Control] = [*_standing(app), _counts(app, entries)]
    if counts.refused or counts.stranded:
        body.append(_to_attention(app, counts))
    if troubled:
        body.append(heading(words.count("sync.photos-troubled", len(troubled))))
        body.append(card(*(_troubled(app, state) for state in troubled), spacing=12))
    if photos:
        body.append(heading(words.count("sync.photos", len(photos))))
        body.append(card(*_all_photos(app, photos), *(_photo(app, state) for state in photos), spacing=12))
    if waiting:
        body.append(heading(words.count("sync.waiting", counts.operations)))
        body.append(_list(app, waiting))
    if answered:
        body.append(heading(words("sync.answered")))
        body.append(_list(app, answered))
    if is_cut:
        body.append(buttons.quiet("more", words("today.more"), app.doing(lambda: set_pages(pages + 1))))
    if not entries:
        body.append(card(text.note(words("sync.nothing"))))
    body += [storage_card(app, storage, look_at_storage), rescue_card(app)]
    return page_view(
        app,
        "sync",
        route="/sync",
        title=words("sync.title"),
        body=body,
        place="sync",
        actions=[
            ft.ProgressRing(width=20, height=20, stroke_width=2, color=theme.PRIMARY)
            if status.syncing
            else buttons.round_icon("sync-now", ft.Icons.SYNC, words("today.sync-now"), app.doing(sync_now))
        ],
    )


def _standing(app: AppState) -> list[ft.Control]:
    """A sentence on how things stand, where it is not simply that all is well."""
    words, status = app.words, app.phone.engine.status
    if status.signed_out:
        icon, role, name = ft.Icons.NO_ACCOUNTS_OUTLINED, theme.ATTENTION, "signed-out"
    elif status.upgrade_required:
        icon, role, name = ft.Icons.SYSTEM_UPDATE_ALT, theme.ATTENTION, "upgrade"
    elif status.reachable is False:
        icon, role, name = ft.Icons.CLOUD_OFF_OUTLINED, theme.INFORMATION, "offline"
    else:
        return []
    controls: list[ft.Control] = [
        ft.Row(
            [ft.Icon(icon, color=role), text.strong(words(f"sync.{name}-title"), expand=True)],
            spacing=10,
        ),
        text.note(words(f"sync.{name}"), color=theme.INK),
    ]
    if status.signed_out:
        controls.append(
            buttons.secondary("enrol-again", words("sync.enrol-again"), app.going("/enrol"), icon=ft.Icons.KEY)
        )
    return [identified(f"standing-{name}", card(*controls))]


def _counts(app: AppState, entries: list[JournalEntry]) -> ft.Control:
    """The two words that are never mixed up, with the number up to which each holds."""
    words, status = app.words, app.phone.engine.status
    identity = app.phone.store.identity()
    mine = [entry for entry in entries if identity is None or entry.device == identity.device]
    last = mine[0].sequence if mine else 0
    when = words.moment(status.last_round_at, app.today()) if status.last_round_at else words("sync.never")
    rows: list[ft.Control] = [
        _line(
            "saved-through",
            ft.Icons.SAVE_OUTLINED,
            words("sync.saved"),
            words("sync.through", number=last) if last else words("sync.none"),
            theme.SAVED,
        ),
        _line(
            "received-through",
            ft.Icons.CLOUD_DONE_OUTLINED,
            words("sync.received"),
            words("sync.through", number=min(status.received_through, last))
            if last and status.received_through
            else words("sync.none-received"),
            theme.RECEIVED if last and status.received_through else theme.QUIET,
        ),
        ft.Divider(height=1, color=theme.LINE),
        identified("last-round", text.note(words("sync.last-round", when=when))),
    ]
    return card(*rows, spacing=10)


def _line(identifier: str, icon: ft.IconData, label: str, value: str, role: ft.Colors) -> ft.Control:
    return identified(
        identifier,
        ft.Row(
            [
                ft.Icon(icon, color=role),
                ft.Row(
                    [text.strong(label), text.strong(value, color=role)],
                    alignment=ft.MainAxisAlignment.SPACE_BETWEEN,
                    wrap=True,  # in two lines where large text leaves no room for one
                    spacing=10,
                    run_spacing=0,
                    expand=True,
                ),
            ],
            spacing=10,
        ),
    )


def _list(app: AppState, entries: list[JournalEntry]) -> ft.Control:
    today = app.today()
    return card(
        *(EntryRow(entry, app.words, app.words.moment(entry.recorded_at, today), key=entry.id) for entry in entries),
        spacing=14,
    )


@memo
def EntryRow(entry: JournalEntry, words: Words, when: str, key: str = "") -> ft.Control:  # noqa: ARG001
    lines: list[ft.Control] = [
        badges.headed(text.body(_kind(entry, words)), badges.entry_badge(entry.state, words)),
        text.small(words("sync.entry", number=entry.sequence, ticket=entry.ticket_number, when=when)),
    ]
    if entry.state is EntryState.REFUSED:
        lines.append(text.note(sentence(entry.rejection, words), color=theme.INK))
    elif entry.state in {EntryState.LATE, EntryState.PROPOSAL}:
        lines.append(text.note(words(f"entry.{entry.state.value}-meaning")))
    return identified(
        f"entry-{entry.sequence}",
        ft.Column(lines, spacing=0, horizontal_alignment=ft.CrossAxisAlignment.STRETCH),
    )


def _kind(entry: JournalEntry, words: Words) -> str:
    key = f"operation.{entry.kind}"
    return words.shared(key) if words.knows_shared(key) else entry.kind


def _to_attention(app: AppState, counts: Counts) -> ft.Control:
    words = app.words
    why = [("sync.refused", counts.refused), ("sync.stranded", counts.stranded)]
    return identified(
        "to-attention",
        card(
            *(
                ft.Row(
                    [
                        ft.Icon(ft.Icons.ERROR_OUTLINE, color=theme.ATTENTION),
                        text.strong(words.count(key, number), expand=True),
                    ],
                    spacing=10,
                )
                for key, number in why
                if number
            ),
            text.note(words("sync.refused-kept")),
            buttons.secondary(
                "attend", words("sync.attend"), app.going("/sync/attention"), icon=ft.Icons.ARROW_FORWARD
            ),
        ),
    )


def _all_photos(app: AppState, photos: list[PhotoState]) -> list[ft.Control]:
    """How far all of them together are, where there are several."""
    if len(photos) < 2:
        return []
    whole = sum(state.size_bytes for state in photos)
    sent = sum(_sent(app, state) for state in photos)
    left = app.words("sync.photos-left", left=_size(whole - sent), size=_size(whole))
    return [identified("photos-in-all", ft.Column([text.note(left), _bar(sent / whole)], spacing=4))]


def _sent(app: AppState, state: PhotoState) -> int:
    upload = app.phone.engine.status.upload
    if upload is not None and upload.sha256 == state.sha256:
        return max(state.offset, upload.sent_bytes)
    return state.offset


def _photo(app: AppState, state: PhotoState) -> ft.Control:
    words, sent = app.words, _sent(app, state)
    progress = words("sync.photo-progress", percent=100 * sent // state.size_bytes, size=_size(state.size_bytes))
    return ft.Column(
        [
            ft.Row(
                [
                    text.body(words("sync.photo", ticket=state.ticket_number), expand=True),
                    text.note(progress),
                ]
            ),
            _bar(sent / state.size_bytes),
        ],
        spacing=4,
    )


def _troubled(app: AppState, state: PhotoState) -> ft.Control:
    """One the office has not taken, and why; it stays on this phone."""
    words = app.words
    why = words(f"photo-trouble.{state.trouble if state.trouble in FOR_GOOD else 'other'}")
    return identified(
        f"troubled-{state.sha256[:8]}",
        ft.Column(
            [
                ft.Row(
                    [
                        ft.Icon(ft.Icons.ERROR_OUTLINE, color=theme.ATTENTION, size=20),
                        text.body(words("sync.photo", ticket=state.ticket_number), expand=True),
                        text.note(_size(state.size_bytes)),
                    ],
                    spacing=6,
                ),
                text.note(why, color=theme.INK),
            ],
            spacing=2,
        ),
    )


def _bar(value: float) -> ft.Control:
    return ft.ProgressBar(value=value, color=theme.SAVED, bgcolor=theme.LINE, bar_height=4, border_radius=2)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / _MEGABYTE:.1f} MB" if size_bytes >= _MEGABYTE else f"{size_bytes / 1000:.0f} KB"
