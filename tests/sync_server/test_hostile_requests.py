"""Requests that no browser of ours sends: a problem with a stable code, never a 500, and nothing kept of them."""

import asyncio
import contextlib
import errno
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa
from litestar import Request
from litestar.testing import TestClient

from shared_schema.operations import AddNote
from sync_server.__main__ import HEAD_BYTES
from sync_server.accounts import SESSION_COOKIE
from sync_server.accounts.accounts import SESSION_LONGEST
from sync_server.app import create_app
from sync_server.problems import bodies
from sync_server.services import live
from sync_server.settings import Settings
from sync_server.storage import Storage
from tests.simulation.loop import VirtualLoop
from tests.sync_server.desk_browser import Browser, signed_in
from tests.sync_server.office import CHEN, Office, StandingClock
from tests.sync_server.serving import PATIENCE_SECONDS, served
from tests.sync_server.test_serve import doorstep

HOSTS = ["office:port", "office:99999999999", "office:-1", "[", "[::1", ""]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_host_that_cannot_be_read_changes_nothing(office: Office, host: str, accept: str) -> None:
    """Where an answer leads never depends on it."""
    headers = {"Host": host, "Accept": accept}
    assert office.client.get("/sign-in", headers=headers).status_code == 200
    assert office.client.get("/nowhere", headers=headers).headers["Doorstep-Problem"] == "not-found"
    assert office.client.get("/sync/v1/round", headers=headers).headers["Doorstep-Problem"] == "method-not-allowed"
    turned_away = office.client.get("/tickets?words=%E7%81%AF", headers=headers, follow_redirects=False)
    if accept == "text/html":
        assert turned_away.headers["Location"] == "/sign-in?next=%2Ftickets%3Fwords%3D%25E7%2581%25AF"
    else:
        assert turned_away.json()["code"] == "sign-in-needed"


@pytest.mark.parametrize("host", ["a b", "//elsewhere", "elsewhere/?#"])
def test_what_is_no_host_at_all_is_refused(office: Office, host: str) -> None:
    answer = office.client.get("/sign-in", headers={"Host": host})
    assert (answer.status_code, answer.headers["Doorstep-Problem"]) == (400, "malformed-request")


PARTS = {
    "no UTF-8": b'Content-Disposition: form-data; name="csrf"\r\n\r\n\xff\xfe',
    "an encoding nobody knows": b'Content-Disposition: form-data; name="csrf"\r\n'
    b"Content-Type: text/plain; charset=nowhere\r\n\r\nx",
    "no name": b"Content-Disposition: form-data\r\n\r\nx",
    "no header": b"\r\nx",
    "no end of header": b'Content-Disposition: form-data; name="csrf"',
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_form_in_parts_that_are_no_text(office: Office, part: bytes) -> None:
    """With and without a session, with the token in a header so that the form itself is reached."""
    dispatcher = signed_in(office)
    csrf = {"X-CSRF-Token": f"csrf-of-{next(iter(dispatcher.cookies.values()))}"}
    ticket = office.received()
    for browser, address, more in (
        (Browser(office), "/sign-in", {}),
        (dispatcher, "/preferences", {}),
        (dispatcher, "/tickets/new", csrf),
        (dispatcher, f"/tickets/{ticket}/act/add_note", csrf),
        (dispatcher, "/technicians/t-chen/enrol", {}),
    ):
        headers = {"Content-Type": "multipart/form-data; boundary=b"} | more
        answer = browser.request("POST", address, headers=headers, content=b"--b\r\n" + part + b"\r\n--b--\r\n")
        assert answer.status in {400, 403, 422}, (address, answer.status)
    assert office.ticket(ticket).version == 1


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "3000-01-01", "9999-12-31"])
def test_a_day_at_the_end_of_the_calendar_is_no_day(office: Office, day: str) -> None:
    """The day after the last one, and the first one in another time zone, cannot be computed."""
    browser, ticket = signed_in(office), office.assigned()
    typed = {"date": day, "start": "00:00", "end": "23:59", "technician": CHEN.id}
    query = "&".join(f"{name}={value}" for name, value in typed.items())
    assert browser.get(f"/tickets/{ticket}/technicians?{query}").status == 200
    refused = browser.act(ticket, "assign_ticket", **typed)
    assert refused.status == 422
    assert day in refused.text, "what was typed stays"
    assert browser.act(ticket, "correct_details", purchased_on=day).status == 422


def test_a_full_database_is_said_and_nothing_is_acknowledged(office: Office) -> None:
    """Pages can still be read; when there is room again, the same round and the same form go through."""
    phone, browser, ticket = office.phone(), signed_in(office), office.assigned()
    larger_than_a_page = "🔧" * 4000
    phone.write(ticket, AddNote(larger_than_a_page))
    typed = {**browser.get(f"/tickets/{ticket}?act=add_note").page.form(f"/tickets/{ticket}/act/add_note").fields}
    typed["text"] = larger_than_a_page
    _may_grow(office, by_pages=0)
    round_ = b'{"protocol":1,"device":"phone-t-chen","cursor":0,"ops":[' + phone.journal.raw[0] + b"]}"
    refused = phone.post(round_)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"]
    form = browser.post(f"/tickets/{ticket}/act/add_note", typed)
    assert (form.status, form.headers["Doorstep-Problem"]) == (503, "unavailable")
    assert "database" not in refused.text + form.text
    assert office.client.get("/health").status_code == 200
    _may_grow(office, by_pages=10_000)
    assert phone.post(round_).json()["received_through"] == 1
    assert browser.post(f"/tickets/{ticket}/act/add_note", typed).status == 303
    assert len(office.ticket(ticket).notes) == 2


def _may_grow(office: Office, by_pages: int) -> None:
    """The limit that SQLite takes for a full disk."""

    def limit(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + by_pages}")

    office.storage.write_now(lambda writing: limit(writing.people._connection))


def test_a_full_disk_is_said_to_a_dispatcher_who_adds_photos(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the file stays behind, and no operation speaks of a photo that is not there."""
    browser, ticket = signed_in(office), office.assigned()
    before = office.ticket(ticket)
    address = f"/tickets/{ticket}/act/add_photo"
    form = browser.get(f"/tickets/{ticket}?act=add_photo").page.form(address)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        answer = browser.post(address, form.fields, files={"photos": ("a.jpg", b"\xff\xd8\xff" + b"x" * 999)})
    assert (answer.status, answer.headers["Doorstep-Problem"]) == (507, "office-storage-full")
    assert office.ticket(ticket) == before


SLOWLY = {
    "/sync/v1/enrol": "application/json",
    "/sync/v1/round": "application/json",
    "/sign-in": "application/x-www-form-urlencoded",
    "/preferences": "multipart/form-data; boundary=b",
    "/tickets/new": "application/x-www-form-urlencoded",
}


@pytest.mark.parametrize("pause_seconds", [60.0, 0.05], ids=["nothing more comes", "a byte now and then"])
@pytest.mark.parametrize("address", SLOWLY)
def test_a_body_that_does_not_arrive_is_not_waited_for(
    address: str,
    pause_seconds: float,
    settings: Settings,
    storage: Storage,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither in silence nor byte by byte; the connection ends with the answer.

    It ends in peace, or by a reset where a byte met the closed door: what came before is read either way.
    """
    monkeypatch.setattr(bodies, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(bodies, "WHOLE_SECONDS", 0.4)
    app = create_app(settings, storage, clock)
    office = Office(storage, clock, TestClient(app))
    cookie = "; ".join(f"{name}={value}" for name, value in signed_in(office).cookies.items())
    head = (
        f"POST {address} HTTP/1.1\r\nHost: office\r\nAccept: application/json\r\nCookie: {cookie}\r\n"
        f"Authorization: Bearer {office.phone().token}\r\n"
        f"Content-Type: {SLOWLY[address]}\r\nContent-Length: 10000\r\n\r\n--b\r\n"
    )
    with served(app) as office_address:
        where = urlsplit(office_address)
        with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(head.encode())
            connection.settimeout(pause_seconds)
            answer = b""
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                try:
                    received = connection.recv(65536)
                except TimeoutError:
                    with suppress(ConnectionError):
                        connection.sendall(b"x")
                    continue
                except ConnectionResetError:
                    break
                answer += received
                if not received:
                    break
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request-stalled"' in answer
    assert time.monotonic() < deadline


def test_a_slow_line_gets_a_large_form_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came buys time for what is still to come."""
    monkeypatch.setattr(bodies, "WHOLE_SECONDS", 0.1)
    monkeypatch.setattr(bodies, "SLOWEST_BYTES_PER_SECOND", 1000)

    async def story() -> bytes:
        async def receive() -> Any:
            await asyncio.sleep(0.04)
            parts.pop()
            return {"type": "http.request", "body": b"x" * 100, "more_body": bool(parts)}

        parts = list(range(8))
        request: Request[Any, Any, Any] = Request({"type": "http", "headers": [], "state": {}}, receive)  # type: ignore[arg-type]
        return await bodies.limited_body(request, 10_000)

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(random.Random(1))) as runner:
        assert runner.run(story()) == b"x" * 800


def test_a_session_has_so_many_streams_and_none_when_it_is_over(
    settings: Settings, storage: Storage, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest gives way; signing out ends them at once, running out with the next event."""
    monkeypatch.setattr(live, "STREAMS_OF_ONE", 2)
    app = create_app(settings, storage, clock)
    office = Office(storage, clock, TestClient(app))
    with served(app) as address, contextlib.ExitStack() as streams:

        def watching(browser: Browser) -> Iterator[str]:
            client = streams.enter_context(
                httpx.Client(base_url=address, cookies=browser.cookies, timeout=PATIENCE_SECONDS)
            )
            lines = streams.enter_context(client.stream("GET", "/desk/events")).iter_lines()
            assert next(line for line in lines if line.startswith("data:"))
            return lines

        one, other = signed_in(office), signed_in(office)
        first, second, third, foreign = (watching(browser) for browser in (one, one, one, other))
        assert not any(line.startswith("data:") for line in first), "it has ended"
        office.received()
        for lines in (second, third, foreign):
            assert next(line for line in lines if line.startswith("data:")) == "data: 1"
        csrf = f"csrf-of-{one.cookies[SESSION_COOKIE]}"
        left = httpx.post(f"{address}/sign-out", cookies=one.cookies, data={"csrf": csrf}, timeout=PATIENCE_SECONDS)
        assert left.status_code == 303
        for lines in (second, third):
            assert "data: 2" not in list(lines)
        clock.move(SESSION_LONGEST)
        office.received()
        assert "data: 2" not in list(foreign)


def test_a_head_that_does_not_end_is_not_kept(tmp_path: Path) -> None:
    """Nobody has to be signed in to send one; a long but finite one is answered."""
    with doorstep("serve", "--port", "0", "--data", str(tmp_path / "data")) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        where = urlsplit(address)
        for line in (b"x" * 1000, b"X-Header: y\r\n" * 80):
            with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_SECONDS) as connection:
                # The system would take far more off our hands than it hands on: all of it before the office is heard.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, HEAD_BYTES)
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: office\r\nX-Long: ")
                with pytest.raises(ConnectionError):  # noqa: PT012 - at which of them it is noticed is the network's
                    for _ in range(100 * HEAD_BYTES // len(line)):
                        connection.sendall(line)
        with httpx.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
            for _ in range(3):
                assert client.get("/health", headers={"X-Long": "x" * 60_000}).status_code == 200


def test_a_nul_in_an_address_is_somebody_nobody_knows(any_storage: Storage) -> None:
    """On PostgreSQL, which cannot even be asked for it, as well as on SQLite."""
    nul = "\x00unknown"
    assert any_storage.read_now(lambda reading: reading.people.person(nul)) is None
    assert any_storage.read_now(lambda reading: reading.people.photo(nul)) is None
    assert any_storage.read_now(lambda reading: reading.people.person_with_login(nul)) is None
    assert any_storage.read_now(lambda reading: reading.tickets.by_number(nul)) is None
    assert any_storage.read_now(lambda reading: reading.tickets.similar(nul, nul)) == []
