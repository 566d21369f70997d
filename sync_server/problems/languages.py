"""Which of our languages a request wants: the one chosen on a page of ours, else by Accept-Language."""

from typing import Any

from litestar import Request

from sync_server.words import DEFAULT_LANGUAGE, LANGUAGES

LANGUAGE_COOKIE = "doorstep_language"
"""What was chosen. It counts at every address, also where there is no page to find it out."""

_LONGEST_HEADER = 500
"""Characters of Accept-Language that are looked at; a browser sends far fewer."""


def chosen_language(request: Request[Any, Any, Any]) -> str | None:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else None


def language_of(request: Request[Any, Any, Any]) -> str:
    return chosen_language(request) or language_wanted(request.headers.get("accept-language", ""))


def language_wanted(accept_language: str) -> str:
    """The best of LANGUAGES by RFC 9110, section 12.5.4; the default where the header says nothing usable."""
    best, best_weight = DEFAULT_LANGUAGE, 0.0
    for part in accept_language[:_LONGEST_HEADER].split(","):
        tag, _, parameter = part.partition(";")
        weight = _weight(parameter)
        language = _ours(tag.strip().lower())
        if language is not None and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name:
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if name.strip() == "q" and 0.0 <= weight <= 1.0 else 0.0


def _ours(tag: str) -> str | None:
    primary = tag.split("-")[0]
    if primary == "zh":
        return "zh-CN"
    return "en" if primary == "en" else None
