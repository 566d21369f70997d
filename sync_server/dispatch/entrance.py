"""Coming in and going out: sign-in, sign-out, and the choice of language and theme that precedes both."""

from typing import Annotated, Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from sync_server.accounts import (
    Accounts,
    Session,
    SignInRefused,
    remote_address,
    session_cookie,
    session_cookie_name,
    session_ended_cookie,
)
from sync_server.dispatch.forms import texts
from sync_server.dispatch.pages import looked_at, page
from sync_server.dispatch.reader import THEME_COOKIE, THEMES, VISITOR_COOKIE, Reader
from sync_server.problems import LANGUAGE_COOKIE, form_of
from sync_server.services.live import Live
from sync_server.settings import Settings
from sync_server.words import LANGUAGES

FIRST_PAGE = "/tickets"


def inside(address: str) -> str:
    """`address` if it is a page of this desk, else the first page: nobody is sent to another site after signing in."""
    if not address.startswith("/") or address.startswith(("//", "/\\")) or not address.isprintable() or "\\" in address:
        return FIRST_PAGE
    return address[:2000]


@looked_at("/")
async def first_page() -> Redirect:
    return Redirect(FIRST_PAGE, status_code=303)


@looked_at("/sign-in")
async def sign_in_page(
    visitor: NamedDependency[Reader], next_: Annotated[str, QueryParameter(name="next")] = ""
) -> Response[Any]:
    if visitor.session is not None:
        return Redirect(inside(next_), status_code=303)
    return page("sign_in.html", visitor, has_form=True, login="", fault="", next=inside(next_))


@post("/sign-in", include_in_schema=False, request_max_body_size=64_000)
async def sign_in(
    request: Request[Any, Any, Any],
    visitor: NamedDependency[Reader],
    accounts: NamedDependency[Accounts],
    settings: NamedDependency[Settings],
) -> Response[Any]:
    await visitor.require_csrf(request)
    typed = texts(await form_of(request))
    login = typed.get("login", "")[:200]
    before = request.cookies.get(session_cookie_name(settings)) or None
    session = await accounts.sign_in(login, typed.get("password", ""), remote_address(request), replaces=before)
    if isinstance(session, SignInRefused):
        return _refused(visitor, session, login, inside(typed.get("next", "")))
    answer = Redirect(inside(typed.get("next", "")), status_code=303)
    answer.set_cookie(session_cookie(session, settings))
    answer.set_cookie(visitor.cookie(VISITOR_COOKIE, "", 0))
    return answer


def _refused(visitor: Reader, refused: SignInRefused, login: str, next_: str) -> Response[Any]:
    if refused.reason == "wrong":
        fault, status = visitor.words("sign_in.wrong"), 422
    else:
        minutes = max(1, -(-refused.retry_after_seconds // 60))
        fault = visitor.words.count(f"sign_in.{refused.reason}", minutes)
        status = 429 if refused.reason == "too-many" else 503
    answer = page("sign_in.html", visitor, status_code=status, has_form=True, login=login, fault=fault, next=next_)
    if refused.retry_after_seconds:
        answer.headers["Retry-After"] = str(refused.retry_after_seconds)
    return answer


@post("/sign-out", include_in_schema=False, request_max_body_size=64_000)
async def sign_out(
    session: NamedDependency[Session],
    accounts: NamedDependency[Accounts],
    settings: NamedDependency[Settings],
    live: NamedDependency[Live],
) -> Response[Any]:
    await accounts.sign_out(session.token)
    live.end(session.token)
    answer = Redirect("/sign-in", status_code=303)
    answer.set_cookie(session_ended_cookie(settings))
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


@post("/preferences", include_in_schema=False, request_max_body_size=64_000)
async def preferences(request: Request[Any, Any, Any], visitor: NamedDependency[Reader]) -> Response[Any]:
    await visitor.require_csrf(request)
    typed = texts(await form_of(request))
    answer = Redirect(inside(typed.get("back", "")), status_code=303)
    if typed.get("language") in LANGUAGES:
        answer.set_cookie(visitor.cookie(LANGUAGE_COOKIE, typed["language"]))
    if typed.get("theme") in THEMES:
        answer.set_cookie(visitor.cookie(THEME_COOKIE, typed["theme"]))
    return answer


route_handlers = [first_page, sign_in_page, sign_in, sign_out, preferences]
