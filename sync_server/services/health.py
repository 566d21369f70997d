"""How each phone stands with the office, and what about it somebody should look after; and photos that the office's own
disk has damaged or lost.

Everything is read from what the office holds; nothing is asked of phones. An alarm never changes what is done with a
phone's work: that is taken as ever.
"""

import asyncio
import shutil
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from shared_schema import wire
from shared_schema.moments import occurrence
from shared_schema.operations import Envelope
from shared_schema.ticket import Ticket
from sync_server.clock import Clock, milliseconds, moment
from sync_server.services.photo_files import PhotoFiles
from sync_server.services.scrubbing import FAULTS_SHOWN, FaultyPhoto, PhotoScrub, faulty
from sync_server.storage import Reading, Storage
from sync_server.storage.attention import Origin, RescuedOperation
from sync_server.storage.journal import Head
from sync_server.storage.keys import DeviceKey, JournalSignature, SignatureFault
from sync_server.storage.people import DeviceRow
from sync_server.storage.scrubs import Fault

SILENT_AFTER = timedelta(hours=8)
"""A working day: longer than any cellar."""
PHOTO_LATE_AFTER = timedelta(days=1)
CLOCK_FAR_OFF = timedelta(minutes=5)
JUMP_REMEMBERED = timedelta(days=7)
LEAST_FREE_BYTES = 2 * 10**9
LEAST_FREE_SHARE = 0.05

_LOOKED_AT = 10
"""Operations of a phone, the newest, by which its clock is judged."""
_TICKETS_AT_ONCE = 500
_MOST_WAITING = 10_000


class AlarmKind(str, Enum):
    """The gravest first."""

    CHAIN_BROKEN = "chain_broken"
    SIGNATURE_WRONG = "signature_wrong"
    ANOTHER_JOURNAL = "another_journal"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_HOLDING = "revoked_holding"
    SILENT = "silent"
    HOLE = "hole"
    PHOTOS_MISSING = "photos_missing"
    SIGNATURE_MISSING = "signature_missing"
    CLOCK_JUMPED = "clock_jumped"
    CLOCK_OFF = "clock_off"
    REFUSED = "refused"


_RANK = {kind: rank for rank, kind in enumerate(AlarmKind)}
_GRAVE_THROUGH = _RANK[AlarmKind.PHOTOS_MISSING]
"""Work may be missing; behind it, what only asks to be put right."""

_FAULTS = {
    SignatureFault.MISSING: AlarmKind.SIGNATURE_MISSING,
    SignatureFault.UNKNOWN_KEY: AlarmKind.UNKNOWN_KEY,
    SignatureFault.WRONG: AlarmKind.SIGNATURE_WRONG,
    SignatureFault.ANOTHER_JOURNAL: AlarmKind.ANOTHER_JOURNAL,
}


class Alarm(Struct, frozen=True):
    kind: AlarmKind
    since: datetime | None = None
    count: int = 0

    @property
    def is_grave(self) -> bool:
        return _RANK[self.kind] <= _GRAVE_THROUGH


class ClockState(Struct, frozen=True):
    """What the newest operations of a phone say about its clock."""

    offset: timedelta
    """To be added to it, as measured last."""
    uncertainty: timedelta | None
    """None: never measured."""
    jumps: int
    """Of the operations looked at."""
    jumped_at: datetime | None
    """When the office received the newest of those."""


class Hole(Struct, frozen=True):
    """Numbers of a journal that are missing before what a rescue file brought."""

    first: int
    last: int
    waiting: int


class DeviceHealth(Struct, frozen=True, kw_only=True):
    device: DeviceRow
    received_through: int
    signed_through: int
    key: DeviceKey | None
    refused: int
    """Operations that nobody has answered."""
    hole: Hole | None
    clock: ClockState | None
    """None where nothing has come."""
    photos_missing: int
    """Named more than PHOTO_LATE_AFTER ago, and not received."""
    rescued_at: datetime | None
    """When a rescue file of it was last taken in."""
    alarms: list[Alarm]
    """The gravest first."""

    @property
    def is_grave(self) -> bool:
        return any(alarm.is_grave for alarm in self.alarms)

    @property
    def holds(self) -> bool:
        return bool(self.device.holds_operations or self.device.holds_photos)


class Asked(Struct, frozen=True):
    """A phone that may still hold a photo."""

    device: DeviceRow
    heard_at: datetime | None
    """When it heard that it is to offer its photos again; None where it has not yet."""


class PhotoAlarm(Struct, frozen=True):
    """A photo that was received and is not whole any more."""

    sha256: str
    fault: Fault
    since: datetime
    """When it was found."""
    ticket: Ticket | None
    """One that names it."""
    phones: list[Asked]


class Health(Struct, frozen=True, kw_only=True):
    devices: list[DeviceHealth]
    """Those with the gravest alarms first."""
    photos: list[PhotoAlarm]
    """Those found first."""
    photos_beyond: int
    """How many more there are."""
    free_bytes: int
    """Of the disk with the data folder."""
    free_share: float

    @property
    def office_is_short_of_space(self) -> bool:
        return self.free_bytes < LEAST_FREE_BYTES or self.free_share < LEAST_FREE_SHARE


class HealthWatch:
    def __init__(self, storage: Storage, photo_files: PhotoFiles, scrub: PhotoScrub, data: Path, clock: Clock) -> None:
        self._storage = storage
        self._photo_files = photo_files
        self._scrub = scrub
        self._data = data
        self._clock = clock
        self._looking = asyncio.Lock()
        self._looked_through = 0
        self._missing: dict[str, str] = {}
        self._clocks: dict[str, tuple[int, ClockState | None]] = {}

    async def health(self) -> Health:
        missing = await self._missing_photos()
        await self._scrub.look_at_faults()
        usage = shutil.disk_usage(self._data)

        def read(reading: Reading) -> Health:
            photos = _photo_alarms(reading)
            return Health(
                devices=self._devices(reading, missing),
                photos=photos,
                photos_beyond=reading.scrubs.count_faults() - len(photos),
                free_bytes=usage.free,
                free_share=usage.free / usage.total,
            )

        return await self._storage.read(read)

    async def _missing_photos(self) -> dict[str, str]:
        """SHA-256 → the operation that named it. Only tickets that have changed since the last time are read."""
        async with self._looking:
            await self._drop_present()
            while True:
                missing, through = await self._photo_files.missing_of_tickets(
                    self._storage, self._looked_through, _TICKETS_AT_ONCE
                )
                if through == self._looked_through:
                    return dict(self._missing)
                self._missing |= missing
                self._looked_through = through

    async def _drop_present(self) -> None:
        for sha256 in await asyncio.to_thread(self._photo_files.present, list(self._missing)):
            del self._missing[sha256]

    def _devices(self, reading: Reading, missing: dict[str, str]) -> list[DeviceHealth]:
        now = self._clock.now()
        rows = reading.people.devices()
        ids = [row.id for row in rows]
        heads, signatures = reading.journal.heads(ids), reading.keys.signatures(ids)
        keys, refused = reading.keys.of_devices(), reading.attention.open_by_device()
        waiting: dict[str, list[RescuedOperation]] = {}
        for each in reading.attention.waiting(limit=_MOST_WAITING):
            waiting.setdefault(each.device, []).append(each)
        rescued: dict[str, int] = {}
        for rescue in reading.rescues.taken_in(newest=_MOST_WAITING):
            rescued.setdefault(rescue.device, rescue.taken_in_at_ms)
        lost = {fault.sha256 for fault in reading.scrubs.faults(_MOST_WAITING)}  # which did come
        named = [operation for sha256, operation in missing.items() if sha256 not in lost]
        late = _late_photos(reading.attention.origins(named), now)
        found = []
        for row in rows:
            head = heads.get(row.id, Head())
            signature = signatures.get(row.id, JournalSignature())
            state = DeviceHealth(
                device=row,
                received_through=head.received_through,
                signed_through=signature.signed_through,
                key=keys.get(row.id),
                refused=refused.get(row.id, 0),
                hole=_hole(head, waiting.get(row.id, [])),
                clock=self._clock_of(reading, row.id, head.received_through),
                photos_missing=late.get(row.id, 0),
                rescued_at=moment(rescued[row.id]) if row.id in rescued else None,
                alarms=[],
            )
            found.append(replace(state, alarms=_alarms(state, head, signature, now)))
        return sorted(found, key=_urgency)

    def _clock_of(self, reading: Reading, device: str, through: int) -> ClockState | None:
        known = self._clocks.get(device)
        if known is None or known[0] != through:
            known = self._clocks[device] = (through, _clock_state(reading, device, through))
        return known[1]


def _photo_alarms(reading: Reading) -> list[PhotoAlarm]:
    photos = faulty(reading, FAULTS_SHOWN)
    if not photos:
        return []
    devices, heard = reading.people.devices(), reading.scrubs.recalls()
    tickets = reading.tickets.by_id({each.fault.ticket for each in photos if each.fault.ticket is not None})
    return [_photo_alarm(each, devices, heard, tickets) for each in photos]


def _photo_alarm(
    photo: FaultyPhoto, devices: list[DeviceRow], heard: dict[str, int], tickets: dict[str, Ticket]
) -> PhotoAlarm:
    fault = photo.fault
    phones = []
    for device in devices:
        if photo.may_be_on(device):
            at_ms = heard.get(device.id, 0)
            phones.append(Asked(device, moment(at_ms) if at_ms >= fault.found_at_ms else None))
    ticket = tickets.get(fault.ticket or "")
    return PhotoAlarm(fault.sha256, fault.fault, moment(fault.found_at_ms), ticket, phones)


def _urgency(state: DeviceHealth) -> tuple[int, bool, float]:
    gravest = min((_RANK[alarm.kind] for alarm in state.alarms), default=len(_RANK))
    heard = state.device.last_heard_at
    return gravest, state.device.revoked_at is not None, -heard.timestamp() if heard else 0.0


def _late_photos(origins: dict[str, Origin], now: datetime) -> dict[str, int]:
    before_ms = milliseconds(now - PHOTO_LATE_AFTER)
    counted: dict[str, int] = {}
    for origin in origins.values():
        if origin.received_at_ms < before_ms:
            counted[origin.device] = counted.get(origin.device, 0) + 1
    return counted


def _hole(head: Head, waiting: list[RescuedOperation]) -> Hole | None:
    numbers = [each.sequence for each in waiting if each.sequence > head.received_through]
    if not numbers or min(numbers) == head.received_through + 1:
        return None
    return Hole(head.received_through + 1, min(numbers) - 1, len(numbers))


def _clock_state(reading: Reading, device: str, through: int) -> ClockState | None:
    held = reading.journal.held(device, range(max(1, through - _LOOKED_AT + 1), through + 1))
    state: ClockState | None = None
    not_before: datetime | None = None
    for _, entry in sorted(held.items()):
        envelope = wire.decode_envelope(entry.raw)
        if not isinstance(envelope, Envelope):
            continue
        received_at = moment(entry.received_at_ms)
        happened = occurrence(envelope, received_at, not_before)
        not_before = happened.earliest
        clock = envelope.clock
        jumps, jumped_at = (state.jumps, state.jumped_at) if state else (0, None)
        state = ClockState(
            offset=timedelta(milliseconds=clock.offset_ms),
            uncertainty=None if clock.uncertainty_ms is None else timedelta(milliseconds=clock.uncertainty_ms),
            jumps=jumps + happened.jumped,
            jumped_at=received_at if happened.jumped else jumped_at,
        )
    return state


def _alarms(state: DeviceHealth, head: Head, signature: JournalSignature, now: datetime) -> list[Alarm]:
    device, clock, found = state.device, state.clock, []
    if head.broken_at is not None:
        found.append(Alarm(AlarmKind.CHAIN_BROKEN, moment(head.broken_at)))
    if signature.is_in_doubt and signature.signature_fault and signature.signature_failed_at_ms:
        found.append(Alarm(_FAULTS[signature.signature_fault], moment(signature.signature_failed_at_ms)))
    if state.hole is not None:
        found.append(Alarm(AlarmKind.HOLE, count=state.hole.waiting))
    if state.photos_missing:
        found.append(Alarm(AlarmKind.PHOTOS_MISSING, count=state.photos_missing))
    heard = device.last_heard_at
    is_rescued = state.rescued_at is not None and (heard is None or state.rescued_at > heard)
    if state.holds and not is_rescued:
        if device.revoked_at is not None:
            found.append(Alarm(AlarmKind.REVOKED_HOLDING, device.revoked_at))
        elif heard is not None and now - heard > SILENT_AFTER:
            found.append(Alarm(AlarmKind.SILENT, heard))
    if state.refused:
        found.append(Alarm(AlarmKind.REFUSED, count=state.refused))
    if clock is not None and device.revoked_at is None:
        if clock.jumped_at is not None and now - clock.jumped_at < JUMP_REMEMBERED:
            found.append(Alarm(AlarmKind.CLOCK_JUMPED, clock.jumped_at, clock.jumps))
        if abs(clock.offset) >= CLOCK_FAR_OFF:
            found.append(Alarm(AlarmKind.CLOCK_OFF))
    return sorted(found, key=lambda alarm: _RANK[alarm.kind])
