"""Photos on disk, named by their SHA-256: whole ones, those still arriving, and what turned out to be no picture.

    photos/ab/abcd…      complete, hashed and flushed before they got this name; never altered, never deleted
    uploads/<upload>     what has arrived of an upload so far; its length is the truth about it
    set-aside/abcd…      complete but no picture: kept for a person to look at, shown to nobody
    damaged/abcd…-1      what a disk made of a photo that has been brought anew since; never deleted
    thumbnails/<n>/ab/…  made when first asked for; may be thrown away at any time

A file becomes a photo by fsync, rename and fsync of the folder it comes into, so a crash leaves an upload or a photo
and nothing in between. The folder it leaves is not flushed: at worst its old name is there again after a loss of power,
beside the new one, and is met as an upload of what is here already. Who may upload, and how it is said in HTTP, is
sync.uploads'; whose an upload is, storage.uploads'.

That a name is there is enough to show a photo, and to say of many which are new (`unheld`). Whoever is told that the
office holds one may let go of it: for that its bytes are hashed again (`make_certain`). Of a photo that its disk has
damaged the office says that it has not come. It stays where it is until the whole is here again, and is kept after it.
Nobody has to ask for that to be noticed: services.scrubbing looks at every photo now and then (`looked_at`).
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import itertools
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple, Unpack
from weakref import WeakValueDictionary

from msgspec import Struct
from PIL import Image, ImageOps, UnidentifiedImageError

from shared_schema.evidence import PHOTO_BYTES
from sync_server.services.file_hashes import file_hash
from sync_server.storage import Storage
from sync_server.storage.scrubs import Fault
from sync_server.storage.uploads import Settled, UploadState

log = logging.getLogger("sync_server.photos")

T = TypeVar("T")
A = TypeVarTuple("A")

THUMBNAIL_SIZES = (96, 320, 1280)
"""Longer side in pixels."""

_MOST_PIXELS = 130_000_000
"""More are not decoded: a small file can unfold to gigabytes. The largest phone cameras make 108 million."""
_MOST_BYTES_DECODED = 160_000_000
"""What one picture may take while it is decoded; two are at a time."""
_BAND_PIXELS = 1_000_000
"""So much at once is laid on white and made small: a whole picture would be held three times over."""

_ROOM_TO_SPARE = 200_000_000
"""Bytes left free for the database, which must never be stopped by a photo."""

_ROOM_LOOKED_UP_FOR = 16_000_000

_BLOCK = 1 << 20
_ORPHANED_SECONDS = 30 * 86_400
"""Far longer than any upload may rest."""
_COPY_SECONDS = 86_400
"""Far longer than a rescue file takes to be taken in."""

_ATTEMPTS = 4
_ATTEMPT_SECONDS = 0.15
"""How often and after how long a locked upload is tried again."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_UPLOAD = re.compile(r"[0-9a-f]{32}\Z")


class Stored(Struct, frozen=True):
    """The office durably holds these bytes."""

    sha256: str
    size_bytes: int
    media_type: str


class NotAPicture(Struct, frozen=True):
    """Neither JPEG, PNG nor WebP; the bytes were set aside under this SHA-256."""

    sha256: str


class TooLarge(Struct, frozen=True):
    limit_bytes: int


class Altered(Struct, frozen=True):
    """What arrived is not what was announced; the upload starts again from nothing."""


class OutOfRoom(Exception):
    """The disk is full; what was being written is not kept."""


class UploadBusy(Exception):
    """Another request is writing to this upload."""


def media_type_of(head: bytes | bytearray) -> str | None:
    """The picture format that the first twelve bytes announce; None for anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def photo_place(sha256: str) -> str:
    """Where the photo's file belongs, relative to the data folder; in a backup it is the same."""
    return f"photos/{sha256[:2]}/{sha256}"


class UploadFile:
    """One upload open for writing, locked against every other writer, also in other processes."""

    def __init__(self, path: Path) -> None:
        """Raises UploadBusy, or FileNotFoundError where there is none."""
        self._file = path.open("r+b", buffering=0)
        self.asked_to_leave: Callable[[], None] = _nobody_to_ask
        """Called when somebody else wants to write; whoever writes sets it, and need not heed it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            self._file.close()
            raise UploadBusy(path) from taken
        if not path.exists():  # finished or discarded between opening and locking: this is no upload any more
            self._file.close()
            raise FileNotFoundError(path)
        self.length = self._file.seek(0, os.SEEK_END)

    def append(self, data: bytes | bytearray) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.length += len(data)

    def cut(self, length: int) -> None:
        """Take back what was appended after `length`."""
        self._file.truncate(length)
        self._file.seek(length)
        self.length = length

    def flush(self) -> None:
        """Everything appended survives the loss of power."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()  # and the lock with it


def _nobody_to_ask() -> None:
    pass


class PhotoFiles:
    def __init__(self, folder: Path, *, limit_bytes: int = PHOTO_BYTES) -> None:
        """`folder` is the data folder; `limit_bytes` the largest photo taken."""
        self.limit_bytes = limit_bytes
        self._photos = folder / "photos"
        self._uploads = folder / "uploads"
        self._set_aside = folder / "set-aside"
        self._damaged = folder / "damaged"
        self._thumbnails = folder / "thumbnails"
        for each in (self._photos, self._uploads, self._set_aside, self._damaged, self._thumbnails):
            each.mkdir(parents=True, exist_ok=True)
        # All at once: a folder made when its first photo comes costs every photo of that moment a flush of photos/.
        for number in range(256):
            (self._photos / f"{number:02x}").mkdir(exist_ok=True)
        _flush_folder(self._photos)
        _flush_folder(folder)
        self._open: dict[str, UploadFile] = {}
        self._room_left = 0
        self._beginnings: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Decoding is slow and hungry: two at a time, and never in the threads that other work waits for.
        self._drawing = ThreadPoolExecutor(2, thread_name_prefix="thumbnails")
        # They wait for the disk more than they work, and the disk flushes several as fast as one. Of eight threads, two
        # processors spend more on taking turns than they gain.
        self._writing = ThreadPoolExecutor(5, thread_name_prefix="photo-files")

    def close(self) -> None:
        self._drawing.shutdown(wait=False, cancel_futures=True)
        self._writing.shutdown()

    # -- whole photos ------------------------------------------------------------------------------------------------

    def path(self, sha256: str) -> Path | None:
        """The photo's file; None where its bytes have not arrived, or that is no SHA-256."""
        if not _SHA256.match(sha256):
            return None
        path = f"{self._folder(sha256)}/{sha256}"
        return Path(path) if os.path.isfile(path) else None

    def present(self, sha256s: Iterable[str]) -> set[str]:
        """Those whose bytes the office holds."""
        folder, is_file = str(self._photos), os.path.isfile  # it is asked for every photo there is
        return {each for each in sha256s if _SHA256.match(each) and is_file(f"{folder}/{each[:2]}/{each}")}

    async def missing_of_tickets(self, storage: Storage, after: int, tickets: int) -> tuple[dict[str, str], int]:
        """Of the photos that the next so many tickets behind a feed position name, those whose bytes are not here:
        SHA-256 → the operation that named it; and where the last of these tickets stands, there, where there are none.
        """
        named, through = await storage.read(lambda reading: reading.tickets.photos_named_after(after, tickets))
        present = await asyncio.to_thread(self.present, named)
        return {sha256: operation for sha256, operation in named.items() if sha256 not in present}, through

    def media_type(self, sha256: str) -> str | None:
        """What the bytes themselves say; None where they have not arrived."""
        path = self.path(sha256)
        if path is None:
            return None
        with path.open("rb") as file:
            return media_type_of(file.read(12))

    def is_set_aside(self, sha256: str) -> bool:
        """Whether these bytes arrived earlier and were no picture; enough to show it, as with a photo."""
        return bool(_SHA256.match(sha256)) and (self._set_aside / sha256).is_file()

    async def unheld(self, sha256s: Sequence[str]) -> list[str]:
        """Those whose bytes are neither a photo here nor set aside."""
        return await self._in_writing_thread(self._unheld, sha256s)

    def _unheld(self, sha256s: Sequence[str]) -> list[str]:
        return [sha256 for sha256 in sha256s if self.path(sha256) is None and not self.is_set_aside(sha256)]

    async def store(self, data: bytes) -> Stored | NotAPicture | TooLarge:
        """Keep a photo that came some other way than by upload, such as one a customer sent to the desk."""
        if len(data) > self.limit_bytes:
            return TooLarge(self.limit_bytes)
        return await self._in_writing_thread(self._store, data)

    def _store(self, data: bytes) -> Stored | NotAPicture:
        handle, name = tempfile.mkstemp(dir=self._uploads, prefix="desk-")
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            Path(name).unlink()
            raise
        Path(name).chmod(0o640)
        return self._put_in_place(Path(name), hashlib.sha256(data).hexdigest(), len(data), media_type_of(data[:12]))

    async def make_certain(self, sha256: str) -> int | None:
        """The photo's size in bytes, where it is here and whole, and then it is still when power is lost: whoever put
        it in place, a moment ago or before being killed, may not have come to flush its folder. None where it is not.
        """
        path = self.path(sha256)
        return None if path is None else await self._in_writing_thread(_certain_size, path, sha256)

    async def make_certain_aside(self, sha256: str) -> bool:
        """The same for bytes that are no picture: False where a damaged file is all that is left of them."""
        return self.is_set_aside(sha256) and await self._in_writing_thread(self._is_certainly_aside, sha256)

    def _is_certainly_aside(self, sha256: str) -> bool:
        return self.is_set_aside(sha256) and _certain_size(self._set_aside / sha256, sha256) is not None

    def names_after(self, after: str, count: int) -> list[str]:
        """The first so many photos whose SHA-256 comes after that one, in their order; "" is before all."""
        names: list[str] = []
        for number in range(int(after[:2] or "0", 16), 256):
            folder = os.listdir(self._photos / f"{number:02x}")
            names += sorted(name for name in folder if name > after and _SHA256.match(name))
            if len(names) >= count:
                break
        return names[:count]

    def looked_at(self, sha256: str) -> int | Fault:
        """The size in bytes of a photo that the disk itself, not the system's memory, gives back whole; else what is
        wrong with it. May take as long as the disk does."""
        path = self.path(sha256)
        try:
            if path is not None:
                # Once more before it is called damaged: the whole may have come just now in its place.
                is_whole = sha256 in (file_hash(path, from_disk=True) for _ in range(2))
                return path.stat().st_size if is_whole else Fault.DAMAGED
        except FileNotFoundError:
            pass
        return Fault.MISSING

    def appearance(self, sha256: str) -> tuple[int, int, int] | None:
        """Something that is different when a photo's file has been replaced or written to; None where there is none."""
        path = self.path(sha256)
        try:
            found = None if path is None else path.stat()
        except FileNotFoundError:
            found = None
        return found and (found.st_ino, found.st_mtime_ns, found.st_size)

    # -- photos that are arriving ------------------------------------------------------------------------------------

    def has_room_for(self, size_bytes: int) -> bool:
        return self._room_to_fill() > size_bytes

    def _is_room_left_for(self, size_bytes: int) -> bool:
        """The same for what is written at once; looked up only once in so many bytes."""
        if self._room_left < size_bytes:
            self._room_left = min(self._room_to_fill(), _ROOM_LOOKED_UP_FOR)
        self._room_left -= size_bytes
        return self._room_left >= 0

    def _room_to_fill(self) -> int:
        room = os.statvfs(self._uploads)
        return room.f_bavail * room.f_frsize - _ROOM_TO_SPARE

    def beginning(self, person: str, sha256: str) -> asyncio.Lock:
        """To be held while an upload is looked for and, where there is none, begun. Of a phone that asks again before
        the office has noticed that its connection is cut, both requests would begin one, and what comes to the one is
        not found in the other."""
        return self._beginnings.setdefault(f"{person}/{sha256}", asyncio.Lock())

    async def begin_upload(self, upload: str) -> None:
        """Make the empty file. Its name is flushed with the first bytes that the office says it holds."""
        await self._in_writing_thread(self._begin, upload)

    def _begin(self, upload: str) -> None:
        self._upload_path(upload).touch(mode=0o640, exist_ok=False)

    async def uploaded_length(self, upload: str) -> int | None:
        """How many bytes of an unfinished upload the office durably holds; None where there is none."""
        return await self._in_writing_thread(self._length, upload)

    def _length(self, upload: str) -> int | None:
        try:
            with self._upload_path(upload).open("rb") as file:
                os.fsync(file.fileno())
                length = os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            return None
        _flush_folder(self._uploads)
        return length

    async def open_upload(self, upload: str) -> UploadFile:
        """For the one who writes; must be closed by close_upload. Raises UploadBusy or FileNotFoundError.

        A writer whose client has fallen silent is asked to leave first: on a phone that changed networks, that silent
        connection and this new one are the same upload.
        """
        for attempt in range(_ATTEMPTS):
            try:
                file = await self._in_writing_thread(UploadFile, self._upload_path(upload))
            except UploadBusy:
                if attempt == _ATTEMPTS - 1:
                    raise
                if attempt == 0 and upload in self._open:
                    self._open[upload].asked_to_leave()
                await asyncio.sleep(_ATTEMPT_SECONDS)
            else:
                self._open[upload] = file
                return file
        raise AssertionError("the last attempt returns or raises")

    def close_upload(self, upload: str, file: UploadFile) -> None:
        del self._open[upload]
        file.close()

    async def append(self, file: UploadFile, data: bytes | bytearray) -> None:
        await self._in_writing_thread(file.append, data)

    async def append_and_flush(self, file: UploadFile, data: bytes | bytearray, *, is_new: bool) -> None:
        """`is_new`: its name has not been flushed yet, and is not about to be another one."""
        await self._in_writing_thread(self._append_and_flush, file, data, is_new)

    def _append_and_flush(self, file: UploadFile, data: bytes | bytearray, is_new: bool) -> None:
        file.append(data)
        file.flush()
        if is_new:
            _flush_folder(self._uploads)

    async def cut(self, file: UploadFile, length: int) -> None:
        await self._in_writing_thread(self._cut, file, length)

    def _cut(self, file: UploadFile, length: int) -> None:
        file.cut(length)
        file.flush()

    async def take_whole(self, upload: str, data: bytes | bytearray, sha256: str) -> Stored | NotAPicture | Altered:
        """An upload from its beginning to its end: nothing is left of it where it is not what was announced.

        Raises OutOfRoom.
        """
        return await self._in_writing_thread(self._take_whole, upload, data, sha256)

    def _take_whole(self, upload: str, data: bytes | bytearray, sha256: str) -> Stored | NotAPicture | Altered:
        if hashlib.sha256(data).hexdigest() != sha256:
            return Altered()
        media_type = media_type_of(data[:12])
        if media_type is None and self._is_certainly_aside(sha256):
            return NotAPicture(sha256)
        if not self._is_room_left_for(len(data)):
            raise OutOfRoom
        path = f"{self._uploads}/{upload}"
        try:
            _write_flushed(path, data)
            return self._put_in_place(path, sha256, len(data), media_type)
        except OSError:
            Path(path).unlink(missing_ok=True)
            raise

    async def finish_upload(self, upload: str, file: UploadFile, sha256: str) -> Stored | NotAPicture | Altered:
        """Verify the whole and give it its place. The file must be complete, flushed and open."""
        return await self._in_writing_thread(self._finish, upload, file, sha256)

    def _finish(self, upload: str, file: UploadFile, sha256: str) -> Stored | NotAPicture | Altered:
        path = self._upload_path(upload)
        digest = hashlib.sha256()
        with path.open("rb") as whole:
            head = whole.read(12)
            whole.seek(0)
            while block := whole.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != sha256:
            self._cut(file, 0)
            return Altered()
        return self._put_in_place(path, sha256, file.length, media_type_of(head))

    async def discard_upload(self, upload: str) -> bool:
        """Forget an unfinished upload's bytes; False where another request is writing to it."""
        return await self._in_writing_thread(self._discard, upload)

    def _discard(self, upload: str) -> bool:
        path = self._upload_path(upload)
        try:
            file = UploadFile(path)
        except FileNotFoundError:
            return True
        except UploadBusy:
            return False
        path.unlink(missing_ok=True)
        file.close()
        return True

    async def discard_expired(self, storage: Storage, at_ms: int) -> None:
        """Forget unfinished uploads that ran out, and files that a crash left among them unknown to any record. Not one
        that was received, of which the note failed: the office would not miss its photo when it is gone."""
        await self.settle_finished(storage, at_ms)
        expired = await storage.read(lambda reading: reading.uploads.expired(at_ms))
        discarded = [upload for upload in expired if await self.discard_upload(upload)]
        if discarded:
            await storage.write(lambda writing: writing.uploads.forget(discarded))
        await self._in_writing_thread(self._discard_orphans)

    async def settle_finished(self, storage: Storage, at_ms: int) -> None:
        """Note the end of uploads that have none on record: the process died before, or there was no database then."""
        settled: list[Settled] = []
        for upload in await storage.read(lambda reading: reading.uploads.unfinished()):
            if self._upload_path(upload.id).exists():
                continue
            if await self.make_certain(upload.sha256) is not None:
                settled.append(Settled(upload.id, UploadState.RECEIVED, at_ms))
            elif await self.make_certain_aside(upload.sha256):
                settled.append(Settled(upload.id, UploadState.SET_ASIDE, at_ms))
        if settled:
            await storage.write(lambda writing: writing.uploads.settle_all(settled))

    def _discard_orphans(self) -> None:
        now = time.time()
        orphans = [(path, _ORPHANED_SECONDS) for path in self._uploads.iterdir()]
        # Of rescue files that the office died over: whoever chose one in the browser has it still.
        orphans += [(path, _COPY_SECONDS) for path in self._uploads.parent.glob("rescue-*")]
        for path, seconds in orphans:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < now - seconds:
                    path.unlink()

    def _put_in_place(
        self, source: Path | str, sha256: str, size_bytes: int, media_type: str | None
    ) -> Stored | NotAPicture:
        """Move flushed bytes to where they stay."""
        folder = self._set_aside if media_type is None else self._folder(sha256)
        place = f"{folder}/{sha256}"
        with _opened_folder(folder) as handle:
            # Another phone may be bringing the same bytes, also to another process: one after the other.
            fcntl.flock(handle, fcntl.LOCK_EX)
            was_damaged = os.path.exists(place) and self._keep_damaged(place, sha256)
            os.replace(source, place)
            fcntl.flock(handle, fcntl.LOCK_UN)
            os.fsync(handle)
        if was_damaged:
            self._forget_thumbnails(sha256)
        return NotAPicture(sha256) if media_type is None else Stored(sha256, size_bytes, media_type)

    def _keep_damaged(self, place: str, sha256: str) -> bool:
        """Give the file a second, lasting name where its bytes are not what they should be: it is about to lose this
        one. Whether that was so. Nobody else may change what is in its folder meanwhile.

        Not moved but linked: the place is never empty, whoever asks, writes or dies meanwhile.
        """
        if file_hash(Path(place)) == sha256:
            return False
        for number in itertools.count(1):
            kept = f"{self._damaged}/{sha256}-{number}"
            try:
                os.link(place, kept)
            except FileExistsError:
                if not os.path.samefile(place, kept):  # else it is here since somebody died before the next step
                    continue
            except OSError:  # a file system that cannot link
                os.rename(place, kept)
            _flush_folder(self._damaged)
            log.warning("%s was damaged and has been brought anew; what it was is kept as %s", place, kept)
            return True
        raise AssertionError("numbers do not end")

    def _folder(self, sha256: str) -> str:
        return f"{self._photos}/{sha256[:2]}"

    def _upload_path(self, upload: str) -> Path:
        assert _UPLOAD.match(upload), upload  # made by us; a foreign name never gets this far
        return self._uploads / upload

    # -- thumbnails --------------------------------------------------------------------------------------------------

    async def thumbnail(self, sha256: str, size: int) -> Path | None:
        """A JPEG whose longer side has at most `size` pixels, one of THUMBNAIL_SIZES, upright whatever the camera was.

        None where the photo has not arrived or cannot be decoded; its bytes are kept and served all the same.
        """
        assert size in THUMBNAIL_SIZES, size
        source = self.path(sha256)
        if source is None:
            return None
        target = self._thumbnail(sha256, size)
        if target.is_file():
            return target
        return await asyncio.get_running_loop().run_in_executor(self._drawing, self._draw, source, target, size)

    def _thumbnail(self, sha256: str, size: int) -> Path:
        return self._thumbnails / str(size) / sha256[:2] / f"{sha256}.jpg"

    def _forget_thumbnails(self, sha256: str) -> None:
        for size in THUMBNAIL_SIZES:
            self._thumbnail(sha256, size).unlink(missing_ok=True)

    def _draw(self, source: Path, target: Path, size: int) -> Path | None:
        if target.is_file():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with open(handle, "wb") as file, Image.open(source, formats=("JPEG", "PNG", "WEBP")) as picture:
                if picture.width * picture.height > _MOST_PIXELS or _decoded_bytes(picture) > _MOST_BYTES_DECODED:
                    return None
                small = _reduced_on_white(picture, 2 * size)
                small.thumbnail((size, size), Image.Resampling.LANCZOS)
                ImageOps.exif_transpose(small).save(file, "JPEG", quality=82, progressive=True)
            Path(name).replace(target)
        except (
            OSError,
            ValueError,
            SyntaxError,
            ArithmeticError,
            Image.DecompressionBombError,
            UnidentifiedImageError,
        ):
            # What Pillow raises for damaged files, by format and by place of the damage.
            return None
        finally:
            Path(name).unlink(missing_ok=True)
        return target

    async def _in_writing_thread(self, work: Callable[[Unpack[A]], T], *arguments: *A) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._writing, work, *arguments)
        except OSError as fault:
            if fault.errno not in _FULL:
                raise
            raise OutOfRoom from fault


def _decoded_bytes(picture: Image.Image) -> int:
    """About what the picture takes at its largest, of which Pillow lets go only when it is closed."""
    pixels = picture.width * picture.height
    if picture.format == "WEBP":  # two frames of the decoder's own, what it hands over, and the picture
        return pixels * 16
    if picture.format == "PNG":
        return pixels * 4
    if "progressive" in picture.info:  # the coefficients of every channel; other JPEG comes in at a smaller scale
        return pixels * 2 * len(picture.getbands())
    return 0


def _reduced_on_white(picture: Image.Image, least: int) -> Image.Image:
    """By a whole factor, its longer side no shorter than `least` where it was longer."""
    longer = max(picture.size)
    picture.draft("RGB", (picture.width * least // longer or 1, picture.height * least // longer or 1))
    factor = max(1, max(picture.size) // least)
    whole = Image.new("RGB", (-(-picture.width // factor), -(-picture.height // factor)))
    rows = factor * max(1, _BAND_PIXELS // (factor * picture.width))
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        whole.paste(_on_white(band).reduce(factor), (0, top // factor))
    whole.info = picture.info
    return whole


def _on_white(picture: Image.Image) -> Image.Image:
    """JPEG knows no transparency; black in its place would hide what is drawn in black."""
    if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        ground = Image.new("RGBA", layered.size, "white")
        ground.alpha_composite(layered)
        return ground.convert("RGB")
    return picture.convert("RGB")


def _write_flushed(path: str, data: bytes | bytearray) -> None:
    """A file of these bytes, under a name that nobody else knows. By the system's own calls: whatever else is asked of
    it about a file has this thread wait for the interpreter's lock again."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _certain_size(path: Path, sha256: str) -> int | None:
    if file_hash(path) != sha256:
        return None
    _flush_folder(path.parent)
    return path.stat().st_size


def _flush_folder(folder: Path | str) -> None:
    """A name in a folder survives the loss of power only once the folder itself is flushed."""
    with _opened_folder(folder) as handle:
        os.fsync(handle)


@contextlib.contextmanager
def _opened_folder(folder: Path | str) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)
