"""Signing in at the desk, enrolling phones, and who sees which ticket."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from argon2 import PasswordHasher
from litestar import Litestar, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.testing import TestClient
from msgspec.structs import replace

from shared_schema.lifecycle import Role, Status
from shared_schema.operations import CancelTicket
from shared_schema.sync_protocol import PROTOCOL, EnrolReply, EnrolRequest
from sync_server.accounts import (
    SESSION_COOKIE,
    Accounts,
    EnrolmentOffer,
    EnrolmentRefused,
    LoginTaken,
    Person,
    Session,
    SignInRefused,
    access_ticket,
    office_session,
    session_cookie,
    session_ended_cookie,
)
from sync_server.accounts.accounts import SESSION_IDLE, SESSION_LONGEST, PasswordUnfit
from sync_server.accounts.attempts import PER_ADDRESS, PER_LOGIN, PER_LOGIN_AND_ADDRESS, WINDOW_SECONDS, Attempts
from sync_server.problems import Problem, exception_handlers
from sync_server.settings import Settings
from sync_server.storage import Storage, StorageUnavailable
from sync_server.storage.people import DeviceIdentity
from tests.sync_server.office import CHEN, GONE, LIN, WANG, Office, StandingClock, hire

T = TypeVar("T")

PASSWORD = "correct horse 电池"


class Stopwatch:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def accounts(storage: Storage, settings: Settings, clock: StandingClock, stopwatch: Stopwatch) -> Iterator[Accounts]:
    storage.write_now(hire)
    accounts = Accounts(storage, settings, clock, monotonic=stopwatch)
    run(accounts.set_password(LIN.id, PASSWORD))
    yield accounts
    accounts.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def signed_in(accounts: Accounts, login: str = "lin", password: str = PASSWORD, **more: Any) -> Session:
    session = run(accounts.sign_in(login, password, "192.0.2.1", **more))
    assert isinstance(session, Session), session
    return session


# -- signing in --------------------------------------------------------------------------------------------------------


def test_a_dispatcher_signs_in_and_out(accounts: Accounts, storage: Storage) -> None:
    """The database holds neither the password nor the token."""
    session = signed_in(accounts, " Lin ")
    assert session.person == replace(LIN, login="lin")
    assert run(accounts.session(session.token)) == session
    dump = storage.read_now(
        lambda reading: str(reading.people.session(hashlib.sha256(session.token.encode()).hexdigest()))
    )
    assert session.token not in dump
    run(accounts.sign_out(session.token))
    assert run(accounts.session(session.token)) is None


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("lin", "wrong password"),
        ("lin", ""),
        ("lin", PASSWORD + " "),
        ("lin", "x" * 100_000),
        ("lin", "\ud800"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("lin\x00", PASSWORD),
        ("l\ud800n", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
    ],
)
def test_wrong_names_and_passwords_get_the_same_answer(accounts: Accounts, login: str, password: str) -> None:
    assert run(accounts.sign_in(login, password, "192.0.2.1")) == SignInRefused("wrong")


def test_a_name_nobody_has_costs_as_much_as_a_wrong_password(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the time would tell which names exist: each try pays for one hash of the same strength."""
    paid: list[str] = []
    verify = PasswordHasher.verify

    def watched(self: PasswordHasher, password_hash: str, password: str) -> bool:
        paid.append(password_hash.rsplit("$", 2)[0])
        return verify(self, password_hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    for login in ("lin", "nobody", CHEN.id):
        run(accounts.sign_in(login, "wrong password", "192.0.2.1"))
    assert paid == ["$argon2id$v=19$m=19456,t=3,p=1"] * 3


def test_a_session_s_token_changes_at_every_sign_in(accounts: Accounts) -> None:
    """A token planted in the browser before the sign-in is worth nothing after it."""
    first = signed_in(accounts)
    second = signed_in(accounts, replaces=first.token)
    assert first.token != second.token
    assert first.csrf != second.csrf
    assert run(accounts.session(first.token)) is None
    assert run(accounts.session(second.token)) is not None


def test_a_session_ends_when_nobody_uses_it(accounts: Accounts, clock: StandingClock) -> None:
    session = signed_in(accounts)
    clock.move(SESSION_IDLE - timedelta(minutes=1))
    assert run(accounts.session(session.token)) is not None
    clock.move(SESSION_IDLE - timedelta(minutes=1))
    assert run(accounts.session(session.token)) is not None
    clock.move(SESSION_IDLE)
    assert run(accounts.session(session.token)) is None


def test_a_session_ends_however_busy_it_is(accounts: Accounts, clock: StandingClock) -> None:
    session = signed_in(accounts)
    end = clock.now() + SESSION_LONGEST
    while clock.now() < end:
        assert run(accounts.session(session.token)) is not None
        clock.move(timedelta(hours=8))
    assert run(accounts.session(session.token)) is None


def test_a_new_password_signs_everybody_else_out(accounts: Accounts) -> None:
    session = signed_in(accounts)
    assert run(accounts.set_password(LIN.id, "another password"))
    assert run(accounts.session(session.token)) is None
    assert signed_in(accounts, password="another password")
    assert not run(accounts.set_password("nobody", "another password"))


@pytest.mark.parametrize("password", ["", "short", "x" * 1001])
def test_a_password_that_protects_nothing_is_not_taken(accounts: Accounts, password: str) -> None:
    with pytest.raises(PasswordUnfit):
        run(accounts.set_password(LIN.id, password))


def test_somebody_who_left_is_out_at_once(accounts: Accounts) -> None:
    """The session ends with the employment, and so does the phone's token."""
    session = signed_in(accounts)
    run(accounts.add_person(replace(LIN, active=False)))
    assert run(accounts.session(session.token)) is None
    assert run(accounts.sign_in("lin", PASSWORD, "192.0.2.1")) == SignInRefused("wrong")


def test_only_people_of_the_office_are_at_the_desk(accounts: Accounts, storage: Storage) -> None:
    """A technician who was given a name and a password is answered as if there were none; a dispatcher who becomes a
    technician is out at once."""
    run(accounts.add_person(replace(CHEN, login="chen"), password=PASSWORD))
    assert run(accounts.sign_in("chen", PASSWORD, "192.0.2.1")) == SignInRefused("wrong")
    session = signed_in(accounts)
    run(accounts.add_person(replace(LIN, role=Role.TECHNICIAN)))
    assert run(accounts.session(session.token)) is None
    assert not run(accounts.is_signed_in(session.token))
    assert run(accounts.sign_in("lin", PASSWORD, "192.0.2.1")) == SignInRefused("wrong")


def test_two_people_cannot_have_one_login(accounts: Accounts) -> None:
    with pytest.raises(LoginTaken):
        run(accounts.add_person(replace(WANG, login="LIN")))


# -- guessing ----------------------------------------------------------------------------------------------------------


def test_guessing_one_password_is_stopped(accounts: Accounts, stopwatch: Stopwatch) -> None:
    """Even the right password is not looked at until the time has passed; other people are not disturbed."""
    for _ in range(PER_LOGIN_AND_ADDRESS):
        assert run(accounts.sign_in("lin", "wrong password", "192.0.2.9")) == SignInRefused("wrong")
    refused = run(accounts.sign_in("lin", PASSWORD, "192.0.2.9"))
    assert isinstance(refused, SignInRefused)
    assert refused.reason == "too-many"
    assert 0 < refused.retry_after_seconds <= WINDOW_SECONDS
    assert isinstance(run(accounts.sign_in("lin", PASSWORD, "192.0.2.10")), Session)
    stopwatch.seconds += WINDOW_SECONDS + 1
    assert isinstance(run(accounts.sign_in("lin", PASSWORD, "192.0.2.9")), Session)


def test_guesses_made_at_once_are_counted_before_they_are_checked(accounts: Accounts) -> None:
    """Fifty tries in the same moment get no more than the allowed number of answers."""

    async def guess() -> list[Session | SignInRefused]:
        tries = (accounts.sign_in("lin", f"wrong password {n}", "192.0.2.9") for n in range(50))
        return list(await asyncio.gather(*tries))

    answers = run(guess())
    assert answers.count(SignInRefused("wrong")) == PER_LOGIN_AND_ADDRESS


def test_guessing_everybody_s_password_from_one_address_is_stopped() -> None:
    attempts = Attempts(lambda: 0.0)
    assert all(attempts.begin(f"person-{n}", "192.0.2.9") is None for n in range(PER_ADDRESS))
    assert attempts.begin("somebody-else", "192.0.2.9") is not None
    assert attempts.begin("somebody-else", "192.0.2.10") is None


def test_an_ipv6_network_counts_as_one_address() -> None:
    """Its owner has 2⁶⁴ addresses to guess from."""
    attempts = Attempts(lambda: 0.0)
    assert all(attempts.begin("lin", f"2001:db8::{n:x}") is None for n in range(PER_LOGIN_AND_ADDRESS))
    assert attempts.begin("lin", "2001:db8::ffff") is not None
    assert attempts.begin("lin", "2001:db8:0:1::1") is None


def test_guessing_one_password_from_many_addresses_is_stopped_much_later() -> None:
    """Late enough that a stranger does not easily lock a dispatcher out."""
    attempts = Attempts(lambda: 0.0)
    assert all(attempts.begin("lin", f"192.0.{n}.1") is None for n in range(PER_LOGIN))
    assert attempts.begin("lin", "198.51.100.1") is not None


def test_signing_in_often_is_no_guessing() -> None:
    attempts = Attempts(lambda: 0.0)
    for _ in range(10 * PER_LOGIN):
        assert attempts.begin("lin", "192.0.2.9") is None
        attempts.succeeded("lin", "192.0.2.9")


# -- the desk's requests -----------------------------------------------------------------------------------------------


@get("/page")
async def _page(session: NamedDependency[Session]) -> str:
    return session.person.name


@post("/change")
async def _change(session: NamedDependency[Session]) -> str:
    return session.person.name


@pytest.fixture
def desk(accounts: Accounts, settings: Settings) -> Iterator[TestClient[Litestar]]:
    given = {
        "accounts": Provide(lambda: accounts, sync_to_thread=False),
        "settings": Provide(lambda: settings, sync_to_thread=False),
    }
    pages = Router("/", route_handlers=[_page, _change], dependencies={"session": Provide(office_session)})
    app = Litestar([pages], dependencies=given, exception_handlers=exception_handlers)
    with TestClient(app) as client:
        yield client


def test_a_browser_without_a_session_is_shown_the_way_to_sign_in(desk: TestClient[Litestar]) -> None:
    """And afterwards back to where it was going; a script is told by a code."""
    answer = desk.get("/page?q=a b", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=%2Fpage%3Fq%3Da%2520b")
    fragment = desk.get("/page", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (204, "/sign-in")
    page = {"HX-Request": "true", "HX-Current-URL": "http://testserver/tickets/1?act=add_note"}
    assert desk.post("/change", headers=page).headers["HX-Redirect"] == "/sign-in?next=%2Ftickets%2F1%3Fact%3Dadd_note"
    form = {"Accept": "text/html", "Referer": "http://testserver/tickets/new"}
    answer = desk.post("/change", headers=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=%2Ftickets%2Fnew")
    assert desk.get("/page").json()["code"] == "sign-in-needed"
    desk.cookies.set(SESSION_COOKIE, "x" * 5000)
    assert desk.get("/page").status_code == 401


def test_a_change_needs_the_session_s_own_token(desk: TestClient[Litestar], accounts: Accounts) -> None:
    """A form on a stranger's page carries the cookie but cannot know the token."""
    session = signed_in(accounts)
    desk.cookies.set(SESSION_COOKIE, session.token)
    assert desk.get("/page").text == LIN.name
    for sent in ({}, {"data": {"csrf": "x"}}, {"data": {"csrf": "\ud800".encode("utf-8", "surrogatepass")}}):
        answer = desk.post("/change", **sent)
        assert (answer.status_code, answer.json()["code"]) == (403, "form-expired"), sent
    assert desk.post("/change", headers={"X-CSRF-Token": "wrong"}).status_code == 403
    assert desk.post("/change", headers={"X-CSRF-Token": session.csrf}).status_code == 201
    assert desk.post("/change", data={"csrf": session.csrf}).status_code == 201


def test_the_session_s_cookie_is_out_of_reach_for_scripts_and_other_sites(accounts: Accounts) -> None:
    session = signed_in(accounts)
    cookie = session_cookie(session, Settings(public_url="https://doorstep.example")).to_header(header="")
    for wanted in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert wanted in cookie, cookie
    assert "Secure" not in session_cookie(session, Settings()).to_header(header="")
    assert "Max-Age=0" in session_ended_cookie(Settings()).to_header(header="")


# -- enrolling a phone -------------------------------------------------------------------------------------------------


def offered(accounts: Accounts, person: Person = CHEN) -> EnrolmentOffer:
    offer = run(accounts.offer_enrolment(person.id, by=LIN))
    assert offer is not None
    return offer


def asked(key: str, device: str = "phone-a") -> EnrolRequest:
    return EnrolRequest(1, key, device, name="陈师傅的手机", platform="browser")


def test_a_phone_is_enrolled_once_by_its_link(accounts: Accounts) -> None:
    """The link opens the app with the key in the fragment, which no server ever sees in its log."""
    offer = offered(accounts)
    assert offer.url == f"http://localhost:8000/app/#enrol={offer.key}"
    reply = run(accounts.enrol(asked(offer.key)))
    assert isinstance(reply, EnrolReply)
    assert (reply.person, reply.name) == (CHEN.id, CHEN.name)
    assert run(accounts.device_of(reply.token)) == DeviceIdentity("phone-a", CHEN)
    (row,) = run(accounts.devices())
    assert (row.id, row.person_name, row.name, row.platform) == ("phone-a", CHEN.name, "陈师傅的手机", "browser")
    assert run(accounts.enrol(asked(offer.key, "phone-b"))) == EnrolmentRefused("enrolment-used")


def test_a_lost_reply_is_asked_for_again_by_the_same_phone(accounts: Accounts, clock: StandingClock) -> None:
    """The network broke after the office had taken the key: the second reply counts, the lost token is void."""
    offer = offered(accounts)
    lost = run(accounts.enrol(asked(offer.key)))
    clock.move(timedelta(minutes=10))
    again = run(accounts.enrol(asked(offer.key)))
    assert isinstance(lost, EnrolReply)
    assert isinstance(again, EnrolReply)
    assert again.token != lost.token
    assert run(accounts.device_of(lost.token)) is None
    assert run(accounts.device_of(again.token)) is not None
    clock.move(timedelta(minutes=5))
    assert run(accounts.enrol(asked(offer.key))) == EnrolmentRefused("enrolment-expired")


def test_a_key_nobody_used_runs_out(accounts: Accounts, clock: StandingClock) -> None:
    offer = offered(accounts)
    clock.move(timedelta(minutes=15))
    assert run(accounts.enrol(asked(offer.key))) == EnrolmentRefused("enrolment-expired")
    assert run(accounts.enrol(asked("never-offered"))) == EnrolmentRefused("enrolment-unknown")


def test_two_phones_racing_for_one_key_are_not_both_let_in(accounts: Accounts) -> None:
    offer = offered(accounts)

    async def race() -> list[EnrolReply | EnrolmentRefused]:
        return list(await asyncio.gather(*(accounts.enrol(asked(offer.key, f"phone-{n}")) for n in range(10))))

    replies = run(race())
    assert sum(isinstance(reply, EnrolReply) for reply in replies) == 1
    assert replies.count(EnrolmentRefused("enrolment-used")) == 9


def test_two_phones_racing_for_one_key_through_two_processes_are_not_both_let_in(
    open_database: Callable[[], Storage], settings: Settings, clock: StandingClock
) -> None:
    """Somebody photographs the screen, and both phones open the link at the same moment."""
    processes = [Accounts(open_database(), settings, clock) for _ in range(2)]
    processes[0]._storage.write_now(hire)
    for _ in range(8):
        key = offered(processes[0]).key
        at_once = threading.Barrier(2)

        def enrol(accounts: Accounts, device: str) -> object:
            at_once.wait()  # noqa: B023
            return run(accounts.enrol(asked(key, device)))  # noqa: B023

        with ThreadPoolExecutor(2) as phones:
            replies = list(phones.map(enrol, processes, ["phone-a", "phone-b"]))
        assert replies.count(EnrolmentRefused("enrolment-used")) == 1
    for accounts in processes:
        accounts.close()


@pytest.mark.parametrize("second", [CHEN, WANG])
def test_one_new_phone_that_comes_with_two_keys_through_two_processes_is_somebody_s(
    second: Person, open_database: Callable[[], Storage], settings: Settings, clock: StandingClock
) -> None:
    """Two links are opened on it at the same moment. Both replies say how it is, and it is one person's."""
    processes = [Accounts(open_database(), settings, clock) for _ in range(2)]
    processes[0]._storage.write_now(hire)
    for turn in range(8):
        keys = [offered(processes[0], person).key for person in (CHEN, second)]
        at_once = threading.Barrier(2)

        def enrol(accounts: Accounts, key: str) -> EnrolReply | EnrolmentRefused:
            request = replace(asked(key, f"phone-{turn}"), public_key=bytes(32))  # noqa: B023
            at_once.wait()  # noqa: B023
            return run(accounts.enrol(request))

        with ThreadPoolExecutor(2) as links:
            replies = list(links.map(enrol, processes, keys))
        let_in = [reply for reply in replies if isinstance(reply, EnrolReply)]
        if second is CHEN:
            assert len(let_in) == 2
        else:
            assert EnrolmentRefused("device-of-another-person") in replies
            assert len(let_in) == 1
        for accounts in processes:
            (found,) = {run(accounts.device_of(reply.token)) for reply in let_in} - {None}
            assert found is not None
            assert (found.device, found.person.id) == (f"phone-{turn}", let_in[0].person)
    for accounts in processes:
        accounts.close()


def test_a_phone_with_a_colleague_s_journal_is_not_taken_over(accounts: Accounts) -> None:
    """Its waiting operations are the colleague's; the office's own journal is nobody's."""
    run(accounts.enrol(asked(offered(accounts, CHEN).key)))
    for device in ("phone-a", "office"):
        refused = run(accounts.enrol(asked(offered(accounts, WANG).key, device)))
        assert refused == EnrolmentRefused("device-of-another-person")


def test_nobody_is_enrolled_who_does_not_work_here(accounts: Accounts) -> None:
    assert run(accounts.offer_enrolment(GONE.id, by=LIN)) is None
    assert run(accounts.offer_enrolment("t-nobody", by=LIN)) is None
    offer = offered(accounts)
    run(accounts.add_person(replace(CHEN, active=False)))
    assert run(accounts.enrol(asked(offer.key))) == EnrolmentRefused("enrolment-unknown")


def test_a_revoked_phone_is_told_so_and_can_be_taken_back(accounts: Accounts) -> None:
    """Nothing on it is touched: enrolled again under its own name, it goes on where it stopped."""
    first = run(accounts.enrol(asked(offered(accounts).key)))
    assert isinstance(first, EnrolReply)
    assert run(accounts.device_of(first.token)) is not None
    assert run(accounts.revoke("phone-a", LIN, "手机丢失"))
    with pytest.raises(Problem) as refused:
        run(accounts.device_of(first.token))
    assert (refused.value.code, refused.value.status) == ("device-revoked", 401)
    assert not run(accounts.revoke("phone-a", LIN, "手机丢失"))
    (row,) = run(accounts.devices())
    assert row.revoked_by == LIN.id
    back = run(accounts.enrol(asked(offered(accounts).key)))
    assert isinstance(back, EnrolReply)
    assert run(accounts.device_of(back.token)) == DeviceIdentity("phone-a", CHEN)


def test_a_revocation_by_another_process_is_noticed_within_a_second(
    accounts: Accounts, storage: Storage, stopwatch: Stopwatch
) -> None:
    """A token once checked is believed for a moment only."""
    reply = run(accounts.enrol(asked(offered(accounts).key)))
    assert isinstance(reply, EnrolReply)
    run(accounts.device_of(reply.token))
    storage.write_now(lambda writing: writing.people.revoke_device("phone-a", 1, "command-line", "手机丢失"))
    stopwatch.seconds += 1.0
    with pytest.raises(Problem):
        run(accounts.device_of(reply.token))


@pytest.mark.parametrize(
    ("header", "operations", "photos"),
    [
        ("operations=3; photos=2", 3, 2),
        ("photos=2", None, 2),
        ("", None, None),
        ("operations=-3; photos=zwei; x", None, None),
        ("operations=" + "9" * 50, None, None),
        (";" * 100_000, None, None),
    ],
)
def test_the_desk_sees_what_a_phone_last_said_it_holds(
    accounts: Accounts, header: str, operations: int | None, photos: int | None
) -> None:
    reply = run(accounts.enrol(asked(offered(accounts).key)))
    assert isinstance(reply, EnrolReply)
    run(accounts.heard_from(DeviceIdentity("phone-a", CHEN), header))
    (row,) = run(accounts.devices())
    assert (row.holds_operations, row.holds_photos) == (operations, photos)
    assert row.last_heard_at is not None


def test_hearing_from_a_phone_is_written_sparingly(accounts: Accounts, clock: StandingClock) -> None:
    """Every ten seconds a phone asks; the disk is written when something is new, or once a minute."""
    news: list[str] = []
    accounts.on_devices(lambda: news.append("changed"))
    run(accounts.enrol(asked(offered(accounts).key)))
    identity = DeviceIdentity("phone-a", CHEN)
    run(accounts.heard_from(identity, "operations=1; photos=0"))
    first = clock.now()
    clock.move(timedelta(seconds=10))
    run(accounts.heard_from(identity, "operations=1; photos=0"))
    assert run(accounts.devices())[0].last_heard_at == first
    clock.move(timedelta(seconds=50))
    run(accounts.heard_from(identity, "operations=1; photos=0"))
    assert run(accounts.devices())[0].last_heard_at == clock.now()
    assert news == ["changed", "changed"]
    run(accounts.heard_from(identity, "operations=0; photos=0"))
    assert run(accounts.devices())[0].holds_operations == 0
    assert len(news) == 3


def test_what_a_phone_holds_is_noted_later_where_the_disk_is_full(
    accounts: Accounts, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone that says so has perhaps been answered already: its request must not fail for that."""

    async def is_full(*_given: object) -> None:
        raise StorageUnavailable("database or disk is full")

    run(accounts.enrol(asked(offered(accounts).key)))
    identity = DeviceIdentity("phone-a", CHEN)
    with monkeypatch.context() as on_a_full_disk:
        on_a_full_disk.setattr(storage, "write_together", is_full)
        run(accounts.heard_from(identity, "operations=1; photos=0"))
    run(accounts.heard_from(identity, "operations=1; photos=0"))
    assert run(accounts.devices())[0].holds_operations == 1


# -- over HTTP ---------------------------------------------------------------------------------------------------------


def test_a_phone_enrols_over_http(office: Office) -> None:
    """From the offer to the first round."""
    offer = office.storage.write_now(
        lambda writing: writing.people.offer_enrolment(
            hashlib.sha256(b"one-time-key").hexdigest(), CHEN.id, offered_by="test", at_ms=0, expires_at_ms=2**50
        )
    )
    assert offer is None
    body = {"protocol": 1, "key": "one-time-key", "device": "phone-a", "name": "", "platform": ""}
    answer = office.client.post("/sync/v1/enrol", json=body)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {answer.json()['token']}", "Doorstep-Holding": "operations=2; photos=1"}
    round_ = {"protocol": 1, "device": "phone-a", "cursor": 0}
    assert office.client.post("/sync/v1/round", json=round_, headers=headers).status_code == 200
    (row,) = office.storage.read_now(lambda reading: reading.people.devices())
    assert (row.holds_operations, row.holds_photos) == (2, 1)
    other = office.client.post("/sync/v1/enrol", json=body | {"device": "phone-b"})
    assert (other.status_code, other.json()["code"]) == (410, "enrolment-used")
    old = office.client.post("/sync/v1/enrol", json=body | {"protocol": PROTOCOL + 1})
    assert (old.status_code, old.json()["code"]) == (426, "upgrade-required")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 10_000,
        b'{"protocol":1}',
        b'{"protocol":1e400,"key":"12345678","device":"a"}',
        b'{"protocol":1,"key":"\xff\xfe345678","device":"a"}',
        b'{"protocol":1,"key":"12345678","device":"../../etc"}',
        b'{"protocol":1,"key":"' + b"x" * 300 + b'","device":"a"}',
    ],
)
def test_an_enrolment_that_cannot_be_read_is_refused(office: Office, body: bytes) -> None:
    answer = office.client.post("/sync/v1/enrol", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")


def test_an_endless_enrolment_is_not_read(office: Office) -> None:
    answer = office.client.post("/sync/v1/enrol", content=b" " * 100_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "request-too-large")


# -- who sees what -----------------------------------------------------------------------------------------------------


def test_a_technician_sees_their_own_tickets_and_nobody_else_s(office: Office) -> None:
    ticket = office.ticket(office.assigned(CHEN))
    assert access_ticket(CHEN, ticket) == ticket
    assert access_ticket(DeviceIdentity("phone-a", CHEN), ticket) == ticket
    assert access_ticket(WANG, ticket) is None
    assert access_ticket(LIN, ticket) == ticket


def test_number_and_address_are_withheld_once_the_ticket_is_over(office: Office) -> None:
    """Product rule 4; the desk still sees them."""
    ticket_id = office.assigned(CHEN)
    office.decide(ticket_id, CancelTicket("客户取消"))
    ticket = office.ticket(ticket_id)
    assert ticket.status is Status.CANCELLED
    seen = access_ticket(CHEN, ticket)
    assert seen is not None
    assert (seen.customer.phone, seen.customer.address) == ("", "")
    assert (seen.customer.name, seen.customer.region) == (ticket.customer.name, ticket.customer.region)
    assert access_ticket(LIN, ticket) == ticket


def test_a_dispatcher_s_phone_is_a_technician_s_view(office: Office) -> None:
    """What a phone may hold is what its owner visits, whoever that is."""
    ticket = office.ticket(office.assigned(CHEN))
    assert access_ticket(DeviceIdentity("phone-lin", LIN), ticket) is None


def test_every_view_of_customer_data_is_on_record(accounts: Accounts, clock: StandingClock) -> None:
    run(accounts.note_views(LIN, ["ticket-1", "ticket-2"], "list"))
    run(accounts.note_views(LIN, [], "list"))
    clock.move(timedelta(minutes=1))
    run(accounts.note_views(LIN, ["ticket-1"], "ticket"))
    newest, oldest = run(accounts.views_of("ticket-1"))
    assert (newest.person, newest.page, newest.viewed_at) == (LIN.id, "ticket", clock.now())
    assert oldest.page == "list"
