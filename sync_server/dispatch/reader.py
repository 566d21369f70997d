"""Who reads the page and how: session or none, language, theme, and the token every form has to carry.

The language chosen on a page is remembered in a cookie and goes before the person's own. Before anybody has signed in
there is no session to hold a token, so forms then carry the value of a cookie that another site can neither read nor
set (double submit); signing in replaces it by the session's.
"""

import secrets
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from sync_server.accounts import Accounts, Person, Session, session_of
from sync_server.clock import Clock
from sync_server.dispatch.display import Display
from sync_server.problems import Problem, address_of, chosen_language, form_of
from sync_server.services.attention import AttentionQueue
from sync_server.settings import Settings
from sync_server.words import DEFAULT_LANGUAGE, LANGUAGES, words_in

THEME_COOKIE = "doorstep_theme"
VISITOR_COOKIE = "doorstep_visitor"
THEMES = ("system", "light", "dark")

_A_YEAR_SECONDS = 366 * 24 * 3600
_LONGEST_TOKEN = 200


class Reader:
    def __init__(
        self,
        request: Request[Any, Any, Any],
        session: Session | None,
        settings: Settings,
        clock: Clock,
        *,
        language: str | None = None,
    ) -> None:
        """`language`: what the page is in, where that has been decided."""
        self.session = session
        self.settings = settings
        self.clock = clock
        self.language = language or _language(request, session)
        self.words = words_in(self.language)
        self.display = Display(self.words, settings.time_zone, clock.now())
        theme = request.cookies.get(THEME_COOKIE, "")
        self.theme = theme if theme in THEMES else "system"
        is_partial = request.headers.get("hx-request") == "true"
        restores_history = request.headers.get("hx-history-restore-request") == "true"
        self.target = request.headers.get("hx-target", "") if is_partial and not restores_history else ""
        """The id of the element htmx will put the answer into; empty where a whole page is wanted."""
        self.address = address_of(request)
        """Where to come back to after choosing a language; of a refused form, the page it is on."""
        if request.method != "GET":
            self.address = request.scope["path"].partition("/act/")[0]
        visitor = request.cookies.get(VISITOR_COOKIE, "")
        self._visitor = visitor if 20 <= len(visitor) <= _LONGEST_TOKEN and visitor.isascii() else ""
        self.new_cookies: list[Cookie] = []
        self.waiting = 0
        """How much waits in the queue, for the rail of a whole page."""

    @property
    def person(self) -> Person:
        assert self.session is not None, "a page for signed-in people only"
        return self.session.person

    @property
    def csrf(self) -> str:
        """What the forms of this page carry."""
        if self.session is not None:
            return self.session.csrf
        if not self._visitor:
            self._visitor = secrets.token_urlsafe(24)
            self.new_cookies.append(self.cookie(VISITOR_COOKIE, self._visitor, None))
        return self._visitor

    async def require_csrf(self, request: Request[Any, Any, Any]) -> None:
        """For forms that also work before signing in. Raises Problem `form-expired`."""
        sent = (await form_of(request)).get("csrf")
        expected = self.session.csrf if self.session else self._visitor
        if not expected or not isinstance(sent, str) or not secrets.compare_digest(sent.encode(), expected.encode()):
            raise Problem("form-expired")

    def cookie(self, name: str, value: str, max_age_seconds: int | None = _A_YEAR_SECONDS) -> Cookie:
        secure = self.settings.address.startswith("https://")
        return Cookie(
            key=name, value=value, max_age=max_age_seconds, path="/", secure=secure, httponly=True, samesite="lax"
        )


def _language(request: Request[Any, Any, Any], session: Session | None) -> str:
    if (chosen := chosen_language(request)) is not None:
        return chosen
    return session.person.language if session and session.person.language in LANGUAGES else DEFAULT_LANGUAGE


async def visitor(
    request: Request[Any, Any, Any],
    accounts: NamedDependency[Accounts],
    settings: NamedDependency[Settings],
    clock: NamedDependency[Clock],
) -> Reader:
    """Whoever it is, signed in or not."""
    return Reader(request, await session_of(request, accounts, settings), settings, clock)


async def reader(
    request: Request[Any, Any, Any],
    session: NamedDependency[Session],
    settings: NamedDependency[Settings],
    clock: NamedDependency[Clock],
    attention: NamedDependency[AttentionQueue],
) -> Reader:
    """Somebody of the office; `session` has seen to that, and to the token of a changing request."""
    reading = Reader(request, session, settings, clock)
    if not reading.target:
        reading.waiting = await attention.count()
    return reading
