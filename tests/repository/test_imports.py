"""The direction of imports (docs/architecture.md) and no module that nobody uses."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.repository.sources import PACKAGES, ROOT, imports, module_name, python_files, tree

VALUE_TYPES = frozenset(
    {"collections", "dataclasses", "datetime", "enum", "functools", "hashlib", "itertools", "math", "re", "typing"}
)
"""What the vocabulary may take from the standard library: values, and nothing that reaches into the world."""

STARTED_BY_NAME = frozenset(
    {
        "main",  # flet build and the published app
        "field_app.__main__",  # python -m field_app
        "sync_server.__main__",  # doorstep
    }
)


def test_imports_go_downward_only() -> None:
    """The contracts are in pyproject.toml, [tool.importlinter]."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]  # another run may be writing it
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_vocabulary_needs_msgspec_and_value_types_only() -> None:
    """It never learns the time, an id, a random number, a file or a socket."""
    for path in python_files("shared_schema"):
        roots = {name.partition(".")[0] for name in imports(path)}
        assert roots <= VALUE_TYPES | {"msgspec", "shared_schema"}, path


def test_every_module_is_imported_by_another() -> None:
    """What nobody imports is dead, or its user is: both are found here."""
    files = [*python_files(*PACKAGES, "tools", "bench", "tests"), ROOT / "main.py"]
    used = {name for path in files if path.exists() for name in imports(path) if name != module_name(path)}
    for path in python_files(*PACKAGES):
        name = module_name(path)
        if name in STARTED_BY_NAME or path.name == "__init__.py" or "migrations" in path.parts:
            continue  # Alembic loads its scripts by their path
        assert name in used, f"{path.relative_to(ROOT)} is imported by nobody"


def test_every_tool_is_imported_or_can_be_run() -> None:
    files = python_files(*PACKAGES, "tools", "tests", "bench")
    used = {name for path in files for name in imports(path) if name != module_name(path)}
    for path in python_files("tools"):
        runs = '__name__ == "__main__"' in path.read_text(encoding="utf-8")
        assert runs or path.name == "__init__.py" or module_name(path) in used, path


def test_every_module_says_what_it_is_for() -> None:
    """The first words of a file; an empty __init__ has nothing to say."""
    for path in python_files(*PACKAGES, "tools", "bench"):
        if path.name != "__main__.py" and path.read_text(encoding="utf-8").strip():
            assert ast.get_docstring(tree(path)), path.relative_to(ROOT)
