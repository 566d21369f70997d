"""The project's own files, as the other tests here read them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("field_app", "shared_schema", "sync_server")


def tracked() -> list[Path]:
    """Files under version control, or about to be (not ignored)."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def python_files(*folders: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def imports(path: Path) -> Iterator[str]:
    """Everything the file may import, `from a import b` both as `a` and as `a.b`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module, path
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_of_the_phone() -> list[str]:
    """Every module of the phone's app that can be imported here: some want the page's own modules (js, pyodide), and
    __main__ is started, not imported."""
    of_the_page = {f"field_app.device.{name}" for name in ("browser", "browser_keys", "browser_page")}
    names = [module_name(path) for path in python_files("shared_schema", "field_app")]
    return [name for name in names if name not in of_the_page | {"field_app.__main__"}]
