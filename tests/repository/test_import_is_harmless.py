"""Importing field_app does nothing: no file, socket, thread, task, clock, time zone or platform is touched.

So that the interpreter can be snapshotted after its imports (start in 2 s in place of 6), and so that a test can import
anything without consequences.
"""

import ast
import subprocess
import sys

from tests.repository.sources import ROOT, modules_of_the_phone, python_files

PROBE = """
import asyncio, importlib, os, platform, random, secrets, sys, threading, time, uuid
import {outside}

touched = []

def watch(event, arguments):
    quiet = event in ("import", "compile", "exec", "marshal.loads", "os.listdir", "os.scandir") or event.startswith(
        ("object.__", "sys._getframe", "code.__new__", "cpython.", "gc.", "builtins.id")
    )
    if quiet:
        return
    if event == "open":
        path, mode, flags = arguments
        # Flet reads its table of icons when the first is named: part of the package, the same everywhere.
        a_package_reads_itself = "site-packages" in str(path) or str(path).endswith((".py", ".pyc", ".so"))
        if a_package_reads_itself and mode in ("r", "rb", None):
            return
    touched.append((event, str(arguments)[:200]))

def forbid(module, name):
    real = getattr(module, name)
    def told(*arguments, **named):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.split(".")[0] in ("field_app", "shared_schema"):
            touched.append((f"{{module.__name__}}.{{name}}", caller))
        return real(*arguments, **named)
    setattr(module, name, told)

for module, names in (
    (time, "time time_ns monotonic monotonic_ns perf_counter localtime gmtime tzset strftime"),
    (platform, "system machine platform node python_implementation uname"),
    (os, "getenv urandom getcwd getpid uname"),
    (uuid, "uuid1 uuid4"),
    (secrets, "token_bytes token_hex token_urlsafe"),
    (random, "random randrange randbytes choice"),
    (asyncio, "new_event_loop get_event_loop create_task ensure_future run Event Lock Queue Future"),
):
    for name in names.split():
        forbid(module, name)

sys.dont_write_bytecode = True
threads = threading.active_count()
sys.addaudithook(watch)
for name in {modules}:
    importlib.import_module(name)
assert threading.active_count() == threads, "a thread was started"
for each in touched:
    print(*each)
sys.exit(bool(touched))
"""

OUTSIDE = "flet, flet_camera, httpx, msgspec, sqlite3, sqlite_utils, sqlite_utils.migrations"

READS_THE_WORLD = frozenset(
    {"now", "today", "utcnow", "astimezone", "getenv", "open", "connect", "cwd", "home", "ZoneInfo"}
)


def test_importing_the_phones_app_touches_nothing() -> None:
    """Third-party packages first; then every module of ours under an audit hook."""
    probe = PROBE.format(outside=OUTSIDE, modules=modules_of_the_phone())
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_asks_for_the_time_or_a_file_outside_a_function() -> None:
    """What the audit hook cannot see: calls at module level, in class bodies and in default arguments."""
    for path in python_files("shared_schema", "field_app"):
        if path.name == "__main__.py":
            continue
        for call in _calls_at_import(ast.parse(path.read_text(encoding="utf-8"))):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            assert name not in READS_THE_WORLD, f"{path.relative_to(ROOT)}:{call.lineno} calls {name} at import"


def _calls_at_import(node: ast.AST) -> list[ast.Call]:
    found: list[ast.Call] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for default in (*child.args.defaults, *(each for each in child.args.kw_defaults if each)):
                found += [call for call in ast.walk(default) if isinstance(call, ast.Call)]
            continue
        if isinstance(child, ast.Call):
            found.append(child)
        found += _calls_at_import(child)
    return found
