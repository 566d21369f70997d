"""What `/sync/openapi.json` says is what the office does: held against the routes and, by a judge, against answers.

Schemathesis, which we did not write, makes requests out of the description, right and wrong ones, and judges every
answer by it: no undocumented status, header, type or form, nothing wrong accepted, nobody let in without a token, and
never a 500. The seed is fixed (SCHEMATHESIS_SEED chooses another, SCHEMATHESIS_EXAMPLES how many).
"""

import base64
import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import hypothesis
import msgspec
import pytest
import schemathesis
from litestar.routes import HTTPRoute
from litestar.testing import TestClient
from schemathesis.core import NOT_SET
from schemathesis.generation import GenerationMode

import sync_server.sync
from sync_server.app import create_app
from sync_server.settings import Settings
from sync_server.storage import Storage
from sync_server.sync.description import description
from tests.sync_server.desk_browser import signed_in
from tests.sync_server.office import CHEN, Office, StandingClock
from tests.sync_server.serving import PATIENCE_SECONDS, served

SEED = int(os.environ.get("SCHEMATHESIS_SEED", "20260302"))
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "25"))

DESCRIPTION = description(Settings())
REFUSED = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 426, 460]
"""How a request that is not as described is turned away; tus has 412 for its version and
460 for a checksum."""
NOT_NOW = ["2xx", 401, 403, 404, 409, 410, 413, 422, 423, 429, 460]
"""What a request that is as described may hear: it is not known here, or does not fit how things stand."""

schema = schemathesis.openapi.from_dict(
    DESCRIPTION,
    config=schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "request-timeout": PATIENCE_SECONDS,
            "checks": {
                "negative_data_rejection": {"expected-statuses": REFUSED},
                "missing_required_header": {"expected-statuses": REFUSED},
                "positive_data_acceptance": {"expected-statuses": NOT_NOW},
            },
        }
    ),
)


def piece_of(value: Any) -> bytes:
    """The body of a PATCH out of whatever value Schemathesis has made."""
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


schemathesis.serializer("application/offset+octet-stream")(lambda _context, value: piece_of(value))


PHOTO = b"\xff\xd8\xff\xe0" + bytes(50_000)
CHEN_S_PHONE = {"Authorization": "Bearer token-of-phone-t-chen"}


class Served(NamedTuple):
    address: str
    upload: str
    """Id of an upload that has begun."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = Settings(data=tmp_path_factory.mktemp("office") / "data")
    with contextlib.closing(Storage.open(settings.database)) as storage:
        clock = StandingClock(datetime(2026, 3, 2, tzinfo=UTC))
        Office(storage, clock, None).phone(CHEN)  # type: ignore[arg-type]
        with served(create_app(settings, storage, clock)) as address:
            headers = CHEN_S_PHONE | {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(PHOTO))}
            headers |= {"Upload-Metadata": metadata(PHOTO)}
            begun = httpx.post(f"{address}/sync/v1/uploads", headers=headers, timeout=PATIENCE_SECONDS)
            yield Served(address, begun.headers["Location"].rpartition("/")[2])


def metadata(photo: bytes) -> str:
    return "sha256 " + base64.b64encode(hashlib.sha256(photo).hexdigest().encode()).decode()


@schema.parametrize()
@hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
@hypothesis.seed(SEED)
def test_every_answer_is_as_described(case: schemathesis.Case[Any], office: Served) -> None:
    """As a phone that is known here."""
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        _told_apart(case, office)
    case.call_and_validate(base_url=office.address, headers=CHEN_S_PHONE)


def _told_apart(case: schemathesis.Case[Any], office: Served) -> None:
    """What no form can say: which phone this is, which upload there is, whose hash that is; and that a whole number is
    written as one (for JSON Schema 1.0 is an integer, for a phone it is a slip)."""
    if isinstance(case.body, dict):
        case.body = _whole(case.body) | ({"device": "phone-t-chen"} if case.path == "/sync/v1/round" else {})
    if "{upload_id}" in case.path and case.method != "DELETE":
        case.path_parameters = {"upload_id": office.upload}
    headers = case.headers
    if "Upload-Metadata" in headers:
        headers["Upload-Metadata"] = metadata(str(headers.get("Upload-Length")).encode())
    if "Upload-Checksum" in headers:
        piece = b"" if case.body is NOT_SET else piece_of(case.body)
        headers["Upload-Checksum"] = "sha256 " + base64.b64encode(hashlib.sha256(piece).digest()).decode()
    if headers.get("X-HTTP-Method-Override") == "PATCH":
        headers.setdefault("Upload-Offset", "0")
        if case.body is NOT_SET:
            headers["X-HTTP-Method-Override"] = "HEAD"


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# -- the description itself ----------------------------------------------------------------------------------------


def test_every_route_for_phones_is_described_and_no_other(settings: Settings, storage: Storage, clock: Any) -> None:
    described = {
        (path, method)
        for path, item in DESCRIPTION["paths"].items()
        for method in item
        if method != "options"  # Litestar answers it everywhere
    }
    routed: set[tuple[str, str]] = set()
    for route in create_app(settings, storage, clock).routes:
        path = re.sub(r"{(\w+):\w+}", r"{\1}", route.path)
        if path == "/health" or path.startswith("/sync/"):
            # A handler that is plain ASGI asks for the method itself.
            methods = route.methods if isinstance(route, HTTPRoute) else route.route_handler.opt["methods"]
            routed |= {(path, method.lower()) for method in methods if method != "OPTIONS"}
    assert described == routed


def test_every_refusal_is_described_where_phones_hear_it() -> None:
    raised = {
        code
        for source in Path(sync_server.sync.__file__).parent.glob("*.py")
        for code in re.findall(r'Problem\("([a-z-]+)"', source.read_text(encoding="utf-8"))
    }
    assert len(raised) > 10
    told = msgspec.json.encode(DESCRIPTION["paths"]).decode()
    assert {code for code in raised if f'"{code}"' not in told} == set()


def test_only_who_is_signed_in_at_the_desk_is_told(settings: Settings, storage: Storage, clock: StandingClock) -> None:
    with TestClient(create_app(settings, storage, clock)) as client:
        office = Office(storage, clock, client)
        token = office.phone(CHEN).token
        refused = client.get("/sync/openapi.json", headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, refused.json()["code"]) == (401, "sign-in-needed")
        cookies = signed_in(office).cookies
        told = client.get("/sync/openapi.json", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
        assert told.json() == msgspec.json.decode(msgspec.json.encode(description(settings)))


def test_the_patterns_are_those_of_json_schema() -> None:
    """Python's `\\Z` would ask for the letter Z."""
    patterns = re.findall(r'"pattern":"((?:[^"\\\\]|\\\\.)*)"', msgspec.json.encode(DESCRIPTION).decode())
    assert len(patterns) > 10
    assert [pattern for pattern in patterns if not pattern.endswith("$") or "\\Z" in pattern] == []
