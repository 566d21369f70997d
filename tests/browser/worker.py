"""The worker that Python runs in, spoken to from outside."""

import json
from typing import Any

from tools.driving import AppOnScreen, until


def do_in_python(phone: AppOnScreen, code: str) -> None:
    """Statements, in the app's own interpreter; what they name stays. May await."""
    worker = until(lambda: phone.page.workers[0] if phone.page.workers else None, "the worker Python runs in")
    worker.evaluate("async (code) => { await self.pyodide.runPythonAsync(code); }", code)


def in_python(phone: AppOnScreen, code: str) -> Any:
    """What an expression is worth in the app's own interpreter, by way of JSON."""
    worker = until(lambda: phone.page.workers[0] if phone.page.workers else None, "the worker Python runs in")
    told = worker.evaluate("(code) => self.pyodide.runPythonAsync(code)", f"import json\njson.dumps({code})")
    return json.loads(told)
