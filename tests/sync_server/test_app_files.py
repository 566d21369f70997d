"""The phone's app under /app/: what is told to browsers about each file, and what there is to say without one."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from litestar import Litestar
from litestar.di import Provide
from litestar.testing import TestClient

from sync_server.app_files import listing, route_handlers
from sync_server.app_files.listing import Published, PublishedFile
from sync_server.problems import exception_handlers
from sync_server.settings import Settings

SCRIPT = b"start();" * 200
STAND_INS = [("assets/fonts/emoji/", "assets/fonts/emoji.ttf"), ("assets/fonts/", "assets/fonts/rest.otf")]


def put(folder: Path, version: str = "1", script: bytes = SCRIPT) -> None:
    """A published app of a few files."""
    contents = {
        "index.html": (b"<!DOCTYPE html>", "text/html", None),
        "main.js": (script, "text/javascript", "query"),
        "python-0123456789ab/python.wasm": (b"\0asm", "application/wasm", "folder"),
        "assets/fonts/rest.otf": (b"OTTO", "font/otf", None),
        "assets/fonts/emoji.ttf": (b"\0\1\0\0", "font/ttf", None),
    }
    files = {}
    for name, (content, kind, immutable) in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        packed = None
        if name == "main.js":
            packed = brotli.compress(content)
            path.with_name("main.js.br").write_bytes(packed)
        sha256 = hashlib.sha256(content).hexdigest()
        files[name] = PublishedFile(kind, sha256, len(content), packed and len(packed), None, immutable)
    listing.write(folder, Published(version, "", files, STAND_INS))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "app"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient[Litestar]]:
    settings = Settings(app_folder=folder)
    app = Litestar(
        list(route_handlers),
        dependencies={"settings": Provide(lambda: settings, sync_to_thread=False)},
        exception_handlers=exception_handlers,
        openapi_config=None,
    )
    with TestClient(app) as client:
        yield client


def test_a_file_comes_compressed_where_the_browser_understands_it(client: TestClient[Litestar], folder: Path) -> None:
    """The same bytes either way; each way has its own tag, or a cache between would mix them up."""
    put(folder)
    packed = client.get("/app/main.js", headers={"accept-encoding": "gzip, br"})
    plain = client.get("/app/main.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "br"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content == SCRIPT
    assert packed.headers["etag"] != plain.headers["etag"]
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers["content-type"] == "text/javascript; charset=utf-8"


def test_an_unchanged_file_is_not_sent_again(client: TestClient[Litestar], folder: Path) -> None:
    put(folder)
    first = client.get("/app/main.js")
    again = client.get("/app/main.js", headers={"if-none-match": f'W/"other", {first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""


def test_only_an_address_that_names_its_contents_may_be_kept_for_ever(
    client: TestClient[Litestar], folder: Path
) -> None:
    """With a version of yesterday in the address, today's file must not be kept as yesterday's."""
    put(folder)
    hash_of_script = hashlib.sha256(SCRIPT).hexdigest()[:12]
    kept = "public, max-age=31536000, immutable"
    assert client.get(f"/app/main.js?v={hash_of_script}").headers["cache-control"] == kept
    assert client.get("/app/python-0123456789ab/python.wasm").headers["cache-control"] == kept
    for address in ("/app/main.js", "/app/main.js?v=000000000000", "/app/", "/app/assets/fonts/rest.otf"):
        assert client.get(address).headers["cache-control"] == "no-cache", address


def test_an_address_inside_the_app_is_answered_with_the_app(client: TestClient[Litestar], folder: Path) -> None:
    put(folder)
    assert client.get("/app/tickets/42").content == b"<!DOCTYPE html>"
    without_slash = client.get("/app", follow_redirects=False)
    assert without_slash.headers["location"] == "/app/"


def test_a_missing_font_is_answered_with_the_one_that_is_there(client: TestClient[Litestar], folder: Path) -> None:
    """To a 404 Flutter asks again and again."""
    put(folder)
    assert client.get("/app/assets/fonts/notosanssc/v37/x.12.woff2").content == b"OTTO"
    assert client.get("/app/assets/fonts/emoji/v32/x.7.woff2").content == b"\0\1\0\0"


@pytest.mark.parametrize(
    "address", ["/app/missing.js", "/app/main.js.br", "/app/published.json", "/app/..%2fsecret.txt"]
)
def test_what_is_not_listed_is_not_there(client: TestClient[Litestar], folder: Path, address: str) -> None:
    put(folder)
    (folder.parent / "secret.txt").write_text("secret")
    answer = client.get(address)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not-found"


def test_publishing_anew_is_noticed_without_a_restart(client: TestClient[Litestar], folder: Path) -> None:
    put(folder)
    client.get("/app/main.js")
    put(folder, "2", b"later();" * 200)
    assert client.get("/app/main.js").content == b"later();" * 200


def test_every_answer_carries_the_apps_policy(client: TestClient[Litestar], folder: Path) -> None:
    """A worker is governed by the policy it was delivered with, not by the page's."""
    put(folder)
    for address in ("/app/", "/app/main.js", "/app/python-0123456789ab/python.wasm"):
        headers = client.get(address).headers
        assert "default-src 'self'" in headers["content-security-policy"], address
        assert headers["x-content-type-options"] == "nosniff", address


@pytest.mark.parametrize(("language", "words"), [("zh-CN", "尚未发布"), ("en", "not been published")])
def test_before_the_app_is_published_a_page_says_so(client: TestClient[Litestar], language: str, words: str) -> None:
    answer = client.get("/app/", headers={"accept-language": language})
    assert answer.status_code == 503
    assert words in answer.text
