"""Rescue files are taken in at the desk: what came of them is said, and why one is turned away."""

import hashlib
from typing import Any

import pytest

from shared_schema.lifecycle import Role
from shared_schema.operations import AddNote
from shared_schema.rescue import Record
from sync_server.services.rescue_files import made_key_pair
from sync_server.settings import Settings
from sync_server.storage.keys import RESCUE, LearntBy
from sync_server.storage.people import Person
from sync_server.words import words_in
from tests.builders.rescue_files import a_draft, a_photo, an_envelope, seal
from tests.builders.signing import a_signing_key
from tests.builders.tickets import a_picture
from tests.sync_server.desk_browser import Answer, Browser, signed_in
from tests.sync_server.office import CHEN, LIN, Office, Phone

SAY = words_in("zh-CN")
KEY = a_signing_key()
SUPERVISOR = Person(id="p-zhou", role=Role.SUPERVISOR, name="周主管", login="zhou")


def a_phone(office: Office, *, has_key: bool = True) -> tuple[Phone, str]:
    """A phone with two notes that have not been sent."""
    phone, ticket = office.phone(), office.assigned(CHEN)
    if has_key:
        public_key = KEY.public_key().public_bytes_raw()
        office.storage.write_now(lambda writing: writing.keys.learn("phone-t-chen", public_key, LearntBy.ENROLMENT, 1))
    phone.write(ticket, AddNote("整流器已更换"))
    phone.write(ticket, AddNote("客户要求周末回访"))
    return phone, ticket


def sealed(office: Office, phone: Phone, *more: tuple[Record, bytes], **different: Any) -> bytes:
    secret = office.storage.read_now(lambda reading: reading.keys.secret(RESCUE))
    assert secret is not None
    usual: dict[str, Any] = {
        "office_public_key": secret.public,
        "signing_key": KEY,
        "records": [*(an_envelope(raw) for raw in phone.journal.raw), *more],
        "device": "phone-t-chen",
        "person": CHEN.id,
    }
    return seal(**(usual | different))


def bring(office: Office, file: bytes, person: Person = LIN, **fields: str) -> Answer:
    browser = signed_in(office, person)
    form = browser.get("/rescue").page.form("/rescue")
    chosen = {"file": ("陈师傅.doorstep-rescue", file, "application/octet-stream")}
    return browser.request("POST", "/rescue", data=form.fields | fields, files=chosen)


def test_what_the_phone_held_arrives_and_the_page_says_what(office: Office) -> None:
    phone, ticket = a_phone(office)
    file = sealed(office, phone, a_photo(a_picture(seed=3)), a_draft("note:1", '{"text":"没写完"}'.encode()))
    answer = bring(office, file)
    assert answer.status == 200
    assert [note.text for note in office.ticket(ticket).notes][-2:] == ["整流器已更换", "客户要求周末回访"]
    text = answer.page.text
    assert SAY("rescue.taken", name="陈师傅") in text
    assert SAY("rescue.signed") in text
    assert f"{SAY('rescue.operations_new')} 2 {SAY('rescue.operations_known')} 0" in text
    assert f"{SAY('rescue.photos')} 1" in text
    assert f"{SAY('rescue.drafts')} 1" in text
    assert SAY("device.received_through", number="2") in text
    assert "没写完" in signed_in(office).get("/attention?kind=draft").page.text


def test_the_same_file_again_doubles_nothing_and_both_are_on_the_list(office: Office) -> None:
    phone, ticket = a_phone(office)
    file = sealed(office, phone)
    bring(office, file)
    version = office.ticket(ticket).version
    again = bring(office, file).page.text
    assert SAY("rescue.came_before", name="陈师傅") in again
    assert f"{SAY('rescue.operations_new')} 0 {SAY('rescue.operations_known')} 2" in again
    assert office.ticket(ticket).version == version
    listed = signed_in(office).get("/rescue").page.text
    assert f"{SAY('rescue.before')} 2" in listed
    assert listed.count("林晓 陈师傅") == 2


def test_what_stands_behind_a_gap_is_kept_and_said(office: Office) -> None:
    phone, _ = a_phone(office)
    answer = bring(office, sealed(office, phone, records=[an_envelope(phone.journal.raw[1])]))
    assert SAY.count("rescue.waiting", 1) in answer.page.text
    assert SAY("alarm.name.hole") in signed_in(office).get("/sync-health").page.text


def test_refused_operations_of_a_file_wait_in_the_queue(office: Office) -> None:
    phone, _ = a_phone(office)
    phone.write(office.received(), AddNote("写错了工单"))
    page = bring(office, sealed(office, phone)).page
    assert f"{SAY('rescue.operations_refused')} 1" in page.text
    assert "/attention" in page.links_to("/attention")
    assert "写错了工单" in signed_in(office).get("/attention").page.text


@pytest.mark.parametrize(
    "code",
    [
        "not-a-rescue-file",
        "damaged",
        "another-office",
        "device-unknown",
        "key-unknown",
        "signature-wrong",
        "signature-missing",
        "not-vouched-for",
    ],
)
def test_every_refusal_is_said_in_clear_words(office: Office, code: str) -> None:
    """And nothing is taken in, and nothing noted."""
    phone, ticket = a_phone(office, has_key=code != "not-vouched-for")
    before = office.ticket(ticket)
    differences: dict[str, dict[str, Any]] = {
        "another-office": {"office_public_key": made_key_pair()[1]},
        "device-unknown": {"device": "phone-of-nobody"},
        "key-unknown": {"signing_key": a_signing_key("other")},
        "signature-missing": {"signing_key": None},
    }
    file = sealed(office, phone, **differences.get(code, {}))
    if code == "not-a-rescue-file":
        file = a_picture()
    elif code == "signature-wrong":
        file = file[:-1] + bytes([file[-1] ^ 1])
    elif code == "damaged":  # altered and signed anew by whoever altered it
        at = len(file) - 64 - 4 - 40
        body = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 : -64]
        file = body + KEY.sign(b"doorstep rescue 1\n" + hashlib.sha256(body).digest())
    answer = bring(office, file)
    assert answer.status == 422
    assert SAY(f"rescue.refused.{code}") in answer.page.text
    assert SAY("rescue.nothing_taken") in answer.page.text
    assert office.ticket(ticket) == before
    assert SAY("rescue.none") in answer.page.text


def test_a_supervisor_vouches_for_a_phone_that_never_had_a_key(office: Office) -> None:
    """A dispatcher cannot; the supervisor says so with a tick, and the list keeps who it was."""
    office.storage.write_now(lambda writing: writing.people.save(SUPERVISOR, 0))
    phone, ticket = a_phone(office, has_key=False)
    file = sealed(office, phone)
    assert bring(office, file, vouched="1").status == 422
    asked = bring(office, file, SUPERVISOR)
    assert asked.status == 422
    assert SAY("rescue.vouch") in asked.page.text
    assert SAY("rescue.vouch") not in bring(office, file).page.text
    taken = bring(office, file, SUPERVISOR, vouched="1")
    assert taken.status == 200
    assert SAY("rescue.vouched") in taken.page.text
    assert office.ticket(ticket).notes[-1].text == "客户要求周末回访"


def test_a_file_of_a_revoked_phone_is_taken_in(office: Office) -> None:
    phone, ticket = a_phone(office)
    office.storage.write_now(lambda writing: writing.people.revoke_device("phone-t-chen", 1, "p-lin", "丢失"))
    assert bring(office, sealed(office, phone)).status == 200
    assert len(office.ticket(ticket).notes) >= 2


def test_nothing_chosen_is_said(office: Office) -> None:
    browser = signed_in(office)
    fields = browser.get("/rescue").page.form("/rescue").fields
    answer = browser.request("POST", "/rescue", data=fields, files={"file": ("", b"", "application/octet-stream")})
    assert answer.status == 422
    assert SAY("rescue.choose") in answer.page.text


def test_only_the_office_takes_files_in_and_its_form_carries_the_token(office: Office) -> None:
    phone, ticket = a_phone(office)
    before = office.ticket(ticket)
    assert Browser(office).get("/rescue").location.startswith("/sign-in")
    chosen = {"file": ("x.doorstep-rescue", sealed(office, phone), "application/octet-stream")}
    assert signed_in(office).request("POST", "/rescue", data={"csrf": "wrong"}, files=chosen).status == 403
    assert office.ticket(ticket) == before


def test_no_copy_of_a_file_stays_behind(office: Office, settings: Settings) -> None:
    phone, _ = a_phone(office)
    bring(office, sealed(office, phone))
    assert list(settings.data.glob("rescue-*")) == []
