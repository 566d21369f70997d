"""A phone signs its journal, the office says how far it holds it signed. What is wrong is an alarm, no refusal."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from shared_schema.apply import Filing
from shared_schema.operations import AddNote
from shared_schema.sync_protocol import EnrolReply, EnrolRequest, RoundReply, SignedHead
from sync_server.accounts import Accounts
from sync_server.services.signatures import is_signed_by, word_of
from sync_server.settings import Settings
from sync_server.storage.keys import DeviceKey, JournalSignature, LearntBy, SignatureFault
from tests.builders.signing import a_signed_head, a_signing_key
from tests.sync_server.office import CHEN, Office, Phone, verdicts_of

T = TypeVar("T")

KEY = a_signing_key()
OTHER_KEY = a_signing_key("other")


@pytest.fixture
def phone(office: Office) -> Phone:
    """Enrolled before there were signatures; with a ticket to write to."""
    return office.phone(CHEN)


@pytest.fixture
def ticket(office: Office) -> str:
    return office.assigned(CHEN)


def head_of(phone: Phone, sequence: int | None = None, key: Ed25519PrivateKey = KEY) -> SignedHead:
    number = sequence or len(phone.journal.raw)
    return a_signed_head(key, phone.journal.device, number, phone.journal.raw[number - 1])


def send(phone: Phone, ticket: str, count: int = 1, **different: SignedHead | None) -> RoundReply:
    """New notes, with the phone's word about its journal or with `head` in its place."""
    sent = len(phone.journal.raw)
    for number in range(count):
        phone.write(ticket, AddNote(f"第 {sent + number + 1} 条"))
    head = different.get("head", head_of(phone))
    reply = phone.ask(phone.journal.raw[sent:], protocol=2, head=head)
    assert [verdict.filing for verdict in verdicts_of(reply)] == [Filing.APPLIED] * count
    return reply


def state(office: Office, phone: Phone) -> JournalSignature:
    return office.storage.read_now(lambda reading: reading.keys.signature(phone.journal.device))


def keys(office: Office, phone: Phone) -> list[DeviceKey]:
    return office.storage.read_now(lambda reading: reading.keys.of_device(phone.journal.device))


# -- what is right ----------------------------------------------------------------------------------------------------


def test_the_office_says_up_to_which_number_it_holds_the_journal_signed(
    office: Office, phone: Phone, ticket: str
) -> None:
    assert send(phone, ticket, 3).signed_through == 3
    assert send(phone, ticket).signed_through == 4
    head = head_of(phone)
    assert state(office, phone) == JournalSignature(
        signed_through=4,
        signed_hash=head.hash,
        signed_key=head.key,
        signature=head.signature,
        signed_at_ms=int(office.clock.now().timestamp() * 1000),
    )


def test_a_round_that_brings_nothing_is_told_it_too(phone: Phone, ticket: str) -> None:
    send(phone, ticket)
    assert phone.ask(protocol=2).signed_through == 1
    assert phone.ask(protocol=2, head=head_of(phone)).signed_through == 1


def test_what_came_unsigned_can_be_signed_later(office: Office, phone: Phone, ticket: str) -> None:
    """The app was updated: its journal from before is signed with the first head it sends."""
    for _ in range(2):
        phone.write(ticket, AddNote("旧版本写的"))
    phone.sync()
    assert phone.ask(protocol=2, head=head_of(phone)).signed_through == 2
    assert keys(office, phone)[0].learnt_by is LearntBy.FIRST_USE


def test_an_older_head_that_is_right_takes_nothing_back(office: Office, phone: Phone, ticket: str) -> None:
    send(phone, ticket, 3)
    before = state(office, phone)
    assert phone.ask(protocol=2, head=head_of(phone, 2)).signed_through == 3
    assert state(office, phone) == before


def test_a_head_ahead_of_what_arrived_waits_until_it_has(office: Office, phone: Phone, ticket: str) -> None:
    """A round stopped at a gap: nothing is wrong, nothing is signed yet, and the same word counts later."""
    for _ in range(3):
        phone.write(ticket, AddNote("一条"))
    one, two, three = phone.journal.raw
    head = head_of(phone)
    assert phone.ask([one, three], protocol=2, head=head).signed_through == 0
    assert not state(office, phone).is_in_doubt
    assert phone.ask([two, three], protocol=2, head=head).signed_through == 3


def test_operations_sent_again_with_a_word_already_noted_are_not_unsigned(
    office: Office, phone: Phone, ticket: str
) -> None:
    send(phone, ticket)
    phone.ask(phone.journal.raw, protocol=2, head=head_of(phone))
    assert not state(office, phone).is_in_doubt


# -- what is wrong ----------------------------------------------------------------------------------------------------


def test_no_word_from_a_phone_that_can_sign_is_an_alarm(office: Office, phone: Phone, ticket: str) -> None:
    send(phone, ticket)
    assert send(phone, ticket, head=None).signed_through == 1
    assert (state(office, phone).is_in_doubt, state(office, phone).signature_fault) == (True, SignatureFault.MISSING)


def test_a_phone_that_never_could_sign_raises_none(office: Office, phone: Phone, ticket: str) -> None:
    send(phone, ticket, head=None)
    assert state(office, phone) == JournalSignature()


@pytest.mark.parametrize("damage", ["signature", "hash", "sequence"])
def test_a_signature_of_something_else_is_an_alarm(office: Office, phone: Phone, ticket: str, damage: str) -> None:
    send(phone, ticket, 2)
    right = head_of(phone)
    wrong = {
        "signature": replace(right, signature=bytes(64)),
        "hash": replace(right, hash="0" * 64),
        "sequence": replace(right, sequence=1),
    }[damage]
    assert phone.ask(protocol=2, head=wrong).signed_through == 2
    assert state(office, phone).signature_fault is SignatureFault.WRONG


def test_another_key_is_an_alarm_and_does_not_become_the_phones(office: Office, phone: Phone, ticket: str) -> None:
    send(phone, ticket)
    phone.write(ticket, AddNote("换了钥匙"))
    reply = phone.ask(phone.journal.raw[1:], protocol=2, head=head_of(phone, key=OTHER_KEY))
    assert (reply.received_through, reply.signed_through) == (2, 1)
    assert state(office, phone).signature_fault is SignatureFault.UNKNOWN_KEY
    assert [each.key for each in keys(office, phone)] == [KEY.public_key().public_bytes_raw()]


@pytest.mark.parametrize("sequence", [1, 2])
def test_a_rightly_signed_word_about_another_journal_is_an_alarm(
    office: Office, phone: Phone, ticket: str, sequence: int
) -> None:
    """Somebody copied the phone, key and all: the copy has written something else under the same number."""
    send(phone, ticket, 2)
    copy = Phone(office, CHEN, phone.journal.device, phone.token)
    for _ in range(2):
        copy.write(ticket, AddNote("另一部"))
    assert copy.ask(protocol=2, head=head_of(copy, sequence)).signed_through == 2
    assert state(office, phone).signature_fault is SignatureFault.ANOTHER_JOURNAL


def test_an_alarm_keeps_when_it_began_and_is_over_when_the_phone_signs_rightly_again(
    office: Office, phone: Phone, ticket: str
) -> None:
    send(phone, ticket)
    began = office.clock.now()
    for _ in range(2):
        send(phone, ticket, head=None)
        office.clock.move(timedelta(hours=1))
    failed_at_ms = state(office, phone).signature_failed_at_ms
    assert failed_at_ms is not None
    assert 0 <= failed_at_ms - began.timestamp() * 1000 <= 1
    send(phone, ticket)
    after = state(office, phone)
    assert (after.is_in_doubt, after.signed_through) == (False, 4)
    assert (after.signature_failed_at_ms, after.signature_fault) == (failed_at_ms, SignatureFault.MISSING)


def test_an_older_head_that_is_right_ends_an_alarm_too(office: Office, phone: Phone, ticket: str) -> None:
    send(phone, ticket, 2)
    phone.ask(protocol=2, head=replace(head_of(phone), signature=bytes(64)))
    assert state(office, phone).is_in_doubt
    assert phone.ask(protocol=2, head=head_of(phone, 1)).signed_through == 2
    assert not state(office, phone).is_in_doubt


@pytest.mark.parametrize(
    "head",
    [
        {"sequence": 0, "hash": "0" * 64, "key": "", "signature": ""},
        {"sequence": 1, "hash": "x", "key": "AAAA", "signature": "AAAA"},
        {"key": "!"},
        "signed",
        None,
    ],
    ids=str,
)
def test_a_word_that_cannot_be_read_stops_no_work(office: Office, phone: Phone, ticket: str, head: object) -> None:
    send(phone, ticket)
    raw = phone.write(ticket, AddNote("照样收下"))
    message = {"protocol": 2, "device": phone.journal.device, "cursor": 0, "ops": [msgspec.Raw(raw)], "head": head}
    answer = phone.post(msgspec.json.encode(message))
    assert answer.status_code == 200
    assert msgspec.json.decode(answer.content, type=RoundReply).received_through == 2
    assert state(office, phone).signature_fault is SignatureFault.MISSING


# -- whose key it is --------------------------------------------------------------------------------------------------


def enrol(office: Office, settings: Settings, device: str, public_key: bytes | UnsetType) -> EnrolReply:
    async def ask(accounts: Accounts) -> EnrolReply:
        offer = await accounts.offer_enrolment(CHEN.id, by=None)
        assert offer is not None
        reply = await accounts.enrol(EnrolRequest(2, offer.key, device, public_key=public_key))
        assert isinstance(reply, EnrolReply)
        return reply

    return with_accounts(office, settings, ask)


def with_accounts(office: Office, settings: Settings, work: Callable[[Accounts], Coroutine[Any, Any, T]]) -> T:
    accounts = Accounts(office.storage, settings, office.clock)
    try:
        return asyncio.run(work(accounts))
    finally:
        accounts.close()


def test_a_phone_brings_its_key_when_it_is_enrolled(office: Office, settings: Settings, ticket: str) -> None:
    reply = enrol(office, settings, "phone-new", KEY.public_key().public_bytes_raw())
    phone = Phone(office, CHEN, "phone-new", reply.token)
    (key,) = keys(office, phone)
    assert (key.key, key.learnt_by) == (KEY.public_key().public_bytes_raw(), LearntBy.ENROLMENT)
    assert send(phone, ticket).signed_through == 1
    (row,) = with_accounts(office, settings, lambda accounts: accounts.devices(CHEN.id))
    assert (row.key, row.signature.signed_through) == (key, 1)


def test_a_new_key_needs_a_new_enrolment(office: Office, settings: Settings, ticket: str) -> None:
    """The phone lost its key; its journal goes on under the next one, and what the first has signed stays signed."""
    first = enrol(office, settings, "phone-new", KEY.public_key().public_bytes_raw())
    phone = Phone(office, CHEN, "phone-new", first.token)
    send(phone, ticket)
    phone.token = enrol(office, settings, "phone-new", OTHER_KEY.public_key().public_bytes_raw()).token
    assert [each.key for each in keys(office, phone)] == [
        OTHER_KEY.public_key().public_bytes_raw(),
        KEY.public_key().public_bytes_raw(),
    ]
    phone.write(ticket, AddNote("新钥匙"))
    head = head_of(phone, key=OTHER_KEY)
    assert phone.ask(phone.journal.raw[1:], protocol=2, head=head).signed_through == 2
    phone.ask(protocol=2, head=head_of(phone))
    assert state(office, phone).signature_fault is SignatureFault.UNKNOWN_KEY


def test_an_app_that_cannot_sign_leaves_the_phones_key_as_it_is(office: Office, settings: Settings) -> None:
    enrol(office, settings, "phone-new", KEY.public_key().public_bytes_raw())
    reply = enrol(office, settings, "phone-new", UNSET)
    assert len(keys(office, Phone(office, CHEN, "phone-new", reply.token))) == 1


def test_what_is_no_key_has_signed_nothing() -> None:
    head = SignedHead(1, "0" * 64, b"\xff" * 32, bytes(64))
    assert not word_of("phone", head, 0).is_right
    assert not is_signed_by(b"too short", b"", bytes(64))
    assert not word_of("phone", a_signed_head(KEY, "another phone", 1, b"raw"), 0).is_right
    assert word_of("phone", a_signed_head(KEY, "phone", 1, b"raw"), 0).is_right
