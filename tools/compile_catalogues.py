"""Compile every gettext catalogue (`*/locale/<language>/LC_MESSAGES/<domain>.po`) to the .mo beside it.

The .mo files are not committed: they are made at set-up, and what is shipped is made from the same text. A catalogue
with a fault (a placeholder missing in one language is a test's business, a syntax error is ours) stops the build.
"""

import io
import os
import sys
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent


def catalogues(root: Path = ROOT) -> list[Path]:
    return sorted(root.glob("*/locale/*/LC_MESSAGES/*.po"))


def compile_catalogue(source: Path) -> bool:
    """Write the .mo; False where it was up to date."""
    language = source.parent.parent.name
    with source.open("rb") as text:
        catalogue = read_po(text, locale=language, domain=source.stem, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    target = source.with_suffix(".mo")
    if target.exists() and target.read_bytes() == compiled.getvalue():
        return False
    unfinished = target.with_suffix(f".mo-{os.getpid()}")  # nobody ever reads half of one
    unfinished.write_bytes(compiled.getvalue())
    unfinished.replace(target)
    return True


def main() -> None:
    written = [source for source in catalogues() if compile_catalogue(source)]
    sys.stdout.write(f"catalogues: {len(written)} of {len(catalogues())} compiled anew\n")


if __name__ == "__main__":
    main()
