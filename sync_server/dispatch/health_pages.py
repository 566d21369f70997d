"""Sync health: every phone with how far the office holds its work, photos that the office's disk has damaged or lost,
and what somebody should do about it."""

from datetime import timedelta
from typing import Any

from litestar import Response
from litestar.di import NamedDependency
from msgspec import Struct

from sync_server.dispatch.pages import long_page, looked_at
from sync_server.dispatch.reader import Reader
from sync_server.services.health import Alarm, AlarmKind, DeviceHealth, HealthWatch, PhotoAlarm
from sync_server.services.photo_files import photo_place

_PRECISE = timedelta(seconds=2)
"""A clock that is no further off is right."""


class Told(Struct, frozen=True):
    kind: str
    is_grave: bool
    words: str
    link: str


class Line(Struct, frozen=True):
    state: DeviceHealth
    clock: str
    alarms: list[Told]


class Photo(Struct, frozen=True):
    alarm: PhotoAlarm
    found: str
    to_do: str
    place: str
    """Where its file belongs, in the data folder and in a backup."""


_LINKS = {
    AlarmKind.REFUSED: "/attention?kind=refused",
    AlarmKind.REVOKED_HOLDING: "/rescue",
    AlarmKind.HOLE: "/rescue",
}
"""Where what is to be done is done."""


def _told(alarm: Alarm, state: DeviceHealth, reader: Reader) -> Told:
    display, device, hole, clock = reader.display, state.device, state.hole, state.clock
    facts = {
        "name": device.person_name,
        "at": display.short(alarm.since) if alarm.since else "",
        "span": display.span(display.now - alarm.since) if alarm.since else "",
        "operations": display.number(device.holds_operations or 0),
        "photos": display.number(device.holds_photos or 0),
        "number": display.number(alarm.count),
        "first": display.number(hole.first) if hole else "",
        "last": display.number(hole.last) if hole else "",
        "offset": display.span(abs(clock.offset)) if clock else "",
    }
    words = reader.words(f"alarm.{alarm.kind.value}", **facts)
    return Told(alarm.kind.value, alarm.is_grave, words, _LINKS.get(alarm.kind, ""))


def _clock(state: DeviceHealth, reader: Reader) -> str:
    clock = state.clock
    if clock is None or clock.uncertainty is None:
        return reader.words("health.clock_unknown")
    if abs(clock.offset) <= _PRECISE:
        return reader.words("health.clock_right")
    key = "health.clock_slow" if clock.offset > timedelta() else "health.clock_fast"
    return reader.words(key, span=reader.display.span(abs(clock.offset)))


def _photo(alarm: PhotoAlarm, reader: Reader) -> Photo:
    display = reader.display
    found = reader.words(f"photo_alarm.{alarm.fault.value}", at=display.short(alarm.since))
    sentences = []
    for asked in alarm.phones:
        if asked.heard_at is None:
            sentences.append(reader.words("photo_alarm.asked", name=asked.device.person_name))
        else:
            heard = {"name": asked.device.person_name, "at": display.short(asked.heard_at)}
            sentences.append(reader.words("photo_alarm.heard", **heard))
    sentences.append(reader.words("photo_alarm.or_backup" if alarm.phones else "photo_alarm.backup"))
    return Photo(alarm, found, " ".join(sentences), photo_place(alarm.sha256))


@looked_at("/sync-health")
async def health_page(reader: NamedDependency[Reader], health_watch: NamedDependency[HealthWatch]) -> Response[Any]:
    health = await health_watch.health()
    lines = [
        Line(state, _clock(state, reader), [_told(alarm, state, reader) for alarm in state.alarms])
        for state in health.devices
    ]
    return await long_page(
        "health_table.html" if reader.target == "health" else "health.html",
        reader,
        here="sync_health",
        lines=lines,
        photos=[_photo(alarm, reader) for alarm in health.photos],
        photos_beyond=health.photos_beyond,
        grave=sum(line.state.is_grave for line in lines),
        worth_a_look=sum(bool(line.alarms) and not line.state.is_grave for line in lines),
        free=health.office_is_short_of_space and reader.display.number(round(health.free_bytes / 10**9, 1)),
    )


route_handlers = [health_page]
