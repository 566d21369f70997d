"""`published.json`: what tools.publish says about the files it made, and all the server knows of them.

A file that is not in the listing is not there, whatever the folder holds.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

LISTING = "published.json"


class PublishedFile(Struct, frozen=True):
    type: str
    """As in the header Content-Type."""
    sha256: str
    """Of the bytes as they are, in hexadecimal."""
    size_bytes: int
    br_bytes: int | None = None
    """Size of the same file compressed, beside it as `.br`; None where that gains nothing."""
    gz_bytes: int | None = None
    immutable: str | None = None
    """`folder`: the folder is named after its contents. `query`: asked for with `?v=` and the hash's beginning."""


class Published(Struct, frozen=True):
    version: str
    inputs: str
    """Digest of everything the app was made from."""
    files: dict[str, PublishedFile]
    stand_ins: list[tuple[str, str]] = []
    """How names of fonts begin that Flutter asks for though they are not there, and what answers the first that fits:
    to a 404 Flutter asks again without end."""

    def stand_in(self, name: str) -> str | None:
        """What answers for a file that is not there."""
        return next((file for beginning, file in self.stand_ins if name.startswith(beginning)), None)


def read(folder: Path) -> Published | None:
    """None where no app has been published into the folder."""
    try:
        return msgspec.json.decode((folder / LISTING).read_bytes(), type=Published)
    except (OSError, msgspec.MsgspecError):
        return None


def write(folder: Path, published: Published) -> None:
    (folder / LISTING).write_bytes(msgspec.json.format(msgspec.json.encode(published)))
