"""Whether a disk still gives back what was written to it."""

import errno
import hashlib
from contextlib import nullcontext
from io import BufferedReader
from pathlib import Path


def file_hash(source: Path | BufferedReader) -> str:
    """SHA-256 of the bytes of a file, or of what is left of an open one; "" where the disk cannot read them any more.
    Raises OSError for anything else."""
    try:
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as fault:
        if fault.errno != errno.EIO:
            raise
        return ""
