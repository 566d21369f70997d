"""Names, hashes and compression of what is published, and the exchange of the finished folder for the old one.

What the server has to know of the files it reads in a listing beside them: sync_server.app_files.listing.
"""

import base64
import gzip
import hashlib
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import brotli
from msgspec import structs

from sync_server.app_files.listing import PublishedFile

TYPES = {
    ".bin": "application/octet-stream",
    ".frag": "text/plain",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".otf": "font/otf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".zip": "application/zip",
}
PACKED_ALREADY = {".png", ".woff2", ".jpg", ".webp"}
SMALL = 1_500_000
"""Bytes up to which the slowest setting is worth its time: brotli's 11 takes twice as long as 10 for three percent."""


def with_immutable(file: PublishedFile, immutable: str | None) -> PublishedFile:
    return structs.replace(file, immutable=immutable)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def integrity(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def compress(folder: Path, cache: Path) -> dict[str, PublishedFile]:
    """Write `.br` and `.gz` beside every file that gains by it; each content is compressed once in its life."""
    store = cache / "compressed"
    store.mkdir(parents=True, exist_ok=True)
    paths = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: -path.stat().st_size)
    with ProcessPoolExecutor(max(2, (os.cpu_count() or 2) // 2)) as workers:
        made = list(workers.map(_compressed, paths, [store] * len(paths)))
    return {path.relative_to(folder).as_posix(): file for path, file in sorted(zip(paths, made, strict=True))}


def _compressed(path: Path, store: Path) -> PublishedFile:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    kind = TYPES[path.suffix]
    if path.suffix in PACKED_ALREADY:
        return PublishedFile(kind, sha256, len(data), None, None)
    sizes = {}
    for ending, pack in (("br", _brotli), ("gz", _gzip)):
        kept = store / f"{sha256}.{ending}"
        if not kept.exists():
            unfinished = kept.with_suffix(f".{ending}-{os.getpid()}")
            unfinished.write_bytes(pack(data))
            unfinished.rename(kept)
        shutil.copyfile(kept, path.with_name(f"{path.name}.{ending}"))
        sizes[ending] = kept.stat().st_size
    return PublishedFile(kind, sha256, len(data), sizes["br"], sizes["gz"])


def _brotli(data: bytes) -> bytes:
    packed: bytes = brotli.compress(data, quality=11 if len(data) <= SMALL else 10, lgwin=24)
    return packed


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 6 if len(data) > SMALL else 9, mtime=0)


def exchange(finished: Path, output: Path) -> None:
    """Put the finished folder in the place of the old one; the server meets the one or the other."""
    old = output.with_name(f"{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    finished.rename(output)
    shutil.rmtree(old, ignore_errors=True)
