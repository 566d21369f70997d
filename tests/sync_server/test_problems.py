"""What goes wrong is told under a stable code, in the reader's language, and never in a programmer's."""

import logging
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import (
    NotAuthorizedException,
    PermissionDeniedException,
    ServiceUnavailableException,
    TooManyRequestsException,
)
from litestar.params import FromPath, Parameter
from litestar.testing import TestClient

from sync_server.problems import (
    PROBLEM_PAGE,
    STATUS_OF,
    Problem,
    ProblemShown,
    decoded_body,
    exception_handlers,
    language_wanted,
)
from sync_server.words import LANGUAGES, words_in
from tests.sync_server.office import Office

SECRET = "password=hunter2"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Form(msgspec.Struct, forbid_unknown_fields=True):
    count: int


@get("/raise/{kind:str}")
async def _raise(kind: FromPath[str]) -> None:
    raised: dict[str, Exception] = {
        "unforeseen": RuntimeError(SECRET),
        "recursion": RecursionError(SECRET),
        "unauthorized": NotAuthorizedException(SECRET),
        "forbidden": PermissionDeniedException(SECRET),
        "too-often": TooManyRequestsException(SECRET, headers={"Retry-After": "7", "X-Secret": SECRET}),
        "away": ServiceUnavailableException(SECRET),
        "bare": Problem("too-many-requests"),
        "problem": Problem("photo-too-large", limit_mb=25, headers={"Tus-Max-Size": "25000000"}),
    }
    raise raised[kind]


@get("/number")
async def _number(count: Annotated[int, Parameter(ge=1)]) -> int:
    return count


@post("/form", request_max_body_size=None)
async def _form(request: Request[Any, Any, Any]) -> int:
    return (await decoded_body(request, Form, 10_000)).count


@post("/plain", request_max_body_size=10)
async def _plain(request: Request[Any, Any, Any]) -> int:
    return len(await request.body())


@get("/sync/v1/raise")
async def _raise_to_a_phone() -> None:
    raise RuntimeError(SECRET)


@pytest.fixture
def app() -> Litestar:
    handlers = [_raise, _number, _form, _plain, _raise_to_a_phone]
    return Litestar(handlers, exception_handlers=exception_handlers, openapi_config=None, state=State())


@pytest.fixture
def client(app: Litestar) -> Iterator[TestClient[Litestar]]:
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_title_and_a_sentence(language: str) -> None:
    """A code without words would show a key to a person."""
    words = words_in(language)
    for code in STATUS_OF:
        for part in ("title", "detail"):
            assert words.knows(f"problem.{code}.{part}"), (language, code, part)


def test_the_sentences_ask_for_the_same_facts_in_both_languages() -> None:
    class Facts(dict[str, str]):
        def __missing__(self, name: str) -> str:
            self[name] = ""
            return ""

    for code in STATUS_OF:
        asked = []
        for language in LANGUAGES:
            facts = Facts()
            words_in(language)(f"problem.{code}.detail").format_map(facts)
            asked.append(set(facts))
        assert asked[0] == asked[1], code


def test_a_problem_is_told_as_rfc_9457_says(client: TestClient[Litestar]) -> None:
    answer = client.get("/raise/problem", headers={"Accept-Language": "en-GB,en;q=0.9,zh;q=0.1"})
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Content-Language"] == "en"
    assert answer.headers["Doorstep-Problem"] == "photo-too-large"
    assert answer.headers["Tus-Max-Size"] == "25000000"
    body = answer.json()
    assert body["type"] == "urn:doorstep:problem:photo-too-large"
    assert (body["status"], body["code"], body["limit_mb"]) == (413, "photo-too-large", 25)
    assert body["title"] == "This photo is too large"
    assert "25 MB" in body["detail"]
    assert body["instance"].startswith("urn:doorstep:occurrence:")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("unforeseen", 500, "internal-error"),
        ("recursion", 500, "internal-error"),
        ("unauthorized", 401, "sign-in-needed"),
        ("forbidden", 403, "not-allowed"),
        ("too-often", 429, "too-many-requests"),
        ("away", 503, "unavailable"),
    ],
)
def test_no_exception_s_own_words_get_out(client: TestClient[Litestar], kind: str, status: int, code: str) -> None:
    """Neither its text nor its headers nor a traceback, as JSON and as a page."""
    for headers in ({}, BROWSER):
        answer = client.get(f"/raise/{kind}", headers=headers, follow_redirects=False)
        if headers and code == "sign-in-needed":
            assert answer.status_code == 303
            continue
        assert answer.status_code == status
        assert answer.headers["Doorstep-Problem"] == code
        everything = answer.text + str(answer.headers)
        for secret in (SECRET, "hunter2", "Traceback", "litestar", ".py"):
            assert secret not in everything


def test_a_problem_raised_without_its_facts_is_still_told(client: TestClient[Litestar]) -> None:
    """Our mistake costs the reader a detail and not the answer."""
    answer = client.get("/raise/bare")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
    assert answer.json()["detail"] == answer.json()["title"]


def test_what_nobody_foresaw_is_logged_under_the_number_the_reader_sees(
    client: TestClient[Litestar], caplog: pytest.LogCaptureFixture
) -> None:
    """The administrator finds the traceback by it; the query, with a customer's number in it, is not logged."""
    with caplog.at_level(logging.ERROR, logger="sync_server.problems"):
        answer = client.get("/raise/unforeseen?phone=13800138000")
    reference = answer.json()["reference"]
    assert reference in answer.json()["detail"]
    (record,) = (record for record in caplog.records if record.name == "sync_server.problems")
    assert reference in record.getMessage()
    assert record.exc_info is not None
    assert "13800138000" not in record.getMessage()


def test_a_browser_gets_a_page_with_the_code_small_below(client: TestClient[Litestar]) -> None:
    answer = client.get("/raise/unforeseen", headers=BROWSER)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert '<html lang="zh-CN">' in answer.text
    assert "服务器出了问题" in answer.text
    assert "internal-error · " in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_phone_never_gets_a_page(client: TestClient[Litestar]) -> None:
    """Whatever it says it accepts: what answers under /sync/ is read by a program."""
    assert client.get("/sync/v1/raise", headers=BROWSER).json()["code"] == "internal-error"


def test_the_desk_may_dress_the_page(app: Litestar, client: TestClient[Litestar]) -> None:
    """And where its template fails, the plain page is shown instead of nothing."""

    def dressed(request: Request[Any, Any, Any], shown: ProblemShown) -> Response[str]:
        if shown.code == "internal-error":
            raise RuntimeError("the template is broken too")
        return Response(f"<h1>{shown.title}</h1>", media_type="text/html")

    app.state[PROBLEM_PAGE] = dressed
    page = client.get("/raise/problem", headers=BROWSER)
    assert (page.status_code, page.text) == (413, "<h1>照片太大</h1>")
    assert page.headers["Doorstep-Problem"] == "photo-too-large"
    assert "服务器出了问题" in client.get("/raise/unforeseen", headers=BROWSER).text


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (("GET", "/nowhere"), 404, "not-found"),
        (("GET", "/%00%ff"), 404, "not-found"),
        (("DELETE", "/number"), 405, "method-not-allowed"),
        (("GET", "/number"), 400, "invalid-request"),
        (("GET", "/number?count=0"), 400, "invalid-request"),
        (("GET", "/number?count=zwei"), 400, "invalid-request"),
        (("POST", "/plain"), 413, "request-too-large"),
    ],
)
def test_the_framework_s_refusals_speak_our_language(
    client: TestClient[Litestar], request_: tuple[str, str], status: int, code: str
) -> None:
    answer = client.request(*request_, content=b"x" * 100 if request_[0] == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"].endswith("。")
    assert "Expected" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 9_000,
        b'{"count":' * 1_000,
        b'{"count":1',
        b'{"count":"\xff"}',
        b'{"count":1,"unknown":2}',
        b'{"count":1e999}',
        b"\xef\xbb\xbf{}",
        b"\x00" * 100,
    ],
)
def test_a_body_that_cannot_be_read_is_the_sender_s_fault(client: TestClient[Litestar], body: bytes) -> None:
    """Nesting, numbers past 64 bits and bad UTF-8 are no internal errors."""
    answer = client.post("/form", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")


@pytest.mark.parametrize("length", ["announced", "streamed"])
def test_a_body_over_the_limit_is_not_read_to_its_end(client: TestClient[Litestar], length: str) -> None:
    body = b" " * 50_000
    answer = client.post("/form", content=body if length == "announced" else iter([body[:9_000], body[9_000:]]))
    assert (answer.status_code, answer.json()["code"]) == (413, "request-too-large")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"),
        ("en", "en"),
        ("en-US,en;q=0.5", "en"),
        ("zh-TW", "zh-CN"),
        ("de,fr;q=0.9", "zh-CN"),
        ("de,en;q=0.5,zh;q=0.4", "en"),
        ("zh;q=0.1,en;q=0.2", "en"),
        ("en;q=0", "zh-CN"),
        ("en;q=nan,en;q=inf,en;q=-1,en;q=", "zh-CN"),
        ("*", "zh-CN"),
        (";;;,,,=q;=", "zh-CN"),
        ("x," * 100_000 + "en", "zh-CN"),
    ],
)
def test_the_language_is_the_reader_s(header: str, language: str) -> None:
    assert language_wanted(header) == language


def test_the_whole_office_answers_like_this(office: Office) -> None:
    """The handlers are plugged in, not only written."""
    answer = office.client.get("/sync/v1/nowhere", headers={"Accept-Language": "en"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert office.client.put("/sync/v1/round").json()["code"] == "method-not-allowed"
    assert office.client.post("/sync/v1/round", content=b"{}").json()["code"] == "device-unknown"
