"""What Flet finds out about new controls when it looks at what they were given alone: the same as ever."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import flet.controls
import pytest
from flet.controls import object_patch
from flet.controls.base_control import BaseControl
from flet.controls.value_types import Value

from field_app import main as app_main
from field_app.components.quick_patches import quicken_patches
from field_app.device.contract import StoreInUse
from field_app.screens.root import Root
from field_app.state.opening import Opening
from shared_schema.lifecycle import Severity, Status
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen, in_a_loop
from tests.field_app.test_screens_today import a_visit


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


def test_no_property_holds_anything_to_look_into_before_it_is_given() -> None:
    """If a newer Flet has one that does, its controls would be overlooked."""
    for module in pkgutil.walk_packages(flet.controls.__path__, "flet.controls."):
        importlib.import_module(module.name)
    looked_at = 0
    for kind in {*_subclasses(BaseControl), *_subclasses(Value)}:
        for name, default in kind._prop_defaults.items():
            looked_at += 1
            assert not isinstance(default, (list, dict, tuple)), (kind, name)
            assert not dataclasses.is_dataclass(default), (kind, name)
    assert looked_at > 1000


def test_the_app_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> Any:
        raise StoreInUse

    monkeypatch.setattr(app_main, "_open", fails)
    monkeypatch.setattr(object_patch, "dataclasses", dataclasses)  # to be put back at the end

    async def look() -> None:
        screen = await Screen().show(app_main.main)
        assert screen.shows("failure")

    in_a_loop(look())
    assert object_patch.dataclasses is not dataclasses  # type: ignore[attr-defined]


def test_nothing_is_overlooked_while_the_app_is_used(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The opening, a list, a ticket with its steps, and back."""
    monkeypatch.setattr(object_patch, "dataclasses", dataclasses)  # to be put back at the end
    quicken_patches()
    quick = object_patch.dataclasses.fields  # type: ignore[attr-defined]
    left_out = 0

    def checked(item: Any) -> Any:
        nonlocal left_out
        looked_into = list(quick(item))
        for field in dataclasses.fields(item):
            if field not in looked_into and not field.metadata.get("skip"):
                left_out += 1
                value = getattr(item, field.name)
                assert not isinstance(value, (list, dict)), (item, field.name)
                assert not dataclasses.is_dataclass(value), (item, field.name)
        return looked_into

    monkeypatch.setattr(object_patch.dataclasses, "fields", checked)  # type: ignore[attr-defined]
    a_day = [a_visit(f"{number}", 2 + number) for number in range(20)]
    hand.given(a_visit("A", 1, severity=Severity.SEVERE), a_visit("P", -30, status=Status.SIGNED_OFF), *a_day)

    async def use(screen: Screen) -> None:
        await screen.tap("past-toggle")
        assert screen.shows("ticket-P")
        await screen.tap("ticket-A")
        await screen.tap("next-action")
        await screen.tap("history-toggle")
        await screen.go("/")
        await screen.show(lambda page: page.render_views(Root, Opening(page, rehearses=True), None))
        await screen.show(lambda page: page.render_views(Root, hand.state, None))
        await screen.tap("ticket-A")
        assert screen.shows("ticket")

    hand.does(use)
    assert left_out > 10_000
