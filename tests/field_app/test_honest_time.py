"""What this phone says about its clock: as much as it knows, and never better than it was."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import UNSET

from field_app.store.clock import DeviceClock
from shared_schema.moments import happened_at
from shared_schema.operations import Clock, Envelope
from shared_schema.wire import decode_envelope
from tests.builders.clocks import MONDAY
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.scripted_office import ScriptedOffice
from tests.field_app.single_phone import SinglePhone, saved

TICKET = an_assigned_ticket()
MONDAY_MS = round(MONDAY.timestamp() * 1000)
HOUR_MS = 3_600_000


def test_an_envelope_counts_from_the_measurement_by_the_clock_nobody_can_set() -> None:
    clock = DeviceClock(Clock())
    clock.take(Clock(500, 40, MONDAY_MS), 100.0)
    assert clock.at(MONDAY, 160.25) == Clock(500, 40, MONDAY_MS, 60_250)


def test_after_a_new_start_nothing_is_counted_and_the_uncertainty_has_grown() -> None:
    """Only the settable clock tells how long it was off: an hour at 100 millionths is 360 ms."""
    clock = DeviceClock(Clock(0, 40, MONDAY_MS))
    told = clock.at(MONDAY + timedelta(hours=1), 5.0)
    assert told == Clock(0, 400, MONDAY_MS)
    assert told.since_anchor_ms is UNSET


def test_a_clock_never_measured_says_so() -> None:
    assert DeviceClock(Clock()).at(MONDAY, 5.0) == Clock()


def test_a_slow_round_does_not_replace_what_is_known_better() -> None:
    """Measured to 50 ms, a minute later to 20 s: what is said stays within 56 ms, counted from the later moment."""
    clock = DeviceClock(Clock())
    clock.take(Clock(500, 50, MONDAY_MS), 100.0)
    assert clock.take(Clock(-9_000, 20_000, MONDAY_MS + 60_000 - 9_500), 160.0) is None
    assert clock.at(MONDAY, 160.0) == Clock(500, 56, MONDAY_MS + 60_000, 0)


def test_a_better_measurement_replaces_the_old_one() -> None:
    """Two days later the old one is worth 17 s, and ten are better."""
    clock = DeviceClock(Clock(500, 50, MONDAY_MS))
    later = MONDAY_MS + 48 * HOUR_MS
    assert clock.take(Clock(900, 10_000, later), 7.0) is None
    assert clock.at(MONDAY, 7.0) == Clock(900, 10_000, later, 0)


def test_a_clock_that_was_set_is_believed_anew() -> None:
    """Ten minutes forward while the app was closed: the precise measurement of before is worth nothing now."""
    clock = DeviceClock(Clock(500, 50, MONDAY_MS))
    assert clock.take(Clock(-599_500, 2_000, MONDAY_MS + HOUR_MS), 7.0) == 600_000
    assert clock.at(MONDAY, 7.0) == Clock(-599_500, 2_000, MONDAY_MS + HOUR_MS, 0)


def test_a_measurement_of_protocol_1_is_replaced_by_any() -> None:
    clock = DeviceClock(Clock(500, 1))
    clock.take(Clock(400, 900, MONDAY_MS), 7.0)
    assert clock.at(MONDAY, 7.0) == Clock(400, 900, MONDAY_MS, 0)


@pytest.mark.parametrize(
    ("shown_seconds", "counted_seconds", "jumped_ms"),
    [
        (60.0, 60.0, None),
        (61.9, 60.0, None),
        (8 * 3600.0, 1.0, None),  # it slept through the night
        (57.0, 60.0, -3_000),
        (-3600.0, 60.0, -3_660_000),
        (19 * 3600.0, 0.0, 19 * HOUR_MS),
    ],
)
def test_a_jump_is_seen_at_once_and_sleep_is_none(
    shown_seconds: float, counted_seconds: float, jumped_ms: int | None
) -> None:
    clock = DeviceClock(Clock())
    assert clock.look(MONDAY, 100.0) is None
    jumped = clock.look(MONDAY + timedelta(seconds=shown_seconds), 100.0 + counted_seconds)
    assert jumped == jumped_ms


def test_a_clock_set_back_between_two_entries_is_an_incident(phone: SinglePhone) -> None:
    phone.given(TICKET)
    saved(phone.actions.accept(TICKET.id))
    assert phone.incidents() == set()
    phone.device.clock_wrong_by = timedelta(hours=-2)
    saved(phone.actions.start_travel(TICKET.id))
    (incident,) = phone.store.incidents()
    assert (incident.kind, incident.detail) == ("clock-jumped", "about -7200 s")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[ScriptedOffice]:
    office = ScriptedOffice(tmp_path)
    office.phone.given(TICKET)
    yield office
    office.close()


def made(office: ScriptedOffice, text: str) -> Envelope:
    saved(office.phone.actions.add_note(TICKET.id, text))
    envelope = decode_envelope(office.phone.store.raw_journal()[-1])
    assert isinstance(envelope, Envelope)
    return envelope


def test_what_is_recorded_after_a_round_tells_the_time_although_the_clock_is_set(office: ScriptedOffice) -> None:
    """The phone's clock is put two years ahead an hour after the round: what it says then is not believed, and the
    moment is known all the same."""
    office.run(office.engine.run_round())
    office.clock.move(hours=1)
    office.phone.device.clock_wrong_by = timedelta(days=730)
    true_time = office.clock.now()
    envelope = made(office, "一小时后")
    assert abs(happened_at(envelope) - true_time) < timedelta(seconds=1)
    assert "clock-jumped" in office.phone.incidents()


def test_a_clock_found_set_by_a_round_is_an_incident(office: ScriptedOffice) -> None:
    """Seen by the office's clock alone: it was put on by four hours, which sleep would explain as well."""
    office.run(office.engine.run_round())
    office.clock.move(hours=1)
    office.phone.device.clock_wrong_by = timedelta(hours=4)
    office.run(office.engine.run_round())
    incidents = {incident.kind: incident.detail for incident in office.phone.store.incidents()}
    assert incidents == {"clock-set": "by about 14400 s"}
    envelope = made(office, "之后")
    assert abs(happened_at(envelope) - office.clock.now()) < timedelta(seconds=1)


def test_after_a_restart_the_clock_is_counted_again_from_the_first_round(office: ScriptedOffice) -> None:
    office.run(office.engine.run_round())
    assert isinstance(made(office, "一").clock.since_anchor_ms, int)
    office.phone.restart()
    assert made(office, "二").clock.since_anchor_ms is UNSET
