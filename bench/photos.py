"""Photos over 8 connections, hashed and flushed, against a bare handler that does the same and nothing else.

They come as a phone sends them. What the bare handler leaves out is who brings them, what was announced, the record of
each in the database and all that lets an upload be gone on with.
"""

import hashlib
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from bench import load, office, serving
from bench.lists import technician
from shared_schema.sync_protocol import PhotosOffered, PhotosUnheld
from shared_schema.wire import decode, encode
from sync_server.storage import Storage
from sync_server.sync.uploads import PATH, UNHELD

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
                serving.settle()
                met = load.drive(served.address, [_bare(part) for part in _dealt(pictures)])
            figures.bare_bytes_per_second.append(total / met.seconds)
        with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
            data = Path(folder)
            _enrol(data / "doorstep.db")
            with serving.doorstep(data) as served:
                phones = [_uploads(part, f"token-{place}") for place, part in enumerate(_dealt(pictures))]
                serving.settle()
                met = load.drive(served.address, phones)
            _require_all_there(data / "photos", pictures)
            figures.bytes_per_second.append(total / met.seconds)
    return figures


def _dealt(pictures: Sequence[bytes]) -> list[list[bytes]]:
    return [list(pictures[place::CONNECTIONS]) for place in range(CONNECTIONS)]


def _bare(pictures: Sequence[bytes]) -> load.Phone:
    return load.in_turn([load.request("POST", "/photo", picture, "Content-Type: image/jpeg") for picture in pictures])


def _uploads(pictures: Sequence[bytes], token: str) -> load.Phone:
    """As field_app.sync.photo_sender does it: the office is asked which it has nothing of, and each of these comes
    whole with its creation (tus 1.0); the hashes are as old as the photos."""
    named = [(hashlib.sha256(picture).hexdigest(), picture) for picture in pictures]
    offer = encode(PhotosOffered([sha256 for sha256, _ in named]))
    return _sent(load.post(UNHELD, offer, token), [_creation(picture, sha256, token) for sha256, picture in named])


def _sent(offer: bytes, creations: Sequence[bytes]) -> load.Phone:
    told = decode((yield offer).partition(b"\r\n\r\n")[2], PhotosUnheld)
    assert isinstance(told, PhotosUnheld), told
    assert len(told.photos) == len(creations), told
    yield from load.in_turn(creations)


def _creation(picture: bytes, sha256: str, token: str) -> bytes:
    return load.request(
        "POST",
        f"{PATH}/",
        picture,
        f"Authorization: Bearer {token}",
        "Tus-Resumable: 1.0.0",
        f"Upload-Length: {len(picture)}",
        f"Upload-Metadata: sha256 {_base64(sha256)},media_type {_base64('image/jpeg')}",
        "Content-Type: application/offset+octet-stream",
    )


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


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
