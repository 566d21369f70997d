"""The office's own look at its photos: every one is read and hashed again every so many days, as file systems scrub.

A disk that damages or loses a photo says nothing. What is found is on record until the photo is whole again, is an
alarm at the desk (services.health), and has the phones of whoever brought the photo offer theirs again: they are
answered as after a restore to an older backup, by a cursor set back, which every phone ever shipped understands
(docs/sync-protocol.md). What the office holds is not sent again then; what it does not, and the phone still does, is.

A look goes through the photos in the order of their names, slowly, and goes on where it was when the process ends. Of
several processes one looks; when it has not said for a while that it still does, another goes on.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from sync_server.clock import Clock, milliseconds
from sync_server.services.photo_files import PhotoFiles
from sync_server.storage import Reading, Storage, Writing
from sync_server.storage.journal import OFFICE
from sync_server.storage.people import DeviceRow
from sync_server.storage.scrubs import Bringer, Fault, PhotoFault, Scrub

log = logging.getLogger("sync_server.photos")

BYTES_PER_SECOND = 4_000_000
"""A hundredth of a processor and a small part of what any disk can do; 2.4 TB in a week."""
LEAST_BYTES = 65_536
"""A smaller photo counts for as much: to find it takes a disk longer than to read it."""
PAUSE_SECONDS = 300.0
"""Between two looks at what is known to be damaged, and whether it is time to look at all again."""

_AT_ONCE = 200
"""Photos, and bytes, after which it is kept how far the look has come."""
_BYTES_AT_ONCE = 64_000_000
_OTHERS_WAIT = timedelta(minutes=3)
"""Several times as long as those take: whoever has not kept anything for so long does not live any more."""

_TICKETS_AT_ONCE = 50
_TICKETS_PAUSE_SECONDS = 0.1
FAULTS_SHOWN = 50
"""Of more than so many the desk is told the number."""
_MOST_FAULTS = 1000
"""Of more than so many at once, those found first are seen to first."""
_TOLD_AGAIN_SECONDS = 60.0
"""A phone whose next round does not begin anew may not have got the answer."""
_RECALLED_AGAIN = timedelta(hours=1)
"""A disk that fails is found out photo by photo: a phone is asked once for many."""


class FaultyPhoto(Struct, frozen=True):
    """A photo that is not whole, and who may still have it."""

    fault: PhotoFault
    bringers: list[Bringer]

    @property
    def since_ms(self) -> int:
        """Brought anew and not whole all the same: the disk has damaged it once more."""
        return max(self.fault.found_at_ms, *(each.begun_at_ms for each in self.bringers), 0)

    def may_be_on(self, device: DeviceRow) -> bool:
        """A phone enrolled anew has another name, and what was on it."""
        is_theirs = any(device.id == each.device or device.person == each.person for each in self.bringers)
        return device.revoked_at is None and is_theirs


class PhotoScrub:
    def __init__(
        self,
        storage: Storage,
        photo_files: PhotoFiles,
        clock: Clock,
        every_days: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Each photo is looked at every so many days; never where that is 0. `monotonic` counts seconds."""
        self._storage = storage
        self._photo_files = photo_files
        self._clock = clock
        self._monotonic = monotonic
        self._every = timedelta(days=every_days)
        self._process = secrets.token_hex(8)
        self._appearances: dict[str, tuple[int, int, int] | None] = {}
        """Of photos known to be faulty, as they were when they were last hashed."""
        self._unnamed: set[str] = set()
        """Those that no ticket spoke of."""
        self._recalled: set[str] = set()
        """Devices that are to offer their photos again."""
        self._told_at: dict[str, float] = {}
        self._heard: dict[str, int] = {}
        """Devices that have heard it, and when; not on record yet."""

    async def run_forever(self) -> None:
        """Not at once: a process that has just started has phones that wait."""
        while True:
            await asyncio.sleep(PAUSE_SECONDS)
            try:
                await self.look_at_faults()
                while self._every and await self.look_at_some():
                    pass
            except Exception:  # an alarm for the desk must not end at the first fault that nobody thought of
                log.warning("photos are looked at later", exc_info=True)

    # -- all of them, in their order -----------------------------------------------------------------------------------

    async def look_at_some(self) -> bool:
        """The next photos, where it is time to; whether there are more of them."""
        scrub = await self._taken_up()
        if scrub is None:
            return False
        after = scrub.done_through
        names = await asyncio.to_thread(self._photo_files.names_after, after, _AT_ONCE)
        whole, faults = await self._looked_at(names)
        done = len(whole) + len(faults)
        is_over = done == len(names) < _AT_ONCE
        through = None if is_over else names[done - 1]
        expected = await self._storage.read(lambda reading: reading.scrubs.received_between(after, through))
        for sha256 in sorted(expected.difference(names[:done])):
            # Looked up only now: it may have come since the names were read.
            found = await asyncio.to_thread(self._photo_files.looked_at, sha256)
            if isinstance(found, Fault):
                faults[sha256] = found
        if is_over:
            faults |= await self._missing_of_the_desk()
        await self._note(faults)
        now = self._clock.now()
        kept = replace(
            scrub,
            done_through=through or "",
            ended_at_ms=milliseconds(now) if is_over else None,
            process_until_ms=milliseconds(now + _OTHERS_WAIT),
        )

        def keep(writing: Writing) -> None:
            writing.scrubs.forget(whole)
            current = writing.scrubs.scrub_to_change()
            if current is not None and current.process == self._process:
                writing.scrubs.keep(kept)

        await self._storage.write(keep)
        return not is_over

    async def _taken_up(self) -> Scrub | None:
        """The look as it stands, when it is this process that goes on with it."""
        now = self._clock.now()
        at_ms, due_before_ms = milliseconds(now), milliseconds(now - self._every)
        until_ms = milliseconds(now + _OTHERS_WAIT)

        def is_due(scrub: Scrub | None) -> bool:
            if scrub is None:
                return True
            if scrub.process != self._process and scrub.process_until_ms > at_ms:
                return False
            return scrub.ended_at_ms is None or scrub.begun_at_ms <= due_before_ms

        def take_up(writing: Writing) -> Scrub | None:
            scrub = writing.scrubs.scrub_to_change()
            if not is_due(scrub):
                return None
            if scrub is None or scrub.ended_at_ms is not None:
                scrub = Scrub(at_ms, None, "", self._process, until_ms)
            taken = replace(scrub, process=self._process, process_until_ms=until_ms)
            writing.scrubs.keep(taken)
            return taken

        if not is_due(await self._storage.glance(lambda reading: reading.scrubs.scrub())):
            return None
        return await self._storage.write(take_up)

    async def _looked_at(self, names: Sequence[str]) -> tuple[list[str], dict[str, Fault]]:
        """As many as are looked at together: those that are whole, and what is wrong with the others."""
        whole: list[str] = []
        faults: dict[str, Fault] = {}
        bytes_read = 0
        for sha256 in names:
            found = await asyncio.to_thread(self._photo_files.looked_at, sha256)
            if isinstance(found, Fault):
                faults[sha256] = found
            else:
                whole.append(sha256)
            size_bytes = max(LEAST_BYTES, 0 if isinstance(found, Fault) else found)
            await asyncio.sleep(size_bytes / BYTES_PER_SECOND)
            bytes_read += size_bytes
            if bytes_read >= _BYTES_AT_ONCE:
                break
        return whole, faults

    async def _missing_of_the_desk(self) -> dict[str, Fault]:
        """Of the desk's own photos nothing says that they came but the operations that name them."""
        missing: dict[str, str] = {}
        position = 0
        while True:
            found, through = await self._photo_files.missing_of_tickets(self._storage, position, _TICKETS_AT_ONCE)
            if through == position:
                break
            missing |= found
            position = through
            await asyncio.sleep(_TICKETS_PAUSE_SECONDS)
        origins = await self._storage.read(lambda reading: reading.attention.origins(missing.values()))
        ours = {operation for operation, origin in origins.items() if origin.device == OFFICE}
        return {sha256: Fault.MISSING for sha256, operation in missing.items() if operation in ours}

    async def _note(self, found: dict[str, Fault]) -> None:
        if not found:
            return
        at_ms = self._now_ms()

        faults = [PhotoFault(sha256, fault, at_ms) for sha256, fault in sorted(found.items())]
        await self._storage.write(lambda writing: writing.scrubs.note(faults))
        for fault in faults:
            log.warning("photo %s is %s", fault.sha256, fault.fault.value)
        await self._recall()
        await self._name_tickets()

    async def _name_tickets(self) -> None:
        """Find out of those that the desk is shown which ticket speaks of each: all tickets are read for one photo, so
        not for every one of a disk that has failed, and other readers have their turn in between."""
        for fault in await self._storage.read(lambda reading: reading.scrubs.faults(FAULTS_SHOWN)):
            if fault.ticket is None and fault.sha256 not in self._unnamed:
                naming = partial(_ticket_naming, fault.sha256)
                if (ticket := await self._storage.read(naming)) is None:
                    self._unnamed.add(fault.sha256)
                    continue
                named = replace(fault, ticket=ticket)
                await self._storage.write(lambda writing, named=named: writing.scrubs.note([named]))  # type: ignore[misc]

    # -- those that are not whole --------------------------------------------------------------------------------------

    async def look_at_faults(self) -> None:
        """Whether what was found damaged or missing is whole by now; only of what has changed since are bytes read."""
        faults = await self._storage.read(lambda reading: reading.scrubs.faults(_MOST_FAULTS))
        whole: list[str] = []
        for fault in faults:
            appearance = await asyncio.to_thread(self._photo_files.appearance, fault.sha256)
            if fault.sha256 in self._appearances and self._appearances[fault.sha256] == appearance:
                continue
            found = await asyncio.to_thread(self._photo_files.looked_at, fault.sha256)
            if not isinstance(found, Fault):
                whole.append(fault.sha256)
                continue
            self._appearances[fault.sha256] = appearance
            if found is not fault.fault:
                await self._note({fault.sha256: found})
        if whole:
            await self._storage.write(lambda writing: writing.scrubs.forget(whole))
            log.warning("whole again: %s", ", ".join(whole))
        self._appearances = {
            fault.sha256: self._appearances[fault.sha256] for fault in faults if fault.sha256 in self._appearances
        }
        self._unnamed.intersection_update(fault.sha256 for fault in faults)
        if faults or self._recalled or self._heard:
            await self._recall()
            await self._name_tickets()

    # -- phones that may still have them -------------------------------------------------------------------------------

    def is_set_back(self, device: str, cursor: int) -> bool:
        """Whether a phone that asks from this position of the feed is to be answered that it is to begin anew.

        A phone that then asks from the beginning has heard it.
        """
        if device not in self._recalled:
            return False
        if cursor == 0:
            if device in self._told_at:
                self._recalled.discard(device)
                self._heard[device] = self._now_ms()
            return False
        now = self._monotonic()
        if now - self._told_at.get(device, -_TOLD_AGAIN_SECONDS) < _TOLD_AGAIN_SECONDS:
            return False
        self._told_at[device] = now
        return True

    async def _recall(self) -> None:
        """Find out which phones are to offer their photos again."""
        heard, self._heard = self._heard, {}
        if heard:
            await self._storage.write(lambda writing: writing.scrubs.recalls_heard(heard))
        recalled = await self._storage.read(self._to_recall)
        self._recalled = recalled - self._heard.keys()
        self._told_at = {device: at for device, at in self._told_at.items() if device in self._recalled}

    def _to_recall(self, reading: Reading) -> set[str]:
        heard = reading.scrubs.recalls()
        latest_ms = milliseconds(self._clock.now() - _RECALLED_AGAIN)
        devices = reading.people.devices()
        recalled: set[str] = set()
        for photo in faulty(reading, _MOST_FAULTS):
            for device in devices:
                heard_at_ms = heard.get(device.id)
                has_not_heard = heard_at_ms is None or heard_at_ms < min(photo.since_ms, latest_ms)
                if has_not_heard and photo.may_be_on(device):
                    recalled.add(device.id)
        return recalled

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


def faulty(reading: Reading, limit: int) -> list[FaultyPhoto]:
    """Those found first, each with who has brought it."""
    faults = reading.scrubs.faults(limit)
    brought: dict[str, list[Bringer]] = {}
    if faults:
        for bringer in reading.scrubs.bringers({fault.sha256 for fault in faults}):
            brought.setdefault(bringer.sha256, []).append(bringer)
    return [FaultyPhoto(fault, brought.get(fault.sha256, [])) for fault in faults]


def _ticket_naming(sha256: str, reading: Reading) -> str | None:
    return reading.scrubs.ticket_naming(sha256)
