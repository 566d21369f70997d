"""`python -m tests.simulation run --seed 7`: tell that story; if something in it is broken, make it short and say so.

"""

import argparse
import sys
import time
from collections import Counter

from tests.simulation.shrinking import shrunk
from tests.simulation.world import Result, plan, run

EVENTS = 300
"""Of one world's plan: then everything heals and is checked, and the next seed's world begins."""


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def tell(seed: int, events: int) -> Result:
    return run(seed, plan(seed, events))


def _run(options: argparse.Namespace) -> int:
    """Worlds from the given seed on, until there were as many steps as asked for."""
    began = time.monotonic()
    steps, seed = 0, options.seed
    counts: Counter[str] = Counter()
    excused: Counter[str] = Counter()
    while steps < options.steps:
        result = tell(seed, options.events)
        steps += result.steps
        counts.update(result.counts)
        excused.update(result.excused)
        _say(f"seed {seed}: {result.steps} steps, trace {result.hash[:16]}")
        if result.broken is not None:
            _explain(result, options)
            return 1
        seed += 1
    seconds = time.monotonic() - began
    for name, count in sorted(counts.items()):
        _say(f"  {name}: {count}")
    for reason, count in sorted(excused.items()):
        _say(f"  excused, because {reason}: {count}")
    _say(f"{seed - options.seed} worlds, {steps} steps in {seconds:.0f} s ({steps / seconds:.0f} a second): all well")
    return 0


def _explain(result: Result, options: argparse.Namespace) -> None:
    _say("\n".join(result.tail[-60:]))
    _say(f"\nBROKEN {result.broken}: {result.detail}")
    _say(f"seed {result.seed}, step {result.steps}; again: make simulate SEED={result.seed} STEPS=1")
    _say(f"making it short, for at most {options.shrink_seconds} seconds ...")
    events, least = shrunk(result, plan(result.seed, options.events), options.shrink_seconds)
    _say(f"the same with {len(events)} of {options.events} events:")
    for event in events:
        _say(f"  {event.at:9.3f} {event.kind}: {event.name} (no. {event.number}, who {event.who})")
    _say("\n".join(least.tail[-80:]))
    _say(f"BROKEN {least.broken}: {least.detail}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    commands = parser.add_subparsers(required=True)
    telling = commands.add_parser("run")
    telling.add_argument("--seed", type=int, default=1)
    telling.add_argument("--steps", type=int, default=20_000)
    telling.add_argument("--events", type=int, default=EVENTS)
    telling.add_argument("--shrink-seconds", type=float, default=120.0)
    telling.set_defaults(command=_run)
    options = parser.parse_args()
    result: int = options.command(options)
    return result


if __name__ == "__main__":
    sys.exit(main())
