"""What happened, in order: counted, and boiled down to one hash by which two runs are known to be the same."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable

KEPT_LINES = 400


class InvariantBroken(AssertionError):
    """Something that must always hold does not; `name` is the invariant's."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


class Trace:
    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._hash = hashlib.sha256()
        self.steps = 0
        """A person did something, a message set out, something broke."""
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.counts: Counter[str] = Counter()

    def step(self, kind: str, detail: str) -> None:
        self.steps += 1
        self.note(kind, detail)

    def note(self, kind: str, detail: str) -> None:
        line = f"{self._time():12.6f} {kind} {detail}"
        self._hash.update(line.encode() + b"\n")
        self.lines.append(line)

    def count(self, name: str, times: int = 1) -> None:
        self.counts[name] += times

    @property
    def hash(self) -> str:
        return self._hash.hexdigest()
