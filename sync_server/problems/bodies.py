"""Request bodies, read with a limit in bytes and in time and decoded without letting a parser's exception out.

Litestar's own decoding answers 100,000 nested brackets or a number over 64 bits with a 500; this answers them with
`malformed-request`, like every other body that cannot be read.
"""

import asyncio
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.types import Receive

from shared_schema.wire import Unreadable, decode
from sync_server.problems.registry import Problem

T = TypeVar("T")

SILENT_SECONDS = 30.0
"""How long nothing may arrive of a body that is not complete."""
WHOLE_SECONDS = 120.0
"""How long a body may take as a whole, and the longer the more of it has come: photos over a slow line get through,
a byte now and then does not."""
SLOWEST_BYTES_PER_SECOND = 20_000


async def decoded_body(request: Request[Any, Any, Any], form: type[T], limit_bytes: int) -> T:
    """The body as a `form`. Raises Problem `request-too-large` or `malformed-request` (with the place of the fault).

    The route must allow bodies of that size: `request_max_body_size=None` leaves the limit to this function.
    """
    value = decode(await limited_body(request, limit_bytes), form)
    if isinstance(value, Unreadable):
        raise Problem("malformed-request", place=value.place[:200])
    return value


async def form_of(request: Request[Any, Any, Any]) -> FormMultiDict:
    """The form that was sent. Raises Problem `request-stalled`, and `malformed-request` for parts that are no text in
    the encoding they name.

    The route's request_max_body_size is its limit.
    """
    request.receive = _in_time(request.receive)
    try:
        return await request.form()
    except (UnicodeError, LookupError) as fault:  # neither is caught by Litestar's own parser
        raise Problem("malformed-request", place="$") from fault


async def limited_body(request: Request[Any, Any, Any], limit_bytes: int) -> bytes:
    """Raises Problem `request-too-large`, `request-stalled`, and `malformed-request` where the client hung up."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > limit_bytes):
        raise Problem("request-too-large", limit_kb=limit_bytes // 1000)
    receive = _in_time(request.receive)
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":  # the client has hung up: nobody reads the answer
            raise Problem("malformed-request", place="$")
        body += message["body"]
        more = message["more_body"]
        if len(body) > limit_bytes:
            raise Problem("request-too-large", limit_kb=limit_bytes // 1000)
    return body


def _in_time(receive: Receive) -> Receive:
    """The body's next part, or Problem `request-stalled`."""
    loop = asyncio.get_running_loop()
    begun_at, arrived_bytes = loop.time(), 0

    async def receive_in_time() -> Any:
        nonlocal arrived_bytes
        whole = WHOLE_SECONDS + arrived_bytes / SLOWEST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout_at(min(loop.time() + SILENT_SECONDS, begun_at + whole)):
                message: Any = await receive()
        except TimeoutError:  # what is still to come would be taken for the next request
            raise Problem("request-stalled", headers={"Connection": "close"}) from None
        arrived_bytes += len(message.get("body", b""))
        return message

    return receive_in_time
