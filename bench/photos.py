"""200 photos over 8 connections, hashed and flushed, against a bare handler that does the same and nothing else."""

import hashlib
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench import load, office, serving
from bench.lists import technician
from sync_server.storage import Storage

CONNECTIONS = 8


class PhotoFigures(Struct):
    bytes_per_second: list[float]
    bare_bytes_per_second: list[float]
    """In the turns between."""


def measure(*, photos: int, size_bytes: int, turns: int) -> PhotoFigures:
    random_ = office.same_every_time(13)
    pictures = [b"\xff\xd8\xff\xe0" + random_.randbytes(size_bytes - 4) for _ in range(photos)]
    figures = PhotoFigures([], [])
    total = photos * size_bytes
    for _ in range(turns):
        with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
            with serving.bare_photos(Path(folder)) as served:
                met = load.drive(served.address, [_bare(part) for part in _dealt(pictures)])
            figures.bare_bytes_per_second.append(total / met.seconds)
        with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
            data = Path(folder)
            _enrol(data / "doorstep.db")
            with serving.doorstep(data) as served:
                phones = [_uploads(part, f"token-{place}") for place, part in enumerate(_dealt(pictures))]
                met = load.drive(served.address, phones)
            _require_all_there(data / "photos", pictures)
            figures.bytes_per_second.append(total / met.seconds)
    return figures


def _dealt(pictures: Sequence[bytes]) -> list[list[bytes]]:
    return [list(pictures[place::CONNECTIONS]) for place in range(CONNECTIONS)]


def _bare(pictures: Sequence[bytes]) -> load.Phone:
    return load.in_turn([load.request("POST", "/photo", picture, "Content-Type: image/jpeg") for picture in pictures])


def _uploads(pictures: Sequence[bytes], token: str) -> load.Phone:
    """Created and sent as a phone does it: tus 1.0, content-addressed; the hashes are as old as the photos."""
    names = [b64encode(hashlib.sha256(picture).hexdigest().encode()).decode() for picture in pictures]
    return _sent(list(zip(pictures, names, strict=True)), token)


def _sent(pictures: Sequence[tuple[bytes, str]], token: str) -> load.Phone:
    asks = (f"Authorization: Bearer {token}", "Tus-Resumable: 1.0.0")
    for picture, named in pictures:
        metadata = f"Upload-Metadata: sha256 {named}"
        created = yield load.request("POST", "/sync/v1/uploads", b"", *asks, f"Upload-Length: {len(picture)}", metadata)
        yield load.request(
            "PATCH",
            load.header(created, "location"),
            picture,
            *asks,
            "Upload-Offset: 0",
            "Content-Type: application/offset+octet-stream",
        )


def _enrol(database: Path) -> None:
    storage = Storage.open(f"sqlite:///{database}")
    try:
        devices = [(f"phone-{number}", f"token-{number}") for number in range(CONNECTIONS)]
        storage.write_now(lambda writing: office.move_in(writing, technician(0), devices))
    finally:
        storage.close()


def _require_all_there(folder: Path, pictures: Sequence[bytes]) -> None:
    for picture in pictures:
        sha256 = hashlib.sha256(picture).hexdigest()
        assert (folder / sha256[:2] / sha256).stat().st_size == len(picture)
