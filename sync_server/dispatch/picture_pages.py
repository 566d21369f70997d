"""Pictures for the desk's pages: photos of tickets, small and whole, and the faces of people."""

from pathlib import Path
from typing import Any

import anyio
import msgspec
from litestar import Request, Response
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from shared_schema.identifiers import TicketId
from sync_server.accounts import Accounts, access_ticket
from sync_server.dispatch.pages import HEADERS, looked_at
from sync_server.dispatch.reader import Reader
from sync_server.dispatch.ticket_view import photo_hashes
from sync_server.problems import Problem, problem_response
from sync_server.services.desk import Desk
from sync_server.services.photo_files import PhotoFiles

SMALL = 320
"""Pixels of the longer side; shown at 120, sharp on a dense screen."""

_PICTURE_HEADERS = {name: value for name, value in HEADERS.items() if name != "Cache-Control"} | {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, max-age=3600",
}

_UNREADABLE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120"><rect width="120" height="120" fill="#8a9693"/>'
    '<path d="M34 42h52v40H34zM34 74l16-16 12 12 8-8 16 16M30 90l60-60" fill="none" stroke="#eef1ef" stroke-width="4"'
    ' stroke-linejoin="round" stroke-linecap="round"/></svg>'
)
_NOBODY = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" fill="#8a9693"/>'
    '<circle cx="20" cy="15.5" r="6.5" fill="#eef1ef"/>'
    '<path d="M7 40c0-9 6-14 13-14s13 5 13 14z" fill="#eef1ef"/></svg>'
)


@looked_at("/photos/{sha256:str}")
async def photo(
    request: Request[Any, Any, Any],
    sha256: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    photo_files: NamedDependency[PhotoFiles],
    ticket: FromQuery[str] = "",
    size: FromQuery[str] = "",
) -> Response[Any]:
    """A photo of a ticket this person may see; `size=small` for a list."""
    if not await _is_on(ticket, sha256, reader, desk):
        raise Problem("photo-unknown")
    path, media_type = photo_files.path(sha256), photo_files.media_type(sha256)
    if path is None or media_type is None:
        raise Problem("photo-unknown")
    if size == "small":
        drawn = await photo_files.thumbnail(sha256, SMALL)
        if drawn is None:
            return _unreadable(request)
        return await _sent(drawn, "image/jpeg", f"{sha256[:16]}-small.jpg")
    return await _sent(path, media_type, f"{sha256[:16]}.{media_type.partition('/')[2]}")


def _unreadable(request: Request[Any, Any, Any]) -> Response[Any]:
    """The problem; for an <img> drawn, for browsers show the picture that an answer holds, whatever its status."""
    answer = problem_response(request, Problem("photo-unreadable"))
    accepted = request.headers.get("accept", "")
    if "image/" not in accepted or "text/html" in accepted:
        return answer
    return Response(
        _UNREADABLE,
        status_code=answer.status_code,
        media_type="image/svg+xml",
        headers=_PICTURE_HEADERS | answer.headers,
    )


async def _is_on(ticket_id: str, sha256: str, reader: Reader, desk: Desk) -> bool:
    try:
        msgspec.convert(ticket_id, TicketId)
    except msgspec.ValidationError:
        return False
    file = await desk.ticket(ticket_id)
    seen = access_ticket(reader.person, file.ticket) if file else None
    return seen is not None and sha256 in photo_hashes(seen)


async def _sent(path: Path, media_type: str, name: str) -> Response[Any]:
    content = await anyio.Path(path).read_bytes()
    headers = _PICTURE_HEADERS | {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)


@looked_at("/people/{person_id:str}/photo")
async def face(
    person_id: FromPath[str],
    reader: NamedDependency[Reader],  # noqa: ARG001 - named for what it sees to: only people of the office look
    accounts: NamedDependency[Accounts],
) -> Response[Any]:
    portrait = await accounts.portrait(person_id)
    if portrait is None:
        return Response(_NOBODY, media_type="image/svg+xml", headers=_PICTURE_HEADERS)
    return Response(portrait, media_type="image/jpeg", headers=_PICTURE_HEADERS)


route_handlers = [photo, face]
