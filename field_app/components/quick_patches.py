"""Flet's walk through the controls that are new on the screen: over what they were given, not all they could have.

Before it sends a change, Flet 1.0.5 looks for controls within controls in each of their properties, about sixty. What
was not given is a default, and no default holds a control: Flet itself relies on that when it compares two controls.
In a browser the walk takes longer than anything else Python does for a page.
"""

import dataclasses
from functools import cache
from types import SimpleNamespace
from typing import Any

from flet.controls import object_patch


def quicken_patches() -> None:
    """Once, before the first page is shown. Patches are the same as before."""
    object_patch.dataclasses = SimpleNamespace(  # type: ignore[assignment, attr-defined]
        is_dataclass=dataclasses.is_dataclass, fields=_fields_to_look_into
    )


def _fields_to_look_into(item: Any) -> "list[dataclasses.Field[Any]] | tuple[dataclasses.Field[Any], ...]":
    given = getattr(item, "_values", None)
    if given is None:
        return dataclasses.fields(item)
    kind: Any = type(item)
    always, others = _fields(kind)
    return [*always, *(others[name] for name in given)]


@cache
def _fields(kind: Any) -> "tuple[list[dataclasses.Field[Any]], dict[str, dataclasses.Field[Any]]]":
    """Those that are walked whatever was given, such as a row's controls, and the others by name."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    always = kind._structural_fields
    return [fields[name] for name in always], {name: field for name, field in fields.items() if name not in always}
