"""Templates to answers. Every page leaves with the same strict policy: nothing inline, nothing from elsewhere."""

import asyncio
from functools import cache, partial
from typing import Any

import jinja2
from litestar import HttpMethod, MediaType, Response, route

from shared_schema.evidence import PHOTO_BYTES
from shared_schema.lifecycle import Severity, Status
from sync_server.dispatch.assets import address_of
from sync_server.dispatch.reader import Reader

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""no-store: what a page shows of customers does not stay in the browser after signing out."""

looked_at = partial(route, http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
"""Marks the handler of an address that shows something and changes nothing."""

PLACES = (
    ("tickets", "/tickets", "tickets", "t"),
    ("attention", "/attention", "inbox", "a"),
    ("technicians", "/technicians", "people", "p"),
    ("devices", "/devices", "device", "d"),
    ("sync_health", "/sync-health", "pulse", "s"),
    ("rescue", "/rescue", "rescue", "r"),
    ("prices", "/prices", "prices", "l"),
)
"""Name, address, icon, and the key that goes there after `g`."""

CATEGORIES = ("furniture", "lighting", "decoration")
"""Suggested; a company has its own words for what it sells."""

KEY_GROUPS = (
    (
        "everywhere",
        (
            (("/",), "keys.search"),
            (("n",), "keys.new"),
            (("g", "t"), "nav.tickets"),
            (("g", "a"), "nav.attention"),
            (("g", "p"), "nav.technicians"),
            (("g", "d"), "nav.devices"),
            (("g", "s"), "nav.sync_health"),
            (("g", "r"), "nav.rescue"),
            (("g", "l"), "nav.prices"),
            (("?",), "keys.title"),
        ),
    ),
    (
        "list",
        (
            (("j",), "keys.down"),
            (("k",), "keys.up"),
            (("Enter",), "keys.open"),
            (("o",), "panel.open_page"),
            (("Esc",), "keys.close"),
        ),
    ),
    (
        "ticket",
        (
            (("c",), "act.confirm"),
            (("a",), "act.assign"),
            (("s",), "act.grade"),
            (("h",), "act.remote_help"),
            (("v",), "act.solve"),
            (("f",), "act.close"),
            (("m",), "act.note"),
            (("u",), "act.photos"),
            (("e",), "act.correct"),
            (("d",), "act.merge"),
            (("w",), "late.review_all_key"),
            (("x",), "act.cancel"),
            (("r",), "act.reopen"),
            (("Ctrl", "Enter"), "keys.send"),
        ),
    ),
)

_TONES = {
    Status.RECEIVED: "attention",
    Status.REOPENED: "attention",
    Status.OBJECTED: "attention",
    Status.CONFIRMED: "saved",
    Status.WAITING: "saved",
    Status.ASSIGNED: "information",
    Status.ACCEPTED: "information",
    Status.TRAVELLING: "information",
    Status.ARRIVED: "primary",
    Status.WORKING: "primary",
    Status.WORK_DONE: "primary",
    Status.SIGNED_OFF: "received",
    Status.SOLVED_REMOTELY: "received",
    Status.CLOSED: "over",
    Status.CANCELLED: "over",
}
"""What a state asks of the office: act now, decide, follow, it is being done, it is good, it is over."""

_OPERATION_ICONS = {
    "confirm_ticket": "confirmed",
    "grade_ticket": "grade",
    "record_remote_help": "solved_remotely",
    "solve_remotely": "solved_remotely",
    "assign_ticket": "assigned",
    "cancel_ticket": "cancelled",
    "close_ticket": "closed",
    "reopen_ticket": "reopened",
    "correct_details": "edit",
    "accept_ticket": "accepted",
    "start_travel": "travelling",
    "arrive": "arrived",
    "confirm_problem": "confirmed",
    "wait_for": "waiting",
    "resume_work": "working",
    "finish_work": "work_done",
    "sign_off": "signed_off",
    "raise_objection": "objected",
    "add_note": "note",
    "add_photo": "photo",
    "create_ticket": "create_ticket",
    "show_credential": "show_credential",
    "merge_duplicate": "merge",
    "take_proposal": "check",
    "dismiss_proposal": "cross",
    "review_evidence": "check",
    "answer_refusal": "edit",
}


def icon_of_operation(kind: str) -> str:
    return _OPERATION_ICONS.get(kind, "info")


def tone_of_status(status: Status) -> str:
    return f"tone-{_TONES[status]}"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sync_server.dispatch", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        asset=address_of,
        places=PLACES,
        key_groups=KEY_GROUPS,
        categories=CATEGORIES,
        severities=[severity.value for severity in Severity],
        tone_of_status=tone_of_status,
        icon_of_operation=icon_of_operation,
    )
    return environment


def page(
    template: str,
    reader: Reader,
    *,
    here: str = "",
    status_code: int = 200,
    has_form: bool = False,
    **values: Any,
) -> Response[str]:
    """`here` is the place in the rail; `has_form` gives even a visitor who has not signed in a token for it."""
    words, display = reader.words, reader.display
    markup = (
        _environment()
        .get_template(template)
        .render(
            {
                "say": words,
                "words": words,
                "language": words.language,
                "theme": reader.theme,
                "csrf": reader.csrf if reader.session or has_form else "",
                "person": reader.session.person if reader.session else None,
                "company": reader.settings.company,
                "photo_limit": display.number(PHOTO_BYTES // 1_000_000),
                "waiting": reader.waiting,
                "address_here": reader.address,
                "here": here,
                "today": display.today,
                "now": display.now,
                "age": display.age,
                "moment": display.moment,
                "between": display.between,
                "exact": display.exact,
                "day": display.day,
                "window": display.window,
                "hours": display.hours,
                "clock_time": display.clock_time,
                "number": display.number,
                "money": display.money,
                "district": display.district,
                "category": lambda name: words(f"category.{name}") if words.knows(f"category.{name}") else name,
            }
            | values
        )
    )
    return Response(
        markup,
        status_code=status_code,
        media_type=MediaType.HTML,
        headers=HEADERS | {"Content-Language": words.language, "Vary": "HX-Request, Cookie"},
        cookies=reader.new_cookies,
    )


async def long_page(template: str, reader: Reader, **values: Any) -> Response[str]:
    """As `page`, in a thread: one that grows with what it shows must not keep phones waiting."""
    return await asyncio.to_thread(page, template, reader, **values)
