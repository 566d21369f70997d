"""What keeps open pages current: one stream of "the feed is now at N"; the page then asks for what it shows."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.response import Stream

from sync_server.accounts import Accounts, Session
from sync_server.dispatch.pages import HEADERS
from sync_server.services.live import Live


@get("/desk/events", include_in_schema=False)
async def events(
    request: Request[Any, Any, Any],
    session: NamedDependency[Session],
    accounts: NamedDependency[Accounts],
    live: NamedDependency[Live],
) -> Stream:
    """Server-sent events; a browser that reconnects says where it was by Last-Event-ID."""
    headers = HEADERS | {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _while_signed_in(request.headers.get("last-event-id"), session, accounts, live)
    return Stream(stream, media_type="text/event-stream", headers=headers)


async def _while_signed_in(
    last_event_id: str | None, session: Session, accounts: Accounts, live: Live
) -> AsyncGenerator[bytes, None]:
    """A session that ran out or was ended elsewhere is noticed with the next event or heartbeat."""
    async with contextlib.aclosing(live.stream(last_event_id, owner=session.token)) as stream:
        async for chunk in stream:
            if not await accounts.is_signed_in(session.token):
                return
            yield chunk


route_handlers = [events]
