"""The least a Litestar handler can do with a photo it has to keep: hash it, flush it, rename it, flush the folder."""

import asyncio
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from litestar import Request, Response, post

from bench.serve_nothing import serve

_threads = ThreadPoolExecutor(4)


def _save(folder: Path, data: bytes) -> str:
    name = hashlib.sha256(data).hexdigest()
    part = folder / f"{name}.part"
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / name)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return name


@post("/photo", status_code=201, request_max_body_size=None)
async def photo(request: Request[Any, Any, Any]) -> Response[bytes]:
    data = await request.body()
    loop = asyncio.get_running_loop()
    name = await loop.run_in_executor(_threads, _save, Path(sys.argv[1]), data)
    return Response(name.encode(), status_code=201)


if __name__ == "__main__":
    serve([photo])
