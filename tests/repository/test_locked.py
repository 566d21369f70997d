"""One version of everything, and nothing in the repository that is true of one machine only."""

import re
import tomllib

import pytest

import field_app.settings
from tests.repository.sources import ROOT, tracked
from tools.lock_subset import subset, wanted
from tools.publish import packages

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = sorted(DECLARED["project"]["optional-dependencies"])


def test_the_lock_names_no_registry() -> None:
    """Whoever installs brings their own: a mirror in China, a company's, the public one."""
    assert "://" not in LOCK
    assert not re.search(r"^\s*-", re.sub(r"^    --hash=.*$", "", LOCK, flags=re.MULTILINE), re.MULTILINE)


def test_every_package_is_locked_to_one_version_by_hash() -> None:
    names = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", LOCK, re.MULTILINE)
    assert len(names) == len(set(names))
    for block in re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE):
        if "==" in block:
            assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_the_lock_holds_what_is_declared(extra: str) -> None:
    names = wanted(DECLARED["project"], [extra] if extra else [])
    locked = subset(LOCK, names)
    for name in names:
        assert re.search(rf"^{re.escape(name)}==", locked, re.MULTILINE), name


def test_the_published_apps_packages_are_pure_or_known_to_have_a_browser_build() -> None:
    """What Pyodide must unpack: anything compiled needs a wheel for it (docs/decisions)."""
    published = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", packages.locked(), re.MULTILINE))
    assert "httpx" in published
    assert not published & {"sqlalchemy", "litestar", "pillow", "cffi", "cryptography", "uvloop", "psycopg"}


def test_the_version_is_the_same_everywhere() -> None:
    version = DECLARED["project"]["version"]
    assert version == field_app.settings.VERSION
    newest = re.search(r"^## ([0-9][^ ]*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest.group(1) == version


OF_ONE_MACHINE = tuple(
    "".join(reversed(backwards))
    for backwards in ("/toor/", "/emoh/", "/krow/", "gro.ipyp", "gro.detsohnohtyp", "gro.sjmpn.yrtsiger", "anut.ipyp")
)
"""Home folders and registries; written backwards, so that this file names none."""


def test_nothing_names_a_machine_or_a_registry() -> None:
    for path in tracked():
        if path.suffix in {".png", ".jpg", ".woff2"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for place in OF_ONE_MACHINE:
            assert place not in text, f"{path.relative_to(ROOT)} names {place}"
