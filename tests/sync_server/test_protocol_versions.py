"""An old app's phone can always bring what it holds, also when it has to be updated before it is told anything."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient
from msgspec.structs import replace

from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.identifiers import uuid7
from shared_schema.operations import AcceptTicket, AddNote
from shared_schema.sync_protocol import OLDEST_PROTOCOL, PROTOCOL, EnrolRequest, RoundReply
from sync_server.app import create_app
from sync_server.settings import Settings, SettingUnusable, from_environment
from sync_server.storage import Storage
from tests.builders.signing import a_signed_head, a_signing_key
from tests.builders.tickets import a_picture
from tests.sync_server.office import CHEN, Office, StandingClock, verdicts_of

GOLDEN = Path(__file__).parent.parent / "shared_schema" / "golden"


@pytest.fixture
def newer_office(settings: Settings, storage: Storage, clock: StandingClock) -> Iterator[Office]:
    """An office that tells nothing to apps of the first protocol any more."""
    with TestClient(create_app(replace(settings, oldest_protocol=2), storage, clock)) as client:
        yield Office(storage, clock, client)


def golden(version: int, name: str) -> bytes:
    return (GOLDEN / f"v{version}" / f"{name}.json").read_bytes()


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# -- every version is understood --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", range(OLDEST_PROTOCOL, PROTOCOL + 1))
def test_the_messages_of_every_version_ever_shipped_are_answered(office: Office, version: int) -> None:
    """As they are in the golden files. Their operations stand behind a gap: not taken, and not refused either."""
    phone = office.phone(CHEN)
    for name in ("round-request.empty", "round-request.full"):
        body = golden(version, name)
        device = msgspec.json.decode(body)["device"]
        answer = phone.post(body.replace(device.encode(), phone.journal.device.encode()))
        assert answer.status_code == 200, answer.text
        reply = msgspec.json.decode(answer.content, type=RoundReply)
        assert (reply.protocol, reply.upgrade, reply.received_through) == (version, False, 0)


@pytest.mark.parametrize("version", range(OLDEST_PROTOCOL, PROTOCOL + 1))
def test_every_operation_of_every_version_gets_a_verdict(office: Office, version: int) -> None:
    """Brought as the journal of one phone, in its golden bytes but for the place in the journal."""
    phone = office.phone(CHEN)
    names = sorted(path.stem for path in (GOLDEN / f"v{version}").glob("operation.*.json"))
    for number, name in enumerate(names, start=1):
        envelope = msgspec.json.decode(golden(version, name))
        envelope |= {
            "id": uuid7(1_770_000_000_000, hashlib.sha256(name.encode()).digest()[:10]),
            "sequence": number,
            "device": phone.journal.device,
            "previous_hash": phone.journal.last_hash,
        }
        phone.journal.take(msgspec.json.encode(envelope), envelope["id"])
    verdicts = verdicts_of(phone.ask(phone.journal.raw, protocol=version))
    assert len(verdicts) == len(names) > 15
    unreadable = {"unknown_operation", "malformed_operation", "journal_broken"}
    for verdict in verdicts:
        rejection = verdict.rejection
        assert rejection is None or rejection.__struct_config__.tag not in unreadable, verdict


# -- an app too old to be told anything -------------------------------------------------------------------------------


def test_an_old_phone_brings_what_it_holds_and_is_told_to_be_updated(newer_office: Office) -> None:
    ticket = newer_office.assigned(CHEN)
    phone = newer_office.phone(CHEN)
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddNote("旧版本写的"))
    reply = phone.ask(phone.journal.raw, cursor=1, protocol=1)
    assert [verdict.filing for verdict in verdicts_of(reply)] == [Filing.APPLIED] * 2
    assert (reply.upgrade, reply.received_through) == (True, 2)
    assert (reply.cursor, reply.changes, reply.more, reply.reference, reply.in_step) == (1, [], False, None, None)
    assert [note.text for note in newer_office.ticket(ticket).notes] == ["旧版本写的"]


def test_an_old_phone_that_brings_nothing_is_told_to_be_updated(newer_office: Office) -> None:
    phone = newer_office.phone(CHEN)
    body = wire.encode({"protocol": 1, "device": phone.journal.device, "cursor": 0})
    answer = phone.post(body, **{"Doorstep-Holding": "operations=0; photos=2"})
    assert code(answer) == (426, "upgrade-required")
    (row,) = newer_office.storage.read_now(lambda reading: reading.people.devices(CHEN.id))
    assert (row.last_heard_at, row.holds_photos) == (newer_office.clock.now(), 2)


def test_once_updated_it_goes_on_where_it_was(newer_office: Office) -> None:
    ticket = newer_office.assigned(CHEN)
    phone = newer_office.phone(CHEN)
    phone.write(ticket, AcceptTicket())
    phone.heed(phone.ask(phone.journal.raw, protocol=1))
    assert phone.tickets == {}
    reply = phone.ask(protocol=2, head=a_signed_head(a_signing_key(), phone.journal.device, 1, phone.journal.raw[0]))
    phone.heed(reply)
    assert (reply.upgrade, reply.signed_through) == (False, 1)
    assert phone.tickets[ticket] == newer_office.ticket(ticket)


def test_an_old_phone_is_enrolled_and_brings_its_photos(newer_office: Office) -> None:
    """Signed out by mistake with work on it: without a new token it could bring nothing at all."""
    phone = newer_office.phone(CHEN)
    body = wire.encode(EnrolRequest(1, "never-offered", phone.journal.device))
    assert code(newer_office.client.post("/sync/v1/enrol", content=body))[1] == "enrolment-unknown"
    picture = a_picture()
    headers = {"Authorization": f"Bearer {phone.token}", "Tus-Resumable": "1.0.0", "Upload-Length": str(len(picture))}
    sha256 = msgspec.json.encode(hashlib.sha256(picture).hexdigest().encode()).strip(b'"').decode()
    answer = newer_office.client.post("/sync/v1/uploads", headers=headers | {"Upload-Metadata": f"sha256 {sha256}"})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("value", [str(OLDEST_PROTOCOL - 1), str(PROTOCOL + 1), "newest"])
def test_the_oldest_protocol_is_one_the_office_speaks(value: str) -> None:
    with pytest.raises(SettingUnusable, match="DOORSTEP_OLDEST_PROTOCOL"):
        from_environment({"DOORSTEP_OLDEST_PROTOCOL": value})
