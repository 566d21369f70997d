"""The files a page is made of beside its HTML: our own, and htmx out of its installed wheel. Nothing from elsewhere.

Their addresses hold a digest of the content, so a browser keeps them for ever and never has a stale one.
"""

import gzip
import hashlib
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from litestar import HttpMethod, Request, Response, route
from litestar.params import FromPath

from sync_server.problems import Problem

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Asset(NamedTuple):
    content: bytes
    compressed: bytes
    media_type: str
    address: str


def address_of(name: str) -> str:
    return assets()[name].address


@cache
def assets() -> dict[str, Asset]:
    files = [*(resources.files("sync_server.dispatch") / "static").iterdir()]
    files.append(resources.files("js_lib_htmx") / "static" / "htmx" / "htmx.min.js")
    return {file.name: _read(file) for file in files if file.name.rpartition(".")[2] in _TYPES}


def _read(file: Traversable) -> Asset:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    media_type = _TYPES[file.name.rpartition(".")[2]]
    return Asset(content, gzip.compress(content, 9, mtime=0), media_type, f"/static/{digest}/{file.name}")


@route(
    "/static/{digest:str}/{name:str}",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    sync_to_thread=False,
    include_in_schema=False,
)
def asset(request: Request[Any, Any, Any], digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    found = assets().get(name)
    if found is None or found.address != f"/static/{digest}/{name}":
        raise Problem("not-found")
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    content = found.content
    if "gzip" in request.headers.get("accept-encoding", ""):
        content = found.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(content, media_type=f"{found.media_type}; charset=utf-8", headers=headers)
