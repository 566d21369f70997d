"""What the time is: an argument everywhere, so that tests say what day it is."""

from datetime import UTC, datetime
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def milliseconds(moment: datetime) -> int:
    """Unix time in whole milliseconds; `moment` must be aware. No year a datetime can hold is out of range."""
    since = moment - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def moment(unix_ms: int) -> datetime:
    """The aware UTC time of a Unix time in milliseconds."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
