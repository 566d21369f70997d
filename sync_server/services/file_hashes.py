"""Whether a disk still gives back what was written to it."""

import errno
import hashlib
import os
from contextlib import nullcontext
from io import BufferedReader
from pathlib import Path

UNREADABLE = frozenset(
    getattr(errno, name) for name in ("EIO", "EUCLEAN", "EBADMSG", "EACCES", "EPERM") if hasattr(errno, name)
)
"""What a file system says of a file that it cannot give back: its disk cannot, what it has noted of it is damaged, or
it was put there by somebody else for nobody else to read. Everything else says nothing about this file."""


def file_hash(source: Path | BufferedReader, *, from_disk: bool = False) -> str:
    """SHA-256 of the bytes of a file, or of what is left of an open one; "" where they are UNREADABLE. Raises OSError
    for anything else.

    `from_disk`: what the system has in memory of the file is not asked, where the system can be told so, and nothing of
    it is left there, where it would take the place of what others need.
    """
    try:
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
            if from_disk:
                _forget_in_memory(file)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if from_disk:
                _forget_in_memory(file)
            return digest
    except OSError as fault:
        if fault.errno not in UNREADABLE:
            raise
        return ""


def _forget_in_memory(file: BufferedReader) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
