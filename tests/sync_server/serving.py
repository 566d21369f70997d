"""The office behind a real uvicorn on a real socket, for clients that a test client cannot play."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn
from litestar import Litestar

PATIENCE_SECONDS = 120.0
"""Until what does not come is called missing. Nothing is measured by it: a machine may be slow."""

READ_BEFORE_ITS_END = 100_000
"""How many bytes of a body that breaks off there the office is sure to keep. Of less than 64 kB, uvicorn drops what
nobody has asked for when it meets the end; of more than 256 kB, what has come while the first were written down."""


@contextlib.contextmanager
def served(app: Litestar, port: int = 0) -> Iterator[str]:
    """The address of `app`, served from a thread until the block ends; on `port`, or any that is free."""
    listening = socket.create_server(("127.0.0.1", port), backlog=512)
    server = uvicorn.Server(
        uvicorn.Config(app, http="httptools", ws="none", lifespan="on", log_config=None, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, args=([listening],), name="served")
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()
        assert not thread.is_alive()


def until(happened: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something that another thread or process brings about."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
