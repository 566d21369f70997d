"""A failing story made short: events are left out for as long as the same thing still breaks (delta debugging)."""

import time
from collections.abc import Callable, Sequence

from tests.simulation.world import Event, Result, run


def shrunk(
    failure: Result,
    events: Sequence[Event],
    seconds: float,
    tell: Callable[[int, Sequence[Event]], Result] = run,
) -> tuple[list[Event], Result]:
    """The fewest events found in that time after which `failure`'s invariant is broken, and what they come to."""
    until = time.monotonic() + seconds
    least, shortest = list(events), failure
    size = max(1, len(least) // 2)
    while size and time.monotonic() < until:
        at = len(least)
        has_shrunk = False
        while at > 0 and time.monotonic() < until:
            at = max(0, at - size)
            candidate = least[:at] + least[at + size :]
            if len(candidate) == len(least):
                continue
            result = tell(failure.seed, candidate)
            if result.broken == failure.broken:
                least, shortest, has_shrunk = candidate, result, True
        if not has_shrunk:
            size //= 2
        size = min(size, max(1, len(least) // 2)) if size else 0
    return least, shortest
