"""The device's signature on its journal: sent with every round that needs one, and never in the way of anything."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import UNSET

from field_app.device.contract import SigningFailed
from field_app.device.desktop import DesktopDevice
from field_app.sync import engine as engine_module
from shared_schema.sync_protocol import EnrolReply, EnrolRequest, RoundReply, RoundRequest, SignedHead, head_text
from shared_schema.wire import encode, hash_of
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.scripted_office import ScriptedOffice
from tests.field_app.single_phone import saved

TICKET = an_assigned_ticket()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[ScriptedOffice]:
    office = ScriptedOffice(tmp_path)
    office.phone.given(TICKET)
    yield office
    office.close()


def head_of(request: RoundRequest) -> SignedHead:
    """Verified."""
    head = request.head
    assert isinstance(head, SignedHead)
    text = head_text(request.device, head.sequence, head.hash)
    Ed25519PublicKey.from_public_bytes(head.key).verify(head.signature, text)
    return head


def test_a_round_signs_the_newest_operation_it_carries(office: ScriptedOffice) -> None:
    saved(office.phone.actions.accept(TICKET.id))
    saved(office.phone.actions.start_travel(TICKET.id))
    office.run(office.engine.run_round())
    (asked,) = office.rounds
    head = head_of(asked)
    assert (head.sequence, head.hash) == (2, hash_of(bytes(asked.ops[-1])))
    assert office.phone.device.key.signatures == 1


def test_what_the_office_holds_unsigned_is_signed_although_nothing_is_sent(office: ScriptedOffice) -> None:
    """An app that could not sign has been updated: the journal it left behind is signed once, then no more."""
    office.phone.device.key.can_sign = False
    saved(office.phone.actions.accept(TICKET.id))
    office.run(office.engine.run_round())
    assert office.rounds[-1].head is UNSET
    office.phone.device.key.can_sign = True
    office.says(office.accepting(signed_through=1))
    office.run(office.engine.run_round())
    assert head_of(office.rounds[-1]).hash == hash_of(office.phone.store.raw_journal()[0])
    assert (office.phone.store.signed_through(), office.engine.status.signed_through) == (1, 1)
    office.says(office.accepting(signed_through=1))
    office.run(office.engine.run_round())
    assert office.rounds[-1].head is UNSET
    assert office.phone.incidents() == set()


def test_the_same_head_is_signed_once(office: ScriptedOffice) -> None:
    """However often an office that knows of no signatures lets it be sent."""
    saved(office.phone.actions.accept(TICKET.id))
    office.says(httpx.ConnectError("no route"))
    for _ in range(3):
        office.run(office.engine.run_round())
    assert len({head_of(asked).signature for asked in office.rounds}) == 1
    assert office.phone.device.key.signatures == 1


@pytest.mark.parametrize("manner", ["fails", "hangs"])
def test_a_key_that_does_not_work_holds_up_no_round(
    office: ScriptedOffice, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work goes unsigned, the incident is on record, and for ten minutes nobody waits for the key again."""
    monkeypatch.setattr(engine_module, "SIGN_SECONDS", 0.02)
    key = office.phone.device.key
    if manner == "fails":
        key.fault = SigningFailed("the file is gone")
    key.hangs = manner == "hangs"
    saved(office.phone.actions.accept(TICKET.id))
    office.run(office.engine.run_round())
    assert office.rounds[-1].head is UNSET
    assert office.phone.store.received_through() == 1
    assert office.phone.incidents() == {"signing-failed"}
    key.fault, key.hangs = None, False
    saved(office.phone.actions.start_travel(TICKET.id))
    office.run(office.engine.run_round())
    assert office.rounds[-1].head is UNSET
    office.clock.move(minutes=11)
    office.run(office.engine.run_round())
    assert head_of(office.rounds[-1]).sequence == 2


@pytest.mark.parametrize("can_sign", [True, False])
def test_the_enrolment_tells_the_devices_key(office: ScriptedOffice, can_sign: bool) -> None:
    key = office.phone.device.key
    key.can_sign = can_sign
    reply = EnrolReply("device-1", "token-2", "t-chen", "陈师傅", 0)
    office.says(httpx.Response(200, content=encode(reply)))
    office.run(office.engine.enrol("k" * 20, "手机"))
    asked = msgspec.json.decode(office.requests[-1].content, type=EnrolRequest)
    assert asked.public_key == (office.run(key.public_key()) if can_sign else UNSET)


def test_a_restored_office_has_lost_signatures_too(office: ScriptedOffice) -> None:
    """It tells so, and gets them again with what it has lost."""
    saved(office.phone.actions.accept(TICKET.id))
    office.says(office.accepting(signed_through=1))
    office.run(office.engine.run_round())
    office.received_through = 0
    office.run(office.engine.run_round())
    assert head_of(office.rounds[-1]).sequence == 1


def test_the_key_is_a_file_that_only_its_user_may_read_and_stays_the_same(tmp_path: Path) -> None:
    async def told() -> tuple[bytes | None, bytes]:
        signer = DesktopDevice(tmp_path / "store.db").signer
        return await signer.public_key(), await signer.sign(b"text")

    (first, signature), (again, _) = asyncio.run(told()), asyncio.run(told())
    assert first == again
    assert first is not None
    Ed25519PublicKey.from_public_bytes(first).verify(signature, b"text")
    assert (tmp_path / "store.db-key").stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_is_never_replaced_in_silence(tmp_path: Path) -> None:
    """The office knows the old one: a new key would look like another device."""
    (tmp_path / "store.db-key").write_bytes(b"too short")
    signer = DesktopDevice(tmp_path / "store.db").signer
    for _ in range(2):
        with pytest.raises(SigningFailed):
            asyncio.run(signer.public_key())
    assert (tmp_path / "store.db-key").read_bytes() == b"too short"


def test_an_office_that_tells_nothing_until_the_update_still_takes_everything(office: ScriptedOffice) -> None:
    """It speaks a newer protocol: the phone says that it must be updated, and goes on bringing what it holds."""
    saved(office.phone.actions.accept(TICKET.id))
    office.says(office.accepting(upgrade=True, protocol=9))
    outcome = office.run(office.engine.run_round())
    assert (outcome.away, outcome.upgrade) == (None, True)
    assert office.engine.status.upgrade_required
    assert office.phone.store.counts().operations == 0
    saved(office.phone.actions.start_travel(TICKET.id))
    office.says(office.accepting(upgrade=True, protocol=9))
    office.run(office.engine.run_round())
    assert office.phone.store.counts().operations == 0
    office.run(office.engine.run_round())
    assert not office.engine.status.upgrade_required


def test_a_reply_of_another_protocol_that_took_nothing_is_no_receipt(office: ScriptedOffice) -> None:
    saved(office.phone.actions.accept(TICKET.id))
    office.says(office.accepting(protocol=9))
    office.run(office.engine.run_round())
    assert office.engine.status.upgrade_required
    assert office.phone.store.counts().operations == 1
    reply = RoundReply(protocol=9, server_time_ms=0, received_through=1, cursor=0, upgrade=True)
    office.says(httpx.Response(200, content=encode(reply)))
    office.run(office.engine.run_round())
    assert office.phone.store.counts().operations == 0
