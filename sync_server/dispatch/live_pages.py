"""What keeps open pages current: one stream of "the feed is now at N"; the page then asks for what it shows."""

from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Stream

from sync_server.dispatch.pages import HEADERS
from sync_server.dispatch.reader import Reader
from sync_server.services.live import Live


@get("/desk/events", include_in_schema=False)
async def events(
    request: Request[Any, Any, Any],
    reader: NamedDependency[Reader],  # noqa: ARG001 - named for what it sees to: nobody watches without signing in
    live: NamedDependency[Live],
) -> Stream:
    """Server-sent events; a browser that reconnects says where it was by Last-Event-ID."""
    headers = HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = live.stream(request.headers.get("last-event-id"))
    return Stream(stream, media_type="text/event-stream", headers=headers)


route_handlers = [events]
