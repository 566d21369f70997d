"""The least a Litestar application can do, served as Doorstep is: what an idle round is compared with."""

import logging
import socket
import sys
from collections.abc import Sequence
from typing import Any

import uvicorn
from litestar import Litestar, MediaType, Response, get, post


@post("/empty", status_code=200)
async def empty() -> Response[bytes]:
    return Response(b"{}", media_type=MediaType.JSON)


@get("/health")
async def health() -> Response[bytes]:
    return Response(b"{}", media_type=MediaType.JSON)


def serve(route_handlers: Sequence[Any]) -> None:
    """Until it is told to stop; the first line of output is the address."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        app = Litestar([*route_handlers, health], openapi_config=None, logging_config=None)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            access_log=False,
            log_config=None,
            log_level=logging.WARNING,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    serve([empty])
