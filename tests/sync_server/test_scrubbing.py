"""The office looks at its photos again by itself: what its disk has damaged or lost is on record until it is whole."""

import asyncio
import base64
import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared_schema.evidence import PhotoSlot
from shared_schema.operations import AcceptTicket, AddPhoto
from shared_schema.sync_protocol import PutTicket
from sync_server.clock import milliseconds
from sync_server.services import photo_files as photo_files_module
from sync_server.services import scrubbing
from sync_server.services.operations import arrived, receive
from sync_server.services.photo_files import PhotoFiles, Stored
from sync_server.services.scrubbing import PhotoScrub
from sync_server.settings import Settings
from sync_server.storage import Storage, Writing
from sync_server.storage.scrubs import Fault, PhotoFault, Scrubs
from sync_server.storage.uploads import BEGIN, StoredUpload, UploadState, begun_row
from sync_server.words import words_in
from tests.builders.tickets import a_picture, a_request
from tests.sync_server.conftest import MONDAY
from tests.sync_server.desk_browser import signed_in
from tests.sync_server.office import (
    CHEN,
    LIN,
    WANG,
    Journal,
    Office,
    Phone,
    StandingClock,
    changes_of,
    decide,
    hire,
    new_id,
)

SAY = words_in("zh-CN")
WEEK = timedelta(days=7)


class Archive:
    """Photos that phones have brought, and whoever looks at them."""

    def __init__(self, storage: Storage, folder: Path, clock: StandingClock) -> None:
        self.storage = storage
        self.clock = clock
        self.files = PhotoFiles(folder)
        self.hashed: list[str] = []
        """SHA-256 of each photo that was read, in order."""
        self.pauses: list[float] = []
        """Seconds."""

    def scrub(self) -> PhotoScrub:
        """As one process has it."""
        return PhotoScrub(self.storage, self.files, self.clock, 7)

    def received(self, seed: int, person: str = CHEN.id) -> str:
        """From this person's phone."""
        picture = a_picture(seed=seed)
        sha256 = hashlib.sha256(picture).hexdigest()
        assert isinstance(asyncio.run(self.files.store(picture)), Stored)
        upload = StoredUpload(
            id=new_id().replace("-", ""),
            device=f"phone-{person}",
            person=person,
            sha256=sha256,
            size_bytes=len(picture),
            state=UploadState.RECEIVED,
            begun_at_ms=milliseconds(self.clock.now()),
            expires_at_ms=2,
        )
        self.storage.write_now(lambda writing: writing.execute(BEGIN, [begun_row(upload)]))
        return sha256

    def file(self, sha256: str) -> Path:
        path = self.files.path(sha256)
        assert path is not None
        return path

    def faults(self) -> dict[str, Fault]:
        return {each.sha256: each.fault for each in self.noted()}

    def noted(self) -> list[PhotoFault]:
        return self.storage.read_now(lambda reading: reading.scrubs.faults(100))


@pytest.fixture
def archive(
    any_storage: Storage, tmp_path: Path, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Archive]:
    any_storage.write_now(hire)
    archive = Archive(any_storage, tmp_path / "data", clock)
    looked_at = PhotoFiles.looked_at

    def watched(files: PhotoFiles, sha256: str) -> int | Fault:
        archive.hashed.append(sha256)
        return looked_at(files, sha256)

    async def without_waiting(seconds: float) -> None:
        archive.pauses.append(seconds)

    monkeypatch.setattr(PhotoFiles, "looked_at", watched)
    monkeypatch.setattr(asyncio, "sleep", without_waiting)
    yield archive
    archive.files.close()


def name_at_the_desk(archive: Archive, sha256: str) -> str:
    """The id of a new ticket that speaks of the photo."""
    ticket = new_id()

    def name(writing: Writing) -> None:
        photo = AddPhoto(sha256, 1000, "image/jpeg", PhotoSlot.REPORTED)
        for operation in (a_request(number=ticket), photo):
            verdict = decide(writing, LIN, ticket, operation, MONDAY, base_version=1)
            assert verdict.rejection is None, verdict

    archive.storage.write_now(name)
    return ticket


def enrol(archive: Archive, device: str, person: str) -> None:
    archive.storage.write_now(
        lambda writing: writing.people.enrol_device(
            device, person, name=device, platform="browser", token_sha256=device, at_ms=1
        )
    )


def look(scrub: PhotoScrub) -> None:
    """At all that is due."""
    while asyncio.run(scrub.look_at_some()):
        pass


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def remove(path: Path) -> None:
    path.unlink()


# -- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("harm", "fault"), [(flip, Fault.DAMAGED), (cut, Fault.DAMAGED), (remove, Fault.MISSING)])
def test_what_the_disk_does_to_a_photo_is_found(archive: Archive, harm: Callable[[Path], None], fault: Fault) -> None:
    photos = [archive.received(seed) for seed in range(3)]
    look(archive.scrub())
    assert archive.faults() == {}
    harm(archive.file(photos[1]))
    archive.clock.move(WEEK)
    look(archive.scrub())
    assert archive.faults() == {photos[1]: fault}


def test_a_photo_that_the_disk_cannot_read_any_more_is_damaged(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable, other = archive.received(1), archive.received(2)

    def file_hash(path: Path, *, from_disk: bool) -> str:
        assert from_disk
        return "" if path.name == unreadable else path.name

    monkeypatch.setattr(photo_files_module, "file_hash", file_hash)
    look(archive.scrub())
    assert archive.faults() == {unreadable: Fault.DAMAGED}
    assert other in archive.hashed


def test_it_is_said_of_which_ticket_and_since_when(archive: Archive) -> None:
    """Found again a week later, it is damaged since it was found first."""
    sha256 = archive.received(1)
    ticket = name_at_the_desk(archive, sha256)
    flip(archive.file(sha256))
    look(archive.scrub())
    found = PhotoFault(sha256, Fault.DAMAGED, milliseconds(archive.clock.now()), ticket)
    assert archive.noted() == [found]
    archive.clock.move(WEEK)
    look(archive.scrub())
    assert archive.noted() == [found]


def test_of_a_disk_that_has_lost_everything_only_what_is_shown_is_looked_for_in_the_tickets(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time all tickets are read."""
    looked_for: list[str] = []
    ticket_naming = Scrubs.ticket_naming

    def watched(scrubs: Scrubs, sha256: str) -> str | None:
        looked_for.append(sha256)
        return ticket_naming(scrubs, sha256)

    monkeypatch.setattr(scrubbing, "FAULTS_SHOWN", 3)
    monkeypatch.setattr(Scrubs, "ticket_naming", watched)
    photos = sorted(archive.received(seed) for seed in range(5))
    named = [name_at_the_desk(archive, sha256) for sha256 in photos[:2]]
    for sha256 in photos:
        archive.file(sha256).unlink()
    scrub = archive.scrub()
    look(scrub)
    asyncio.run(scrub.look_at_faults())
    assert looked_for == photos[:3]
    assert [(each.sha256, each.ticket) for each in archive.noted()] == [
        *zip(photos[:2], named, strict=True),
        *((sha256, None) for sha256 in photos[2:]),
    ]


def test_a_photo_of_the_desk_that_is_gone_is_missing(archive: Archive) -> None:
    """No phone has brought it, so there is no record of its bytes but that the desk has named it."""
    ticket = name_at_the_desk(archive, "d" * 64)
    look(archive.scrub())
    assert [(each.sha256, each.fault, each.ticket) for each in archive.noted()] == [("d" * 64, Fault.MISSING, ticket)]


def test_a_photo_that_is_still_on_its_phone_is_not_missing(archive: Archive) -> None:
    ticket = name_at_the_desk(archive, archive.received(1))
    phone = Journal("phone-t-chen", CHEN, archive.clock)
    enrol(archive, phone.device, CHEN.id)
    raw = phone.write(ticket, AddPhoto("e" * 64, 1000, "image/jpeg", PhotoSlot.BEFORE))
    archive.storage.write_now(lambda writing: receive(writing, phone.device, CHEN, [arrived(raw)], 1))
    look(archive.scrub())
    assert archive.faults() == {}


# -- when, how fast, and by whom --------------------------------------------------------------------------------------


def test_each_photo_is_looked_at_once_a_week(archive: Archive) -> None:
    photos = sorted(archive.received(seed) for seed in range(3))
    scrub = archive.scrub()
    look(scrub)
    assert archive.hashed == photos
    archive.clock.move(WEEK - timedelta(minutes=1))
    look(scrub)
    assert archive.hashed == photos
    archive.clock.move(timedelta(minutes=1))
    look(scrub)
    assert archive.hashed == photos * 2


def test_it_reads_no_faster_than_it_may(archive: Archive) -> None:
    sizes = [archive.file(archive.received(seed)).stat().st_size for seed in range(5)]
    look(archive.scrub())
    assert sum(archive.pauses) >= sum(sizes) / scrubbing.BYTES_PER_SECOND
    assert len(archive.pauses) >= len(sizes), "a little after each, and not much after all"


def test_a_new_process_goes_on_where_the_last_one_was(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrubbing, "_AT_ONCE", 2)
    photos = sorted(archive.received(seed) for seed in range(5))
    assert asyncio.run(archive.scrub().look_at_some())
    archive.clock.move(timedelta(minutes=5))
    look(archive.scrub())
    assert archive.hashed == photos


def test_a_large_photo_ends_what_is_looked_at_together(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that little is read again after a restart, and nobody else takes over meanwhile."""
    monkeypatch.setattr(scrubbing, "_BYTES_AT_ONCE", 1)
    photos = sorted(archive.received(seed) for seed in range(3))
    scrub = archive.scrub()
    for number in range(1, 4):
        assert asyncio.run(scrub.look_at_some()) is (number < 3)
        assert archive.hashed == photos[:number]


def test_of_two_processes_one_looks_until_it_is_heard_of_no_more(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrubbing, "_AT_ONCE", 2)
    photos = sorted(archive.received(seed) for seed in range(6))
    first, second = archive.scrub(), archive.scrub()
    assert asyncio.run(first.look_at_some())
    assert not asyncio.run(second.look_at_some())
    archive.clock.move(timedelta(minutes=2))
    assert asyncio.run(first.look_at_some())
    archive.clock.move(timedelta(minutes=2))
    assert not asyncio.run(second.look_at_some())
    assert archive.hashed == photos[:4]
    archive.clock.move(timedelta(minutes=2))
    look(second)
    assert archive.hashed == photos
    look(first)
    assert archive.hashed == photos


def test_two_processes_that_begin_at_once_do_not_both_look(archive: Archive) -> None:
    photos = sorted(archive.received(seed) for seed in range(4))

    async def both() -> None:
        await asyncio.gather(archive.scrub().look_at_some(), archive.scrub().look_at_some())

    asyncio.run(both())
    assert archive.hashed == photos


# -- whole again ------------------------------------------------------------------------------------------------------


def brought_anew(archive: Archive, sha256: str, whole: Path) -> None:
    assert isinstance(asyncio.run(archive.files.store(whole.read_bytes())), Stored)


def copied_from_a_backup(archive: Archive, sha256: str, whole: Path) -> None:
    shutil.copyfile(whole, archive.files._photos / sha256[:2] / sha256)


@pytest.mark.parametrize("harm", [flip, cut, remove])
@pytest.mark.parametrize("mend", [brought_anew, copied_from_a_backup])
def test_a_photo_that_is_whole_again_is_forgotten(
    archive: Archive, tmp_path: Path, harm: Callable[[Path], None], mend: Callable[[Archive, str, Path], None]
) -> None:
    sha256 = archive.received(1)
    whole = Path(shutil.copy(archive.file(sha256), tmp_path / "whole"))
    harm(archive.file(sha256))
    scrub = archive.scrub()
    look(scrub)
    asyncio.run(scrub.look_at_faults())
    assert list(archive.faults()) == [sha256]
    mend(archive, sha256, whole)
    asyncio.run(scrub.look_at_faults())
    assert archive.faults() == {}


def test_of_what_is_known_to_be_damaged_the_bytes_are_read_once(archive: Archive) -> None:
    sha256 = archive.received(1)
    flip(archive.file(sha256))
    scrub = archive.scrub()
    look(scrub)
    for _ in range(3):
        asyncio.run(scrub.look_at_faults())
    assert archive.hashed == [sha256, sha256]


# -- phones that may still have it ------------------------------------------------------------------------------------


@pytest.fixture
def seconds() -> list[float]:
    """Since some moment; a test moves it on."""
    return [1000.0]


@pytest.fixture
def scrub(archive: Archive, seconds: list[float]) -> PhotoScrub:
    """Of an office where 陈师傅 and 王师傅 have a phone each, and a photo that the first has brought is damaged."""
    for person in (CHEN, WANG):
        enrol(archive, f"phone-{person.id}", person.id)
    flip(archive.file(archive.received(1)))
    scrub = PhotoScrub(archive.storage, archive.files, archive.clock, 7, monotonic=lambda: seconds[0])
    look(scrub)
    return scrub


def test_whoever_brought_it_is_set_back_until_they_have_heard(scrub: PhotoScrub, seconds: list[float]) -> None:
    """The answer may be lost: said again, but not at once, or two processes would send a phone back and forth."""
    assert not scrub.is_set_back("phone-t-wang", 40)
    assert scrub.is_set_back("phone-t-chen", 40)
    assert not scrub.is_set_back("phone-t-chen", 40)
    seconds[0] += 61
    assert scrub.is_set_back("phone-t-chen", 40)
    assert not scrub.is_set_back("phone-t-chen", 0)
    seconds[0] += 61
    assert not scrub.is_set_back("phone-t-chen", 40)


def test_a_phone_that_begins_anew_for_another_reason_has_not_heard(scrub: PhotoScrub) -> None:
    assert not scrub.is_set_back("phone-t-chen", 0)
    assert scrub.is_set_back("phone-t-chen", 40)


def test_another_process_does_not_ask_a_phone_that_has_heard(
    archive: Archive, scrub: PhotoScrub, seconds: list[float]
) -> None:
    assert scrub.is_set_back("phone-t-chen", 40)
    assert not scrub.is_set_back("phone-t-chen", 0)
    asyncio.run(scrub.look_at_faults())
    another = PhotoScrub(archive.storage, archive.files, archive.clock, 7, monotonic=lambda: seconds[0])
    asyncio.run(another.look_at_faults())
    assert not another.is_set_back("phone-t-chen", 40)


def test_a_phone_is_asked_once_an_hour_however_many_photos_turn_out_to_be_damaged(
    archive: Archive, scrub: PhotoScrub, seconds: list[float]
) -> None:
    assert scrub.is_set_back("phone-t-chen", 40)
    assert not scrub.is_set_back("phone-t-chen", 0)
    seconds[0] += 600
    archive.clock.move(timedelta(minutes=10))
    photo = PhotoFault(archive.received(2), Fault.DAMAGED, milliseconds(archive.clock.now()))
    flip(archive.file(photo.sha256))
    archive.storage.write_now(lambda writing: writing.scrubs.note([photo]))
    asyncio.run(scrub.look_at_faults())
    assert not scrub.is_set_back("phone-t-chen", 50)
    archive.clock.move(timedelta(minutes=51))
    asyncio.run(scrub.look_at_faults())
    assert scrub.is_set_back("phone-t-chen", 50)


def test_a_photo_brought_anew_and_damaged_once_more_is_asked_for_once_more(
    archive: Archive, scrub: PhotoScrub, seconds: list[float]
) -> None:
    """Before anybody has seen that it was whole in between."""
    assert scrub.is_set_back("phone-t-chen", 40)
    assert not scrub.is_set_back("phone-t-chen", 0)
    asyncio.run(scrub.look_at_faults())
    archive.clock.move(timedelta(seconds=5))
    again = archive.received(1)
    flip(archive.file(again))
    archive.clock.move(timedelta(minutes=61))
    seconds[0] += 3660
    asyncio.run(scrub.look_at_faults())
    assert scrub.is_set_back("phone-t-chen", 50)
    assert not scrub.is_set_back("phone-t-chen", 0)
    archive.clock.move(timedelta(days=2))
    seconds[0] += 2 * 86_400
    asyncio.run(scrub.look_at_faults())
    assert not scrub.is_set_back("phone-t-chen", 60), "it has heard, and had it no more"


def test_a_phone_enrolled_anew_is_asked_and_one_that_was_revoked_is_not(archive: Archive, scrub: PhotoScrub) -> None:
    enrol(archive, "phone-b", CHEN.id)
    archive.storage.write_now(lambda writing: writing.people.revoke_device("phone-t-chen", 5, LIN.id, "手机丢失"))
    asyncio.run(scrub.look_at_faults())
    assert scrub.is_set_back("phone-b", 40)
    assert not scrub.is_set_back("phone-t-chen", 40)


def test_nobody_is_asked_when_the_photo_is_whole_again(archive: Archive, scrub: PhotoScrub) -> None:
    assert isinstance(asyncio.run(archive.files.store(a_picture(seed=1))), Stored)
    asyncio.run(scrub.look_at_faults())
    assert not scrub.is_set_back("phone-t-chen", 40)


# -- in a running office ----------------------------------------------------------------------------------------------


def test_the_whole_way(office: Office, settings: Settings) -> None:
    """A phone brings a photo and is told that it was received; the disk damages it; the phone is asked again."""
    phone, picture = office.phone(), a_picture(seed=1)
    sha256, ticket = hashlib.sha256(picture).hexdigest(), office.assigned()
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddPhoto(sha256, len(picture), "image/jpeg", PhotoSlot.BEFORE))
    phone.sync()
    assert brought(phone, picture) == len(picture)
    files = PhotoFiles(settings.data)
    place = files.path(sha256)
    assert place is not None
    flip(place)
    look(PhotoScrub(office.storage, files, office.clock, 7))  # as another process
    files.close()
    desk = signed_in(office)
    assert SAY("photo_alarm.asked", name=CHEN.name) in desk.get("/sync-health").page.text
    reply = phone.ask(cursor=phone.cursor)
    assert (reply.cursor, reply.more, reply.changes) == (0, True, [])
    reply = phone.ask(cursor=0)
    assert reply.cursor == phone.cursor
    assert [change.ticket.id for change in changes_of(reply) if isinstance(change, PutTicket)] == [ticket]
    assert phone.ask(cursor=phone.cursor).cursor == phone.cursor
    heard = SAY("photo_alarm.heard", name=CHEN.name, at="今天 09:00")
    assert heard in desk.get("/sync-health").page.text
    assert brought(phone) == 0, "the office says that it has nothing of it"
    assert brought(phone, picture) == len(picture)
    assert SAY("photo_alarm.name.damaged") not in desk.get("/sync-health").page.text


def brought(phone: Phone, picture: bytes = b"") -> int:
    """How much of the first picture the office holds, after this much of it was brought."""
    whole = a_picture(seed=1)
    named = base64.b64encode(hashlib.sha256(whole).hexdigest().encode()).decode()
    answer = phone.office.client.post(
        "/sync/v1/uploads",
        content=picture,
        headers={
            "Authorization": f"Bearer {phone.token}",
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(whole)),
            "Upload-Metadata": f"sha256 {named}",
        }
        | ({"Content-Type": "application/offset+octet-stream"} if picture else {}),
    )
    assert answer.status_code == 201, answer.text
    return int(answer.headers["Upload-Offset"])
