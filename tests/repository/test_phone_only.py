"""The phone's list of packages ([project].dependencies) is enough for its app: `flet build` installs exactly that."""

import hashlib
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from tests.repository.sources import ROOT, modules_of_the_phone
from tools.lock_subset import subset, wanted
from tools.side_by_side import alone

OFFICE_ONLY = ("PIL", "alembic", "babel", "jinja2", "litestar", "sqlalchemy", "uvicorn")


@pytest.fixture(scope="module")
def phone_python() -> Path:
    """A Python with the locked packages of the phone and nothing else; made once for each state of the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = subset((ROOT / "requirements.lock").read_text(encoding="utf-8"), wanted(project, []))
    name = hashlib.sha256(f"{sys.version}{locked}".encode()).hexdigest()[:12]
    home = ROOT / ".build" / "phone-only" / name
    python = home / "bin" / "python"
    with alone("phone-only"):
        if not (home / "complete").exists():
            venv.create(home, clear=True, with_pip=True)
            (home / "locked.txt").write_text(locked, encoding="utf-8")
            pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "install", "--require-hashes", "-r", home / "locked.txt"], check=True)
            (home / "complete").touch()
    return python


def test_the_phones_app_imports_with_the_phones_packages_alone(phone_python: Path) -> None:
    """Every module of it, and nothing of the office's: neither its packages nor its code."""
    probe = (
        f"import importlib, sys\nfor name in {modules_of_the_phone()!r}: importlib.import_module(name)\n"
        f"assert 'sync_server' not in sys.modules\n"
        f"assert not set({OFFICE_ONLY!r}) & set(sys.modules)\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [phone_python, "-c", probe], cwd=ROOT / ".build", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
