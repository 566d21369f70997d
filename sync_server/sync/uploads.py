"""Photos arriving from phones by tus 1.0 with the extensions that EXTENSIONS names (https://tus.io).

`/sync/v1/uploads`, with the phone's token. A phone names the SHA-256 of the whole in Upload-Metadata; a photo the
office already holds, or an upload begun earlier, is answered with its Location and Upload-Offset, so that a phone asks
again without fear. What arrived is flushed before it is acknowledged. Refusals are problems (sync_server.problems).
Of many photos at once, `/sync/v1/photos/unheld` says which the office has nothing of.

Most photos come whole with their creation, and quickly. Of such a one nothing is recorded before the file has its place
and the folder is flushed, and that it was received is said once the record is committed: when the process dies in
between, the phone asks again, and is recorded as having brought what is here.

Of one that comes in parts the record is there before the file has any. That it was received is noted in it after that
was said: what was not noted because the process died is found when it starts (PhotoFiles.settle_finished).
"""

import asyncio
import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Sequence
from email.utils import format_datetime
from typing import Any

from litestar import HttpMethod, MediaType, Request, Response, Router, asgi, delete, head, patch, post, route
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct
from msgspec.structs import replace

from shared_schema import wire
from shared_schema.sync_protocol import PHOTOS_PER_OFFER, PhotosOffered, PhotosUnheld
from sync_server.accounts import Accounts, DeviceIdentity, device_identity
from sync_server.clock import Clock, milliseconds, moment
from sync_server.problems import Problem, decoded_body
from sync_server.services.live import Live
from sync_server.services.photo_files import Altered, NotAPicture, PhotoFiles, Stored, UploadBusy, UploadFile
from sync_server.storage import Rows, Storage, Writing
from sync_server.storage.uploads import BEGIN, BEGIN_AGAIN, Settled, StoredUpload, UploadState, begun_row

PATH = "/sync/v1/uploads"
UNHELD = "/sync/v1/photos/unheld"
EXTENSIONS = "creation,creation-with-upload,checksum,termination,expiration"
CHECKSUMS = ("sha256", "sha1", "md5")
"""sha1 because the protocol demands it. Against a deliberate forger stands the SHA-256 of the whole."""

UNFINISHED_MOST = 300
UNFINISHED_BYTES = 2_000_000_000
"""What one person may have under way at once; a fortnight of visits far from any network."""

_DAY_MS = 86_400_000
_EXPIRES_AFTER_MS = 7 * _DAY_MS
_EXTEND_BELOW_MS = 6 * _DAY_MS
"""An upload that goes on gets its seven days anew, written at most once a day."""
_STALLED_SECONDS = 30.0
_SILENT_SECONDS = 2.0
"""A client silent for so long gives way to another request for the same upload."""
_BLOCK = 1 << 18
_AT_ONCE_BYTES = 1 << 20
_AT_ONCE_SECONDS = 2.0
"""A photo that is no larger and arrives no slower is held in memory until it is whole."""

_OFFER_BYTES = 1_000 + 80 * PHOTOS_PER_OFFER

_UPLOAD = re.compile(r"[0-9a-f]{32}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")

_AnyRequest = Request[Any, Any, Any]


class _HungUp(Exception):
    """The client is gone; nobody reads an answer."""


class _Body:
    """What a request brings, part by part. Waiting for a part may be given up and taken up again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_more = True
        self._read_before: bytes | None = None

    async def part(self) -> bytes | None:
        """None at the end. Raises _HungUp."""
        if self._read_before is not None:
            before, self._read_before = self._read_before, None
            return before
        if not self._has_more:
            return None
        message = await self._receive()
        if message["type"] != "http.request":
            raise _HungUp
        self._has_more = message["more_body"]
        return message["body"]

    async def whole(self, size_bytes: int) -> bytes | None:
        """All of it, where that is so many bytes and they are quick; otherwise None, and nothing has been read."""
        parts: list[bytes] = []
        came = 0
        try:
            async with asyncio.timeout(_AT_ONCE_SECONDS):
                while came <= size_bytes and (part := await self.part()) is not None:
                    parts.append(part)
                    came += len(part)
        except (TimeoutError, _HungUp):
            pass
        data = b"".join(parts)
        if came == size_bytes and not self._has_more:
            return data
        self._read_before = data
        return None


class _Checksum(Struct, frozen=True):
    algorithm: str
    digest: bytes


class Uploads:
    """One request's view of the uploads: whose they are and where their bytes go."""

    def __init__(
        self, identity: DeviceIdentity, storage: Storage, clock: Clock, photo_files: PhotoFiles, live: Live
    ) -> None:
        self._identity = identity
        self._storage = storage
        self._clock = clock
        self._files = photo_files
        self._live = live

    async def unheld(self, photos: Sequence[str]) -> PhotosUnheld:
        person, now_ms = self._identity.person.id, self._now_ms()
        # Before the files: what is finished in between is found there.
        begun = await self._storage.glance(lambda reading: reading.uploads.unfinished_content(person, now_ms))
        return PhotosUnheld([photo for photo in await self._files.unheld(photos) if photo not in begun])

    async def create(self, request: _AnyRequest) -> dict[str, str]:
        """Creation, and with it as much of the photo as comes along; the headers that answer it."""
        _require_version(request)
        size_bytes = _number(request, "Upload-Length")
        sha256 = _metadata(request).get("sha256", "")
        if not _SHA256.match(sha256):
            raise Problem("upload-header-malformed", header="Upload-Metadata")
        limit = self._files.limit_bytes
        if size_bytes > limit:
            raise Problem("photo-too-large", headers={"Tus-Max-Size": str(limit)}, limit_mb=limit // 1_000_000)
        if size_bytes == 0:
            raise Problem("not-a-picture")
        checksum = _checksum(request)
        body = _Body(request.receive) if _brings_bytes(request) else None
        if body is not None and checksum is None and size_bytes <= _AT_ONCE_BYTES:
            data = await body.whole(size_bytes)
            if data is not None:
                return self._created(await self._take_whole(data, sha256), size_bytes)
        if await self._files.make_certain_aside(sha256):
            raise Problem("not-a-picture")
        upload = await self._held(sha256, size_bytes)
        offset, upload = (size_bytes, upload) if upload else await self._begun(sha256, size_bytes)
        if body is not None and offset == 0:
            file = await self._open(upload)
            if file is not None:
                try:
                    upload = await self._append_to(file, body, upload, checksum)
                    offset = file.length
                finally:
                    self._files.close_upload(upload.id, file)
        return self._created(upload, offset)

    async def _take_whole(self, data: bytes, sha256: str) -> StoredUpload:
        """Raises Problem `checksum-mismatch` or `not-a-picture`."""
        upload = self._new(sha256, len(data), UploadState.RECEIVED)
        outcome = await self._files.take_whole(upload.id, data, sha256)
        if isinstance(outcome, Altered):
            raise Problem("checksum-mismatch", headers={"Upload-Offset": "0"})
        if isinstance(outcome, NotAPicture):
            upload = replace(upload, state=UploadState.SET_ASIDE)
        await self._storage.write_together(_begin_all, upload)
        if isinstance(outcome, NotAPicture):
            raise Problem("not-a-picture")
        self._live.photos_changed()
        return upload

    async def _held(self, sha256: str, size_bytes: int) -> StoredUpload | None:
        """An upload that is complete already, where the office has these bytes: the one by which this person brought
        them, or a new one."""
        held_bytes = await self._files.make_certain(sha256)
        if held_bytes is None:
            return None
        if held_bytes != size_bytes:  # the office's are these bytes: what the phone says of them is wrong
            raise Problem("upload-header-malformed", header="Upload-Length")
        person = self._identity.person.id
        known = await self._storage.glance(lambda reading: reading.uploads.received_from(person, sha256))
        if known is None:
            return await self._keep(sha256, size_bytes, UploadState.RECEIVED)
        upload = replace(known, begun_at_ms=self._now_ms())
        await self._storage.write_together(_begin_again, upload)
        return upload

    async def _begun(self, sha256: str, size_bytes: int) -> tuple[int, StoredUpload]:
        """The offset to go on from, in an upload begun earlier or now."""
        person, now_ms = self._identity.person.id, self._now_ms()
        async with self._files.beginning(person, sha256):
            upload = await self._storage.glance(
                lambda reading: reading.uploads.unfinished_with(person, sha256, size_bytes, now_ms)
            )
            if upload is not None:
                try:
                    return await self._how_far(upload)
                except Problem as problem:
                    if problem.code != "upload-unknown":
                        raise
                    # What had arrived is gone (a data folder restored without its uploads): the photo is still wanted.
                    await self._storage.write(lambda writing: writing.uploads.forget([upload.id]))
            return 0, await self._begin(sha256, size_bytes)

    async def _begin(self, sha256: str, size_bytes: int) -> StoredUpload:
        person, now_ms = self._identity.person.id, self._now_ms()
        count, under_way = await self._storage.glance(lambda reading: reading.uploads.unfinished_of(person, now_ms))
        if count >= UNFINISHED_MOST or under_way + size_bytes > UNFINISHED_BYTES:
            raise Problem("too-many-uploads", headers={"Retry-After": "60"})
        if not self._files.has_room_for(size_bytes):
            raise Problem("office-storage-full", headers={"Retry-After": "600"})
        return await self._keep(sha256, size_bytes, UploadState.UNFINISHED)

    async def _keep(self, sha256: str, size_bytes: int, state: UploadState) -> StoredUpload:
        upload = self._new(sha256, size_bytes, state)
        if state is UploadState.UNFINISHED:  # the file first: a record without one would be a promise not kept
            await self._files.begin_upload(upload.id)
        await self._storage.write_together(_begin_all, upload)
        return upload

    def _new(self, sha256: str, size_bytes: int, state: UploadState) -> StoredUpload:
        now_ms = self._now_ms()
        return StoredUpload(
            id=secrets.token_hex(16),
            device=self._identity.device,
            person=self._identity.person.id,
            sha256=sha256,
            size_bytes=size_bytes,
            state=state,
            begun_at_ms=now_ms,
            expires_at_ms=now_ms + _EXPIRES_AFTER_MS,
        )

    def _created(self, upload: StoredUpload, offset: int) -> dict[str, str]:
        return self._headers(upload, offset) | {"Location": f"{PATH}/{upload.id}"}

    async def tell(self, request: _AnyRequest, upload_id: str) -> Response[None]:
        """How far the upload has come; the answer to HEAD."""
        _require_version(request)
        offset, upload = await self._how_far(await self._own(upload_id))
        metadata = "sha256 " + base64.b64encode(upload.sha256.encode()).decode()
        length = str(upload.size_bytes)
        return self._answer(200, upload, offset, **{"Upload-Length": length, "Upload-Metadata": metadata})

    async def append(self, request: _AnyRequest, upload_id: str) -> Response[None]:
        _require_version(request)
        if not _brings_bytes(request):
            raise Problem("upload-media-type")
        offset = _number(request, "Upload-Offset")
        checksum = _checksum(request)
        upload = await self._own(upload_id)
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and len(announced) < 16 and offset + int(announced) > upload.size_bytes:
            raise Problem("upload-beyond-length")
        if upload.state is UploadState.UNFINISHED:
            file = await self._open(upload)
            if file is not None:
                try:
                    if offset != file.length:
                        raise _at_another_offset(file.length)
                    upload = await self._append_to(file, _Body(request.receive), upload, checksum)
                    return self._answer(204, upload, file.length)
                finally:
                    self._files.close_upload(upload.id, file)
        upload = await self._in_place(upload)
        if upload.state is UploadState.SET_ASIDE:
            raise Problem("not-a-picture")
        if offset != upload.size_bytes:
            raise _at_another_offset(upload.size_bytes)
        return self._answer(204, upload, offset)

    async def _append_to(
        self, file: UploadFile, body: _Body, upload: StoredUpload, checksum: _Checksum | None
    ) -> StoredUpload:
        arrived_whole = await self._receive(file, body, upload, checksum)
        if not arrived_whole:
            raise Problem("upload-stalled", headers={"Upload-Offset": str(file.length)})
        if file.length == upload.size_bytes:
            return await self._finish(file, upload)
        return await self._extended(upload)

    async def _receive(self, file: UploadFile, body: _Body, upload: StoredUpload, checksum: _Checksum | None) -> bool:
        """Append the body and flush; False where it ended early, which keeps what came unless a checksum covers it."""
        begun_at = file.length
        digest = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        buffer = bytearray()
        arrived_whole = False
        while True:
            try:
                chunk = await self._next_chunk(file, body)
            except (_HungUp, TimeoutError):  # the latter: it fell silent
                break
            if chunk is None:
                arrived_whole = True
                break
            if file.length + len(buffer) + len(chunk) > upload.size_bytes:
                await self._files.cut(file, begun_at)
                raise Problem("upload-beyond-length", headers={"Upload-Offset": str(begun_at)})
            if digest is not None:
                digest.update(chunk)
            buffer += chunk
            if len(buffer) >= _BLOCK:
                await self._files.append(file, buffer)
                buffer.clear()
        is_complete = file.length + len(buffer) == upload.size_bytes
        await self._files.append_and_flush(file, buffer, is_new=begun_at == 0 and not is_complete)
        if checksum is not None and digest is not None:
            if not arrived_whole:
                await self._files.cut(file, begun_at)
            elif not secrets.compare_digest(digest.digest(), checksum.digest):
                await self._files.cut(file, begun_at)
                raise Problem("checksum-mismatch", headers={"Upload-Offset": str(begun_at)})
        return arrived_whole

    @staticmethod
    async def _next_chunk(file: UploadFile, body: _Body) -> bytes | None:
        """None at the end. Raises _HungUp; TimeoutError after a long silence, a short one when others want to write."""
        loop = asyncio.get_running_loop()
        silent_from = loop.time()
        async with asyncio.timeout(_STALLED_SECONDS) as patience:

            def leave_soon() -> None:
                # The other request tries again for a moment; whoever is silent for long has left by then.
                if not patience.expired():
                    patience.reschedule(max(loop.time(), silent_from + _SILENT_SECONDS))

            file.asked_to_leave = leave_soon
            try:
                return await body.part()
            finally:  # from now on there is no waiting that could be cut short
                file.asked_to_leave = _go_on

    async def end(self, request: _AnyRequest, upload_id: str) -> Response[None]:
        """Termination: forget an unfinished upload. A photo received is never deleted."""
        _require_version(request)
        upload = await self._own(upload_id)
        if upload.state is UploadState.UNFINISHED and await self._files.uploaded_length(upload.id) is None:
            upload = await self._in_place(upload)
        if upload.state is not UploadState.UNFINISHED:
            raise Problem("upload-finished")
        if not await self._files.discard_upload(upload.id):
            raise _locked()
        await self._storage.write(lambda writing: writing.uploads.forget([upload.id]))
        return _without_body(204, {})

    # -- where an upload stands ----------------------------------------------------------------------------------------

    async def _own(self, upload_id: str) -> StoredUpload:
        """Somebody else's upload is as unknown as none."""
        upload = None
        if _UPLOAD.match(upload_id):
            upload = await self._storage.glance(lambda reading: reading.uploads.upload(upload_id))
        if upload is None or upload.person != self._identity.person.id:
            raise Problem("upload-unknown")
        if upload.state is UploadState.UNFINISHED and self._now_ms() >= upload.expires_at_ms:
            raise Problem("upload-unknown")
        return upload

    async def _how_far(self, upload: StoredUpload) -> tuple[int, StoredUpload]:
        """The offset to go on from. What a crash left complete but not finished is finished now."""
        if upload.state is UploadState.UNFINISHED:
            length = await self._files.uploaded_length(upload.id)
            if length is not None and length < upload.size_bytes:
                return length, upload
            file = await self._open(upload)
            if file is not None:
                try:
                    return await self._finished_late(file, upload)
                finally:
                    self._files.close_upload(upload.id, file)
        upload = await self._in_place(upload)
        if upload.state is UploadState.SET_ASIDE:
            raise Problem("not-a-picture")
        return upload.size_bytes, upload

    async def _finished_late(self, file: UploadFile, upload: StoredUpload) -> tuple[int, StoredUpload]:
        if file.length == upload.size_bytes:
            try:
                upload = await self._finish(file, upload)
            except Problem as problem:
                if problem.code != "checksum-mismatch":
                    raise
                # The file is empty again, and that is the answer to "how far".
        return file.length, upload

    async def _open(self, upload: StoredUpload) -> UploadFile | None:
        try:
            return await self._files.open_upload(upload.id)
        except FileNotFoundError:
            return None
        except UploadBusy as busy:
            raise _locked() from busy

    async def _in_place(self, upload: StoredUpload) -> StoredUpload:
        """An upload whose file is gone: it was finished, perhaps with no note of it yet, for a crash or this request
        came before that. Where nothing whole is left of it, the phone that still asks is to begin anew."""
        if await self._files.make_certain(upload.sha256) is not None:
            state = UploadState.RECEIVED
        elif await self._files.make_certain_aside(upload.sha256):
            state = UploadState.SET_ASIDE
        else:
            raise Problem("upload-unknown")
        return upload if upload.state is state else self._settled(upload, state)

    async def _finish(self, file: UploadFile, upload: StoredUpload) -> StoredUpload:
        """Raises Problem `checksum-mismatch` or `not-a-picture`."""
        outcome = await self._files.finish_upload(upload.id, file, upload.sha256)
        if isinstance(outcome, Altered):
            raise Problem("checksum-mismatch", headers={"Upload-Offset": "0"})
        return self._finished(upload, outcome)

    def _finished(self, upload: StoredUpload, outcome: Stored | NotAPicture) -> StoredUpload:
        """Raises Problem `not-a-picture`."""
        if isinstance(outcome, NotAPicture):
            self._settled(upload, UploadState.SET_ASIDE)
            raise Problem("not-a-picture")
        upload = self._settled(upload, UploadState.RECEIVED)
        self._live.photos_changed()
        return upload

    def _settled(self, upload: StoredUpload, state: UploadState) -> StoredUpload:
        self._storage.write_soon(_settle_all, Settled(upload.id, state, self._now_ms()))
        return replace(upload, state=state)

    async def _extended(self, upload: StoredUpload) -> StoredUpload:
        now_ms = self._now_ms()
        if upload.expires_at_ms - now_ms >= _EXTEND_BELOW_MS:
            return upload
        expires_at_ms = now_ms + _EXPIRES_AFTER_MS
        await self._storage.write(lambda writing: writing.uploads.extend(upload.id, expires_at_ms))
        return replace(upload, expires_at_ms=expires_at_ms)

    # -- answers -------------------------------------------------------------------------------------------------------

    def _answer(self, status: int, upload: StoredUpload, offset: int, **more: str) -> Response[None]:
        return _without_body(status, self._headers(upload, offset) | more)

    @staticmethod
    def _headers(upload: StoredUpload, offset: int) -> dict[str, str]:
        headers = {"Upload-Offset": str(offset)}
        if upload.state is UploadState.UNFINISHED:
            headers["Upload-Expires"] = format_datetime(moment(upload.expires_at_ms), usegmt=True)
        return headers

    def _now_ms(self) -> int:
        return milliseconds(self._clock.now())


_begin_all = Rows(BEGIN, begun_row)
_begin_again: Rows[StoredUpload] = Rows(BEGIN_AGAIN, lambda upload: (upload.begun_at_ms, upload.id))


def _settle_all(writing: Writing, settled: Sequence[Settled]) -> list[None]:
    writing.uploads.settle_all(settled)
    return [None] * len(settled)


# -- the request's headers -----------------------------------------------------------------------------------------


def _require_version(request: _AnyRequest) -> None:
    if request.headers.get("tus-resumable") != "1.0.0":
        raise Problem("tus-version-unsupported", headers={"Tus-Version": "1.0.0"})


def _brings_bytes(request: _AnyRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip() == "application/offset+octet-stream"


def _number(request: _AnyRequest, header: str) -> int:
    value = request.headers.get(header.lower(), "")
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise Problem("upload-header-malformed", header=header)
    return int(value)


def _metadata(request: _AnyRequest) -> dict[str, str]:
    """Keys and values of Upload-Metadata; a value that is no UTF-8 is kept out, its key is not ours."""
    values: dict[str, str] = {}
    for part in request.headers.get("upload-metadata", "").split(","):
        key, _, encoded = part.strip().partition(" ")
        if not key or key in values:
            continue
        try:
            values[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError) as fault:
            raise Problem("upload-header-malformed", header="Upload-Metadata") from fault
    return values


def _checksum(request: _AnyRequest) -> _Checksum | None:
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, encoded = header.partition(" ")
    if algorithm not in CHECKSUMS:
        raise Problem("checksum-unsupported")
    try:
        return _Checksum(algorithm, base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as fault:
        raise Problem("upload-header-malformed", header="Upload-Checksum") from fault


def _at_another_offset(offset: int) -> Problem:
    return Problem("upload-offset-wrong", headers={"Upload-Offset": str(offset)})


def _without_body(status: int, headers: dict[str, str]) -> Response[None]:
    """As JSON, nothing would be `null`, and sent: in answer to a creation, or to a HEAD that had to come as a POST."""
    return Response(None, status_code=status, headers=headers, media_type=MediaType.TEXT)


def _go_on() -> None:
    """What a writer does that is asked to leave while it is not waiting for its client."""


def _locked() -> Problem:
    return Problem("upload-locked", headers={"Retry-After": "2"})


# -- the routes ----------------------------------------------------------------------------------------------------


async def _uploads(
    identity: NamedDependency[DeviceIdentity],
    storage: NamedDependency[Storage],
    clock: NamedDependency[Clock],
    photo_files: NamedDependency[PhotoFiles],
    live: NamedDependency[Live],
) -> Uploads:
    return Uploads(identity, storage, clock, photo_files, live)


@post(UNHELD, status_code=200, request_max_body_size=None)
async def unheld(request: _AnyRequest, uploads: NamedDependency[Uploads]) -> Response[bytes]:
    asked = await decoded_body(request, PhotosOffered, _OFFER_BYTES)
    answer = await uploads.unheld(asked.photos)
    return Response(wire.encode(answer), media_type="application/json", headers={"Cache-Control": "no-store"})


@route("/{upload_id:str}", http_method=[HttpMethod.OPTIONS])
async def options(photo_files: NamedDependency[PhotoFiles]) -> Response[None]:
    return _spoken(photo_files)


def _spoken(photo_files: PhotoFiles) -> Response[None]:
    headers = {
        "Tus-Version": "1.0.0",
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(photo_files.limit_bytes),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }
    return _without_body(204, headers)


@head("/{upload_id:str}")
async def tell(request: _AnyRequest, upload_id: FromPath[str], uploads: NamedDependency[Uploads]) -> Response[None]:
    return await uploads.tell(request, upload_id)


@patch("/{upload_id:str}", status_code=204, request_max_body_size=None)
async def append(request: _AnyRequest, upload_id: FromPath[str], uploads: NamedDependency[Uploads]) -> Response[None]:
    return await uploads.append(request, upload_id)


@delete("/{upload_id:str}", status_code=204)
async def end(request: _AnyRequest, upload_id: FromPath[str], uploads: NamedDependency[Uploads]) -> Response[None]:
    return await uploads.end(request, upload_id)


@post("/{upload_id:str}", request_max_body_size=None)
async def another_method(
    request: _AnyRequest, upload_id: FromPath[str], uploads: NamedDependency[Uploads]
) -> Response[None]:
    """X-HTTP-Method-Override, for networks that let only GET and POST through."""
    match request.headers.get("x-http-method-override", "").upper():
        case "PATCH":
            return await uploads.append(request, upload_id)
        case "DELETE":
            return await uploads.end(request, upload_id)
        case "HEAD":
            return await uploads.tell(request, upload_id)
        case _:
            raise Problem("method-not-allowed", headers={"Allow": "HEAD, PATCH, DELETE, OPTIONS"})


def _spoken_as_tus(app: ASGIApp) -> ASGIApp:
    """Every answer names the protocol's version, the refusals too."""

    async def speak(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"tus-resumable", b"1.0.0")]
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = headers
            await send(message)

        await app(scope, receive, send_with_version)

    return speak


def route_handlers(
    accounts: Accounts, storage: Storage, clock: Clock, photo_files: PhotoFiles, live: Live
) -> list[Router]:
    @asgi("/", copy_scope=False, methods=("POST", "OPTIONS"))
    async def create(scope: Scope, receive: Receive, send: Send) -> None:
        """Plain ASGI, as sync.rounds' and for the same reason: nearly every photo comes this way, and what Litestar
        does around a handler takes as long as writing it down."""
        request: _AnyRequest = Request(scope, receive, send)
        if request.method == "POST":
            identity = await device_identity(request, accounts)
            headers = await Uploads(identity, storage, clock, photo_files, live).create(request)
            lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            lines.append((b"content-length", b"0"))
            await send({"type": "http.response.start", "status": 201, "headers": lines})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif request.method == "OPTIONS":
            await _spoken(photo_files).to_asgi_response(None, request)(scope, receive, send)
        else:
            raise Problem("method-not-allowed", headers={"Allow": "OPTIONS, POST"})

    dependencies = {"identity": Provide(device_identity), "uploads": Provide(_uploads)}
    tus = [create, options, tell, append, end, another_method]
    return [
        Router(PATH, route_handlers=tus, dependencies=dependencies, middleware=[_spoken_as_tus]),
        Router("/", route_handlers=[unheld], dependencies=dependencies),
    ]
