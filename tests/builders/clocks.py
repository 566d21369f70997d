"""Time as the stories need it: it moves when told to, and a millisecond with every look at it."""

from datetime import UTC, datetime, timedelta

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""Nine in the morning in Shanghai."""


class StoryClock:
    def __init__(self, at: datetime = MONDAY) -> None:
        self._began = at
        self._at = at

    def now(self) -> datetime:
        self._at += timedelta(milliseconds=1)
        return self._at

    def monotonic(self) -> float:
        return (self.now() - self._began).total_seconds()

    def move(self, **by: float) -> None:
        """By hours, minutes, days or seconds, as timedelta names them."""
        self._at += timedelta(**by)
