"""How this phone's clock stands to the office's, and whether somebody has set it.

Two clocks of the device are compared: the one it shows, which can be set, and a monotonic one, which cannot but which
some phones stop while they sleep. What the office makes of both is shared_schema.moments'.
"""

from datetime import datetime, timedelta
from math import ceil

from msgspec import UNSET
from msgspec.structs import replace

from field_app.store.journal import milliseconds
from shared_schema.moments import DRIFT, SLEEP_AT_MOST_MS, TOLERANCE_MS
from shared_schema.operations import Clock


class DeviceClock:
    def __init__(self, measured: Clock) -> None:
        """`measured` in an earlier run of the app: how much monotonic time has gone by since is not known."""
        self._measured = measured
        self._anchored: float | None = None
        """The monotonic time of the measurement, in this run."""
        self._seen: tuple[datetime, float] | None = None

    @property
    def measured(self) -> Clock:
        return self._measured

    def at(self, now: datetime, monotonic: float) -> Clock:
        """What an envelope made at this moment says."""
        known = self._measured
        if known.uncertainty_ms is None or not isinstance(known.anchored_at_ms, int):
            return known
        if self._anchored is not None:
            return replace(known, since_anchor_ms=max(0, round((monotonic - self._anchored) * 1000)))
        # A new start: only the settable clock tells how long ago that was, so it is what may have drifted.
        ago_ms = max(0, milliseconds(now) + known.offset_ms - known.anchored_at_ms)
        return replace(known, uncertainty_ms=known.uncertainty_ms + ceil(ago_ms * DRIFT), since_anchor_ms=UNSET)

    def take(self, fresh: Clock, monotonic: float) -> int | None:
        """A new measurement, made at this moment. By how many ms the device's clock was set since the last, if it was.

        The better one is kept: a slow round a minute after a quick one knows less than that one still does.
        """
        known, self._measured, self._anchored = self._measured, fresh, monotonic
        if not (
            isinstance(known.anchored_at_ms, int)
            and isinstance(fresh.anchored_at_ms, int)
            and known.uncertainty_ms is not None
            and fresh.uncertainty_ms is not None
        ):
            return None
        grown_ms = known.uncertainty_ms + ceil(max(0, fresh.anchored_at_ms - known.anchored_at_ms) * DRIFT)
        by_ms = known.offset_ms - fresh.offset_ms
        if abs(by_ms) > grown_ms + fresh.uncertainty_ms + TOLERANCE_MS:
            return by_ms
        if grown_ms < fresh.uncertainty_ms and abs(by_ms) <= grown_ms + fresh.uncertainty_ms:
            # Seen from the same moment: only what the office's clock is believed to have shown then is another.
            self._measured = Clock(known.offset_ms, grown_ms, max(0, fresh.anchored_at_ms + by_ms))
        return None

    def look(self, now: datetime, monotonic: float) -> int | None:
        """By how many ms the clock that is shown has jumped since the last look, if it has; more when it was put on.

        That it has run ahead of the other one by some hours is no jump: the phone may have slept.
        """
        seen, self._seen = self._seen, (now, monotonic)
        if seen is None:
            return None
        counted_ms = (monotonic - seen[1]) * 1000
        ahead_ms = (now - seen[0]) / timedelta(milliseconds=1) - counted_ms
        slack_ms = TOLERANCE_MS + counted_ms * DRIFT
        return round(ahead_ms) if ahead_ms < -slack_ms or ahead_ms > SLEEP_AT_MOST_MS + slack_ms else None
