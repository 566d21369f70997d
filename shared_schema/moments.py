"""When something happened, as well as can be known: a device's clock may be wrong, be set, or stand still.

Three witnesses: the device's own clock with its measured offset; the time since that measurement by a clock nobody can
set (which some phones stop while they sleep); and the office, which knows what it had received before.
"""

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from shared_schema.operations import Clock, Envelope

TOLERANCE_MS = 2_000
"""So far two clocks may differ without either having been set: measuring is never exact, and clocks are slewed."""

DRIFT = 100e-6
"""How fast a phone's clock may run away from the truth: 100 millionths, 9 seconds in a day."""

SLEEP_AT_MOST_MS = 18 * 3_600_000
"""For so long a phone may have slept, its unsettable clock standing still, before its own clock is disbelieved."""

_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = (datetime(9999, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND


class Occurrence(Struct, frozen=True):
    """Between `earliest` and `latest`, both by the server's clock."""

    earliest: datetime
    latest: datetime
    jumped: bool
    """The device's clock contradicts the other witnesses: somebody, or a network, has set it."""


def happened_at(envelope: Envelope) -> datetime:
    """The one moment that is written on the ticket, by the server's clock: the likeliest."""
    counted_ms = _counted_ms(envelope.clock)
    if counted_ms is not None:
        ahead_ms = _told_ms(envelope) - counted_ms
        behind_ms = -ahead_ms - TOLERANCE_MS
        if ahead_ms > SLEEP_AT_MOST_MS or (behind_ms > 0 and behind_ms > _drift_ms(envelope.clock)):
            return _moment(counted_ms)
    try:
        return envelope.occurred_at + envelope.clock.offset_ms * _MILLISECOND
    except OverflowError:  # a clock set to the year 9999: the device's own word is all there is
        return envelope.occurred_at


def occurrence(envelope: Envelope, received_at: datetime, not_before: datetime | None = None) -> Occurrence:
    """Within what bounds it happened.

    `received_at` is when the office got it; `not_before` is the `earliest` of the operation before it in the same
    device's journal, which was made first.
    """
    clock = envelope.clock
    received_ms = _milliseconds(received_at)
    told_ms, counted_ms = _told_ms(envelope), _counted_ms(clock)
    unsure_ms = (clock.uncertainty_ms or 0) + _drift_ms(clock)
    floors = [] if not_before is None else [_milliseconds(not_before)]
    if isinstance(clock.anchored_at_ms, int):
        floors.append(clock.anchored_at_ms - unsure_ms)
    floor_ms = max(floors, default=None)
    slack_ms = unsure_ms + TOLERANCE_MS
    is_possible = told_ms <= received_ms + slack_ms and (floor_ms is None or told_ms >= floor_ms - slack_ms)
    earliest_ms, latest_ms, jumped = told_ms - unsure_ms, told_ms + unsure_ms, False
    if counted_ms is not None and told_ms < counted_ms - slack_ms:  # set back; and it may have slept as well
        earliest_ms, latest_ms, jumped = counted_ms - unsure_ms, received_ms, True
    elif counted_ms is not None and told_ms > counted_ms + slack_ms:
        # It slept, or its clock was set forward: not before the one, not after the other.
        earliest_ms = counted_ms - unsure_ms
        jumped = not is_possible or told_ms > counted_ms + SLEEP_AT_MOST_MS
    elif not is_possible:
        earliest_ms, latest_ms, jumped = floor_ms or 0, received_ms, True
    elif clock.uncertainty_ms is None:  # never measured: the device's own word, and that it was here by then
        latest_ms = received_ms
    if floor_ms is not None:
        earliest_ms = max(earliest_ms, floor_ms)
    earliest_ms = min(earliest_ms, received_ms)
    latest_ms = max(earliest_ms, min(latest_ms, received_ms))
    return Occurrence(_moment(earliest_ms), _moment(latest_ms), jumped)


def _told_ms(envelope: Envelope) -> int:
    """By the device's own clock and its measured offset."""
    return _milliseconds(envelope.occurred_at) + envelope.clock.offset_ms


def _counted_ms(clock: Clock) -> int | None:
    """By the unsettable clock, where the app has run without a break since the clock was measured."""
    if not isinstance(clock.anchored_at_ms, int) or not isinstance(clock.since_anchor_ms, int):
        return None
    return clock.anchored_at_ms + clock.since_anchor_ms


def _drift_ms(clock: Clock) -> int:
    return round(clock.since_anchor_ms * DRIFT) if isinstance(clock.since_anchor_ms, int) else 0


def _milliseconds(at: datetime) -> int:
    since = at - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def _moment(time_ms: int) -> datetime:
    return _EPOCH + max(0, min(time_ms, _LAST_MS)) * _MILLISECOND
