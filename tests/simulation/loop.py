"""An event loop whose time is a number: it jumps to whatever is due next, and nothing in it waits for the world.

Work for other threads is done here, in this thread, a moment of simulated time later, so that whatever may happen in
between does happen in between, and happens again in the next run.
"""

import asyncio
import random
import selectors
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
A = TypeVarTuple("A")


class _NothingOutside(selectors.SelectSelector):
    """Says that the time has passed and that nobody outside has stirred."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits for something that will never happen")
        self.passed += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, dice: random.Random) -> None:
        self._outside = _NothingOutside()
        self._dice = dice
        super().__init__(self._outside)

    def time(self) -> float:
        """Seconds since the world began."""
        return self._outside.passed

    def _write_to_self(self) -> None:
        """Called by call_soon_threadsafe to wake a sleeping selector; this one never sleeps."""

    def run_in_executor(self, executor: object, func: Callable[[Unpack[A]], T], *args: *A) -> "asyncio.Future[T]":
        """Done here after a moment, unless nobody wants it any more."""
        outcome: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if outcome.cancelled():
                return
            try:
                result = func(*args)
            except BaseException as fault:
                outcome.set_exception(fault)
            else:
                outcome.set_result(result)

        self.call_later(self._dice.uniform(0.000_05, 0.003), work)
        return outcome
