"""Everything that can go wrong between a person or a device and the office, under stable codes (RFC 9457).

Whoever finds a fault raises `Problem("photo-too-large", limit_mb=25)`; what it is called in both languages is in
locale/*/problems.po under `problem.<code>.title` and `.detail`. Devices get application/problem+json, browsers a page.
No exception's own text and no traceback ever leaves the office. Operations that a rule refuses are not problems: they
are verdicts (shared_schema.rejections).
"""

from sync_server.problems.bodies import decoded_body, form_of, limited_body
from sync_server.problems.languages import LANGUAGE_COOKIE, chosen_language, language_of, language_wanted
from sync_server.problems.registry import STATUS_OF, Problem
from sync_server.problems.responses import (
    PROBLEM_PAGE,
    ProblemShown,
    address_of,
    exception_handlers,
    page_behind,
    problem_response,
)

__all__ = [
    "LANGUAGE_COOKIE",
    "PROBLEM_PAGE",
    "STATUS_OF",
    "Problem",
    "ProblemShown",
    "address_of",
    "chosen_language",
    "decoded_body",
    "exception_handlers",
    "form_of",
    "language_of",
    "language_wanted",
    "limited_body",
    "page_behind",
    "problem_response",
]
