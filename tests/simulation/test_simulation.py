"""Fifty stories that must end well, and that a story told twice is the same story.

More of them: `make simulate SEED=… STEPS=…`. What is promised and what is simulated: docs/reliability.md.
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.shrinking import shrunk
from tests.simulation.world import Event, Result, plan, run

EVENTS = 120
_HASHES = """
from tests.simulation.world import plan, run
print([run(seed, plan(seed, 60)).hash for seed in (1001, 1002)])
"""


def _ends_well(seed: int) -> None:
    result = run(seed, plan(seed, EVENTS))
    again = f"python -m tests.simulation run --seed {seed} --events {EVENTS} --steps 1"
    assert result.broken is None, f"{result.broken}: {result.detail}\nagain, and made short: {again}"
    assert result.counts["worlds checked at their end"] == 1


# Two classes, so that two processes share the work (pytest-xdist's loadscope keeps a class together).


class TestOddSeeds:
    @pytest.mark.parametrize("seed", range(1, 51, 2))
    def test_ends_well(self, seed: int) -> None:
        _ends_well(seed)


class TestEvenSeeds:
    @pytest.mark.parametrize("seed", range(2, 51, 2))
    def test_ends_well(self, seed: int) -> None:
        _ends_well(seed)


def test_the_same_seed_is_the_same_story_byte_for_byte() -> None:
    """In two processes whose sets and dictionaries are in another order each."""
    told = [
        subprocess.run(
            [sys.executable, "-c", _HASHES],
            env=os.environ | {"PYTHONHASHSEED": order},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for order in ("1", "2")
    ]
    assert told[0] == told[1]
    assert len(set(told[0].strip("[]\n").split(", "))) == 2, "and another seed is another story"


def test_a_failing_story_is_made_as_short_as_it_can_be() -> None:
    """Two events out of forty are what it takes: those two are left."""
    events = [Event(number, float(number), "technician", "writes a note", 0) for number in range(40)]
    it_takes = {7, 31}

    def tell(seed: int, chosen: "object") -> Result:
        assert isinstance(chosen, list)
        is_broken = it_takes <= {event.number for event in chosen}
        return Result(seed, len(chosen), "", {}, {}, "something" if is_broken else None, "", ())

    least, result = shrunk(tell(1, events), events, 60.0, tell)
    assert {event.number for event in least} == it_takes
    assert result.steps == 2
