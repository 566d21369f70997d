"""Request bodies, read with a limit and decoded without letting a parser's exception out.

Litestar's own decoding answers 100,000 nested brackets or a number over 64 bits with a 500; this answers them with
`malformed-request`, like every other body that cannot be read.
"""

from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import FormMultiDict

from shared_schema.wire import Unreadable, decode
from sync_server.problems.registry import Problem

T = TypeVar("T")


async def decoded_body(request: Request[Any, Any, Any], form: type[T], limit_bytes: int) -> T:
    """The body as a `form`. Raises Problem `request-too-large` or `malformed-request` (with the place of the fault).

    The route must allow bodies of that size: `request_max_body_size=None` leaves the limit to this function.
    """
    value = decode(await limited_body(request, limit_bytes), form)
    if isinstance(value, Unreadable):
        raise Problem("malformed-request", place=value.place[:200])
    return value


async def form_of(request: Request[Any, Any, Any]) -> FormMultiDict:
    """The form that was sent. Raises Problem `malformed-request` for parts that are no text in the encoding they name.

    The route's request_max_body_size is its limit.
    """
    try:
        return await request.form()
    except (UnicodeError, LookupError) as fault:  # neither is caught by Litestar's own parser
        raise Problem("malformed-request", place="$") from fault


async def limited_body(request: Request[Any, Any, Any], limit_bytes: int) -> bytes:
    """Raises Problem `request-too-large`, and `malformed-request` where the client hung up."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > limit_bytes):
        raise Problem("request-too-large", limit_kb=limit_bytes // 1000)
    body = b""
    more = True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":  # the client has hung up: nobody reads the answer
            raise Problem("malformed-request", place="$")
        body += message["body"]
        more = message["more_body"]
        if len(body) > limit_bytes:
            raise Problem("request-too-large", limit_kb=limit_bytes // 1000)
    return body
