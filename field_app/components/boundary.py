"""Flet's `component` and `memo`, typed, and with a fault inside one component kept inside it.

An exception while rendering would otherwise end the session's update loop, and the screen would stay as it is for
ever. Instead the component is left out, and the fault is recorded as an incident.

A component that stands in a list declares `key: str = ""` and does not use it: Flet takes it out of the call, and tells
by it which of the list's components is which.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, cast

import flet as ft

P = ParamSpec("P")

_memo = cast("Callable[[Callable[P, ft.Control]], Callable[P, ft.Control]]", ft.memo)

report_fault: ContextVar[Callable[[Exception], None] | None] = ContextVar("report_fault", default=None)
"""Set once by `main`; the update loop, being a task of main's, inherits it."""


def contained(render: Callable[P, ft.Control]) -> Callable[P, ft.Control]:
    """The same function, answering an exception with a sign that something is missing here."""

    @wraps(render)
    def rendering(*args: P.args, **kwargs: P.kwargs) -> ft.Control:
        try:
            return render(*args, **kwargs)
        except Exception as fault:
            report = report_fault.get()
            if report is None:
                raise
            report(fault)
            return ft.Icon(ft.Icons.HIDE_SOURCE, color=ft.Colors.ERROR)

    return rendering


def component(render: Callable[P, ft.Control]) -> Callable[P, ft.Control]:
    return ft.component(contained(render))


def memo(render: Callable[P, ft.Control]) -> Callable[P, ft.Control]:
    """A component that is rendered again only when its arguments change (or an observable it uses)."""
    return _memo(component(render))
