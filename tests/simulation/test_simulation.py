"""Fifty stories that must end well, and that a story told twice is the same story.

More of them: `make simulate SEED=… STEPS=…`. What is promised and what is simulated: docs/reliability.md.
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation, broken, try_out
from tests.simulation.postgresql import a_database
from tests.simulation.shrinking import shrunk
from tests.simulation.world import Event, Result, plan, run

EVENTS = 100
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


def test_two_processes_on_one_postgresql_end_well() -> None:
    """Requests reach now the one, now the other; each dies before its commits, after them, and in between."""
    with a_database() as address:
        result = run(77, plan(77, 60), address)
    assert result.broken is None, f"{result.broken}: {result.detail}"
    assert result.counts["worlds checked at their end"] == 1


@pytest.mark.parametrize(
    ("name", "first_seed"),
    [
        ("the feed has a gap", 1),
        ("the phone does not flush after its commit", 1),
        ("the office acknowledges before it has committed", 1),
        ("a photo's bytes are not flushed", 1),
        ("a draft is cleared before its operation is kept", 11),
        ("the phone asks before the office wants to be asked", 1),
        ("withdrawn tickets are never forgotten", 1),
        ("the clock's measurements keep their first anchor", 1),
    ],
)
def test_it_bites(name: str, first_seed: int) -> None:
    """A few of the mutations; all of them: `make mutations`. What is recorded in another order leaves the file whole:
    where that is broken, it is by the disk below it."""
    (mutation,) = (mutation for mutation in MUTATIONS if mutation.name == name)
    caught = try_out(mutation, most_worlds=12, events=2 * EVENTS, first_seed=first_seed).caught
    assert caught is not None
    assert caught.broken != "the file is whole"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_still_fits_the_code(mutation: Mutation) -> None:
    """The place that it changes is there, exactly once."""
    with broken(mutation):
        pass


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
