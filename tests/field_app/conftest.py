import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.field_app.hand import Hand
from tests.field_app.single_phone import SinglePhone


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[SinglePhone]:
    """An enrolled phone that has never heard of a ticket, and no office."""
    phone = SinglePhone(tmp_path / "store.db")
    yield phone
    phone.store.close()


@pytest.fixture
def a_phone(tmp_path: Path) -> Iterator[Callable[..., SinglePhone]]:
    """Makes phones on the same file."""
    made: list[SinglePhone] = []

    def make(**different: object) -> SinglePhone:
        made.append(SinglePhone(tmp_path / "store.db", **different))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for phone in made:
        phone.store.close()


@pytest.fixture
def hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hand]:
    """A phone in Shanghai, enrolled, in somebody's hand."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    hand = Hand(tmp_path)
    yield hand
    hand.single.store.close()
    monkeypatch.undo()
    time.tzset()
