"""POST /sync/v1/round: a phone's RoundRequest in, a RoundReply out (docs/sync-protocol.md)."""

import asyncio
import gzip
from typing import Any

from litestar import MediaType, Request, Response, post
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from shared_schema import wire
from shared_schema.sync_protocol import PROTOCOL, RoundRequest
from shared_schema.wire import Unreadable
from sync_server.accounts import Accounts, device_identity
from sync_server.problems import Problem, limited_body
from sync_server.services.rounds import Rounds
from sync_server.settings import Settings


async def _answer(reply: bytes, accepted: str) -> Response[bytes]:
    headers = {"Cache-Control": "no-store"}
    if len(reply) > _WORTH_COMPRESSING and "gzip" in accepted:
        reply = await asyncio.to_thread(gzip.compress, reply, _LEVEL)
        headers["Content-Encoding"] = "gzip"
    return Response(reply, headers=headers, media_type=MediaType.JSON)


class _Spoken(Struct):
    protocol: int


_WORTH_COMPRESSING = 8_000
"""Bytes. A list of tickets shrinks to a fifth, on a country road the difference between seconds and a minute."""
_LEVEL = 3


def route_handlers(accounts: Accounts, rounds: Rounds, settings: Settings) -> list[HTTPRouteHandler]:
    """Made from what they need, and not given it by name: Litestar resolves each dependency in a task of its own, which
    together take longer than the answer to a phone that has nothing to say."""

    @post("/sync/v1/round", status_code=200, request_max_body_size=None)
    async def round_(request: Request[Any, Any, Any]) -> Response[bytes]:
        identity = await device_identity(request, accounts)
        asked = _read(await limited_body(request, settings.round_bytes))
        if asked.device != identity.device:
            raise Problem("not-allowed")
        reply = await rounds.round(identity, asked)
        await accounts.heard_from(identity, request.headers.get("doorstep-holding", ""))
        return await _answer(reply, request.headers.get("accept-encoding", ""))

    return [round_]


def _read(body: bytes) -> RoundRequest:
    asked = wire.decode(body, RoundRequest)
    if isinstance(asked, RoundRequest) and asked.protocol == PROTOCOL:
        return asked
    # Another version's message need not have this one's form: its number alone says what to answer.
    spoken = wire.decode(body, _Spoken)
    if isinstance(spoken, _Spoken) and spoken.protocol != PROTOCOL:
        raise Problem("upgrade-required")
    raise Problem("malformed-request", place=asked.place[:200] if isinstance(asked, Unreadable) else "$")
