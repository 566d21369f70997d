"""`doorstep people` and `doorstep enrol`, typed while the office is open."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared_schema.apply import Filing
from shared_schema.lifecycle import OFFICE_ROLES, Role, Status
from shared_schema.operations import AcceptTicket, AddNote, CancelTicket
from shared_schema.rejections import NotThisDevice, RoleNotAllowed, UnknownTicket
from sync_server.__main__ import main
from tests.sync_server.office import CHEN, LIN, WANG, Office

Doorstep = Callable[..., tuple[int, str, str]]


@pytest.fixture
def doorstep(office: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doorstep:
    """The command line beside the running office: exit status, what it printed, what it complained of."""

    def typed(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main([*words, "--data", str(tmp_path / "data")])
        said = capsys.readouterr()
        return status, said.out, said.err

    return typed


def test_an_administrator_lets_a_phone_in(doorstep: Doorstep, office: Office) -> None:
    """By work number; the link is printed for copying and as a QR code, and works with the server that is running."""
    status, said, _ = doorstep("enrol", CHEN.number, "--port", "8123")
    assert status == 0
    assert CHEN.name in said
    assert "▄" in said
    link = re.search(r"http://localhost:8123/app/#enrol=(\S+)", said)
    assert link is not None
    body = {"protocol": 1, "key": link[1], "device": "phone-a"}
    assert office.client.post("/sync/v1/enrol", json=body).json()["person"] == CHEN.id
    _, listed, _ = doorstep("people", "list", "--role", "technician")
    assert "phone-a" in listed
    assert LIN.name not in listed


@pytest.mark.parametrize("role", sorted(OFFICE_ROLES))
def test_whoever_changes_to_the_desk_still_hands_in_what_they_recorded_on_visits(
    doorstep: Doorstep, office: Office, role: Role
) -> None:
    """Promoted while the phone was in a cellar. It is a technician's work and judged as one's: nothing of the desk's
    own may be done with it, and nobody else's ticket is touched."""
    ticket, done_by_wang, of_wang = office.assigned(CHEN), office.assigned(CHEN), office.assigned(WANG)
    phone = office.phone(CHEN)
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddNote("换了整流器"))
    phone.write(done_by_wang, AddNote("客户要求改期"))
    phone.write(of_wang, AddNote("不是我的"))
    phone.write(ticket, CancelTicket("不去了"))
    assert doorstep("people", "add", CHEN.id, "--role", role.value)[0] == 0
    office.assign(done_by_wang, WANG, replaces=CHEN)
    verdicts = phone.sync()
    assert [verdict.filing for verdict in verdicts[:3]] == [Filing.APPLIED, Filing.APPLIED, Filing.LATE]
    assert [verdict.rejection for verdict in verdicts[3:]] == [UnknownTicket(), RoleNotAllowed(Role.TECHNICIAN)]
    assert office.ticket(ticket).notes[-1].text == "换了整流器"
    assert office.ticket(ticket).status is Status.ACCEPTED


def test_whoever_leaves_the_desk_for_visits_decides_nothing_any_more(doorstep: Doorstep, office: Office) -> None:
    """The app records in nobody's name but a technician's; what says otherwise is not believed."""
    ticket = office.assigned(CHEN)
    phone = office.phone(LIN)
    assert doorstep("people", "add", LIN.id, "--role", "technician")[0] == 0
    phone.write(ticket, CancelTicket("不去了"))
    assert [verdict.rejection for verdict in phone.sync()] == [NotThisDevice()]
    assert office.ticket(ticket).status is Status.ASSIGNED


def test_somebody_is_added_given_a_password_and_leaves(
    doorstep: Doorstep, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole working life of an account, from a terminal."""
    added = doorstep("people", "add", "p-zhao", "--role", "dispatcher", "--name", "赵敏", "--login", "Zhao")
    assert added[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("a good password\n"))
    assert doorstep("people", "password", "zhao", "--password-from-stdin")[0] == 0
    assert doorstep("people", "add", "p-zhao", "--phone", "021-1234")[0] == 0
    known = office.storage.read_now(lambda reading: reading.people.person_with_login("zhao"))
    assert known is not None
    assert (known[0].name, known[0].phone) == ("赵敏", "021-1234")
    assert known[1].startswith("$argon2id$v=19$m=19456,t=3,")
    assert doorstep("people", "leave", "zhao")[0] == 0
    assert office.storage.read_now(lambda reading: reading.people.person_with_login("zhao")) is None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("enrol", "nobody"), "nobody is known as nobody"),
        (("enrol", "0009"), "no longer works here"),
        (("people", "add", "Not An Id", "--role", "technician", "--name", "x"), "small letters"),
        (("people", "add", "t-new"), "--role and --name are needed"),
        (("people", "add", "t-new", "--role", "technician", "--name", "x", "--login", "lin"), "somebody else"),
        (("people", "add", "t-new", "--role", "technician", "--name", "x", "--portrait", "/no/file"), "/no/file"),
    ],
)
def test_a_mistake_is_told_in_one_line(doorstep: Doorstep, words: tuple[str, ...], complaint: str) -> None:
    status, _, complained = doorstep(*words)
    assert status == 1
    assert complaint in complained
    assert complained.count("\n") == 1


def test_a_password_too_short_is_refused(doorstep: Doorstep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    status, _, complained = doorstep("people", "password", "lin", "--password-from-stdin")
    assert (status, "8 to 1000" in complained) == (1, True)
