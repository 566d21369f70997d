"""A phone's file is whole, and holds what was acknowledged, whenever the process or the power ends.

Longer: `python -m tests.simulation file --seed 1 --files 100`.
"""

from unittest.mock import patch

import pytest

from tests.simulation.disks import SimulatedDisk
from tests.simulation.mutations import MUTATIONS, broken
from tests.simulation.one_file import FileLost, live_and_end


@pytest.mark.parametrize("seed", range(1, 13))
def test_it_survives_every_end(seed: int) -> None:
    """Each of them sixty ends, and half as many again while the next start repairs what is there."""
    assert live_and_end(seed, lives=6, ends=10)["with writes lost"] > 0


def _bites(first_seed: int) -> None:
    with pytest.raises(FileLost, match="seed"):
        _end_files(first_seed)


def _end_files(first_seed: int) -> None:
    for seed in range(first_seed, first_seed + 20):
        live_and_end(seed, lives=6, ends=10)


@pytest.mark.parametrize(
    ("name", "first_seed"),
    [
        ("the phone does not flush after its commit", 2),
        ("the phone's database does not wait for the disk", 1),
        ("a draft is cleared before its operation is kept", 6),
        ("a photo's bytes are kept in another transaction than its operation", 1),
    ],
)
def test_it_bites(name: str, first_seed: int) -> None:
    (mutation,) = (mutation for mutation in MUTATIONS if mutation.name == name)
    with broken(mutation):
        _bites(first_seed)


def test_a_browsers_journal_needs_its_order() -> None:
    """Flushed only where another file is written to, its header may be there without the records, and a journal that
    was cut may be there again: so files were lost, and nobody's mistake was to be seen."""

    def turn_to(disk: SimulatedDisk, name: str, _at: int) -> None:
        if disk._written_last != name and disk._written_last in disk.files:
            disk.files[disk._written_last].flush()
        disk._written_last = name

    with patch.object(SimulatedDisk, "_turn_to", turn_to):
        _bites(7)
