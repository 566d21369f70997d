"""Sending photos: after the operations, small ones first, in pieces, from wherever the last attempt ended.

The office is asked first of which it holds nothing. These come with their creation, most of them whole; of all others
it is asked, one by one, where to go on, and so it is when an answer was lost: nothing it holds is sent again.
One photo that cannot be sent, or at which the office fails, never holds up the others, and none of them ever holds up
an operation: between two pieces the way is free for what was entered meanwhile.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from enum import Enum

from field_app.device.contract import Device
from field_app.store import ON_THIS_PHONE, PhotoState, StorageUnavailable, Store
from field_app.sync.status import UploadProgress
from shared_schema.sync_protocol import PHOTOS_PER_OFFER, Away, PhotosUnheld, RefusedRequest, SyncService, Upload

SMALLEST_PIECE = 16 * 1024
"""With 1.6 KB a second it is still through within the least patience for a request."""
FIRST_PIECE = 512 * 1024
LARGEST_PIECE = 1024 * 1024

QUICK_SECONDS = 1.0
"""A piece that took less may be followed by one twice as large, one that took far longer by a smaller."""

SHORT_BYTES = 200_000_000
ROOM_BYTES = 400_000_000
"""Where less than the first is left, received photos make room until there is the second."""
FREED_AFTER = timedelta(days=7)
"""The office's receipt must be so old: by then its nightly backups hold the photo too."""
LOOK_FOR_ROOM_SECONDS = 3600.0

RESTARTS_AT_ONCE = 3
ENDED_AT_MOST = 3
"""So often in a row may sending end at the same photo before the others go first: it may be this one photo at which the
office fails, and not the network."""
DEFERRED_SECONDS = 600.0
DEFERRED_FOR_GOOD_SECONDS = 86_400.0
"""After a refusal that will not change by itself: the office may have learnt something new by tomorrow."""
LOCKED_SECONDS = 1.5


class Ended(Enum):
    ALL_SENT = "all sent"
    """All but those deferred."""
    INTERRUPTED = "interrupted"
    """Operations are waiting: they go first."""


class _Sent(Enum):
    RECEIVED = "received"
    DEFERRED = "deferred"
    INTERRUPTED = "interrupted"


class PhotoSender:
    def __init__(
        self,
        store: Store,
        service: SyncService,
        device: Device,
        show: Callable[[UploadProgress | None], None],
    ) -> None:
        self._store = store
        self._service = service
        self._device = device
        self._show = show
        self._piece = FIRST_PIECE
        self._entries_before = 0
        self._deferred_until: dict[str, float] = {}
        self._ended_at: dict[str, int] = {}
        """How often in a row, by photo, without any more of it having been received."""
        self._look_for_room_at = 0.0
        self.received = 0
        """Photos the office has received through this sender."""

    async def send_waiting(self) -> Ended | Away:
        self._entries_before = self._store.last_sequence()
        try:
            due = self._due()
            for start in range(0, len(due), PHOTOS_PER_OFFER):
                ended = await self._send_some(due[start : start + PHOTOS_PER_OFFER])
                if ended is not Ended.ALL_SENT:
                    return ended
            await self._make_room()
            return Ended.ALL_SENT
        finally:
            self._show(None)

    async def _send_some(self, photos: Sequence[PhotoState]) -> Ended | Away:
        unheld = await self._unheld([photo.sha256 for photo in photos if photo.location is None])
        if not isinstance(unheld, PhotosUnheld):
            return unheld
        for photo in photos:
            sent = await self._send(photo, is_unheld=photo.sha256 in unheld.photos)
            if sent is _Sent.INTERRUPTED:
                return Ended.INTERRUPTED
            if sent is _Sent.RECEIVED:
                self.received += 1
            elif sent is not _Sent.DEFERRED:
                self._ended_at[photo.sha256] = self._ended_at.get(photo.sha256, 0) + 1
                return sent
        return Ended.ALL_SENT

    async def _unheld(self, photos: Sequence[str]) -> PhotosUnheld | Away:
        answer = await self._service.unheld_photos(photos) if photos else PhotosUnheld([])
        # An older office does not know the question, nor perhaps what to do with bytes that come with a creation.
        return PhotosUnheld([]) if isinstance(answer, RefusedRequest) else answer

    async def _make_room(self) -> None:
        """Where storage is short: let go of old photos, each after the office has said again that it holds it."""
        now = self._device.monotonic()
        if now < self._look_for_room_at:
            return
        self._look_for_room_at = now + LOOK_FOR_ROOM_SECONDS
        storage = await self._device.storage()
        if storage.used_bytes is None or storage.quota_bytes is None:
            return
        room = storage.quota_bytes - storage.used_bytes + self._store.spare_bytes()
        if room >= SHORT_BYTES:
            return
        for photo in self._store.photos_to_spare(self._device.now() - FREED_AFTER):
            held = await self._service.begin_upload(photo.sha256, photo.size_bytes, photo.media_type)
            if not isinstance(held, Upload):
                return
            if held.complete:
                self._store.free_photo(photo.sha256)
                room += photo.size_bytes
            else:
                self._store.record_incident("photo-missed", f"the office has lost {photo.sha256}")
                self._store.photo_missed(photo.sha256)
            if room >= ROOM_BYTES:
                return

    def _due(self) -> list[PhotoState]:
        now = self._device.monotonic()
        due = [photo for photo in self._store.photos_waiting() if self._deferred_until.get(photo.sha256, now) <= now]
        return sorted(due, key=lambda photo: self._ended_at.get(photo.sha256, 0) // ENDED_AT_MOST)

    async def _send(self, photo: PhotoState, *, is_unheld: bool) -> _Sent | Away:
        upload: Upload | None = None
        restarts = 0
        while True:
            answer: Upload | _Sent | Away
            if upload is None:
                answer = await self._begin_or_resume(photo, brings_bytes=is_unheld and restarts == 0)
            elif upload.complete:
                self._store.photo_received(photo.sha256)
                self._deferred_until.pop(photo.sha256, None)
                self._ended_at.pop(photo.sha256, None)
                return _Sent.RECEIVED
            elif self._store.last_sequence() > self._entries_before:
                return _Sent.INTERRUPTED
            else:
                answer = await self._send_piece(photo, upload)
            if isinstance(answer, Upload) and (upload is None or answer.offset > upload.offset):
                upload = answer
                if not upload.complete:
                    self._keep(photo, upload, restarts)
                continue
            if isinstance(answer, Upload):
                answer = RefusedRequest("upload-without-progress")
            if not isinstance(answer, RefusedRequest):
                return answer
            # The office disagrees about where the upload stands, has forgotten it, or got other bytes than were sent.
            restarts += 1
            self._store.record_incident("photo-restarted", f"{answer.code} {photo.sha256}")
            if restarts > RESTARTS_AT_ONCE:
                return self._defer(photo, answer.code)
            if answer.code == _LOCKED:  # a request of ours that was cut off still holds it, for two seconds or so
                await asyncio.sleep(LOCKED_SECONDS)
            keeps_location = answer.code in _ASK_WHERE
            photo = self._keep(photo, upload if keeps_location else None, restarts)
            upload = None

    async def _begin_or_resume(self, photo: PhotoState, *, brings_bytes: bool) -> Upload | _Sent | Away:
        """A refusal is of the bytes brought; without them it is of the photo, and that is deferred."""
        if photo.location is not None:
            resumed = await self._service.resume_upload(photo.location, photo.size_bytes)
            if not isinstance(resumed, RefusedRequest):
                return resumed
        data = self._as_recorded(photo)
        if data is None:
            return self._defer(photo, ON_THIS_PHONE)
        if brings_bytes:
            begun = await self._begin_with_bytes(photo, data)
        else:
            begun = await self._service.begin_upload(photo.sha256, photo.size_bytes, photo.media_type)
        if isinstance(begun, RefusedRequest) and (not brings_bytes or begun.code in FOR_GOOD):
            return self._defer(photo, begun.code)
        return begun

    def _as_recorded(self, photo: PhotoState) -> bytes | None:
        try:
            data = self._store.photo(photo.sha256)
        except StorageUnavailable:  # the disk has damaged the place where it lies
            return None
        return data if data is not None and hashlib.sha256(data).hexdigest() == photo.sha256 else None

    async def _begin_with_bytes(self, photo: PhotoState, data: bytes) -> Upload | _Sent | Away:
        if self._store.last_sequence() > self._entries_before:
            return _Sent.INTERRUPTED
        self._show(UploadProgress(photo.sha256, 0, photo.size_bytes))
        first = data[: self._piece]
        beginning = self._service.begin_upload(photo.sha256, photo.size_bytes, photo.media_type, first)
        return await self._timed(beginning, len(first))

    async def _send_piece(self, photo: PhotoState, upload: Upload) -> Upload | _Sent | Away:
        self._show(UploadProgress(photo.sha256, upload.offset, photo.size_bytes))
        length = min(self._piece, photo.size_bytes - upload.offset)
        try:
            piece = self._store.photo_part(photo.sha256, upload.offset, length)
        except StorageUnavailable:
            return self._defer(photo, ON_THIS_PHONE)
        return await self._timed(self._service.send_chunk(upload, piece, photo.size_bytes), len(piece))

    async def _timed(self, sending: Awaitable[Upload | Away], size_bytes: int) -> Upload | Away:
        """The answer; the next piece is larger or smaller for how long it took."""
        began = self._device.monotonic()
        answer = await sending
        took = self._device.monotonic() - began
        if not isinstance(answer, Upload) or took > 8 * QUICK_SECONDS:
            self._piece = max(SMALLEST_PIECE, self._piece // 2)
        elif took < QUICK_SECONDS and 2 * size_bytes >= self._piece:
            self._piece = min(LARGEST_PIECE, self._piece * 2)
        return answer

    def _keep(self, photo: PhotoState, upload: Upload | None, restarts: int) -> PhotoState:
        location, offset = (None, 0) if upload is None else (upload.location, upload.offset)
        if offset > photo.offset:
            self._ended_at.pop(photo.sha256, None)
        if (photo.location, photo.offset, photo.restarts) != (location, offset, restarts):
            self._store.photo_progress(photo.sha256, location=location, offset=offset, restarts=restarts)
        kept = self._store.photo_state(photo.sha256)
        assert kept is not None, photo.sha256
        return kept

    def _defer(self, photo: PhotoState, reason: str) -> _Sent:
        """Not given up: kept, shown with the reason, and tried again later and whenever the app starts."""
        self._store.record_incident("photo-deferred", f"{reason} {photo.sha256}")
        self._store.photo_set_back(photo.sha256, reason)
        seconds = DEFERRED_FOR_GOOD_SECONDS if reason in FOR_GOOD else DEFERRED_SECONDS
        self._deferred_until[photo.sha256] = self._device.monotonic() + seconds
        return _Sent.DEFERRED


FOR_GOOD = frozenset({ON_THIS_PHONE, "not-a-picture", "photo-too-large", "upload-header-malformed"})
"""Refusals that concern the photo itself: sending the same bytes again gets the same answer."""

_LOCKED = "upload-locked"
_ASK_WHERE = frozenset({_LOCKED, "upload-offset-wrong", "upload-finished", "upload-stalled"})
"""Refusals after which the upload is still there, only somewhere else than we thought."""
