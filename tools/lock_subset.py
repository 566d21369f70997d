"""Print the part of requirements.lock that some of the extras need, hashes included.

    python tools/lock_subset.py              what the phone's app needs ([project].dependencies)
    python tools/lock_subset.py server dev   that, and the extras named

There is one lock for everything, so that phone, server and tests can never meet different versions. Runs before
anything is installed: standard library only. The lock's own `# via` lines say who asked for what.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VIA = re.compile(r"^    #(?: via)?\s+([A-Za-z0-9][A-Za-z0-9._-]*)$", re.MULTILINE)


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def wanted(project: dict[str, list[str] | dict[str, list[str]]], extras: Iterable[str]) -> set[str]:
    """The names asked for directly: [project].dependencies and the extras."""
    asked = list(project["dependencies"])
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict), optional
    for extra in extras:
        asked += optional[extra]
    return {_name(requirement) for requirement in asked}


def subset(lock: str, names: Iterable[str]) -> str:
    """The blocks of `lock` for `names` and everything they need, in the lock's order."""
    blocks = {
        _name(block): block for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE) if _is_pin(block)
    }
    needs: dict[str, set[str]] = {name: set() for name in blocks}
    for name, block in blocks.items():
        for parent in _VIA.findall(block):
            needs.setdefault(_name(parent), set()).add(name)
    kept: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        assert name in blocks, f"{name} is not in requirements.lock: lock again (see the comment in pyproject.toml)"
        kept.add(name)
        waiting |= needs[name] - kept
    return "".join(block for name, block in blocks.items() if name in kept)


def _is_pin(block: str) -> bool:
    return "==" in block.partition("\n")[0]


def main(extras: list[str]) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = wanted(declared["project"], extras)
    if extras:  # an environment that also installs this project in place
        names |= {_name(requirement) for requirement in declared["build-system"]["requires"]} | {"editables"}
    sys.stdout.write(subset((ROOT / "requirements.lock").read_text(encoding="utf-8"), names))


if __name__ == "__main__":
    main(sys.argv[1:])
