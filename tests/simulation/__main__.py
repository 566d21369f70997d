"""`python -m tests.simulation run --seed 7`: tell that story; if something in it breaks, make it short and say so.

`file` looks at one phone's file alone, ended at as many moments as it has. `run --record` and `mutations --record`
leave their figures for docs/reliability.md; `page` makes the page anew from all that have been left.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from itertools import count, islice

from tests.simulation import report
from tests.simulation.mutations import MUTATIONS, Tried, try_out
from tests.simulation.one_file import FileLost, live_and_end
from tests.simulation.postgresql import a_database
from tests.simulation.shrinking import shrunk
from tests.simulation.world import Result, plan, run

EVENTS = 250
"""Of one world's plan: then everything heals and is checked, and the next seed's world begins."""


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def tell(events: int, postgresql: bool, seed: int) -> Result:
    if not postgresql:
        return run(seed, plan(seed, events))
    with a_database() as address:
        return run(seed, plan(seed, events), address)


def _told(options: argparse.Namespace) -> Iterator[Result]:
    """World after world, from the given seed on, in the order of the seeds."""
    telling = partial(tell, options.events, options.postgres)
    if options.processes == 1:
        yield from map(telling, count(options.seed))
        return
    with ProcessPoolExecutor(options.processes) as pool:
        seeds = count(options.seed)
        running = [pool.submit(telling, seed) for seed in islice(seeds, 2 * options.processes)]
        try:
            while True:
                yield running.pop(0).result()
                running.append(pool.submit(telling, next(seeds)))
        finally:
            pool.shutdown(cancel_futures=True)


def _run(options: argparse.Namespace) -> int:
    """Worlds from the given seed on, until there were as many steps as asked for."""
    began = time.monotonic()
    steps = worlds = 0
    counts: Counter[str] = Counter()
    excused: Counter[str] = Counter()
    for result in _told(options):
        worlds += 1
        steps += result.steps
        counts.update(result.counts)
        excused.update(result.excused)
        _say(f"seed {result.seed}: {result.steps} steps, trace {result.hash[:16]}")
        if result.broken is not None:
            _explain(result, options)
            return 1
        if steps >= options.steps:
            break
    seconds = time.monotonic() - began
    summary = report.Summary(options.seed, worlds, steps, seconds, options.processes, dict(counts), dict(excused))
    for figure in report.section(summary).figures:
        _say(f"{figure.what}: {figure.figure}")
    if options.record:
        report.keep_run(summary)
        report.write_page()
    return 0


def _explain(result: Result, options: argparse.Namespace) -> None:
    _say("\n".join(result.tail[-60:]))
    _say(f"\nBROKEN {result.broken}: {result.detail}")
    again = f"make simulate SEED={result.seed} STEPS=1"
    _say(f"seed {result.seed}, step {result.steps}; again: {again}")
    _say(f"making it short, for at most {options.shrink_seconds:.0f} seconds ...")
    events, least = shrunk(result, plan(result.seed, options.events), options.shrink_seconds)
    _say(f"the same with {len(events)} of {options.events} events:")
    for event in events:
        _say(f"  {event.at:9.3f} {event.kind}: {event.name} (no. {event.number}, who {event.who})")
    _say("\n".join(least.tail[-80:]))
    _say(f"BROKEN {least.broken}: {least.detail}")
    _say(f"seed {result.seed}, step {result.steps}; again: {again}")


def _try(worlds: int, number: int) -> Tried:
    return try_out(MUTATIONS[number], most_worlds=worlds)


def _mutations(options: argparse.Namespace) -> int:
    tried: dict[int, Tried] = {}
    chosen = [number for number, mutation in enumerate(MUTATIONS) if options.only in mutation.name]
    with ProcessPoolExecutor(options.processes) as pool:
        trying = {pool.submit(_try, options.worlds, number): number for number in chosen}
        for done in as_completed(trying):
            outcome = tried[trying[done]] = done.result()
            caught = outcome.caught
            found = f"SURVIVED {outcome.worlds} worlds"
            if caught is not None:
                found = f"seed {caught.seed}, step {caught.steps}: {caught.broken} ({caught.detail[:200]})"
            _say(f"{outcome.mutation}: {found}")
    survived = [outcome.mutation for outcome in tried.values() if outcome.caught is None]
    _say(f"{len(tried) - len(survived)} of {len(tried)} mutations were caught")
    if options.record:
        report.keep_mutations([tried[number] for number in sorted(tried)])
        report.write_page()
    return int(bool(survived))


def _file(options: argparse.Namespace) -> int:
    ended: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.files):
        try:
            ended += live_and_end(seed, options.lives, options.ends)
        except FileLost as fault:
            _say(f"BROKEN {fault}")
            return 1
    for how, times in sorted(ended.items()):
        _say(f"{how}: {times:,}")
    return 0


def _page(_options: argparse.Namespace) -> int:
    report.write_page()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    commands = parser.add_subparsers(required=True)
    telling = commands.add_parser("run")
    telling.add_argument("--seed", type=int, default=1)
    telling.add_argument("--steps", type=int, default=20_000)
    telling.add_argument("--events", type=int, default=EVENTS)
    telling.add_argument("--processes", type=int, default=1)
    telling.add_argument("--postgres", action="store_true", help="two office processes on one PostgreSQL database")
    telling.add_argument("--shrink-seconds", type=float, default=120.0)
    telling.add_argument("--record", action="store_true")
    telling.set_defaults(command=_run)
    breaking = commands.add_parser("mutations")
    breaking.add_argument("--worlds", type=int, default=150)
    breaking.add_argument("--only", default="")
    breaking.add_argument("--processes", type=int, default=2)
    breaking.add_argument("--record", action="store_true")
    breaking.set_defaults(command=_mutations)
    ending = commands.add_parser("file")
    ending.add_argument("--seed", type=int, default=1)
    ending.add_argument("--files", type=int, default=20)
    ending.add_argument("--lives", type=int, default=12)
    ending.add_argument("--ends", type=int, default=25, help="of each life")
    ending.set_defaults(command=_file)
    commands.add_parser("page").set_defaults(command=_page)
    options = parser.parse_args()
    result: int = options.command(options)
    return result


if __name__ == "__main__":
    sys.exit(main())
