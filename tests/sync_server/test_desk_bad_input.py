"""What no browser of ours sends: each is answered with a page or a problem, never with a fault of the server."""

from typing import Any

import pytest
from litestar.testing import TestClient

from sync_server.app import create_app
from sync_server.settings import Settings
from sync_server.storage import Storage
from tests.sync_server.desk_browser import HTMX, signed_in
from tests.sync_server.office import Office, StandingClock

LONG = "长" * 300_000
TICKET = "01a1fc93-3d99-7486-8e04-da3fedc29e40"


@pytest.mark.parametrize(
    "address",
    [
        "/tickets?words=%FF%FE&region=%00&technician=%F0%9F%98%80",
        "/tickets?words=a&words=b&late=1&late=2&page=1&page=2&chosen=x&chosen=y&kind=repair&kind=repair",
        f"/tickets?words={'x' * 6000}",
        "/tickets?words=%25%5F%27%22%3B--",
        "/tickets?sort=window&page=0",
        f"/tickets?chosen={TICKET}",
        f"/tickets/{TICKET}",
        f"/tickets/{TICKET}/panel",
        f"/tickets/{TICKET}/file?seen=%00",
        f"/tickets/{TICKET}/act/assign_ticket",
        f"/tickets/{TICKET}/technicians?date=0000-00-00&start=&end=",
        "/tickets/%00",
        "/tickets/..%2f..%2fetc%2fpasswd",
        "/tickets/similar?phone=1&phone=2&serial=3&serial=4",
        f"/tickets/similar?phone={'9' * 5000}",
        "/tickets/new?linked=%F0%9F%98%80&linked=2",
        "/photos/abc?ticket=def&size=huge",
        f"/photos/{'0' * 64}?ticket={TICKET}&size=small&size=large",
        "/people/..%2fx/photo",
        "/technicians/%F0%9F%98%80/enrol",
        "/technicians/t-chen/enrol/unknown-mark",
        "/devices/%00/revoke",
        "/static/x/../../settings.py",
        "/static/000000000000/desk.css",
        "/sign-in?next=%2F%2Fevil&next=2",
        "/desk",
        "/tickets/",
    ],
)
def test_no_address_makes_the_server_fail(office: Office, address: str) -> None:
    browser = signed_in(office)
    for headers in ({}, HTMX, {**HTMX, "HX-Target": "list"}, {"Cookie": "doorstep_language=%FF; doorstep_theme=<>"}):
        answer = browser.get(address, **headers)
        assert answer.status < 500, answer.text


def test_no_sign_that_a_database_cannot_hold_makes_the_server_fail(
    settings: Settings, database: str, clock: StandingClock
) -> None:
    """PostgreSQL refuses to be asked about a NUL, wherever it stands."""
    nul, ticket = "%00", TICKET
    storage = Storage.open(database)
    with TestClient(create_app(settings, storage, clock)) as client:
        browser = signed_in(Office(storage, clock, client))
        for address in (
            f"/attention?chosen={nul}&kind={nul}&page={nul}",
            f"/attention?chosen=refused:{nul}:1:{nul}",
            f"/attention?chosen=draft:{nul}:{nul}",
            f"/attention/item?mark=refused:{nul}:1:{nul}",
            f"/devices/{nul}/revoke",
            f"/people/{nul}/photo",
            f"/photos/{nul}?ticket={nul}",
            f"/technicians/{nul}/enrol",
            f"/technicians/t-chen/enrol/{nul}",
            f"/tickets?chosen={nul}&words={nul}&technician={nul}&region={nul}",
            f"/tickets/{nul}",
            f"/tickets/{ticket}/history?page={nul}",
            f"/tickets/{ticket}/merge-into?into={nul}",
            f"/tickets/new?linked={nul}",
            f"/tickets/similar?phone=138001380{nul}&serial={nul}",
        ):
            assert browser.get(address).status < 500, address
        csrf = {"X-CSRF-Token": browser.get("/tickets").page.form("/sign-out").fields["csrf"]}
        for address, field in (
            ("/attention/seen/one", "mark"),
            ("/sign-in", "login"),
            (f"/tickets/{ticket}/act/merge_duplicate", "into"),
            ("/tickets/new", "linked"),
        ):
            assert browser.post(address, {field: "refused:\x00:1:\x00"}, headers=csrf).status < 500, address
    storage.close()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"\xff\xfe%%%=&&&==", "application/x-www-form-urlencoded"),
        (b"a=1&" * 5000, "application/x-www-form-urlencoded"),
        (
            b"--x\r\nContent-Disposition: form-data; name=photos; filename=a\r\n\r\ncut",
            "multipart/form-data; boundary=x",
        ),
        (b"nothing of the kind", "multipart/form-data; boundary=x"),
        (b"no boundary", "multipart/form-data"),
        (b'{"text": "json"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"x", "text/plain"),
    ],
)
def test_no_body_makes_the_server_fail(office: Office, content: bytes, media_type: str) -> None:
    """With the session's token in a header, so that the body is what is looked at."""
    browser, ticket = signed_in(office), office.received()
    csrf = browser.get("/tickets").page.form("/sign-out").fields["csrf"]
    headers = {"Content-Type": media_type, "X-CSRF-Token": csrf}
    for address in (
        f"/tickets/{ticket}/act/add_note",
        f"/tickets/{ticket}/act/add_photo",
        f"/tickets/{ticket}/act/correct_details",
        "/tickets/new",
        "/preferences",
        "/sign-in",
        "/devices/phone/revoke",
    ):
        answer = browser.request("POST", address, content=content, headers=headers)
        assert answer.status < 500, (address, answer.text)
    assert office.ticket(ticket).version == 1


def test_texts_of_any_length_are_refused_at_their_field(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    for text in ("长" * 4001, LONG):
        answer = browser.act(ticket, "add_note", text=text)
        assert answer.status in {413, 422}
    assert office.ticket(ticket).notes == ()


def test_signs_that_cannot_be_kept_do_no_harm(office: Office) -> None:
    browser, ticket = signed_in(office), office.received()
    for text in ("\ud83d", "a\x00b", "\u202e反向", "\x1b[31m"):
        fields: dict[str, Any] = {"text": text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")}
        assert browser.act(ticket, "add_note", **fields).status == 303
    assert browser.get(f"/tickets/{ticket}").status == 200
