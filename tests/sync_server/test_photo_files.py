"""Photos on disk: only pictures, each once, never altered; small ones made of them without being led astray."""

import asyncio
import errno
import hashlib
import io
import os
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PIL import Image

from sync_server.services import photo_files
from sync_server.services.file_hashes import UNREADABLE
from sync_server.services.photo_files import NotAPicture, PhotoFiles, Stored, TooLarge, UploadBusy
from sync_server.storage import Storage
from sync_server.storage.scrubs import Fault
from tests.sync_server.killed import killed_at

T = TypeVar("T")


@pytest.fixture
def files(tmp_path: Path) -> Iterator[PhotoFiles]:
    files = PhotoFiles(tmp_path, limit_bytes=1_000_000)
    yield files
    files.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def a_picture(kind: str = "JPEG", size: tuple[int, int] = (400, 200), mode: str = "RGB", **more: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, "red" if mode == "RGB" else None).save(file, kind, **more)
    return file.getvalue()


def kept(files: PhotoFiles, data: bytes) -> str:
    stored = run(files.store(data))
    assert isinstance(stored, Stored), stored
    return stored.sha256


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_photo_a_customer_sent_is_kept_by_its_content(files: PhotoFiles, kind: str, media_type: str) -> None:
    """The desk hands over bytes and gets the name to put into the operation."""
    data = a_picture(kind)
    stored = run(files.store(data))
    assert stored == Stored(hashlib.sha256(data).hexdigest(), len(data), media_type)
    path = files.path(stored.sha256)
    assert path is not None
    assert path.read_bytes() == data
    assert files.media_type(stored.sha256) == media_type
    assert files.present([stored.sha256, "0" * 64, "../../etc/passwd"]) == {stored.sha256}
    assert run(files.store(data)) == stored


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + b"x" * 100, b"<svg onload=alert(1)>", b"RIFF____WAVE", b"%PDF-1.7", b"\xff\xd8"]
)
def test_what_is_no_picture_is_set_aside(files: PhotoFiles, data: bytes, tmp_path: Path) -> None:
    digest = hashlib.sha256(data).hexdigest()
    assert run(files.store(data)) == NotAPicture(digest)
    assert files.path(digest) is None
    assert (tmp_path / "set-aside" / digest).read_bytes() == data


def test_what_is_too_large_is_not_written(files: PhotoFiles, tmp_path: Path) -> None:
    assert run(files.store(b"\xff\xd8\xff" + bytes(1_000_000))) == TooLarge(1_000_000)
    assert not any((tmp_path / "photos").glob("*/*"))
    assert not any((tmp_path / "uploads").iterdir())


def test_the_copy_of_a_rescue_file_that_the_office_died_over_is_cleared_away(
    files: PhotoFiles, tmp_path: Path, storage: Storage
) -> None:
    """Not one that is being taken in, perhaps by another process; and nothing else."""
    names = ["rescue-old", "rescue-new", "photos/rescue-old", "doorstep.db-old"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        if "new" not in name:
            os.utime(tmp_path / name, (0, 0))
    run(files.discard_expired(storage, 0))
    assert [name for name in names if (tmp_path / name).exists()] == names[1:]


# -- what a disk has damaged -------------------------------------------------------------------------------------------


def place(files: PhotoFiles, sha256: str) -> Path:
    path = files.path(sha256)
    assert path is not None
    return path


def in_damaged(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "damaged").iterdir())]


def test_a_photo_brought_anew_is_shown_anew(files: PhotoFiles) -> None:
    """Of the same length, and still a picture: another one."""
    data = a_picture("PNG")
    sha256 = kept(files, data)
    other = bytearray(a_picture("PNG", mode="L"))
    place(files, sha256).write_bytes(bytes(other))
    assert run(files.make_certain(sha256)) is None
    small = run(files.thumbnail(sha256, 96))
    assert small is not None
    of_the_damaged = small.read_bytes()
    kept(files, data)
    assert run(files.make_certain(sha256)) == len(data)
    again = run(files.thumbnail(sha256, 96))
    assert again is not None
    assert again.read_bytes() != of_the_damaged


def unreadable(monkeypatch: pytest.MonkeyPatch, error: int, *, when_opened: bool = False) -> None:
    """As a disk answers for a sector that it has lost, or a file system that does not open a file."""

    def failing(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    if when_opened:
        monkeypatch.setattr(Path, "open", failing)
    else:
        monkeypatch.setattr(hashlib, "file_digest", failing)


@pytest.mark.parametrize("error", sorted(UNREADABLE), ids=errno.errorcode.get)
@pytest.mark.parametrize("when_opened", [False, True])
def test_a_file_that_its_disk_cannot_read_any_more_is_a_damaged_one(
    files: PhotoFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, when_opened: bool
) -> None:
    """Nor may one that an administrator has copied from a backup for nobody but himself to read end every look at the
    photos, or hold up the phone that asks about it."""
    sha256 = kept(files, a_picture())
    with monkeypatch.context() as failing:
        unreadable(failing, error, when_opened=when_opened)
        assert run(files.make_certain(sha256)) is None
        assert files.looked_at(sha256) is Fault.DAMAGED
        kept(files, a_picture())
    assert in_damaged(tmp_path) == [a_picture()]
    assert run(files.make_certain(sha256)) == len(a_picture())


def test_what_says_nothing_about_the_disk_is_no_damage(
    files: PhotoFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = kept(files, a_picture())
    unreadable(monkeypatch, errno.ENOMEM)
    with pytest.raises(OSError, match=os.strerror(errno.ENOMEM)):
        run(files.make_certain(sha256))
    with pytest.raises(OSError, match=os.strerror(errno.ENOMEM)):
        kept(files, a_picture())
    assert in_damaged(tmp_path) == []


def test_damaged_files_are_kept_where_files_have_one_name_only(
    files: PhotoFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    sha256 = kept(files, a_picture())
    place(files, sha256).write_bytes(b"half of it")
    kept(files, a_picture())
    assert place(files, sha256).read_bytes() == a_picture()
    assert in_damaged(tmp_path) == [b"half of it"]


def test_several_who_bring_a_damaged_photo_at_once_leave_it_in_place_and_once_among_the_damaged(
    files: PhotoFiles, tmp_path: Path
) -> None:
    """None of them takes what another has just put in place for what was damaged, or away."""
    data = a_picture()
    sha256 = kept(files, data)

    async def all_at_once() -> None:
        for stored in await asyncio.gather(*(files.store(data) for _ in range(8))):
            assert stored == Stored(sha256, len(data), "image/jpeg")

    damages = [data[:length] for length in range(100, 180)]
    for damaged in damages:
        place(files, sha256).write_bytes(damaged)
        run(all_at_once())
        assert place(files, sha256).read_bytes() == data
    assert sorted(in_damaged(tmp_path), key=len) == damages


def test_what_was_set_aside_and_damaged_is_kept_too(files: PhotoFiles, tmp_path: Path) -> None:
    data = b"no picture at all"
    aside = tmp_path / "set-aside" / hashlib.sha256(data).hexdigest()
    run(files.store(data))
    aside.write_bytes(b"no")
    run(files.store(data))
    assert aside.read_bytes() == data
    assert in_damaged(tmp_path) == [b"no"]


STORING = """
import asyncio
from pathlib import Path
from sync_server.services.photo_files import PhotoFiles

files = PhotoFiles(Path(sys.argv[1]))
count_flushes()
asyncio.run(files.store(Path(sys.argv[2]).read_bytes()))
files.close()
"""


def test_killed_while_a_damaged_photo_is_replaced_the_next_one_finishes_it(tmp_path: Path) -> None:
    """At whichever flush: there is always something in the photo's place, and what was damaged is never lost."""
    data, damaged = a_picture(), a_picture()[:-1] + b"x"
    (tmp_path / "brought").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    found: list[tuple[bool, int]] = []
    for flush in (1, 2, 3, 4):
        folder = tmp_path / f"{flush}"
        words = [str(folder), str(tmp_path / "brought")]
        photo = folder / "photos" / sha256[:2] / sha256
        photo.parent.mkdir(parents=True)
        photo.write_bytes(damaged)
        assert (killed_at(flush, STORING, *words) == -signal.SIGKILL) is (flush < 4)
        found.append((photo.read_bytes() == data, len(in_damaged(folder))))
        assert photo.read_bytes() in {data, damaged}
        assert {damaged} & {photo.read_bytes(), *in_damaged(folder)}
        assert killed_at(0, STORING, *words) == 0
        assert photo.read_bytes() == data
        assert in_damaged(folder) == [damaged]
    assert found == [(False, 0), (False, 1), (True, 1), (True, 1)]


# -- thumbnails --------------------------------------------------------------------------------------------------------


def test_a_thumbnail_is_small_and_made_once(files: PhotoFiles) -> None:
    sha256 = kept(files, a_picture(size=(2000, 1000)))
    first = run(files.thumbnail(sha256, 320))
    assert first is not None
    made_at = first.stat().st_mtime_ns
    with Image.open(first) as picture:
        assert (picture.format, picture.size) == ("JPEG", (320, 160))
    again = run(files.thumbnail(sha256, 320))
    assert again == first
    assert again.stat().st_mtime_ns == made_at


def test_a_photo_taken_sideways_stands_upright(files: PhotoFiles) -> None:
    """Phones turn the camera's picture by a note in EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    sha256 = kept(files, a_picture(size=(400, 200), exif=exif.tobytes()))
    path = run(files.thumbnail(sha256, 96))
    assert path is not None
    with Image.open(path) as picture:
        assert picture.size == (48, 96)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_any_kind_of_colour_becomes_a_thumbnail(files: PhotoFiles, mode: str) -> None:
    assert run(files.thumbnail(kept(files, a_picture("PNG", mode=mode)), 96)) is not None


def a_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it unfolds to width × height."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


MEASURED = """
import resource, sys
from pathlib import Path
from sync_server.services.photo_files import PhotoFiles

source, target = Path(sys.argv[1]), Path(sys.argv[2])
files = PhotoFiles(target.parent)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(files._draw(source, target, 320) == target, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
files.close()
"""


def test_the_largest_picture_there_is_room_for_costs_little_more_than_itself(tmp_path: Path) -> None:
    """40 million pixels, half transparent: decoded they are 160 MB, and are never held a second time."""
    source, target = tmp_path / "large.png", tmp_path / "small.jpg"
    Image.new("RGBA", (8000, 5000), (255, 0, 0, 128)).save(source, compress_level=1)
    words = [sys.executable, "-c", MEASURED, str(source), str(target)]
    drawn, kilobytes = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert drawn == "True"
    assert int(kilobytes) < 200_000
    with Image.open(target) as picture:
        assert picture.size == (320, 200)
        red, green, blue = picture.getpixel((160, 199))  # type: ignore[misc]
        assert (red > 250, 120 < green < 135, 120 < blue < 135) == (True, True, True), "on white, to the last row"


@pytest.mark.parametrize(
    "data",
    [
        a_bomb(9_000, 9_000),
        a_bomb(60_000, 60_000),
        a_bomb(2**31 - 1, 2**31 - 1),
        a_picture()[:200],
        b"\xff\xd8\xff" + b"\x00" * 5000,
        b"RIFF\x10\x00\x00\x00WEBPVP8 ",
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 100,
    ],
    ids=["large", "bomb", "impossible", "cut", "empty jpeg", "empty webp", "broken png"],
)
def test_a_picture_that_cannot_be_shown_is_kept_and_costs_little(
    files: PhotoFiles, data: bytes, tmp_path: Path
) -> None:
    """No thumbnail, no exception, no rubbish on the disk; the bytes themselves are there."""
    sha256 = kept(files, data)
    assert run(files.thumbnail(sha256, 96)) is None
    assert files.path(sha256) is not None
    assert not [path for path in (tmp_path / "thumbnails").rglob("*") if path.is_file()]


def test_no_thumbnail_of_what_has_not_arrived(files: PhotoFiles) -> None:
    assert run(files.thumbnail("0" * 64, 96)) is None


# -- uploads on disk ---------------------------------------------------------------------------------------------------


def test_one_writer_at_a_time(files: PhotoFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is the file's, so it holds against other processes and ends with them."""
    monkeypatch.setattr(photo_files, "_ATTEMPT_SECONDS", 0.01)
    upload = "a" * 32

    async def story() -> None:
        await files.begin_upload(upload)
        first = await files.open_upload(upload)
        asked: list[str] = []
        first.asked_to_leave = lambda: asked.append("please")
        with pytest.raises(UploadBusy):
            await files.open_upload(upload)
        assert asked == ["please"]
        assert not await files.discard_upload(upload)
        files.close_upload(upload, first)
        second = await files.open_upload(upload)
        files.close_upload(upload, second)
        assert await files.discard_upload(upload)
        with pytest.raises(FileNotFoundError):
            await files.open_upload(upload)

    run(story())


def test_every_byte_is_flushed_before_it_counts_and_names_before_they_do(
    files: PhotoFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """File, then rename, then the folder: in this order a loss of power leaves an upload or a photo."""
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        steps.append("flush " + Path(os.readlink(f"/proc/self/fd/{handle}")).relative_to(tmp_path).parts[0])
        real_fsync(handle)

    def rename(source: Path | str, target: Path | str) -> None:
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    kept(files, a_picture())
    assert steps == ["flush uploads", "rename", "flush photos"]
