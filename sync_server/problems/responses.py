"""How a problem is answered: problem+json for devices and scripts, a small page for browsers, in two languages.

Plugged into the application as `exception_handlers`. Litestar's own exceptions are translated by their status; whatever
nobody foresaw is logged under a reference the person sees, and says nothing about its inside.
"""

import base64
import hashlib
import html
import logging
import secrets
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from msgspec import Struct

from sync_server.problems.languages import language_of
from sync_server.problems.registry import Problem
from sync_server.services.photo_files import OutOfRoom
from sync_server.storage import StorageUnavailable
from sync_server.words import words_in

log = logging.getLogger("sync_server.problems")

SIGN_IN_PAGE = "/sign-in"

_CODE_OF_STATUS = {
    400: "malformed-request",
    401: "sign-in-needed",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    413: "request-too-large",
    415: "unsupported-media-type",
    429: "too-many-requests",
    503: "unavailable",
}

_STYLE = (
    "body{margin:0;background:#F6F6F2;color:#17201E;font:17px/1.5 system-ui,'PingFang SC','Microsoft YaHei',sans-serif}"
    "main{max-width:36rem;margin:18vh auto 0;padding:0 24px}h1{font-size:22px;font-weight:600;margin:0 0 8px}"
    "p{margin:0 0 24px}a{color:#0A5C56}small{color:#5B6663;font-size:13px}"
    "@media(prefers-color-scheme:dark){body{background:#101413;color:#E8EDEB}a{color:#5CC8BC}small{color:#9AA6A2}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"


class ProblemShown(Struct, frozen=True):
    """A problem in the reader's language, for a page."""

    language: str
    code: str
    status: int
    title: str
    detail: str
    reference: str
    """What the reader may tell the administrator; empty where there is nothing to look up."""


PROBLEM_PAGE = "problem_page"
"""`app.state[PROBLEM_PAGE]`: a Callable[[Request, ProblemShown], Response] that shows a problem in the desk's dress.

Without it, and where it fails itself, a plain page is shown.
"""


def address_of(request: Request[Any, Any, Any]) -> str:
    """Path and query of what was asked for. Not by request.url, which cannot be had under an unreadable Host header."""
    query = request.scope["query_string"].decode("latin-1")
    return str(request.scope["path"]) + (f"?{query}" if query else "")


def page_behind(request: Request[Any, Any, Any]) -> str:
    """Path and query of the page that a form or a fragment stands on; empty where the browser does not say."""
    said = request.headers.get("hx-current-url") or request.headers.get("referer") or ""
    try:
        page = urlsplit(said)
    except ValueError:
        return ""
    return urlunsplit(("", "", "/" + page.path.lstrip("/"), page.query, "")) if page.path else ""


def problem_response(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    """The answer in the form and language the request wants. The code also stands in a header, for HEAD requests."""
    headers = problem.headers | {"Doorstep-Problem": problem.code, "Cache-Control": "no-store"}
    if _wants_page(request):
        return _page(request, problem, headers)
    language = language_of(request)
    title, detail = _sentences(problem, language)
    body = {
        "type": f"urn:doorstep:problem:{problem.code}",
        "title": title,
        "status": problem.status,
        "detail": detail,
        "code": problem.code,
        "instance": f"urn:doorstep:occurrence:{problem.facts.get('reference') or secrets.token_hex(8)}",
    }
    extra = {name: value for name, value in problem.facts.items() if name not in body}
    return Response(
        msgspec.json.encode(extra | body),
        status_code=problem.status,
        headers=headers | {"Content-Language": language},
        media_type="application/problem+json",
    )


def _page(request: Request[Any, Any, Any], problem: Problem, headers: dict[str, str]) -> Response[Any]:
    if problem.code == "sign-in-needed":
        return _to_sign_in(request, headers)
    language = language_of(request)
    title, detail = _sentences(problem, language)
    shown = ProblemShown(language, problem.code, problem.status, title, detail, str(problem.facts.get("reference", "")))
    dressed = _dressed(request, shown)
    if dressed is not None:
        dressed.status_code = problem.status
        dressed.headers.update(headers | {"Content-Language": language})
        return dressed
    back = words_in(language)("problem.back")
    small = f"{shown.code} · {shown.reference}" if shown.reference else shown.code
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{html.escape(title)}</h1><p>{html.escape(detail)}</p><p><a href="/">{html.escape(back)}</a></p>'
        f"<small>{html.escape(small)}</small></main></body></html>"
    )
    headers |= {"Content-Language": language, "Content-Security-Policy": _PAGE_POLICY}
    return Response(page, status_code=problem.status, headers=headers, media_type=MediaType.HTML)


def _dressed(request: Request[Any, Any, Any], shown: ProblemShown) -> Response[Any] | None:
    page = request.app.state.get(PROBLEM_PAGE)
    if page is None:
        return None
    try:
        response: Response[Any] = page(request, shown)
    except Exception:  # what went wrong in the first place must still be told
        log.exception("the problem page failed for %s", shown.code)
        return None
    return response


def _to_sign_in(request: Request[Any, Any, Any], headers: dict[str, str]) -> Response[Any]:
    """A browser without a session goes to the sign-in page, and afterwards to where it was going, or to the page with
    the form that could not be sent."""
    is_fragment = request.headers.get("hx-request") == "true"
    is_page = request.method == "GET" and not is_fragment
    wanted = address_of(request) if is_page else page_behind(request)
    target = SIGN_IN_PAGE
    if wanted not in {"", "/"}:
        target += "?next=" + quote(wanted, safe="")
    if is_fragment:  # htmx follows this header with the whole page, not the fragment
        return Response(None, status_code=204, headers=headers | {"HX-Redirect": target})
    return Response(None, status_code=303, headers=headers | {"Location": target})


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    if request.scope["path"].startswith("/sync/"):
        return False
    return "text/html" in request.headers.get("accept", "") or request.headers.get("hx-request") == "true"


def _sentences(problem: Problem, language: str) -> tuple[str, str]:
    words = words_in(language)
    title = words(f"problem.{problem.code}.title")
    try:
        return title, words(f"problem.{problem.code}.detail", **({"reference": ""} | problem.facts))
    except KeyError:  # raised without a fact its sentence needs: our mistake, and no reason to say nothing at all
        log.exception("the sentence of %s needs more than %s", problem.code, sorted(problem.facts))
        return title, title


def _raised(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    return problem_response(request, problem)


def _from_framework(request: Request[Any, Any, Any], fault: HTTPException) -> Response[Any]:
    if fault.status_code >= 500 and fault.status_code != 503:
        return _unforeseen(request, fault)
    code = _CODE_OF_STATUS.get(fault.status_code, "malformed-request")
    headers = {name: value for name, value in (fault.headers or {}).items() if name.lower() in {"allow", "retry-after"}}
    facts: dict[str, str | int | None] = {}
    if isinstance(fault, ValidationException):
        code = "invalid-request"
        if isinstance(fault.extra, list):
            keys = (str(item["key"]) for item in fault.extra if isinstance(item, dict) and "key" in item)
            facts["fields"] = ", ".join(keys)[:200]
    elif code == "too-many-requests":
        facts["seconds"] = headers.setdefault("Retry-After", "60")
    return problem_response(request, Problem(code, headers=headers, **facts))


def _without_storage(request: Request[Any, Any, Any], fault: StorageUnavailable) -> Response[Any]:
    log.error("%s %r: the database cannot be used: %s", request.method, request.scope["path"][:200], fault)
    return problem_response(request, Problem("unavailable", headers={"Retry-After": "10"}))


def _out_of_room(request: Request[Any, Any, Any], _fault: OutOfRoom) -> Response[Any]:
    return problem_response(request, Problem("office-storage-full", headers={"Retry-After": "600"}))


def _unforeseen(request: Request[Any, Any, Any], fault: Exception) -> Response[Any]:
    reference = secrets.token_hex(4)
    # The path without its query: people search for customers' names and numbers. %r: a line break in it makes no line.
    log.error("%s %r failed, reference %s", request.method, request.scope["path"][:200], reference, exc_info=fault)
    return problem_response(request, Problem("internal-error", reference=reference))


exception_handlers: ExceptionHandlersMap = {
    Problem: _raised,
    HTTPException: _from_framework,
    StorageUnavailable: _without_storage,
    OutOfRoom: _out_of_room,
    Exception: _unforeseen,
}
