"""Phones that lie, that were revoked, that send the same thing many times at once; and an office that lost a file."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared_schema.lifecycle import Severity, Status
from shared_schema.operations import AcceptTicket, AddNote, AssignTicket, CancelTicket, GradeTicket
from shared_schema.rejections import RoleNotAllowed
from sync_server.settings import Settings
from sync_server.storage.tickets import TicketFilter
from tests.builders.tickets import a_request
from tests.sync_server.desk_browser import signed_in
from tests.sync_server.office import CHEN, LIN, WANG, Office, new_id, verdicts_of
from tests.sync_server.serving import PATIENCE_SECONDS
from tests.sync_server.test_uploads import Sender, a_picture, address, phone, received, sha256

__all__ = ["address", "phone"]


# -- enrolment ---------------------------------------------------------------------------------------------------------


def test_a_revoked_phone_does_not_come_back_by_its_old_key(office: Office) -> None:
    """The wrong person scanned the code and is revoked at once: within the key's fifteen minutes."""
    browser = signed_in(office)
    enrol = f"/technicians/{CHEN.id}/enrol"

    def offered() -> str:
        shown = browser.send(enrol, browser.get(enrol).page.form(enrol))
        return shown.text.partition("#enrol=")[2][:32]

    def asked(key: str) -> Any:
        return office.client.post("/sync/v1/enrol", json={"protocol": 1, "key": key, "device": "phone-x"})

    key = offered()
    assert asked(key).status_code == 200
    assert asked(key).status_code == 200, "a lost reply is asked for again"
    revoke = "/devices/phone-x/revoke"
    assert browser.send(revoke, browser.get(revoke).page.form(revoke), reason="wrong phone").status == 303
    refused = asked(key)
    assert (refused.status_code, refused.json()["code"]) == (410, "enrolment-expired")
    assert asked(offered()).status_code == 200, "somebody of the office may take it back"


# -- other people's tickets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exists", [True, False])
def test_somebody_elses_ticket_is_answered_like_one_that_does_not_exist(office: Office, exists: bool) -> None:
    """Whatever is tried on it, no verdict tells its version."""
    ticket = office.assigned(WANG) if exists else "019c0000-0000-7000-8000-000000000000"
    window = office.this_afternoon()
    chen = office.phone(CHEN)
    for operation in (
        AddNote("x"),
        AcceptTicket(),
        CancelTicket("x"),
        GradeTicket(Severity.ORDINARY),
        AssignTicket("nobody", window),
        AssignTicket(CHEN.id, window, WANG.id),
        a_request(),
    ):
        chen.write(ticket, operation)
    chen.write(ticket, AddNote("x"), previous_hash="f" * 64)
    verdicts = verdicts_of(chen.ask(chen.journal.raw))
    assert len(verdicts) == len(chen.journal.raw)
    assert {verdict.version for verdict in verdicts} == {0}
    assert ticket not in chen.tickets


def test_a_dispatchers_phone_takes_no_number_that_the_desk_allots(office: Office) -> None:
    """Neither one that is taken, with which nothing behind it would ever be heard, nor the next customer's."""
    ticket = office.received(number="260302-001")
    phone = office.phone(LIN)
    for number in ("260302-001", "260302-002"):
        phone.write(new_id(), a_request(number=number))
    phone.write(ticket, AddNote("客户来过电话"))
    assert [verdict.rejection for verdict in phone.sync()] == [RoleNotAllowed(LIN.role)] * 2 + [None]
    assert office.storage.read_now(lambda reading: reading.tickets.count_by_status(TicketFilter())) == {
        Status.RECEIVED: 1
    }


def test_what_a_phone_says_is_text_on_every_page(office: Office) -> None:
    """Names and words that are markup somewhere else."""
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
    ticket = office.assigned(CHEN)
    office.storage.write_now(
        lambda writing: writing.people.enrol_device(
            "phone-evil", CHEN.id, name=evil, platform=evil, token_sha256="0" * 64, at_ms=0
        )
    )
    chen = office.phone(CHEN)
    chen.write(ticket, AddNote(evil))
    chen.sync()
    browser = signed_in(office)
    for page in (
        f"/tickets/{ticket}",
        f"/tickets?chosen={ticket}",
        "/devices",
        "/technicians",
        f"/tickets?words={evil}",
    ):
        shown = browser.get(page)
        assert shown.status == 200
        assert "<script>alert" not in shown.text
        assert "<img src=x" not in shown.text
        assert "alert(1)" not in "".join(str(attributes) for tag, attributes in shown.page.elements if tag == "script")


# -- uploads -----------------------------------------------------------------------------------------------------------


def test_the_same_photo_from_many_connections_at_once(phone: Sender, settings: Settings) -> None:
    """One writes, the others are told where it stands or to wait; none finds the office at a loss."""
    for seed in range(5):
        data = a_picture(96, seed=seed)
        upload = phone.begin(data)
        answers = _all_at_once(8, partial(_send, phone, upload, data))
        assert set(answers) <= {204, 409, 423}, answers
        assert answers.count(204) == 1
        assert phone.offset(upload) == len(data)
        assert received(settings, data)


def _send(phone: Sender, upload: str, data: bytes, http: httpx.Client) -> int:
    headers = phone.headers | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    return http.patch(upload, headers=headers, content=data).status_code


def _all_at_once(count: int, work: Callable[[httpx.Client], int]) -> list[int]:
    answers: list[int] = []
    ready = threading.Barrier(count)

    def one() -> None:
        with httpx.Client(timeout=PATIENCE_SECONDS, verify=False) as http:
            ready.wait()
            answers.append(work(http))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_an_upload_whose_file_is_gone_begins_again(phone: Sender, settings: Settings) -> None:
    """A data folder restored without what was still arriving: the photo must not wait for the record to expire."""
    data = a_picture()
    lost = phone.begin(data)
    phone.send(lost, 0, data[:1000])
    for file in Path(settings.data / "uploads").iterdir():
        file.unlink()
    assert phone.http.head(lost).status_code == 404
    again = phone.ask(len(data), sha256(data))
    assert (again.status_code, again.headers["Upload-Offset"]) == (201, "0")
    assert phone.send(phone.address + again.headers["Location"], 0, data).status_code == 204
    assert received(settings, data)
