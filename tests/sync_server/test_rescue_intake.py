"""A rescue file brings what a phone still held as if the phone had sent it; what is not the phone's is turned away."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from msgspec.structs import replace

from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Role, Severity
from shared_schema.operations import AddNote, AddPhoto, AssignTicket, CloseTicket, ConfirmTicket
from shared_schema.rescue import Record
from shared_schema.ticket import Ticket, Window
from sync_server.app import create_app
from sync_server.clock import milliseconds
from sync_server.services.operations import arrived, receive
from sync_server.services.photo_files import OutOfRoom, PhotoFiles
from sync_server.services.rescue import RescueDesk, RescueRefused, RescueReport
from sync_server.services.rescue_files import made_key_pair
from sync_server.services.verification import Problem, verify
from sync_server.settings import Settings
from sync_server.storage import Storage, Writing
from sync_server.storage.keys import RESCUE, LearntBy, Secret
from sync_server.storage.people import Person
from tests.builders.rescue_files import a_draft, a_photo, an_envelope, seal
from tests.builders.signing import a_signing_key
from tests.builders.tickets import a_picture, a_request
from tests.sync_server.office import CHEN, LIN, WANG, Journal, Office, StandingClock, decide, hire, new_id

T = TypeVar("T")

KEY = a_signing_key()
OTHER_KEY = a_signing_key("other")
SUPERVISOR = Person(id="p-zhou", role=Role.SUPERVISOR, name="周主管", login="zhou")


class Desk:
    """Where files arrive; and one phone, with one ticket, whose files they are."""

    def __init__(self, storage: Storage, clock: StandingClock, folder: Path) -> None:
        self.storage = storage
        self.clock = clock
        self.file = folder / "arrived"
        self.photo_files = PhotoFiles(folder / "data")
        self.photos_told = 0
        self.service = RescueDesk(storage, self.photo_files, clock, self._tell)
        storage.write_now(hire)
        storage.write_now(lambda writing: writing.people.save(SUPERVISOR, 0))
        run(self.service.prepare())
        self.phone = self.enrol("phone", CHEN)
        self.learn("phone")
        self.ticket = self.assigned()

    def _tell(self) -> None:
        self.photos_told += 1

    def enrol(self, device: str, person: Person) -> Journal:
        def work(writing: Writing) -> None:
            at_ms = milliseconds(self.clock.now())
            writing.people.enrol_device(device, person.id, name="", platform="", token_sha256=device, at_ms=at_ms)

        self.storage.write_now(work)
        return Journal(device, person, self.clock)

    def learn(self, device: str) -> None:
        key = KEY.public_key().public_bytes_raw()
        self.storage.write_now(lambda writing: writing.keys.learn(device, key, LearntBy.ENROLMENT, 1))

    def assigned(self) -> str:
        ticket, now = new_id(), self.clock.now()
        window = Window(now, now + timedelta(hours=2))

        def work(writing: Writing) -> None:
            for operation in (a_request(number=ticket), ConfirmTicket(Severity.ORDINARY)):
                decide(writing, LIN, ticket, operation, now)
            assert decide(writing, LIN, ticket, AssignTicket(CHEN.id, window), now).rejection is None

        self.storage.write_now(work)
        return ticket

    @property
    def public_key(self) -> bytes:
        secret = self.storage.read_now(lambda reading: reading.keys.secret(RESCUE))
        assert secret is not None
        return secret.public

    def write(self, *texts: str) -> None:
        for text in texts:
            self.phone.write(self.ticket, AddNote(text))

    def sync(self, *places: int) -> None:
        """The phone sends these of its journal by itself."""
        brought = [arrived(self.phone.raw[place - 1]) for place in places]
        self.storage.write_now(lambda writing: receive(writing, self.phone.device, CHEN, brought, 5))

    def sealed(self, *records: tuple[Record, bytes], **different: Any) -> bytes:
        """A file of these records, or of the whole journal where there are none."""
        usual: dict[str, Any] = {"signing_key": KEY, "device": "phone", "person": CHEN.id} | different
        return seal(self.public_key, records=records or self.journal(), **usual)

    def journal(self) -> list[tuple[Record, bytes]]:
        return [an_envelope(raw) for raw in self.phone.raw]

    def take_in(self, file: bytes, by: Person = LIN, *, vouched: bool = False) -> RescueReport | RescueRefused:
        self.file.write_bytes(file)
        return run(self.service.take_in(self.file, by, vouched=vouched))

    def taken_in(self, file: bytes, by: Person = LIN, *, vouched: bool = False) -> RescueReport:
        report = self.take_in(file, by, vouched=vouched)
        assert isinstance(report, RescueReport), report
        return report

    def read(self) -> Ticket:
        return self.storage.read_now(lambda reading: reading.tickets.by_id([self.ticket])[self.ticket])

    def notes(self) -> list[str]:
        return [note.text for note in self.read().notes]

    def waiting(self) -> list[int]:
        return [each.sequence for each in self.storage.read_now(lambda reading: reading.attention.waiting())]

    def everything(self) -> object:
        """All that a rescue file could change, but for the note that it came."""
        return self.storage.read_now(
            lambda reading: (
                reading.journal.after(0, 1000),
                reading.attention.refusals(open_only=False),
                reading.attention.drafts(unseen_only=False),
                reading.attention.waiting(),
                reading.keys.of_devices(),
            )
        )


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture
def desk(storage: Storage, clock: StandingClock, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(storage, clock, tmp_path)
    yield desk
    desk.photo_files.close()


# -- what is taken in -------------------------------------------------------------------------------------------------


def test_a_file_brings_operations_photos_and_drafts_once(
    any_storage: Storage, clock: StandingClock, tmp_path: Path
) -> None:
    """The phone fell into the water; its last file came by messenger, to the desk, twice."""
    desk = Desk(any_storage, clock, tmp_path)
    desk.write("一", "二", "三")
    desk.sync(1)
    desk.phone.write(desk.ticket, CloseTicket("不是我该做的"))
    picture = a_picture()
    file = desk.sealed(*desk.journal(), a_photo(picture), a_draft("note/1", b'{"text":"\xe5\x86\x99\xe5\x88\xb0"}'))
    report = desk.taken_in(file)
    assert report == RescueReport(
        device="phone",
        person=CHEN.id,
        made_at_ms=1_772_413_200_000,
        is_signed=True,
        came_before=False,
        received_through=4,
        operations_new=3,
        operations_refused=1,
        operations_known=1,
        photos_new=1,
        drafts_new=1,
    )
    assert desk.notes() == ["一", "二", "三"]
    assert desk.photos_told == 1
    (draft,) = desk.storage.read_now(lambda reading: reading.attention.drafts())
    assert (draft.key, draft.body, draft.person) == ("note/1", b'{"text":"\xe5\x86\x99\xe5\x88\xb0"}', CHEN.id)
    (refusal,) = desk.storage.read_now(lambda reading: reading.attention.refusals())
    assert (refusal.code, refusal.person) == ("role_not_allowed", CHEN.id)
    before = desk.everything()
    again = desk.taken_in(file, SUPERVISOR)
    assert again == replace(
        report,
        came_before=True,
        operations_new=0,
        operations_refused=0,
        operations_known=4,
        photos_new=0,
        photos_known=1,
        drafts_new=0,
        drafts_known=1,
    )
    assert desk.everything() == before
    noted = desk.storage.read_now(lambda reading: reading.rescues.taken_in(device="phone"))
    assert [(each.taken_in_by, each.taken_in_at_ms) for each in noted] == [
        (SUPERVISOR.id, milliseconds(clock.now())),
        (LIN.id, milliseconds(clock.now())),
    ]
    assert [msgspec.json.decode(each.report, type=RescueReport) for each in noted] == [again, report]
    desk.photo_files.close()


def test_the_phone_that_comes_back_finds_its_work_received(desk: Desk) -> None:
    """It was only mislaid: what it sends again gets the verdicts it has."""
    desk.write("一", "二")
    desk.taken_in(desk.sealed())
    before = desk.everything()
    desk.sync(1, 2)
    assert desk.everything() == before


def test_a_file_is_taken_in_when_phone_and_person_are_gone(desk: Desk) -> None:
    desk.write("最后一条")
    file = desk.sealed()
    desk.storage.write_now(lambda writing: writing.people.revoke_device("phone", 1, LIN.id, "离职"))
    desk.storage.write_now(lambda writing: writing.people.save(replace(CHEN, active=False), 0))
    assert desk.taken_in(file).operations_new == 1
    assert desk.notes() == ["最后一条"]


def test_a_file_signed_with_an_earlier_key_of_the_device_is_taken_in(desk: Desk) -> None:
    """Made before the phone was enrolled anew."""
    desk.write("一")
    file = desk.sealed()
    new = OTHER_KEY.public_key().public_bytes_raw()
    desk.storage.write_now(lambda writing: writing.keys.learn("phone", new, LearntBy.ENROLMENT, 2))
    assert desk.taken_in(file).operations_new == 1


def test_a_journal_of_many_rounds_is_taken_in_whole(desk: Desk) -> None:
    desk.write(*(str(number) for number in range(450)))
    report = desk.taken_in(desk.sealed(chunk_bytes=10_000))
    assert (report.operations_new, report.received_through) == (450, 450)
    assert desk.notes() == [str(number) for number in range(450)]


def test_what_cannot_be_read_is_refused_or_at_least_kept(desk: Desk) -> None:
    """One operation of a newer app, one whose bytes rotted on the phone: neither stops the others."""
    desk.write("一", "二")
    desk.phone.raw[1] = desk.phone.raw[1].replace(b'"kind":"add_note"', b'"kind":"measure"')
    desk.write("三")
    report = desk.taken_in(desk.sealed(an_envelope(b"\x00rotten"), *desk.journal()))
    assert (report.operations_new, report.operations_refused, report.operations_unreadable) == (3, 1, 1)
    assert desk.notes() == ["一", "三"]
    (kept,) = desk.storage.read_now(lambda reading: reading.attention.waiting())
    assert (kept.sequence, kept.raw) == (0, b"\x00rotten")


def test_another_operation_under_a_number_already_taken_is_set_aside_once(desk: Desk) -> None:
    desk.write("一")
    desk.sync(1)
    other = Journal("phone", CHEN, desk.clock)
    file = desk.sealed(an_envelope(other.write(desk.ticket, AddNote("另一条"))))
    first, second = desk.taken_in(file), desk.taken_in(file)
    assert (first.operations_new, first.operations_refused, first.operations_known) == (1, 1, 0)
    assert (second.operations_new, second.operations_refused, second.operations_known) == (0, 0, 1)
    assert desk.notes() == ["一"]


def test_the_journal_of_another_device_takes_none_of_this_ones_numbers(desk: Desk) -> None:
    """Apps used to put what a phone had recorded for its last owner before what it recorded for this one."""
    earlier = desk.enrol("earlier", WANG)
    received, unknown = (earlier.write(desk.ticket, AddNote(text)) for text in ("旧一", "旧二"))
    desk.storage.write_now(lambda writing: receive(writing, "earlier", WANG, [arrived(received)], 5))
    desk.write("一", "二")
    file = desk.sealed(an_envelope(received), an_envelope(unknown), *desk.journal())
    report = desk.taken_in(file)
    assert (report.operations_new, report.operations_refused, report.received_through) == (2, 0, 2)
    assert (report.operations_known, report.operations_unreadable) == (1, 1)
    assert desk.notes() == ["一", "二"]
    (kept,) = desk.storage.read_now(lambda reading: reading.attention.waiting())
    assert kept.raw == unknown
    before = desk.everything()
    desk.taken_in(file)
    assert desk.everything() == before


def test_an_empty_file_is_a_file(desk: Desk) -> None:
    report = desk.taken_in(seal(desk.public_key, KEY, [], device="phone", person=CHEN.id))
    assert (report.received_through, report.operations_new) == (0, 0)


# -- behind a gap -----------------------------------------------------------------------------------------------------


def test_what_stands_behind_a_gap_waits_for_what_is_missing(
    any_storage: Storage, clock: StandingClock, tmp_path: Path
) -> None:
    """Half of the journal was lost with the phone's disk: the rest is kept, told, and placed when the half comes."""
    desk = Desk(any_storage, clock, tmp_path)
    desk.write("一", "二", "三", "四")
    report = desk.taken_in(desk.sealed(*desk.journal()[2:]))
    assert (report.operations_waiting, report.operations_new, report.received_through) == (2, 0, 0)
    assert (desk.waiting(), desk.notes()) == ([3, 4], [])
    again = desk.taken_in(desk.sealed(*desk.journal()[2:]))
    assert (again.came_before, again.operations_waiting, again.operations_known) == (True, 2, 0)
    report = desk.taken_in(desk.sealed(*desk.journal()[:2]))
    assert (report.operations_new, report.operations_waiting, report.received_through) == (4, 0, 4)
    assert (desk.waiting(), desk.notes()) == ([], ["一", "二", "三", "四"])
    desk.photo_files.close()


def test_what_waits_is_placed_when_the_phone_itself_brings_the_rest(desk: Desk) -> None:
    desk.write("一", "二", "三")
    desk.taken_in(desk.sealed(*desk.journal()[1:]))
    desk.sync(1, 2)
    run(desk.service.place_waiting())
    assert (desk.waiting(), desk.notes()) == ([], ["一", "二", "三"])


def test_of_two_that_wait_under_one_number_the_one_in_the_chain_gets_the_place_and_the_other_a_verdict(
    desk: Desk,
) -> None:
    """Whichever of the two is looked at first, which their hashes decide."""
    desk.write("一", "二")
    forked = []
    for copy in range(5):
        other = Journal("phone", CHEN, desk.clock)
        other.write(desk.ticket, AddNote("一"))
        forked.append(an_envelope(other.write(desk.ticket, AddNote(f"另一条 {copy}"))))
    desk.taken_in(desk.sealed(desk.journal()[1], *forked))
    assert desk.waiting() == [2] * 6
    report = desk.taken_in(desk.sealed(desk.journal()[0]))
    assert (report.operations_new, report.operations_refused, desk.waiting()) == (7, 5, [])
    assert desk.notes() == ["一", "二"]
    refused = desk.storage.read_now(lambda reading: reading.attention.refusals())
    assert {each.code for each in refused} == {"sequence_taken"}


def test_more_than_a_rounds_worth_waits_and_is_placed(desk: Desk) -> None:
    desk.write(*(str(number) for number in range(410)))
    desk.taken_in(desk.sealed(*reversed(desk.journal())))
    assert (desk.waiting(), len(desk.notes())) == ([], 410)


# -- photos -----------------------------------------------------------------------------------------------------------


def test_a_photo_that_is_none_or_not_the_one_recorded_is_kept_apart(desk: Desk) -> None:
    picture = a_picture()
    report = desk.taken_in(desk.sealed(a_photo(b"no picture"), a_photo(picture, sha256="0" * 64)))
    assert (report.photos_new, report.photos_unfit) == (0, 2)
    assert desk.photos_told == 0
    again = desk.taken_in(desk.sealed(a_photo(b"no picture")))
    assert (again.photos_known, again.photos_unfit) == (1, 0)
    (aside,) = (desk.file.parent / "data" / "set-aside").glob(f"{hashlib.sha256(b'no picture').hexdigest()}")
    aside.write_bytes(b"no")  # by the office's disk
    anew = desk.taken_in(desk.sealed(a_photo(b"no picture")))
    assert (anew.photos_known, anew.photos_unfit) == (0, 1)
    assert aside.read_bytes() == b"no picture"


@pytest.mark.parametrize("damaged", [b"\xff\xd8", a_picture(2_000, seed=2)], ids=["cut short", "altered"])
def test_a_photo_that_the_office_has_damaged_comes_out_of_the_file_anew(desk: Desk, damaged: bytes) -> None:
    """Of another length or of the same: the lost phone's file may hold the only whole one."""
    picture = a_picture(2_000)
    desk.taken_in(desk.sealed(a_photo(picture)))
    path = desk.photo_files.path(hashlib.sha256(picture).hexdigest())
    assert path is not None
    path.write_bytes(damaged)
    report = desk.taken_in(desk.sealed(a_photo(picture), a_draft("note/1", b"{}")))
    assert (report.photos_new, report.photos_known) == (1, 0)
    assert path.read_bytes() == picture
    assert [kept.read_bytes() for kept in (desk.file.parent / "data" / "damaged").iterdir()] == [damaged]


def test_a_photo_that_came_in_a_file_is_missed_when_it_is_gone(desk: Desk) -> None:
    """Its phone may be gone as well: nobody may be told that the photo is still on it."""
    picture, none = a_picture(), b"no picture"
    for bytes_ in (picture, none):
        sha256 = hashlib.sha256(bytes_).hexdigest()
        desk.phone.write(desk.ticket, AddPhoto(sha256, len(bytes_), "image/jpeg", PhotoSlot.BEFORE))
    file = desk.sealed(*desk.journal(), a_photo(picture), a_photo(none))
    folder = desk.file.parent / "data"
    for _ in range(2):
        desk.taken_in(file)
        assert verify(desk.storage, folder, tell=lambda *_: None).findings == ()
    for path in [*folder.glob("photos/*/*"), *folder.glob("set-aside/*")]:
        path.unlink()
    problems = verify(desk.storage, folder, tell=lambda *_: None).problems
    assert {(each.what, each.about) for each in problems} == {
        (Problem.PHOTO_MISSING, hashlib.sha256(picture).hexdigest()),
        (Problem.SET_ASIDE_MISSING, hashlib.sha256(none).hexdigest()),
    }


def test_a_full_disk_stops_the_taking_in_and_nothing_is_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("一")
    file = desk.sealed(*desk.journal(), a_photo(a_picture()))
    monkeypatch.setattr(desk.photo_files, "has_room_for", lambda _size: False)
    with pytest.raises(OutOfRoom):
        desk.take_in(file)
    monkeypatch.undo()
    report = desk.taken_in(file)
    assert (report.operations_known, report.photos_new, report.came_before) == (1, 1, False)


def test_a_large_file_is_never_whole_in_memory(desk: Desk) -> None:
    pictures = [a_photo(a_picture(2_000_000, seed=seed)) for seed in range(1, 41)]
    desk.file.write_bytes(desk.sealed(*pictures))
    tracemalloc.start()
    try:
        report = run(desk.service.take_in(desk.file, LIN))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(report, RescueReport)
    assert report.photos_new == len(pictures)
    assert peak_bytes < 40_000_000  # of 80 million


# -- what is turned away ----------------------------------------------------------------------------------------------


def test_whose_file_it_is_must_be_known(desk: Desk) -> None:
    desk.write("一")
    assert desk.take_in(desk.sealed(device="stranger")) == RescueRefused("device-unknown")


def test_only_a_key_of_the_device_speaks_for_it(desk: Desk) -> None:
    desk.write("一")
    assert desk.take_in(desk.sealed(signing_key=OTHER_KEY)) == RescueRefused("key-unknown")
    assert desk.take_in(desk.sealed()[:-64] + KEY.sign(b"something else")) == RescueRefused("signature-wrong")
    assert desk.take_in(desk.sealed(signing_key=None)) == RescueRefused("signature-missing")
    assert desk.take_in(desk.sealed()[:-64]) == RescueRefused("signature-missing")
    assert desk.take_in(desk.sealed(signing_key=None) + bytes(64)) == RescueRefused("signature-missing")
    assert desk.notes() == []


def test_no_supervisor_can_overrule_a_device_that_has_a_key(desk: Desk) -> None:
    desk.write("一")
    for key in (None, OTHER_KEY):
        assert isinstance(desk.take_in(desk.sealed(signing_key=key), SUPERVISOR, vouched=True), RescueRefused)


@pytest.mark.parametrize("key", [None, OTHER_KEY], ids=["unsigned", "signed by a key nobody knows"])
def test_a_device_that_never_had_a_key_is_believed_if_a_supervisor_says_so(desk: Desk, key: Any) -> None:
    """The old phone broke before its app was updated."""
    desk.phone = desk.enrol("old", CHEN)
    desk.write("旧手机上的")
    file = desk.sealed(device="old", signing_key=key)
    assert desk.take_in(file) == RescueRefused("not-vouched-for")
    assert desk.take_in(file, LIN, vouched=True) == RescueRefused("not-vouched-for")
    assert desk.take_in(file, SUPERVISOR) == RescueRefused("not-vouched-for")
    report = desk.taken_in(file, SUPERVISOR, vouched=True)
    assert (report.is_signed, report.operations_new) == (False, 1)
    assert desk.storage.read_now(lambda reading: reading.keys.of_device("old")) == []


def test_a_file_for_another_office_cannot_be_opened_here(desk: Desk) -> None:
    _, other_office = made_key_pair()
    file = seal(other_office, KEY, desk.journal(), device="phone", person=CHEN.id)
    assert desk.take_in(file) == RescueRefused("another-office")
    ours = hashlib.sha256(desk.public_key).hexdigest()
    file = seal(other_office, KEY, desk.journal(), device="phone", person=CHEN.id, office_key=ours)
    assert desk.take_in(file) == RescueRefused("damaged")


@pytest.mark.parametrize("data", [b"", b"hello", b"DOORSTEP-RESCUE-1\n", b"DOORSTEP-RESCUE-2\n" + bytes(100)])
def test_something_else_is_told(desk: Desk, data: bytes) -> None:
    assert desk.take_in(data) == RescueRefused("not-a-rescue-file")


def test_chunks_left_out_exchanged_or_repeated_are_told_even_where_nobody_signed(desk: Desk) -> None:
    desk.phone = desk.enrol("old", CHEN)
    desk.write(*(f"第 {number} 条" for number in range(20)))
    file = desk.sealed(device="old", signing_key=None, chunk_bytes=2_000)
    frame = _frames(file)
    assert len(frame) > 4
    for altered in (
        [*frame[:2], *frame[3:]],
        [frame[0], frame[2], frame[1], *frame[3:]],
        [*frame[:2], frame[1], *frame[2:]],
        frame[:-2] + frame[-1:],
    ):
        refused = desk.take_in(b"".join(altered), SUPERVISOR, vouched=True)
        assert refused == RescueRefused("damaged")
    assert desk.notes() == []


def _frames(file: bytes) -> list[bytes]:
    """Its beginning with the header; each chunk; the end."""
    place = len(b"DOORSTEP-RESCUE-1\n")
    frames = []
    while True:
        length = int.from_bytes(file[place : place + 4], "big")
        place += 4 + length
        frames.append(file[place - 4 - length : place])
        if not length:
            frames[0] = file[: len(b"DOORSTEP-RESCUE-1\n")] + frames[0]
            return frames


@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(place=st.integers(0, 10**6), byte=st.integers(1, 255), cut=st.booleans())
def test_any_damage_is_told_and_leaves_nothing_behind(desk: Desk, place: int, byte: int, cut: bool) -> None:
    if not desk.phone.raw:
        desk.write("一", "二")
    file = bytearray(desk.sealed(*desk.journal(), a_photo(a_picture()), a_draft("note/1", b"{}"), chunk_bytes=500))
    place %= len(file)
    if cut:
        del file[place:]
    else:
        file[place] ^= byte
    before = desk.everything()
    assert isinstance(desk.take_in(bytes(file)), RescueRefused)
    assert desk.everything() == before
    assert desk.storage.read_now(lambda reading: reading.rescues.taken_in()) == []


# -- the office's key -------------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_every_process_uses_it(
    any_storage: Storage, clock: StandingClock, tmp_path: Path
) -> None:
    desk = Desk(any_storage, clock, tmp_path)
    before = desk.public_key
    other = RescueDesk(any_storage, desk.photo_files, clock, lambda: None)
    run(other.prepare())
    assert desk.public_key == before
    assert not any_storage.write_now(lambda writing: writing.keys.keep_secret(RESCUE, Secret(b"", b"", 0)))
    desk.photo_files.close()


def test_phones_are_told_the_key_their_files_are_sealed_for(office: Office) -> None:
    phone = office.phone(WANG)
    reply = phone.ask()
    assert reply.reference is not None
    secret = office.storage.read_now(lambda reading: reading.keys.secret(RESCUE))
    assert secret is not None
    assert reply.reference.rescue_key == secret.public


def test_an_office_that_is_brought_up_to_date_tells_phones_anew(
    settings: Settings, storage: Storage, clock: StandingClock
) -> None:
    """Their reference is of before there was a key."""
    before = storage.read_now(lambda reading: reading.feed.reference_revision())
    with TestClient(create_app(settings, storage, clock)):
        assert storage.read_now(lambda reading: reading.feed.reference_revision()) == before + 1
    with TestClient(create_app(settings, storage, clock)):
        assert storage.read_now(lambda reading: reading.feed.reference_revision()) == before + 1
