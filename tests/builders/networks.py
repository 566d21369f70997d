"""The network between a phone and the office, and the ways in which it fails.

A fault is armed and happens once, to the next request it fits; the phone sees nothing but what httpx would tell it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Forward = Callable[[httpx.Request], Awaitable[httpx.Response]]
Fault = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]

CREATION = "POST /sync/v1/uploads"
"""A photo is announced, and its bytes come along or not."""


_PHOTO_BYTES = "application/offset+octet-stream"


class Network(httpx.AsyncBaseTransport):
    def __init__(self, application: Any, *, up: bool = True) -> None:
        self._application = application
        self.up = up
        self.requests: list[httpx.Request] = []
        """Everything the phone tried, whether it arrived or not."""
        self._faults: list[tuple[str, Fault]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        if not self.up:
            raise httpx.ConnectError("no network")
        for index, (place, fault) in enumerate(self._faults):
            if f"{request.method} {request.url.path}".startswith(place):
                del self._faults[index]
                return await fault(request, self._forward)
        return await self._forward(request)

    async def _forward(self, request: httpx.Request) -> httpx.Response:
        transport = httpx.ASGITransport(self._application, raise_app_exceptions=False)
        response = await transport.handle_async_request(request)
        await response.aread()
        return response

    def arm(self, fault: Fault, place: str = "POST /sync/v1/round") -> None:
        """Let the next request to this method and path meet the fault."""
        self._faults.append((place, fault))

    def disarm(self) -> None:
        self._faults.clear()

    @property
    def has_met_every_fault(self) -> bool:
        return not self._faults

    @property
    def photo_bytes(self) -> int:
        """What the phone has sent of photos, whether it arrived or not."""
        sent = [request for request in self.requests if request.headers.get("content-type") == _PHOTO_BYTES]
        return sum(len(request.content) for request in sent)

    def swap_application(self, application: Any) -> None:
        self._application = application

    def cutting(self, keep_bytes: int) -> Fault:
        """The connection breaks in the middle of the request's body."""

        async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
            whole = self._application

            async def cut(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] != "http":
                    await whole(scope, receive, send)
                    return
                left = keep_bytes

                async def receive_part() -> Message:
                    nonlocal left
                    if left <= 0:
                        return {"type": "http.disconnect"}
                    message = await receive()
                    body = message.get("body", b"")[:left]
                    left = 0
                    return {"type": "http.request", "body": body, "more_body": True}

                await whole(scope, receive_part, send)

            self._application = cut
            try:
                await forward(request)
            finally:
                self._application = whole
            raise httpx.WriteError("broken pipe")

        return fault


async def lose_reply(request: httpx.Request, forward: Forward) -> httpx.Response:
    """The office does its work, and the answer never arrives."""
    await forward(request)
    raise httpx.ReadError("connection reset")


async def lose_request(request: httpx.Request, forward: Forward) -> httpx.Response:
    raise httpx.ConnectTimeout("timed out")


async def cut_reply(request: httpx.Request, forward: Forward) -> httpx.Response:
    """Half of the answer arrives, and a proxy says that was all."""
    response = await forward(request)
    headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-length"]
    return httpx.Response(response.status_code, headers=headers, content=response.content[: len(response.content) // 2])


async def repeat_request(request: httpx.Request, forward: Forward) -> httpx.Response:
    """A proxy sends the request twice."""
    await forward(httpx.Request(request.method, request.url, headers=request.headers, content=request.content))
    return await forward(request)


async def captive_portal(request: httpx.Request, forward: Forward) -> httpx.Response:
    """A hotel's sign-in page in place of the office."""
    return httpx.Response(200, headers={"content-type": "text/html"}, text="<html>Welcome to Hotel Wi-Fi</html>")


async def damage_body(request: httpx.Request, forward: Forward) -> httpx.Response:
    """One byte of the request's body is turned over on the way."""
    body = bytearray(request.content)
    body[len(body) // 2] ^= 0xFF
    return await forward(httpx.Request(request.method, request.url, headers=request.headers, content=bytes(body)))
