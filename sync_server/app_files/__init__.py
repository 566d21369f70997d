"""The published phone app under /app/: files, and nothing a person has to be signed in for.

Not Litestar's static router: that one serves a `.gz` file's encoding with every answer after it. Files are compressed
in advance (tools.publish), kept in memory once asked for, and named by their hash to the browser, so that an unchanged
file never crosses the network twice. Publishing anew is noticed without a restart.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from litestar import HttpMethod, Request, Response, route
from litestar.di import NamedDependency

from sync_server.app_files import listing
from sync_server.app_files.listing import Published, PublishedFile
from sync_server.problems import Problem
from sync_server.problems.languages import language_of
from sync_server.settings import Settings
from sync_server.words import words_in

BASE = "/app/"
VERSION_DIGITS = 12
"""Of the SHA-256, in `?v=`."""
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",  # Pyodide's bridge between Python and JavaScript compiles functions
        "style-src 'self' 'unsafe-inline'",  # Flutter styles its own elements
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FOR_EVER = "public, max-age=31536000, immutable"
ASK_EVERY_TIME = "no-cache"


class AppFolder:
    """The folder as it is now: its listing, and the bytes of files already asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] | None = None
        self._published: Published | None = None
        self._contents: dict[tuple[str, str], bytes] = {}

    async def published(self) -> Published | None:
        return await anyio.to_thread.run_sync(self._look)

    def _look(self) -> Published | None:
        try:
            status = (self._folder / listing.LISTING).stat()
            stamp = (status.st_mtime_ns, status.st_ino)
        except OSError:
            stamp = None
        if stamp != self._stamp:
            self._published = listing.read(self._folder) if stamp else None
            self._stamp = stamp
            self._contents = {}
        return self._published

    async def content(self, name: str, file: PublishedFile, ending: str) -> bytes:
        key = (file.sha256, ending)
        if key not in self._contents:
            path = self._folder / (f"{name}.{ending}" if ending else name)
            self._contents[key] = await anyio.to_thread.run_sync(path.read_bytes)
        return self._contents[key]


_folders: dict[Path, AppFolder] = {}


@route(["/app", "/app/{wanted:path}"], http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
async def app_file(request: Request[Any, Any, Any], settings: NamedDependency[Settings]) -> Response[bytes]:
    if request.scope["raw_path"].partition(b"?")[0] == b"/app":
        return _elsewhere(BASE)  # outside its service worker's scope the app would not open offline
    folder = _folders.setdefault(settings.published_app, AppFolder(settings.published_app))
    published = await folder.published()
    if published is None:
        return _not_published(request)
    name = request.path_params.get("wanted", "").lstrip("/") or "index.html"
    if name not in published.files:
        stand_in = published.stand_in(name)
        if stand_in is not None:
            return _elsewhere(BASE + quote(stand_in))
        if "." in name.rsplit("/", 1)[-1]:
            raise Problem("not-found")
        name = "index.html"  # an address inside the app
    return await _answer(request, folder, name, published.files[name])


async def _answer(
    request: Request[Any, Any, Any], folder: AppFolder, name: str, file: PublishedFile
) -> Response[bytes]:
    encoding, ending = _encoding(request.headers.get("accept-encoding", ""), file)
    tag = f'"{file.sha256[:32]}{"-" + ending if ending else ""}"'
    headers = HEADERS | {"ETag": tag, "Vary": "Accept-Encoding", "Cache-Control": _keeping(request, file)}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=file.type)
    if encoding:
        headers["Content-Encoding"] = encoding
    return Response(await folder.content(name, file, ending), headers=headers, media_type=file.type)


def _encoding(accepted: str, file: PublishedFile) -> tuple[str, str]:
    """The encoding's name and the file's ending; both empty for the bytes as they are."""
    if file.br_bytes is not None and "br" in accepted:
        return "br", "br"
    if file.gz_bytes is not None and "gzip" in accepted:
        return "gzip", "gz"
    return "", ""


def _keeping(request: Request[Any, Any, Any], file: PublishedFile) -> str:
    by_query = file.immutable == "query" and request.query_params.get("v") == file.sha256[:VERSION_DIGITS]
    return FOR_EVER if by_query or file.immutable == "folder" else ASK_EVERY_TIME


def _elsewhere(address: str) -> Response[bytes]:
    return Response(b"", status_code=302, headers=HEADERS | {"Location": address, "Cache-Control": ASK_EVERY_TIME})


def _not_published(request: Request[Any, Any, Any]) -> Response[bytes]:
    words = words_in(language_of(request))
    page = (
        f'<!DOCTYPE html><html lang="{words.language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{words('app_files.missing.title')}</title>"
        '<body style="font: 17px/1.6 system-ui; max-width: 30em; margin: 20vh auto; padding: 24px">'
        f"<h1>{words('app_files.missing.title')}</h1><p>{words('app_files.missing.body')}</p></body></html>"
    )
    return Response(page.encode(), status_code=503, headers=HEADERS, media_type="text/html; charset=utf-8")


route_handlers = [app_file]
