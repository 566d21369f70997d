"""Sync health: every phone with how far its work has been received, and one sentence for each thing to be done."""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from shared_schema.evidence import PhotoSlot
from shared_schema.operations import AcceptTicket, AddNote, AddPhoto, Clock
from sync_server.clock import milliseconds
from sync_server.services.health import AlarmKind
from sync_server.services.photo_files import PhotoFiles
from sync_server.settings import Settings
from sync_server.storage import Writing
from sync_server.storage.attention import RescuedOperation
from sync_server.storage.journal import journals
from sync_server.storage.keys import JournalSignature, LearntBy, SignatureFault
from sync_server.storage.rescues import Rescue
from sync_server.storage.scrubs import Fault, PhotoFault
from sync_server.storage.uploads import BEGIN, StoredUpload, UploadState, begun_row
from sync_server.words import words_in
from tests.builders.tickets import a_picture
from tests.sync_server.desk_browser import HTMX, Browser, Page, signed_in
from tests.sync_server.office import CHEN, WANG, Office, Phone

SAY = words_in("zh-CN")
KEY = b"k" * 32


def at_work(office: Office) -> Phone:
    """A phone whose first operation has been received and that holds nothing."""
    phone = office.phone()
    ticket = office.assigned()
    phone.write(ticket, AcceptTicket())
    phone.sync()
    holds(office, 0, 0)
    return phone


def holds(office: Office, operations: int, photos: int, device: str = "phone-t-chen") -> None:
    at_ms = milliseconds(office.clock.now())
    office.storage.write_now(lambda writing: writing.people.heard_from(device, at_ms, operations, photos))


def page_of(office: Office) -> Page:
    answer = signed_in(office).get("/sync-health")
    assert answer.status == 200
    return answer.page


def alarms(page: Page) -> list[str]:
    return [kind.value for kind in AlarmKind if SAY(f"alarm.name.{kind.value}") in page.text]


def parts(page: Page) -> list[str]:
    return [given["id"] for _, given in page.elements if given.get("id", "").startswith("health-")]


def mark(writing: Writing, signature: JournalSignature) -> None:
    """How the office holds the phone's journal, whatever led to it."""
    values = {name: getattr(signature, name) for name in JournalSignature.__struct_fields__}
    fault = signature.signature_fault
    values["signature_fault"] = fault.value if fault else None
    wanted = sa.update(journals).where(journals.c.device == "phone-t-chen")
    writing._connection.execute(wanted.values(values))


# -- one alarm each ---------------------------------------------------------------------------------------------------


def chain_broken(office: Office, phone: Phone) -> None:
    phone.write(next(iter(phone.tickets)), AddNote("x"), previous_hash="f" * 64)
    phone.sync()
    office.storage.write_now(lambda writing: writing.attention.see_all("phone-t-chen", "p-lin", 1))


def signature(fault: SignatureFault) -> Callable[[Office, Phone], None]:
    def fail(office: Office, _phone: Phone) -> None:
        failed = JournalSignature(signature_failed_at_ms=milliseconds(office.clock.now()), signature_fault=fault)
        office.storage.write_now(lambda writing: writing.keys.mark({"phone-t-chen": failed}))

    return fail


def revoked_holding(office: Office, _phone: Phone) -> None:
    holds(office, 3, 2)
    at_ms = milliseconds(office.clock.now())
    office.storage.write_now(lambda writing: writing.people.revoke_device("phone-t-chen", at_ms, "p-lin", "手机丢失"))


def silent(office: Office, _phone: Phone) -> None:
    holds(office, 3, 2)
    office.clock.move(timedelta(hours=9))


def hole(office: Office, _phone: Phone) -> None:
    behind = RescuedOperation("phone-t-chen", 5, "5" * 64, "id", None, 1, b"{}")
    office.storage.write_now(lambda writing: writing.attention.keep_waiting([behind]))


def photos_missing(office: Office, phone: Phone) -> None:
    phone.write(next(iter(phone.tickets)), AddPhoto("a" * 64, 1000, "image/jpeg", PhotoSlot.BEFORE))
    phone.sync()
    office.clock.move(timedelta(hours=25))


def clock_jumped(office: Office, phone: Phone) -> None:
    """Set two days forward, while the clock nobody can set has counted an hour."""
    now_ms = milliseconds(office.clock.now())
    anchored = Clock(0, 20, anchored_at_ms=now_ms - 3_600_000, since_anchor_ms=3_600_000)
    at = office.clock.now() + timedelta(days=2)
    phone.write(next(iter(phone.tickets)), AddNote("x"), clock=anchored, occurred_at=at)
    phone.sync()


def clock_off(office: Office, phone: Phone) -> None:
    at = office.clock.now() - timedelta(minutes=42)
    phone.write(next(iter(phone.tickets)), AddNote("x"), clock=Clock(42 * 60_000, 20), occurred_at=at)
    phone.sync()


def refused(office: Office, phone: Phone) -> None:
    phone.write(office.received(), AddNote("x"))
    phone.sync()


CASES: list[tuple[AlarmKind, Callable[[Office, Phone], None]]] = [
    (AlarmKind.CHAIN_BROKEN, chain_broken),
    (AlarmKind.SIGNATURE_WRONG, signature(SignatureFault.WRONG)),
    (AlarmKind.ANOTHER_JOURNAL, signature(SignatureFault.ANOTHER_JOURNAL)),
    (AlarmKind.UNKNOWN_KEY, signature(SignatureFault.UNKNOWN_KEY)),
    (AlarmKind.REVOKED_HOLDING, revoked_holding),
    (AlarmKind.SILENT, silent),
    (AlarmKind.HOLE, hole),
    (AlarmKind.PHOTOS_MISSING, photos_missing),
    (AlarmKind.SIGNATURE_MISSING, signature(SignatureFault.MISSING)),
    (AlarmKind.CLOCK_JUMPED, clock_jumped),
    (AlarmKind.CLOCK_OFF, clock_off),
    (AlarmKind.REFUSED, refused),
]


@pytest.mark.parametrize(("kind", "happen"), CASES, ids=[kind.value for kind, _ in CASES])
def test_each_alarm_is_given_for_its_cause_and_no_other(
    office: Office, kind: AlarmKind, happen: Callable[[Office, Phone], None]
) -> None:
    phone = at_work(office)
    assert alarms(page_of(office)) == []
    happen(office, phone)
    assert alarms(page_of(office)) == [kind.value]


def test_every_alarm_has_a_case_here() -> None:
    assert [kind for kind, _ in CASES] == list(AlarmKind)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_alarm_says_what_to_do_in_one_sentence(office: Office, language: str) -> None:
    """With nothing left open in it."""
    phone = at_work(office)
    for _, happen in CASES:
        if happen not in {chain_broken, revoked_holding}:
            happen(office, phone)
    browser = signed_in(office)
    browser.cookies["doorstep_language"] = language
    text = browser.get("/sync-health").page.text
    assert "{" not in text
    assert "alarm." not in text


# -- the table --------------------------------------------------------------------------------------------------------


def test_a_phone_s_line_says_how_far_it_was_received_and_signed(office: Office) -> None:
    at_work(office)
    signed = JournalSignature(signed_through=1, signed_hash="h", signed_key=KEY, signature=b"s" * 64, signed_at_ms=1)

    def sign(writing: Writing) -> None:
        writing.keys.learn("phone-t-chen", KEY, LearntBy.ENROLMENT, 1)
        writing.keys.mark({"phone-t-chen": signed})

    office.storage.write_now(sign)
    holds(office, 3, 2)
    page = page_of(office)
    for words in (
        "陈师傅的手机",
        SAY("platform.browser"),
        "待上传：记录 3 项、照片 2 张",
        SAY("health.clock_right"),
        SAY.count("health.in_order", 1),
    ):
        assert words in page.text, words
    assert SAY("health.signed_all") in {given.get("title") for _, given in page.elements}


def test_the_gravest_is_first(office: Office) -> None:
    phone = at_work(office)
    office.phone(WANG)
    refused(office, phone)
    assert parts(page_of(office)) == ["health-phone-t-chen", "health-phone-t-wang"]
    holds(office, 1, 0, "phone-t-wang")
    office.clock.move(timedelta(hours=9))
    assert parts(page_of(office)) == ["health-phone-t-wang", "health-phone-t-chen"]


def test_a_rescue_file_that_was_taken_in_ends_the_alarm(office: Office) -> None:
    """Of the phone that was revoked while it held work: what it held is here."""
    phone = at_work(office)
    revoked_holding(office, phone)
    office.clock.move(timedelta(hours=1))
    taken = Rescue("f" * 64, 1000, "phone-t-chen", 1, milliseconds(office.clock.now()), "p-lin", b"{}")
    office.storage.write_now(lambda writing: writing.rescues.note(taken))
    page = page_of(office)
    assert alarms(page) == []
    assert SAY("health.rescued") in page.text


def test_a_photo_that_came_after_all_is_missing_no_more(office: Office, settings: Settings) -> None:
    phone, picture = at_work(office), a_picture(seed=7)
    sha256 = hashlib.sha256(picture).hexdigest()
    phone.write(next(iter(phone.tickets)), AddPhoto(sha256, len(picture), "image/jpeg", PhotoSlot.BEFORE))
    phone.sync()
    office.clock.move(timedelta(hours=25))
    assert alarms(page_of(office)) == ["photos_missing"]
    photo_files = PhotoFiles(settings.data)
    asyncio.run(photo_files.store(picture))
    photo_files.close()
    assert alarms(page_of(office)) == []


def test_an_office_short_of_space_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))(100 * 10**9, 99 * 10**9, 10**9)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    assert SAY("alarm.office_storage", free="1") in page_of(office).text


# -- photos that the office's disk has damaged or lost ----------------------------------------------------------------


def faulty(office: Office, *faults: PhotoFault) -> None:
    office.storage.write_now(lambda writing: writing.scrubs.note(faults))


def found(office: Office, sha256: str, fault: Fault, ticket: str | None = None) -> PhotoFault:
    return PhotoFault(sha256, fault, milliseconds(office.clock.now()), ticket)


@pytest.mark.parametrize("fault", Fault)
def test_a_photo_that_is_not_whole_is_an_alarm_that_names_it(office: Office, fault: Fault, settings: Settings) -> None:
    """Which photo, of which ticket, what is wrong, since when, and what can be done."""
    ticket, sha256 = office.assigned(), "ab" * 32
    if fault is Fault.DAMAGED:
        (settings.data / "photos" / "ab" / sha256).write_bytes(b"rotten")
    faulty(office, found(office, sha256, fault, ticket))
    office.clock.move(timedelta(hours=2))
    page = page_of(office)
    for words in (
        SAY.count("health.photos", 1),
        SAY(f"photo_alarm.name.{fault.value}"),
        office.ticket(ticket).number,
        SAY(f"photo_alarm.{fault.value}", at="今天 09:00"),
        SAY("photo_alarm.backup"),
        f"photos/ab/{sha256}",
    ):
        assert words in page.text, words
    assert f"/tickets/{ticket}" in {given.get("href") for _, given in page.elements}
    assert page.with_id(f"photo-{sha256}")["class"] == "grave"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_it_is_said_in_both_languages(office: Office, language: str) -> None:
    """With nothing left open: of a photo a phone may still have, of one it was asked for, of one of nobody's."""
    at_work(office)
    names = {"asked": "ab" * 32, "heard": "cd" * 32, "backup": "ef" * 32}
    uploads = [
        StoredUpload(
            id=name,
            device="phone-t-chen",
            person=CHEN.id,
            sha256=names[name],
            size_bytes=1,
            state=UploadState.RECEIVED,
            begun_at_ms=1,
            expires_at_ms=2,
        )
        for name in ("asked", "heard")
    ]
    office.storage.write_now(lambda writing: writing.execute(BEGIN, [begun_row(upload) for upload in uploads]))
    faulty(office, found(office, names["heard"], Fault.MISSING), found(office, names["backup"], Fault.MISSING))
    office.clock.move(timedelta(minutes=1))
    heard = {"phone-t-chen": milliseconds(office.clock.now())}
    office.storage.write_now(lambda writing: writing.scrubs.recalls_heard(heard))
    office.clock.move(timedelta(minutes=1))
    faulty(office, found(office, names["asked"], Fault.MISSING))
    browser = signed_in(office)
    browser.cookies["doorstep_language"] = language
    page = browser.get("/sync-health").page
    say = words_in(language)
    assert say("photo_alarm.asked", name=CHEN.name) in page.text
    assert say("photo_alarm.or_backup") in page.text
    assert say("photo_alarm.backup") in page.text
    assert say("photo_alarm.no_ticket") in page.text
    assert say("photo_alarm.heard", name=CHEN.name, at="{at}").partition("{at}")[2] in page.text
    assert "{" not in page.text
    assert "photo_alarm." not in page.text


def test_of_very_many_the_first_are_named_and_the_others_counted(office: Office) -> None:
    faulty(office, *(found(office, f"{number:064x}", Fault.MISSING) for number in range(53)))
    page = page_of(office)
    assert SAY.count("health.photos", 53) in page.text
    assert SAY.count("photo_alarm.beyond", 3) in page.text
    assert sum(given.get("id", "").startswith("photo-") for _, given in page.elements) == 50


def test_a_photo_that_was_lost_here_is_no_alarm_of_the_phone_that_brought_it(office: Office) -> None:
    phone = at_work(office)
    photos_missing(office, phone)
    assert alarms(page_of(office)) == ["photos_missing"]
    faulty(office, found(office, "a" * 64, Fault.MISSING))
    assert alarms(page_of(office)) == []


def test_nobody_has_a_phone_yet(office: Office) -> None:
    assert SAY("devices.none") in page_of(office).text


def test_it_is_for_the_office_and_brings_itself_up_to_date(office: Office) -> None:
    assert Browser(office).get("/sync-health").location.startswith("/sign-in")
    browser = signed_in(office)
    office.phone(CHEN)
    part = browser.get("/sync-health", **HTMX, **{"HX-Target": "health"})
    assert "<html" not in part.text
    assert part.page.with_id("health")["hx-get"] == "/sync-health"
