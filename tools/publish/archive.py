"""app.zip: what Python in the browser unpacks and runs. The phone's side only, nothing of the server.

Stored without compression (the wire has brotli), every date the same, so that the same code is the same bytes.
"""

import io
import zipfile
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

OURS = ("field_app", "shared_schema")
LEFT_OUT = {"__pycache__"}
SUFFIXES_LEFT_OUT = {".pyc", ".mo"}
WHEN = (2000, 1, 1, 0, 0, 0)


def sources(root: Path) -> dict[str, Path]:
    """Our own files by their name in the archive."""
    found = {"main.py": root / "main.py"}
    for package in OURS:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and not LEFT_OUT & set(path.parts) and path.suffix not in SUFFIXES_LEFT_OUT:
                found[path.relative_to(root).as_posix()] = path
    return found


def pack(root: Path, installed: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sources(root).items():
            if path.suffix == ".po":
                name, data = name[:-2] + "mo", _compiled(path)
            else:
                data = path.read_bytes()
            archive.writestr(zipfile.ZipInfo(name, WHEN), data)
        for path in sorted(installed.rglob("*")):
            if path.is_file():
                name = f"__pypackages__/{path.relative_to(installed).as_posix()}"
                archive.writestr(zipfile.ZipInfo(name, WHEN), path.read_bytes())
    return packed.getvalue()


def _compiled(catalogue: Path) -> bytes:
    """The catalogue as gettext reads it, from the source: a .mo beside it may be older."""
    with catalogue.open("rb") as text:
        read = read_po(text, locale=catalogue.parent.parent.name, domain=catalogue.stem, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, read)
    return compiled.getvalue()
