from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
