"""POST /sync/v1/round: a phone's RoundRequest in, a RoundReply out (docs/sync-protocol.md)."""

import asyncio
from typing import Any

from isal import igzip
from litestar import Request, asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send
from msgspec import Raw, Struct

from shared_schema import wire
from shared_schema.sync_protocol import OLDEST_PROTOCOL, PROTOCOL, RoundRequest
from shared_schema.wire import Unreadable
from sync_server.accounts import Accounts, device_identity
from sync_server.problems import Problem, limited_body
from sync_server.services.rounds import Rounds
from sync_server.settings import Settings

_WORTH_COMPRESSING = 8_000
"""Bytes. A list of tickets shrinks to a fifth, on a country road the difference between seconds and a minute."""
_LEVEL = 2
"""igzip's: as small as zlib's 3 in a sixth of the time. A page of changes takes it a tenth of a millisecond, less than
the way to a thread and back."""


def route_handlers(accounts: Accounts, rounds: Rounds, settings: Settings) -> list[ASGIRouteHandler]:
    """Plain ASGI, made from what it needs: what Litestar does around a handler (a task for each dependency, signatures,
    hooks) takes several times longer than answering a phone that has nothing to say, and nearly all have nothing."""

    @asgi("/sync/v1/round", copy_scope=False, methods=("POST", "OPTIONS"))
    async def round_(scope: Scope, receive: Receive, send: Send) -> None:
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        if request.method == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", b"OPTIONS, POST")]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if request.method != "POST":
            raise Problem("method-not-allowed", headers={"Allow": "OPTIONS, POST"})
        identity = await device_identity(request, accounts)
        asked = await _read(await limited_body(request, settings.round_bytes))
        if asked.device != identity.device:
            raise Problem("not-allowed")
        if asked.protocol < settings.oldest_protocol and not asked.ops:
            await accounts.heard_from(identity, request.headers.get("doorstep-holding", ""))
            raise Problem("upgrade-required")
        reply = await rounds.round(identity, asked)
        await _answer(send, reply, request.headers.get("accept-encoding", ""))
        # The phone has its answer by now: what it says it holds is for the desk.
        await accounts.heard_from(identity, request.headers.get("doorstep-holding", ""))

    return [round_]


async def _read(body: bytes) -> RoundRequest:
    asked = wire.decode(body, RoundRequest)
    if isinstance(asked, Unreadable):  # perhaps because of a single operation in it
        asked = await asyncio.to_thread(wire.decode_round, body)
    if isinstance(asked, Unreadable) and asked.place.startswith("$.head"):  # no reason to refuse work
        asked = _without_head(body)
    if isinstance(asked, RoundRequest) and OLDEST_PROTOCOL <= asked.protocol <= PROTOCOL:
        return asked
    # Another version's message need not have this one's form: its number alone says what to answer.
    spoken = wire.decode(body, _Spoken)
    if isinstance(spoken, _Spoken) and not OLDEST_PROTOCOL <= spoken.protocol <= PROTOCOL:
        raise Problem("upgrade-required")
    raise Problem("malformed-request", place=asked.place[:200] if isinstance(asked, Unreadable) else "$")


def _without_head(body: bytes) -> RoundRequest | Unreadable:
    members = wire.decode(body, dict[str, Raw])
    if isinstance(members, Unreadable):
        return members
    members.pop("head", None)
    return wire.decode(wire.encode(members), RoundRequest)


class _Spoken(Struct):
    protocol: int


async def _answer(send: Send, reply: bytes, accepted: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if len(reply) > _WORTH_COMPRESSING and "gzip" in accepted:
        reply = igzip.compress(reply, _LEVEL)
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", b"%d" % len(reply)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": reply, "more_body": False})
