"""When something happened: what each witness allows, and never more certainty than there is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from shared_schema.moments import Occurrence, happened_at, occurrence
from shared_schema.operations import AddNote, Clock, Envelope
from tests.shared_schema.samples import CHEN, enveloped

ANCHOR = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
ANCHOR_MS = int(ANCHOR.timestamp() * 1000)
EVENING = ANCHOR + timedelta(hours=9)


def noted(
    told: timedelta, since: timedelta | None = None, *, uncertainty_ms: int | None = 500, anchored: bool = True
) -> Envelope:
    """A note at `told` after the anchor by the device's clock (which goes right), `since` by the unsettable one."""
    clock = Clock(
        0,
        uncertainty_ms,
        ANCHOR_MS if anchored else UNSET,
        since_ms(since),
    )
    return replace(enveloped(AddNote("a"), CHEN, at=ANCHOR + told), clock=clock)


def since_ms(since: timedelta | None) -> int | UnsetType:
    return UNSET if since is None else int(since / timedelta(milliseconds=1))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_clocks_that_agree_leave_the_measured_uncertainty_and_the_drift() -> None:
    seen = occurrence(noted(minutes(120), minutes(120)), EVENING)
    unsure = timedelta(milliseconds=500 + 720)
    assert seen == Occurrence(ANCHOR + minutes(120) - unsure, ANCHOR + minutes(120) + unsure, jumped=False)


def test_a_phone_that_slept_leaves_the_time_between_its_two_clocks() -> None:
    """ "14:02–14:09" when that is the truth."""
    seen = occurrence(noted(minutes(69), minutes(62)), EVENING)
    assert not seen.jumped
    assert seen.earliest <= ANCHOR + minutes(62) < ANCHOR + minutes(69) <= seen.latest
    assert seen.latest - seen.earliest < minutes(7.1)
    assert happened_at(noted(minutes(69), minutes(62))) == ANCHOR + minutes(69)


@pytest.mark.parametrize("years", [-2, 2])
def test_a_clock_that_was_set_is_found_out_and_not_believed(years: int) -> None:
    told = minutes(60) + timedelta(days=365 * years)
    seen = occurrence(noted(told, minutes(60)), EVENING)
    assert seen.jumped
    assert seen.earliest <= ANCHOR + minutes(60) <= seen.latest <= EVENING
    assert happened_at(noted(told, minutes(60))) == ANCHOR + minutes(60)


def test_after_a_new_start_the_phone_is_believed_within_what_is_possible() -> None:
    assert occurrence(noted(minutes(60)), EVENING) == Occurrence(
        ANCHOR + minutes(60) - timedelta(milliseconds=500), ANCHOR + minutes(60) + timedelta(milliseconds=500), False
    )
    before_the_anchor = occurrence(noted(minutes(-60)), EVENING)
    assert before_the_anchor.jumped
    assert before_the_anchor.latest == EVENING
    to_come = occurrence(noted(timedelta(days=30)), EVENING)
    assert to_come.jumped
    assert to_come.latest == EVENING


def test_what_was_recorded_before_bounds_what_came_after() -> None:
    seen = occurrence(noted(minutes(60)), EVENING, not_before=ANCHOR + minutes(90))
    assert seen.jumped
    assert seen.earliest == ANCHOR + minutes(90)


def test_a_clock_never_measured_says_only_that_it_was_before_it_was_received() -> None:
    seen = occurrence(noted(minutes(60), uncertainty_ms=None, anchored=False), EVENING)
    assert (seen.earliest, seen.latest) == (ANCHOR + minutes(60), EVENING)


_spans = st.integers(-(2**45), 2**45).map(lambda ms: timedelta(milliseconds=ms))


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-(2**50), 2**50),
    st.none() | st.integers(0, 2**53 - 1),
    st.just(UNSET) | st.integers(0, 2**50),
    st.just(UNSET) | st.integers(0, 2**53 - 1),
    st.none() | st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_whatever_a_device_says_the_bounds_are_in_order_and_never_after_it_was_received(
    told: datetime,
    offset_ms: int,
    uncertainty_ms: int | None,
    anchored_at_ms: int | UnsetType,
    since: int | UnsetType,
    not_before: datetime | None,
) -> None:
    clock = Clock(offset_ms, uncertainty_ms, anchored_at_ms, since)
    envelope = replace(enveloped(AddNote("a"), CHEN, at=told), clock=clock)
    seen = occurrence(envelope, EVENING, not_before)
    assert seen.earliest <= seen.latest <= EVENING
    happened_at(envelope)
