"""From a request to whoever is asking: the dependencies endpoints name, and the session's cookie.

`identity` (a phone) and `session` (the desk) raise a Problem where there is nobody, so an endpoint that names one of
them cannot be reached without; `session` also refuses a changing request that does not carry the session's CSRF token.
"""

from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from sync_server.accounts.accounts import SESSION_LONGEST, Accounts, Session
from sync_server.problems import Problem, form_of
from sync_server.settings import Settings
from sync_server.storage.people import DeviceIdentity

SESSION_COOKIE = "doorstep_session"
"""On plain HTTP, which only localhost should be reached by; over HTTPS see session_cookie_name."""
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"

_LONGEST_TOKEN = 200
_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


async def device_identity(request: Request[Any, Any, Any], accounts: NamedDependency[Accounts]) -> DeviceIdentity:
    """The phone whose token the request bears (RFC 6750). Raises Problem `device-unknown` or `device-revoked`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    identity = None
    if scheme.lower() == "bearer" and 0 < len(token) <= _LONGEST_TOKEN:
        identity = await accounts.device_of(token.strip())
    if identity is None:
        raise Problem("device-unknown", headers={"WWW-Authenticate": "Bearer"})
    return identity


async def office_session(
    request: Request[Any, Any, Any], accounts: NamedDependency[Accounts], settings: NamedDependency[Settings]
) -> Session:
    """The desk's session. Raises Problem `sign-in-needed` or `form-expired`."""
    session = await session_of(request, accounts, settings)
    if session is None:
        raise Problem("sign-in-needed")
    request.scope.setdefault("state", {}).setdefault("language", session.person.language)
    await require_csrf(request, session)
    return session


async def session_of(request: Request[Any, Any, Any], accounts: Accounts, settings: Settings) -> Session | None:
    """The session whose cookie the request carries, if it lasts."""
    token = request.cookies.get(session_cookie_name(settings), "")
    return await accounts.session(token) if 0 < len(token) <= _LONGEST_TOKEN else None


async def require_csrf(request: Request[Any, Any, Any], session: Session) -> None:
    """Raises Problem `form-expired` where a changing request does not carry the session's token."""
    if request.method in _CHANGES_NOTHING:
        return
    sent = request.headers.get(CSRF_HEADER)
    if sent is None:
        sent = (await form_of(request)).get(CSRF_FIELD)
    if not isinstance(sent, str) or not Accounts.csrf_is_right(session, sent):
        raise Problem("form-expired")


def session_cookie_name(settings: Settings) -> str:
    """Over HTTPS one that browsers take only from this very host and only over HTTPS (RFC 6265bis, `__Host-`): no
    other site of the same domain can put a session of its own in its place."""
    return f"__Host-{SESSION_COOKIE}" if _is_https(settings) else SESSION_COOKIE


def session_cookie(session: Session, settings: Settings) -> Cookie:
    return _cookie(session.token, int(SESSION_LONGEST.total_seconds()), settings)


def session_ended_cookie(settings: Settings) -> Cookie:
    return _cookie("", 0, settings)


def remote_address(request: Request[Any, Any, Any]) -> str:
    """Where the connection came from. X-Forwarded-For counts only where the server was told to trust its sender
    (uvicorn's `forwarded_allow_ips`), and has then already taken effect here."""
    return request.client.host if request.client else "unknown"


def _cookie(value: str, max_age_seconds: int, settings: Settings) -> Cookie:
    return Cookie(
        key=session_cookie_name(settings),
        value=value,
        max_age=max_age_seconds,
        path="/",
        secure=_is_https(settings),
        httponly=True,
        samesite="lax",
    )


def _is_https(settings: Settings) -> bool:
    return settings.address.startswith("https://")
