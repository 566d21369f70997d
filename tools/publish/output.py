"""Names, hashes and compression of what is published, and the exchange of the finished folder for the old one.

`published.json` beside the files is what the server reads: for each path its type, SHA-256, and whether the address
may be called immutable (`folder`: the folder is named after its contents; `query`: only with `?v=` and the hash).
"""

import base64
import gzip
import hashlib
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import brotli  # type: ignore[import-untyped]
import msgspec
from msgspec import Struct, structs

LISTING = "published.json"

TYPES = {
    ".bin": "application/octet-stream",
    ".frag": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".otf": "font/otf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".zip": "application/zip",
}
PACKED_ALREADY = {".png", ".woff2", ".jpg", ".webp"}
SMALL = 1_500_000
"""Bytes up to which the slowest setting is worth its time: brotli's 11 takes twice as long as 10 for three percent."""


class PublishedFile(Struct, frozen=True):
    type: str
    sha256: str
    """In hexadecimal."""
    size_bytes: int
    br_bytes: int | None
    """None where it is not kept compressed."""
    gz_bytes: int | None
    immutable: str | None = None


class Published(Struct, frozen=True):
    version: str
    inputs: str
    """Digest of everything it was made from."""
    files: dict[str, PublishedFile]


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


def write_listing(folder: Path, published: Published) -> None:
    (folder / LISTING).write_bytes(msgspec.json.format(msgspec.json.encode(published)))


def read_listing(folder: Path) -> Published | None:
    try:
        return msgspec.json.decode((folder / LISTING).read_bytes(), type=Published)
    except (OSError, msgspec.MsgspecError):
        return None
