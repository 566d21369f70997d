"""The state all screens are functions of, and the only way from a screen to an action.

`AppState` announces every change of the store, of the sync status, of the language and of what there is to say; the
components that use it are then rendered again.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeAlias

import flet as ft
from msgspec import Struct

from field_app.actions import NotAPicture, Saved, TooLarge
from field_app.state.phone import Phone
from field_app.state.rejections import sentence
from field_app.store import StorageUnavailable
from field_app.words import DEFAULT_LANGUAGE, Words
from shared_schema.credentials import Reference
from shared_schema.rejections import Rejection
from shared_schema.ticket import Ticket

Handler: TypeAlias = Callable[[Any], Awaitable[None]]
Outcome: TypeAlias = "Saved | Rejection | NotAPicture | TooLarge"


class ThemeChoice(str, Enum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


class Notice(Struct, frozen=True):
    """Something a person must read: what happened, what was kept, what to do."""

    text: str
    code: str = ""
    """Stands small below, for the one who is asked for help."""


class Belonging(ft.Observable):
    """Whether the phone is somebody's: announced by itself, since what depends on it is all there is on the screen."""

    def __init__(self, is_somebodys: bool) -> None:
        self.is_somebodys = is_somebodys


class AppState(ft.Observable):
    rest_seconds = 0.5
    """After something was recorded the one next button does nothing for so long: where it stood, the button of the
    step after it appears, and the second half of a double tap must not take that step too."""

    def __init__(self, phone: Phone, words: Words, page: ft.Page | None = None) -> None:
        self._page = page
        self._unsubscribe: Callable[[], None] = lambda: None
        self._ways: dict[str, Handler] = {}
        self._asked = ""
        self._holds: list[tuple[str, str]] = []
        self._follow: Any = None
        self._rested: asyncio.TimerHandle | None = None
        self.phone = phone
        self.belonging = Belonging(phone.store.identity() is not None)
        self.words = words
        self.is_upright = page is None or (page.height or 0) >= (page.width or 0)
        self.theme_choice = ThemeChoice(phone.store.setting("theme") or ThemeChoice.SYSTEM)
        self.notice: Notice | None = None
        self.resting = False
        self.revision = 0

    @classmethod
    def of(cls, phone: Phone, page: ft.Page) -> "AppState":
        words = Words.load(phone.store.setting("language") or DEFAULT_LANGUAGE)
        state = cls(phone, words, page)
        state._listen()
        state._dress()
        phone.device.speak(words.language)
        # What goes wrong inside Flet itself would be shown to the person, traceback and all.
        page.session.error = state.crashed  # type: ignore[method-assign]
        return state

    def _listen(self) -> None:
        # The engine may be shared with another session of the same process (make app): the change must reach this
        # session's components in this session's context, or Flet would patch the wrong page.
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        asked = False

        def renew() -> None:
            nonlocal asked
            asked = False
            self.belonging.is_somebodys = self.phone.store.identity() is not None
            self.revision += 1

        def changed() -> None:
            nonlocal asked
            if not asked:
                asked = True
                loop.call_soon(renew, context=context)

        self._unsubscribe = self.phone.engine.subscribe(changed)

    def close(self) -> None:
        self._unsubscribe()

    # -- reading ------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.phone.device.now()

    def today(self) -> date:
        return self.now().astimezone().date()

    def tickets(self) -> list[Ticket]:
        return self.phone.store.tickets()

    def ticket(self, ticket_id: str) -> Ticket | None:
        """As this phone shows it; also one that has just been given to somebody else, so that nothing typed is lost."""
        return self.phone.store.ticket(ticket_id) or self.phone.store.withdrawn(ticket_id)

    def reference(self) -> Reference | None:
        return self.phone.store.reference()

    def photo(self, sha256: str) -> bytes | None:
        return self.phone.store.photo(sha256)

    def person_name(self, person: str) -> str:
        """The name of someone on a ticket; their identifier where the office has not sent it."""
        reference, identity = self.reference(), self.phone.store.identity()
        if identity is not None and identity.person == person:
            return identity.name
        return reference.people.get(person, person) if reference is not None else person

    # -- doing --------------------------------------------------------------------------------------------------------

    def perform(self, action: Callable[[], Outcome]) -> bool:
        """Whether the action was saved; where it was not, the reason is put up for reading."""
        match action():
            case Saved():
                self.notice = None
                self._rest()
                return True
            case NotAPicture():
                self.notice = Notice(self.words("photo.not-a-picture"))
            case TooLarge():
                self.notice = Notice(self.words("photo.too-large"))
            case rejection:
                self.notice = Notice(sentence(rejection, self.words))
        return False

    def stepping(self, work: Callable[[], Awaitable[None] | None]) -> Handler:
        """A handler of the button that records a step, deaf to the second half of a double tap."""
        return self.doing(lambda: None if self.resting else work())

    def _rest(self) -> None:
        if not self.rest_seconds:
            return
        if self._rested is not None:
            self._rested.cancel()

        def rested() -> None:
            self.resting = False

        self.resting = True
        self._rested = asyncio.get_running_loop().call_later(
            self.rest_seconds, rested, context=contextvars.copy_context()
        )

    def say(self, text: str) -> None:
        self.notice = Notice(text)

    def dismiss(self) -> None:
        self.notice = None

    def go(self, route: str) -> None:
        self.notice = None
        self._asked = route
        if self._page is not None:
            self._page.navigate(route)

    def hold(self, home: str, within: str) -> Callable[[], None]:
        """From now on only `go` leads out of the pages that begin with `within`; the browser's back button leads to
        `home`, which is one of them. Returns what ends it. One such page may take over from another in any order."""
        page = self._page
        if page is None:
            return lambda: None
        hold = (home, within)
        if not self._holds:
            self._follow = page.on_route_change
            page.on_route_change = self._route_changed
        self._holds.append(hold)
        self._asked = home

        def let_go() -> None:
            self._holds.remove(hold)
            if not self._holds:
                page.on_route_change = self._follow

        return let_go

    def _route_changed(self, event: Any) -> None:
        if event.route == self._asked or any(event.route.startswith(within) for _, within in self._holds):
            self._follow(event)
        elif self._page is not None:
            self._page.navigate(self._holds[-1][0])

    def doing(self, work: Callable[[], Awaitable[None] | None]) -> Handler:
        """A handler of any event that does `work`."""
        return self.handling(lambda _event: work())

    def going(self, route: str) -> Handler:
        """The same handler for the same route each time, so that memoized components stay as they are."""
        if route not in self._ways:
            self._ways[route] = self.doing(lambda: self.go(route))
        return self._ways[route]

    def turned(self, page: ft.Page) -> None:
        """The page has another size; only its turning is news."""
        self.is_upright = (page.height or 0) >= (page.width or 0)

    def handling(self, work: Callable[[Any], Awaitable[None] | None]) -> Handler:
        """A handler in which nothing a person did not cause ever surfaces as anything but a calm sentence."""

        async def handler(event: Any) -> None:
            if self._page is not None:
                # Does nothing while it runs; a fault inside Flet may have ended it.
                self._page.session.start_updates_scheduler()  # type: ignore[no-untyped-call]
            try:
                more = work(event)
                if more is not None:
                    await more
            except StorageUnavailable as fault:
                self.record_fault(fault)
                self.notice = Notice(self.words("failure.not-saved"), type(fault).__name__)
            except Exception as fault:  # the last boundary before a person: see the docstring
                self.stumble(fault)

        return handler

    def stumble(self, fault: Exception) -> None:
        """Something we did wrong: recorded for the office, said calmly here."""
        self.record_fault(fault)
        self.notice = Notice(self.words("failure.unexpected"), type(fault).__name__)

    def crashed(self, message: str) -> None:
        """Flet's own last word on a session; the last lines are enough to find the place."""
        self.stumble(RuntimeError(message[-400:]))

    def stumble_quietly(self, fault: Exception) -> None:
        """A fault while rendering: recorded, and not said by rendering again, which might fault again for ever."""
        self.record_fault(fault)

    def record_fault(self, fault: Exception) -> None:
        # An incident that cannot be recorded (a full disk) must not hide the sentence that is about to be shown.
        with contextlib.suppress(Exception):
            self.phone.store.record_incident("screen", f"{type(fault).__name__}: {fault}")

    # -- choices ------------------------------------------------------------------------------------------------------

    def choose_language(self, language: str) -> None:
        self.phone.store.set_setting("language", language)
        self.words = Words.load(language)
        self.phone.device.speak(language)
        self._dress()

    def choose_theme(self, choice: ThemeChoice) -> None:
        self.phone.store.set_setting("theme", choice.value)
        self.theme_choice = choice
        self._dress()

    def _dress(self) -> None:
        page = self._page
        if page is None:
            return
        page.title = self.words("app.title")
        page.theme_mode = ft.ThemeMode(self.theme_choice.value)
        locales = {"zh_CN": ft.Locale("zh", "CN"), "en": ft.Locale("en")}
        page.locale_configuration = ft.LocaleConfiguration(
            supported_locales=list(locales.values()), current_locale=locales[self.words.language]
        )
