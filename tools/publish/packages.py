"""The packages the app imports, as wheels for Python in the browser.

There is one lock for phone, server and tests; pip takes the browser's wheels by their hashes out of it, whatever
Python it runs on itself.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools import lock_subset

ROOT = lock_subset.ROOT

PLATFORM = "pyemscripten_2026_0_wasm32"
PYTHON = "3.14"
"""The Python inside Pyodide; `runtime` checks that the flet-web wheel brings this one."""

NOT_NEEDED = {
    "cffi",  # cryptography asks for it
    "cryptography",  # the browser's WebCrypto signs and seals
    "oauthlib",  # flet itself asks for it everywhere but here
    "pip",  # sqlite-utils: for a command of its command line
    "pycparser",  # cffi asks for it
    "tzdata",  # python-dateutil: for time zones by name; the app knows the device's own
}

UNUSED = (
    "**/*.pyi",
    "**/*.dist-info/RECORD",
    "**/*.dist-info/licenses",
    "**/tests",
    "bin",
    "certifi/cacert.pem",  # the browser makes the connections and knows whom to trust
    "flet/controls/**/icons.json.md",
    "flet/fastapi",
    "flet/pytest_plugin.py",
    "flet/testing",
)


def locked() -> str:
    """The lines of the lock for what the phone imports."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    ours = lock_subset.subset(lock, lock_subset.wanted(declared["project"], []))
    blocks = re.split(r"^(?=[A-Za-z0-9])", ours, flags=re.MULTILINE)
    return "".join(block for block in blocks if block.partition("==")[0] not in NOT_NEEDED)


def install(cache: Path) -> Path:
    """A folder with everything unpacked; made once for each state of the lock."""
    requirements = locked()
    digest = hashlib.sha256("\n".join([requirements, PLATFORM, PYTHON, *UNUSED]).encode()).hexdigest()
    folder = cache / f"packages-{digest[:16]}"
    if folder.exists():
        return folder
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    listing = cache / "packages.txt"
    listing.write_text(requirements, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    command += ["--implementation=cp", f"--python-version={PYTHON}", f"--abi=cp{PYTHON.replace('.', '')}"]
    command += ["--abi=abi3", "--abi=none", f"--platform={PLATFORM}", "--platform=any"]
    command += [f"--target={unfinished}", f"--requirement={listing}"]
    subprocess.run(command, check=True)  # noqa: S603 — the command is ours
    for pattern in UNUSED:
        for path in list(unfinished.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    unfinished.rename(folder)
    return folder
