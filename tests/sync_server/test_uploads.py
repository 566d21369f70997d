"""Photos by tus 1.0: cut anywhere, resumed anywhere, whole or not at all, and nobody else's.

The office runs behind a real uvicorn; one judge is tuspy, which we did not write, the others speak HTTP by hand.
"""

import asyncio
import base64
import hashlib
import io
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from tusclient import client as tus

from shared_schema.evidence import PHOTO_BYTES
from sync_server.app import create_app
from sync_server.clock import milliseconds
from sync_server.services import photo_files
from sync_server.settings import Settings
from sync_server.storage import Storage, StorageUnavailable
from sync_server.sync import uploads
from tests.sync_server.office import CHEN, WANG, Office, Phone, StandingClock
from tests.sync_server.serving import PATIENCE_SECONDS, READ_BEFORE_ITS_END, served, until

BYTES = {"Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data")


@pytest.fixture
def address(settings: Settings, storage: Storage, clock: StandingClock) -> Iterator[str]:
    """Of an office that has cleared away what an earlier one left: it must not come upon a test's in place of that."""
    left = settings.data / "uploads" / "left"
    left.parent.mkdir(parents=True)
    left.touch()
    os.utime(left, (0, 0))
    with served(create_app(settings, storage, clock)) as address:
        until(lambda: not left.exists())
        yield address


@pytest.fixture
def phone(address: str, storage: Storage, clock: StandingClock) -> "Sender":
    return Sender(address, Office(storage, clock, None).phone(CHEN), storage)  # type: ignore[arg-type]


@pytest.fixture
def other_phone(phone: "Sender", storage: Storage, clock: StandingClock) -> "Sender":
    return Sender(phone.address, Office(storage, clock, None).phone(WANG), storage)  # type: ignore[arg-type]


def a_picture(size: int = 64, seed: int = 1) -> bytes:
    """A JPEG of noise, so that it does not compress away; about one byte a pixel."""
    pixels = random.Random(seed).randbytes(size * size * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (size, size), pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Sender:
    """A phone as far as uploads go."""

    def __init__(self, address: str, phone: Phone, storage: Storage) -> None:
        self.address = address
        self.url = f"{address}/sync/v1/uploads"
        self.device = phone.journal.device
        self.headers = {"Authorization": f"Bearer {phone.token}", "Tus-Resumable": "1.0.0"}
        self.http = httpx.Client(headers=self.headers, timeout=PATIENCE_SECONDS)

    def ask(self, size: int | str | None, digest: str, **headers: str) -> httpx.Response:
        """Creation."""
        more: dict[str, str] = {} if size is None else {"Upload-Length": str(size)}
        more["Upload-Metadata"] = "sha256 " + base64.b64encode(digest.encode()).decode()
        return self.http.post(self.url, headers=more | headers)

    def begin(self, data: bytes) -> str:
        """Address of a new upload."""
        answer = self.ask(len(data), sha256(data))
        assert answer.status_code == 201, answer.text
        return self.address + answer.headers["Location"]

    def send(self, upload: str, offset: int | str, data: Any, **headers: str) -> httpx.Response:
        return self.http.patch(upload, headers=BYTES | {"Upload-Offset": str(offset)} | headers, content=data)

    def offset(self, upload: str) -> int:
        answer = self.http.head(upload)
        assert answer.status_code == 200, (answer.status_code, answer.headers)
        return int(answer.headers["Upload-Offset"])

    def start_sending(self, upload: str, offset: int, announced: int, data: bytes) -> socket.socket:
        """A request whose body stops after `data`."""
        return self._start("PATCH", upload, {"Upload-Offset": str(offset)}, announced, data)

    def start_bringing(self, photo: bytes, data: bytes) -> socket.socket:
        """Creation that announces all of the photo, and whose body stops after `data`."""
        named = base64.b64encode(sha256(photo).encode()).decode()
        more = {"Upload-Length": str(len(photo)), "Upload-Metadata": f"sha256 {named}"}
        return self._start("POST", self.url, more, len(photo), data)

    def _start(self, method: str, url: str, more: dict[str, str], announced: int, data: bytes) -> socket.socket:
        where = urlsplit(url)
        connection = socket.create_connection((where.hostname, where.port))
        head = [f"{method} {where.path} HTTP/1.1", "Host: office", f"Content-Length: {announced}"]
        head += [f"{name}: {value}" for name, value in (self.headers | BYTES | more).items()]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + data)
        return connection

    def bring(self, photo: bytes, digest: str, **headers: str) -> httpx.Response:
        """Creation with the whole photo."""
        named = base64.b64encode(digest.encode()).decode()
        more = {"Upload-Length": str(len(photo)), "Upload-Metadata": f"sha256 {named}"}
        return self.http.post(self.url, headers=BYTES | more | headers, content=photo)


def code(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["code"])


def received(settings: Settings, data: bytes) -> bool:
    path = settings.data / "photos" / sha256(data)[:2] / sha256(data)
    return path.is_file() and path.read_bytes() == data


# -- the ordinary way --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_checksums", [False, True])
def test_a_client_we_did_not_write_delivers_a_photo(
    phone: Sender, settings: Settings, tmp_path: Path, with_checksums: bool
) -> None:
    """tuspy, in pieces of 100 kB, with and without a checksum for each."""
    data = a_picture(700)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(data)
    client = tus.TusClient(phone.url, headers=phone.headers)
    metadata = {"sha256": sha256(data), "filename": "门厅 before.jpg"}
    client.uploader(str(photo), chunk_size=100_000, metadata=metadata, upload_checksum=with_checksums).upload()
    assert received(settings, data)


def test_the_office_says_what_it_speaks(phone: Sender) -> None:
    """OPTIONS needs no token: a client asks before it has anything to lose."""
    answer = httpx.options(phone.url, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Max-Size"] == str(PHOTO_BYTES)
    extensions = {"creation", "creation-with-upload", "checksum", "termination", "expiration"}
    assert set(answer.headers["Tus-Extension"].split(",")) == extensions
    assert "sha1" in answer.headers["Tus-Checksum-Algorithm"]


def test_every_answer_names_the_version(phone: Sender) -> None:
    """The refusals too; the protocol demands it."""
    data = a_picture()
    upload = phone.begin(data)
    for answer in (
        phone.http.head(upload),
        phone.send(upload, 5, b"x"),
        phone.http.head(f"{phone.url}/{'0' * 32}"),
        httpx.post(phone.url, headers={"Tus-Resumable": "1.0.0"}, timeout=PATIENCE_SECONDS),
    ):
        assert answer.headers["Tus-Resumable"] == "1.0.0", answer
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_photo_the_office_has_is_not_sent_again(phone: Sender, other_phone: Sender, settings: Settings) -> None:
    """Two technicians are sent the same picture by the same customer; or the last reply was lost."""
    data = a_picture()
    phone.send(phone.begin(data), 0, data)
    for sender in (phone, other_phone):
        answer = sender.ask(len(data), sha256(data))
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(data)))
        assert sender.offset(phone.address + answer.headers["Location"]) == len(data)
    assert received(settings, data)


def test_asking_again_finds_the_upload_already_begun(phone: Sender) -> None:
    """The reply to the creation was lost; the phone does not leave a trail of empty uploads behind."""
    data = a_picture()
    upload = phone.begin(data)
    phone.send(upload, 0, data[:1000])
    again = phone.ask(len(data), sha256(data))
    assert phone.address + again.headers["Location"] == upload
    assert again.headers["Upload-Offset"] == "1000"


def test_a_proxy_that_allows_only_post_is_no_obstacle(phone: Sender, settings: Settings) -> None:
    """X-HTTP-Method-Override, which the protocol demands of servers."""
    data = a_picture()
    upload = phone.begin(data)
    headers = BYTES | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert phone.http.post(upload, headers=headers, content=data).status_code == 204
    assert received(settings, data)
    assert code(phone.http.post(upload, headers={"X-HTTP-Method-Override": "PURGE"})) == "method-not-allowed"


# -- whole with its creation ---------------------------------------------------------------------------------------


def states(storage: Storage) -> list[str]:
    return [upload.state.value for upload in storage.read_now(lambda reading: list(reading.audit.uploads()))]


def test_a_photo_brought_whole_is_received_by_one_request(phone: Sender, settings: Settings, storage: Storage) -> None:
    data = a_picture()
    for _ in range(2):  # the answer to the first may have been lost
        answer = phone.bring(data, sha256(data))
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(data)))
        assert received(settings, data)
        assert phone.offset(phone.address + answer.headers["Location"]) == len(data)
    assert list((settings.data / "uploads").iterdir()) == []
    until(lambda: states(storage) == ["received", "received"])


def test_a_photo_brought_whole_that_was_altered_on_the_way_leaves_nothing(
    phone: Sender, settings: Settings, storage: Storage
) -> None:
    data = a_picture()
    answer = phone.bring(data[:-1] + b"x", sha256(data))
    assert (answer.status_code, code(answer), answer.headers["Upload-Offset"]) == (460, "checksum-mismatch", "0")
    assert list((settings.data / "uploads").iterdir()) == []
    assert states(storage) == []
    assert phone.bring(data, sha256(data)).status_code == 201
    assert received(settings, data)


def test_what_is_brought_whole_and_is_no_picture_is_set_aside(
    phone: Sender, settings: Settings, storage: Storage
) -> None:
    data = b"MZ" + bytes(500)
    for _ in range(2):
        assert code(phone.bring(data, sha256(data))) == "not-a-picture"
    assert (settings.data / "set-aside" / sha256(data)).read_bytes() == data
    until(lambda: states(storage) == ["set_aside", "set_aside"])


def test_a_creation_cut_in_the_middle_of_its_photo_keeps_what_came(phone: Sender, settings: Settings) -> None:
    data, cut_at = a_picture(400), READ_BEFORE_ITS_END
    with phone.start_bringing(data, data[:cut_at]):
        pass
    until(lambda: phone.ask(len(data), sha256(data)).headers["Upload-Offset"] == str(cut_at))
    upload = phone.begin(data)
    assert phone.send(upload, cut_at, data[cut_at:]).status_code == 204
    assert received(settings, data)


def test_creations_of_the_same_photo_at_the_same_time_begin_one_upload(phone: Sender, storage: Storage) -> None:
    data = a_picture()
    with ThreadPoolExecutor(8) as threads:
        begun = set(threads.map(lambda _: phone.begin(data), range(24)))
    assert len(begun) == 1
    assert states(storage) == ["unfinished"]


def test_a_creation_that_brings_its_photo_slowly_becomes_an_upload_others_can_go_on_with(
    phone: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_AT_ONCE_SECONDS", 0.05)
    data = a_picture(200)
    with phone.start_bringing(data, data[:10_000]) as connection:
        until(lambda: any((settings.data / "uploads").iterdir()))
        connection.sendall(data[10_000:])
        assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")
    assert received(settings, data)


def test_a_part_brought_with_its_creation_is_checked_by_its_own_checksum(phone: Sender, settings: Settings) -> None:
    data = a_picture(200)
    named = base64.b64encode(sha256(data).encode()).decode()
    more = {"Upload-Length": str(len(data)), "Upload-Metadata": f"sha256 {named}"}
    wrong = "sha256 " + base64.b64encode(bytes(32)).decode()
    answer = phone.http.post(phone.url, headers=BYTES | more | {"Upload-Checksum": wrong}, content=data[:1000])
    assert (code(answer), answer.headers["Upload-Offset"]) == ("checksum-mismatch", "0")
    assert phone.offset(phone.begin(data)) == 0


def test_what_was_received_and_not_noted_when_the_office_died_is_noted_when_it_starts(
    phone: Sender, settings: Settings, storage: Storage, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Storage, "write_soon", lambda *_: None)
    data, no_picture = a_picture(), b"MZ" + bytes(500)
    half = phone.begin(a_picture(seed=2))
    phone.send(phone.begin(data), 0, data)
    phone.send(phone.begin(no_picture), 0, no_picture)
    assert states(storage) == ["unfinished"] * 3
    with served(create_app(settings, storage, clock)):
        assert sorted(states(storage)) == ["received", "set_aside", "unfinished"]
    assert phone.offset(half) == 0


def test_what_was_received_and_could_not_be_noted_is_not_forgotten_when_it_runs_out(
    phone: Sender, settings: Settings, storage: Storage, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for that moment, and the office goes on for weeks: nobody would miss the photo."""
    data = a_picture()
    with monkeypatch.context() as away:
        away.setattr(Storage, "write_soon", lambda *_: None)
        phone.send(phone.begin(data), 0, data)
    phone.begin(a_picture(seed=2))
    assert states(storage) == ["unfinished"] * 2
    clock.move(timedelta(days=8))
    files = photo_files.PhotoFiles(settings.data)
    asyncio.run(files.discard_expired(storage, milliseconds(clock.now())))
    files.close()
    assert states(storage) == ["received"]


@pytest.mark.parametrize(
    ("data", "again", "state"),
    [(a_picture(), (201, None), "received"), (b"MZ" + bytes(500), (422, "not-a-picture"), "set_aside")],
)
def test_a_photo_brought_whole_is_not_received_before_that_is_recorded(
    phone: Sender,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    again: tuple[int, str | None],
    state: str,
) -> None:
    """The database fails, or the office dies, when the file has its place: the phone asks again and is recorded."""

    async def fail(*_: object) -> None:
        raise StorageUnavailable("disk I/O error")

    with monkeypatch.context() as failing:
        failing.setattr(Storage, "write_together", fail)
        answer = phone.bring(data, sha256(data))
    assert (answer.status_code, states(storage)) == (503, [])
    answer = phone.bring(data, sha256(data))
    assert (answer.status_code, code(answer) if answer.content else None) == again
    assert states(storage) == [state]


# -- what the office has nothing of ------------------------------------------------------------------------------------


def unheld(sender: Sender, *photos: str) -> list[str]:
    answer = sender.http.post(f"{sender.address}/sync/v1/photos/unheld", json={"photos": photos})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["photos"])


def test_of_many_photos_the_office_says_which_it_has_nothing_of(phone: Sender, clock: StandingClock) -> None:
    """In the order asked; neither what is whole, nor what is begun, nor what was set aside, is to be brought."""
    whole, begun, cut, no_picture = a_picture(), a_picture(seed=2), a_picture(200, seed=3), b"MZ" + bytes(500)
    asked = [sha256(each) for each in (a_picture(seed=4), whole, begun, cut, no_picture, a_picture(seed=5))]
    assert unheld(phone, *asked) == asked
    phone.bring(whole, sha256(whole))
    phone.begin(begun)
    with phone.start_bringing(cut, cut[:10_000]):
        pass
    phone.bring(no_picture, sha256(no_picture))
    new = [asked[0], asked[5]]
    until(lambda: unheld(phone, *asked) == new)
    clock.move(timedelta(days=8))
    assert unheld(phone, *asked) == [asked[0], asked[2], asked[3], asked[5]], "what was begun has run out"


def test_what_somebody_else_has_begun_is_nothing_to_go_on_with(phone: Sender, other_phone: Sender) -> None:
    begun, whole = a_picture(), a_picture(seed=2)
    phone.begin(begun)
    phone.bring(whole, sha256(whole))
    assert unheld(other_phone, sha256(begun), sha256(whole)) == [sha256(begun)]


@pytest.mark.parametrize("photos", [["0" * 64] * 201, ["0" * 63], ["../doorstep.db"], [5], None, "0" * 64])
def test_only_so_many_photos_are_asked_about_and_only_by_their_hashes(phone: Sender, photos: Any) -> None:
    answer = phone.http.post(f"{phone.address}/sync/v1/photos/unheld", json={"photos": photos})
    assert (answer.status_code, code(answer)) == (400, "malformed-request")


def test_nobody_without_a_phone_asks_what_the_office_has(phone: Sender) -> None:
    answer = httpx.post(f"{phone.address}/sync/v1/photos/unheld", json={"photos": []}, timeout=PATIENCE_SECONDS)
    assert (answer.status_code, code(answer)) == (401, "device-unknown")


# -- cut, resumed, damaged ---------------------------------------------------------------------------------------------


def test_a_connection_cut_in_the_middle_is_resumed_where_it_broke(phone: Sender, settings: Settings) -> None:
    """The technician drives into a tunnel after half the photo."""
    data, half = a_picture(400), READ_BEFORE_ITS_END
    upload = phone.begin(data)
    phone.start_sending(upload, 0, len(data), data[:half]).close()
    until(lambda: phone.offset(upload) == half)
    until(lambda: phone.send(upload, half, data[half:]).status_code == 204)
    assert received(settings, data)


def test_a_piece_cut_short_under_a_checksum_is_not_kept(phone: Sender, settings: Settings) -> None:
    """Nothing tells whether half of a checksummed piece is right."""
    data = a_picture(200)
    upload = phone.begin(data)
    phone.headers["Upload-Checksum"] = "sha1 " + base64.b64encode(hashlib.sha1(data).digest()).decode()
    phone.start_sending(upload, 0, len(data), data[:5000]).close()
    until(lambda: phone.send(upload, 0, data).status_code == 204)
    assert received(settings, data)


def test_a_piece_that_was_altered_on_the_way_is_refused(phone: Sender) -> None:
    """Status 460 is the checksum extension's own."""
    data = a_picture()
    upload = phone.begin(data)
    phone.send(upload, 0, data[:100])
    wrong = "sha256 " + base64.b64encode(hashlib.sha256(b"something else").digest()).decode()
    answer = phone.send(upload, 100, data[100:200], **{"Upload-Checksum": wrong})
    assert (answer.status_code, code(answer)) == (460, "checksum-mismatch")
    assert phone.offset(upload) == 100


def test_a_whole_that_is_not_what_was_announced_starts_again(phone: Sender, settings: Settings) -> None:
    """Every piece arrived, but the SHA-256 of the whole differs: nothing of it is taken for the photo."""
    data = a_picture()
    upload = phone.begin(data)
    damaged = data[:50] + bytes([data[50] ^ 1]) + data[51:]
    answer = phone.send(upload, 0, damaged)
    assert (answer.status_code, code(answer)) == (460, "checksum-mismatch")
    assert phone.offset(upload) == 0
    assert not received(settings, data)
    assert phone.send(upload, 0, data).status_code == 204
    assert received(settings, data)


def test_bytes_that_a_crash_left_behind_count(phone: Sender, settings: Settings) -> None:
    """The server wrote and died before it answered: the file's length is the truth, and the phone goes on from it."""
    data = a_picture()
    upload = phone.begin(data)
    phone.send(upload, 0, data[:1000])
    with (settings.data / "uploads" / upload.rsplit("/", 1)[1]).open("ab") as file:
        file.write(data[1000:1500])
    assert phone.offset(upload) == 1500
    assert phone.send(upload, 1500, data[1500:]).status_code == 204
    assert received(settings, data)


def test_an_upload_complete_at_the_crash_is_finished_when_asked_about(phone: Sender, settings: Settings) -> None:
    """The last byte was written, the server died before the photo had its name; the phone only asks how far."""
    data = a_picture()
    upload = phone.begin(data)
    (settings.data / "uploads" / upload.rsplit("/", 1)[1]).write_bytes(data)
    assert phone.offset(upload) == len(data)
    assert received(settings, data)


def test_a_photo_named_before_the_crash_is_found(phone: Sender, settings: Settings) -> None:
    """The photo got its name, the record of it did not."""
    data = a_picture()
    upload = phone.begin(data)
    place = settings.data / "photos" / sha256(data)[:2]
    (settings.data / "uploads" / upload.rsplit("/", 1)[1]).unlink()
    (place / sha256(data)).write_bytes(data)
    assert phone.offset(upload) == len(data)
    assert phone.send(upload, len(data), b"").status_code == 204


def test_an_upload_whose_damage_shows_only_when_asked_about_starts_again(phone: Sender, settings: Settings) -> None:
    """After a crash the file has the right length and the wrong content."""
    data = a_picture()
    upload = phone.begin(data)
    (settings.data / "uploads" / upload.rsplit("/", 1)[1]).write_bytes(bytes(len(data)))
    assert phone.offset(upload) == 0
    assert phone.send(upload, 0, data).status_code == 204
    assert received(settings, data)


# -- damaged at the office ---------------------------------------------------------------------------------------------


def photo_at(settings: Settings, data: bytes) -> Path:
    return settings.data / "photos" / sha256(data)[:2] / sha256(data)


def kept_damaged(settings: Settings) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (settings.data / "damaged").iterdir()}


DAMAGE = {
    "cut short": lambda data: data[:1000],
    "emptied": lambda _: b"",
    "altered": lambda data: data[:500] + bytes([data[500] ^ 4]) + data[501:],
}


def _announced(phone: Sender, data: bytes) -> None:
    """The creation brings nothing: as of every photo that the office is thought to hold."""
    answer = phone.ask(len(data), sha256(data))
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "0")
    upload = phone.address + answer.headers["Location"]
    assert phone.send(upload, 0, data[:700]).status_code == 204
    assert phone.begin(data) == upload, "asked again, it goes on with the same"
    assert phone.send(upload, 700, data[700:]).status_code == 204
    assert phone.offset(upload) == len(data)


def _whole(phone: Sender, data: bytes) -> None:
    answer = phone.bring(data, sha256(data))
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(data)))


def _with_checksum(phone: Sender, data: bytes) -> None:
    checksum = "sha256 " + base64.b64encode(hashlib.sha256(data).digest()).decode()
    answer = phone.bring(data, sha256(data), **{"Upload-Checksum": checksum})
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(len(data)))


@pytest.mark.parametrize("brought", [_announced, _whole, _with_checksum])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_photo_damaged_at_the_office_is_taken_anew_and_what_was_damaged_is_kept(
    phone: Sender, settings: Settings, brought: Callable[[Sender, bytes], None], damage: Callable[[bytes], bytes]
) -> None:
    """The reply was lost, or the phone is about to let go of its bytes; the office's disk has failed meanwhile."""
    data = a_picture()
    phone.bring(data, sha256(data))
    for times in (1, 2):
        photo_at(settings, data).write_bytes(damage(data))
        brought(phone, data)
        assert received(settings, data)
        assert kept_damaged(settings) == {f"{sha256(data)}-{number + 1}": damage(data) for number in range(times)}
    assert list((settings.data / "uploads").iterdir()) == []


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_photo_damaged_since_it_was_received_is_not_said_to_be_held(
    phone: Sender, settings: Settings, damage: Callable[[bytes], bytes]
) -> None:
    """Whoever asks how far a finished upload has come may let go of the photo for the answer."""
    data = a_picture()
    upload = phone.begin(data)
    phone.send(upload, 0, data)
    assert phone.offset(upload) == len(data)
    photo_at(settings, data).write_bytes(damage(data))
    assert phone.http.head(upload).headers["Doorstep-Problem"] == "upload-unknown"
    assert code(phone.send(upload, len(data), b"")) == "upload-unknown"
    assert photo_at(settings, data).read_bytes() == damage(data), "it stays until there is something better"
    _announced(phone, data)
    assert received(settings, data)


def _in_a_part(phone: Sender, data: bytes) -> httpx.Response:
    return phone.send(phone.begin(data), 0, data)


@pytest.mark.parametrize("brought", [_in_a_part, lambda phone, data: phone.bring(data, sha256(data))])
def test_what_was_no_picture_and_has_been_damaged_is_taken_anew(
    phone: Sender, settings: Settings, brought: Callable[[Sender, bytes], httpx.Response]
) -> None:
    """The phone asks every day whether it is taken by now, and may be the only one that has the bytes."""
    data = b"<html>" + b"not a photo" * 100
    aside = settings.data / "set-aside" / sha256(data)
    for times in (1, 2):
        assert code(brought(phone, data)) == "not-a-picture"
        assert aside.read_bytes() == data
        assert len(kept_damaged(settings)) == times - 1
        assert code(phone.ask(len(data), sha256(data))) == "not-a-picture"
        aside.write_bytes(data[:100])


def test_a_phone_that_asks_about_all_its_photos_again_leaves_no_more_records(phone: Sender, storage: Storage) -> None:
    """As it does after each restore, and whenever the office has lost one: who has brought what stays on record."""
    photos = [a_picture(seed=seed) for seed in range(3)]
    uploads_of = [phone.address + phone.bring(data, sha256(data)).headers["Location"] for data in photos]
    for _ in range(3):
        assert [phone.begin(data) for data in photos] == uploads_of
    assert [phone.offset(upload) for upload in uploads_of] == [len(data) for data in photos]
    assert states(storage) == ["received"] * 3


def test_a_photo_that_a_colleague_has_brought_is_on_record_for_whoever_asks_about_it(
    phone: Sender, other_phone: Sender, storage: Storage
) -> None:
    """Either phone may be asked for it one day."""
    data = a_picture()
    phone.bring(data, sha256(data))
    for _ in range(2):
        assert other_phone.offset(other_phone.begin(data)) == len(data)
    bringers = storage.read_now(lambda reading: reading.scrubs.bringers({sha256(data)}))
    assert {bringer.person for bringer in bringers} == {CHEN.id, WANG.id}
    assert states(storage) == ["received"] * 2


def test_what_was_finished_and_damaged_before_it_was_noted_begins_anew(
    phone: Sender, settings: Settings, storage: Storage, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The office died, and so has its disk a little."""
    data = a_picture()
    upload = phone.begin(data)
    with monkeypatch.context() as dying:
        dying.setattr(Storage, "write_soon", lambda *_: None)
        phone.send(upload, 0, data)
    photo_at(settings, data).write_bytes(data[:100])
    with served(create_app(settings, storage, clock)):
        assert states(storage) == ["unfinished"]
    assert phone.http.head(upload).headers["Doorstep-Problem"] == "upload-unknown"
    _announced(phone, data)
    assert received(settings, data)


def test_a_length_that_an_intact_photo_does_not_have_is_refused(phone: Sender, settings: Settings) -> None:
    data = a_picture()
    phone.bring(data, sha256(data))
    for size in (len(data) - 1, len(data) + 1):
        answer = phone.ask(size, sha256(data))
        assert (answer.status_code, code(answer)) == (400, "upload-header-malformed")
        assert answer.json()["header"] == "Upload-Length"
    assert received(settings, data)
    assert kept_damaged(settings) == {}


def test_several_phones_bring_a_damaged_photo_anew_at_the_same_time(
    phone: Sender, other_phone: Sender, settings: Settings
) -> None:
    """Each is told that it is received, and none of them takes another's for what was damaged."""
    data = a_picture(300)
    phone.bring(data, sha256(data))
    for times in range(1, 6):
        damaged = data[: 1000 * times]
        photo_at(settings, data).write_bytes(damaged)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda sender: sender.bring(data, sha256(data)), [phone, other_phone] * 4))
        assert {answer.status_code for answer in answers} == {201}
        assert received(settings, data)
        assert len(kept_damaged(settings)) == times
        assert damaged in kept_damaged(settings).values()


def test_damaged_files_are_never_cleared_away(phone: Sender, settings: Settings, storage: Storage) -> None:
    data = a_picture()
    phone.bring(data, sha256(data))
    photo_at(settings, data).write_bytes(b"half of it")
    os.utime(photo_at(settings, data), (0, 0))
    phone.bring(data, sha256(data))
    asyncio.run(_discard(settings, storage, 4_000_000_000_000))
    assert kept_damaged(settings) == {f"{sha256(data)}-1": b"half of it"}


# -- several at once ---------------------------------------------------------------------------------------------------


def test_two_connections_do_not_write_the_same_upload(
    phone: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is still sending: the second is told to wait (423) and the first is not disturbed."""
    monkeypatch.setattr(uploads, "_SILENT_SECONDS", PATIENCE_SECONDS)  # whatever else keeps its thread waiting
    data, begun = a_picture(700), uploads._BLOCK + 10_000
    upload = phone.begin(data)
    first = phone.start_sending(upload, 0, len(data), data[:begun])
    stop = threading.Event()

    def dribble() -> None:
        at = begun
        while not stop.wait(0.02):
            first.sendall(data[at : at + 10])
            at += 10
        first.sendall(data[at:])

    sending = threading.Thread(target=dribble)
    sending.start()
    try:
        until(lambda: phone.offset(upload) > 0)  # so it is the first that is writing
        answer = phone.send(upload, 0, data)
        assert (answer.status_code, code(answer)) == (423, "upload-locked")
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        stop.set()
        sending.join()
    until(lambda: received(settings, data))
    first.close()


def test_a_connection_fallen_silent_gives_way_to_the_phone_s_new_one(
    phone: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone changed from Wi-Fi to 5G: the old connection will never say another word, nor that it is gone."""
    monkeypatch.setattr(uploads, "_SILENT_SECONDS", 0.2)
    data = a_picture(400)
    upload = phone.begin(data)
    silent = phone.start_sending(upload, 0, len(data), data[:10_000])
    until(lambda: (settings.data / "uploads" / upload.rsplit("/", 1)[1]).exists())

    def goes_on() -> bool:
        offset = phone.offset(upload)
        return phone.send(upload, offset, data[offset:]).status_code == 204

    until(goes_on)
    assert received(settings, data)
    silent.close()


def test_a_client_that_stalls_is_let_go(phone: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had sent is kept."""
    monkeypatch.setattr(uploads, "_STALLED_SECONDS", 0.2)
    data = a_picture(400)
    upload = phone.begin(data)
    connection = phone.start_sending(upload, 0, len(data), data[:10_000])
    connection.settimeout(PATIENCE_SECONDS)
    answer = connection.recv(10_000)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"upload-offset: 10000" in answer.lower()
    connection.close()
    assert phone.offset(upload) == 10_000


def test_stalled_clients_do_not_hold_up_others(phone: Sender, settings: Settings) -> None:
    """A hundred phones lose the network in the middle of a photo; the hundred and first does not notice."""
    pictures = [a_picture(16, seed) for seed in range(100)]
    stalled = [phone.start_sending(phone.begin(data), 0, len(data), data[:100]) for data in pictures]
    data = a_picture(400, seed=1000)
    assert phone.send(phone.begin(data), 0, data).status_code == 204
    assert received(settings, data)
    for connection in stalled:
        connection.close()


# -- what is not a photo -----------------------------------------------------------------------------------------------


def test_a_file_that_is_no_picture_is_set_aside_and_not_lost(phone: Sender, settings: Settings) -> None:
    """Told apart by its first bytes, whatever it calls itself; asking again gets the same answer at once."""
    data = b"<html>" + b"not a photo" * 100
    answer = phone.send(phone.begin(data), 0, data)
    assert (answer.status_code, code(answer)) == (422, "not-a-picture")
    assert (settings.data / "set-aside" / sha256(data)).read_bytes() == data
    assert not received(settings, data)
    assert code(phone.ask(len(data), sha256(data))) == "not-a-picture"


def test_an_upload_of_nothing_is_no_picture(phone: Sender) -> None:
    assert code(phone.ask(0, sha256(b""))) == "not-a-picture"


def test_thirty_megabytes_are_refused_before_they_are_sent(phone: Sender) -> None:
    """The phone learns it from the announcement, in its own language, and keeps the photo."""
    answer = phone.ask(30_000_000, sha256(b"30 MB"), **{"Accept-Language": "en"})
    assert (answer.status_code, code(answer)) == (413, "photo-too-large")
    assert answer.json()["limit_mb"] == 25
    assert "25 MB" in answer.json()["detail"]
    assert answer.headers["Tus-Max-Size"] == str(PHOTO_BYTES)


@pytest.mark.parametrize("how", ["announced", "streamed"])
def test_more_bytes_than_announced_are_not_taken(phone: Sender, how: str) -> None:
    """With Content-Length nothing is read; with a streamed body the piece is taken back."""
    data = a_picture()
    upload = phone.begin(data)
    body = data + b"more" if how == "announced" else iter([data[:100], data[100:] + b"more"])
    answer = phone.send(upload, 0, body)
    assert (answer.status_code, code(answer)) == (413, "upload-beyond-length")
    assert phone.offset(upload) == 0


# -- who ---------------------------------------------------------------------------------------------------------------


def test_another_technician_s_upload_does_not_exist(phone: Sender, other_phone: Sender) -> None:
    """Neither to look at, nor to write to, nor to delete."""
    data = a_picture()
    upload = phone.begin(data)
    assert other_phone.http.head(upload).headers["Doorstep-Problem"] == "upload-unknown"
    assert code(other_phone.send(upload, 0, data)) == "upload-unknown"
    assert code(other_phone.http.delete(upload)) == "upload-unknown"
    assert phone.offset(upload) == 0


def test_without_a_token_there_is_nothing(phone: Sender, storage: Storage) -> None:
    """No token, a wrong one, a revoked phone: each is told which."""
    upload = phone.begin(a_picture())
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic " + phone.headers["Authorization"]},
    ):
        more = {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}
        answer = httpx.post(phone.url, headers=headers | more, timeout=PATIENCE_SECONDS)
        assert (answer.status_code, code(answer)) == (401, "device-unknown")
    storage.write_now(lambda writing: writing.people.revoke_device(phone.device, 1, "p-lin", "手机丢失"))
    until(lambda: phone.http.head(upload).headers.get("Doorstep-Problem") == "device-revoked")


def test_one_person_cannot_fill_the_disk_with_beginnings(phone: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "UNFINISHED_MOST", 3)
    for seed in range(3):
        phone.begin(a_picture(seed=seed))
    answer = phone.ask(1000, sha256(b"one too many"))
    assert (answer.status_code, code(answer)) == (429, "too-many-uploads")


def test_a_full_disk_is_said_before_the_photo_is_sent(phone: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_files, "_ROOM_TO_SPARE", 10**18)
    answer = phone.ask(1000, sha256(b"no room"))
    assert (answer.status_code, code(answer)) == (507, "office-storage-full")


def test_a_full_disk_is_said_of_photos_that_come_whole(
    phone: Sender, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether there is room is looked up once in so many bytes; what is over these waits until there is."""
    pictures = [a_picture(seed=seed) for seed in range(3)]
    monkeypatch.setattr(photo_files, "_ROOM_LOOKED_UP_FOR", len(pictures[0]) + len(pictures[1]))
    assert phone.bring(pictures[0], sha256(pictures[0])).status_code == 201
    monkeypatch.setattr(photo_files, "_ROOM_TO_SPARE", 10**18)
    assert phone.bring(pictures[1], sha256(pictures[1])).status_code == 201
    for _ in range(2):
        answer = phone.bring(pictures[2], sha256(pictures[2]))
        assert (answer.status_code, code(answer)) == (507, "office-storage-full")
    assert list((settings.data / "uploads").iterdir()) == []
    monkeypatch.undo()
    assert phone.bring(pictures[2], sha256(pictures[2])).status_code == 201
    assert all(received(settings, data) for data in pictures)


# -- the end of an upload ----------------------------------------------------------------------------------------------


def test_an_unfinished_upload_can_be_ended_and_a_photo_cannot(phone: Sender, settings: Settings) -> None:
    """Termination frees what nobody needs; what was received stays."""
    data, unwanted = a_picture(), a_picture(seed=2)
    upload = phone.begin(unwanted)
    assert phone.http.delete(upload).status_code == 204
    assert phone.http.head(upload).status_code == 404
    done = phone.begin(data)
    phone.send(done, 0, data)
    assert code(phone.http.delete(done)) == "upload-finished"
    assert received(settings, data)


async def _discard(settings: Settings, storage: Storage, at_ms: int) -> None:
    files = photo_files.PhotoFiles(settings.data)
    try:
        await files.discard_expired(storage, at_ms)
    finally:
        files.close()


def test_what_was_not_finished_within_a_week_is_forgotten_and_photos_never(
    phone: Sender, settings: Settings, storage: Storage, clock: StandingClock
) -> None:
    """The answer says when; going on with it gives it another week; the phone still has the photo and begins anew."""
    data, other = a_picture(), a_picture(seed=2)
    phone.send(phone.begin(other), 0, other)
    upload = phone.begin(data)
    assert phone.http.head(upload).headers["Upload-Expires"] == "Mon, 09 Mar 2026 01:00:00 GMT"
    clock.move(timedelta(days=5))
    assert phone.send(upload, 0, data[:10]).headers["Upload-Expires"] == "Sat, 14 Mar 2026 01:00:00 GMT"
    clock.move(timedelta(days=7))
    assert phone.http.head(upload).headers["Doorstep-Problem"] == "upload-unknown"
    asyncio.run(_discard(settings, storage, milliseconds(clock.now())))
    assert list((settings.data / "uploads").iterdir()) == []
    assert received(settings, other)
    assert phone.send(phone.begin(data), 0, data).status_code == 204
    assert received(settings, data)


# -- hostile headers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["-5", "abc", "1e6", "", None, "٣", "9" * 40, "5, 5"])
def test_a_length_that_is_none_is_refused(phone: Sender, length: str | None) -> None:
    answer = phone.ask(length, sha256(b"x")) if length != "٣" else phone.ask("%D9%A3", sha256(b"x"))
    assert (answer.status_code, code(answer)) == (400, "upload-header-malformed")
    assert answer.json()["header"] == "Upload-Length"


@pytest.mark.parametrize(
    "metadata", ["", "sha256", "sha256 ###", "sha256 YWJj", "sha256 /////w==", "a b,c d,sha256", "," * 2000]
)
def test_metadata_that_names_no_hash_is_refused(phone: Sender, metadata: str) -> None:
    answer = phone.http.post(phone.url, headers={"Upload-Length": "5", "Upload-Metadata": metadata})
    assert (answer.status_code, code(answer)) == (400, "upload-header-malformed")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Upload-Offset": "-1"}, "upload-header-malformed"),
        ({"Upload-Offset": ""}, "upload-header-malformed"),
        ({"Upload-Offset": "7"}, "upload-offset-wrong"),
        ({"Content-Type": "image/jpeg"}, "upload-media-type"),
        ({"Upload-Checksum": "crc32 AAAA"}, "checksum-unsupported"),
        ({"Upload-Checksum": "sha1 ###"}, "upload-header-malformed"),
        ({"Upload-Checksum": "sha1"}, "checksum-mismatch"),
        ({"Tus-Resumable": "0.2.2"}, "tus-version-unsupported"),
        ({"Tus-Resumable": ""}, "tus-version-unsupported"),
    ],
)
def test_hostile_headers_are_refused_and_change_nothing(phone: Sender, headers: dict[str, str], expected: str) -> None:
    data = a_picture()
    upload = phone.begin(data)
    answer = phone.http.patch(upload, headers=BYTES | {"Upload-Offset": "0"} | headers, content=b"abc")
    assert code(answer) == expected
    assert phone.offset(upload) == 0


@pytest.mark.parametrize("name", ["x", "0" * 32, "..%2f..%2fdoorstep.db", "%00", "A" * 5000, "０" * 32])
def test_names_that_no_upload_has(phone: Sender, name: str) -> None:
    """A path never reaches the disk unless it is thirty-two hexadecimal digits of ours."""
    assert phone.http.head(f"{phone.url}/{name}").status_code == 404
    answer = phone.send(f"{phone.url}/{name}", 0, b"x")
    assert answer.status_code in {404, 405}
