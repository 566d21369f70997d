"""Whatever is sent to the round endpoint: a problem with a stable code or a verdict, never a 500, and nothing lost."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_schema.apply import Filing
from shared_schema.lifecycle import Status
from shared_schema.operations import AcceptTicket, AddNote, Clock, FinishWork
from shared_schema.rejections import MalformedOperation
from shared_schema.sync_protocol import OLDEST_PROTOCOL, PROTOCOL, RoundReply
from tests.sync_server.office import CHEN, LIN, Office, Phone, verdicts_of


@pytest.fixture
def phone(office: Office) -> Phone:
    return office.phone(CHEN)


def problem(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["title"]
    assert body["detail"]
    assert body["status"] == answer.status_code
    assert "Traceback" not in answer.text
    return answer.status_code, body["code"]


def message(**different: Any) -> bytes:
    usual: dict[str, Any] = {"protocol": 1, "device": "phone-t-chen", "cursor": 0, "ops": []}
    return msgspec.json.encode(usual | different)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"round"',
        b"{",
        b"\xff\xfe\x00",
        b"{}",
        message()[:-3],
        message(protocol="one"),
        message(device=""),
        message(device="../../etc/passwd"),
        message(device="\x00"),
        message(cursor=-1),
        message(cursor=1.5),
        message(cursor=2**53),
        message(ops={}),
        message(ops=None),
        message(ops=[1] * 201),
        message(holding={"count": 1, "digest": "x"}),
        message(reference=7),
        b'{"protocol":1,"device":"phone-t-chen","cursor":18446744073709551616}',
        b'{"protocol":1,"device":"phone-t-chen","cursor":1e400}',
        b'{"protocol":1,"device":"phone-t-chen\\ud800","cursor":0,"ops":[]}',
        b'{"protocol":1,"device":"\xc3\x28","cursor":0}',
        b'{"protocol":1,"device":"phone-t-chen","cursor":0,"ops":[' + b"[" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: body[:40].decode("latin-1") + f" ({len(body)})",
)
def test_what_is_no_round_is_told_so(office: Office, phone: Phone, body: bytes) -> None:
    assert problem(phone.post(body)) == (400, "malformed-request")


def test_a_round_too_large_is_turned_away_before_it_is_read(office: Office, phone: Phone) -> None:
    assert problem(phone.post(b" " * (16 * 2**20 + 1))) == (413, "request-too-large")


@pytest.mark.parametrize("protocol", [OLDEST_PROTOCOL - 1, PROTOCOL + 1, 99, -1])
def test_another_version_is_asked_to_be_brought_up_to_date(office: Office, phone: Phone, protocol: int) -> None:
    """Whatever form its messages have."""
    assert problem(phone.post(message(protocol=protocol))) == (426, "upgrade-required")
    assert problem(phone.post(msgspec.json.encode({"protocol": protocol, "stream": []}))) == (426, "upgrade-required")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic dG9rZW4=", "Bearer " + "x" * 5000])
def test_nobody_gets_in_without_a_token(office: Office, phone: Phone, header: str) -> None:
    answer = office.client.post("/sync/v1/round", content=message(), headers={"Authorization": header})
    assert problem(answer) == (401, "device-unknown")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_revoked_phone_is_told_so(office: Office, phone: Phone) -> None:
    office.storage.write_now(lambda writing: writing.people.revoke_device(phone.journal.device, 1, LIN.id, "手机丢失"))
    assert problem(phone.post(message())) == (401, "device-revoked")


def test_a_phone_cannot_speak_for_another(office: Office, phone: Phone) -> None:
    office.phone(CHEN, "second")
    assert problem(phone.post(message(device="second"))) == (403, "not-allowed")


def test_other_methods_have_no_meaning_here(office: Office, phone: Phone) -> None:
    assert problem(office.client.get("/sync/v1/round")) == (405, "method-not-allowed")


# -- operations that are wrong in themselves --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"text":"x"', b'"text":7'),
        (b'"text":"x"', b'"text":"x","more":1'),
        (b'"text":"x"', b'"text":"' + b"x" * 4001 + b'"'),
        (b'"text":"x"', b'"text":' + b"[" * 400 + b"]" * 400),
        (b'"base_version":3', b'"base_version":-1'),
        (b'"base_version":3', b'"base_version":99999999999999999999'),
        (b'"base_version":3', b'"base_version":1e999'),
        (b'"offset_ms":0', b'"offset_ms":9007199254740993'),
        (b'"2026-03-02T01:00:00Z"', b'"yesterday"'),
        (b'"2026-03-02T01:00:00Z"', b'"2026-03-02T01:00:00"'),
        (b'"2026-03-02T01:00:00Z"', b'"10000-01-01T00:00:00Z"'),
        (b'"role":"technician"', b'"role":"king"'),
        (b'"ticket":"', b'"ticket":"not-an-id-'),
        (b'"kind":"add_note"', b'"kind":"' + b"k" * 5000 + b'"'),
        (b'"kind":"add_note"', b'"kind":"\\u0000"'),
        (b'"operation":{', b'"operation":null,"x":{'),
        (b'"text":"x"', b'"text":"\xff\xfe"'),
        (b'"text":"x"', b'"text":"\\ud800"'),
        (b'"text":"x"', b'"text":"\\udc00\\ud800"'),
        (b'"text":"x"', b'"\\ud800":"x"'),
        (b'"text":"x"', b'"text":"\\x"'),
        (b'"text":"x"', b'"text":"\n"'),
        (b'"text":"x"', b'"text":NaN'),
        (b'"text":"x"', b'"text":-Infinity'),
        (b'"text":"x"', b'"text":007'),
        (b'"text":"x"', b'"text":"x",'),
        (b'"text":"x"', b"'text':'x'"),
        (b'"text":"x"', b'"text":' + b"[" * 100_000 + b"]" * 100_000),
        (b'"kind":"add_note"', b'"kind":"\\ud800"'),
    ],
    ids=lambda part: part[:40].decode("latin-1"),
)
def test_a_wrong_operation_is_refused_by_itself_and_kept(office: Office, phone: Phone, old: bytes, new: bytes) -> None:
    """The one behind it goes through, and the wrong one's bytes are there to be looked at."""
    ticket = office.assigned(CHEN)
    raw = phone.write(ticket, AddNote("x"))
    assert old in raw
    phone.journal.raw[-1] = raw.replace(old, new, 1)
    phone.write(ticket, AddNote("好"))
    first, second = phone.sync()
    assert (first.id, first.filing) == (phone.journal.ids[0], Filing.REFUSED)
    assert first.rejection is not None
    assert second.filing is Filing.APPLIED
    kept = office.storage.read_now(lambda reading: reading.journal.held(phone.journal.device, [1]))
    assert kept[1].raw == phone.journal.raw[0]


def test_an_operation_without_its_number_takes_nobody_with_it(office: Office, phone: Phone) -> None:
    """It is not even known which it is: answered without a name, and everything before it stands."""
    ticket = office.assigned(CHEN)
    phone.write(ticket, AddNote("好"))
    bad = phone.write(ticket, AddNote("x")).replace(b'"sequence":2', b'"sequence":"\\ud800"')
    reply = phone.ask([phone.journal.raw[0], bad])
    assert sorted(verdict.filing for verdict in verdicts_of(reply)) == [Filing.APPLIED, Filing.REFUSED]
    assert reply.received_through == 1
    assert [note.text for note in office.ticket(ticket).notes] == ["好"]


def test_an_operation_too_long_is_refused(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    raw = phone.write(ticket, AddNote("x"))
    (verdict,) = verdicts_of(phone.ask([raw.replace(b'"text":"x"', b'"text":"x"' + b" " * 1_000_000)]))
    assert verdict.rejection == MalformedOperation("$")


@pytest.mark.parametrize(
    "occurred_at",
    [
        datetime(2024, 3, 2, tzinfo=UTC),
        datetime(2028, 3, 2, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
    ids=str,
)
@pytest.mark.parametrize("offset_ms", [0, 2 * 365 * 86_400_000, -(2**50), 2**50])
def test_a_clock_that_is_wrong_by_years_changes_no_order(
    office: Office, phone: Phone, occurred_at: datetime, offset_ms: int
) -> None:
    """Device time is data: the operation is applied in the journal's place, and every page can show the ticket."""
    ticket = office.assigned(CHEN)
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddNote("表不准"), occurred_at=occurred_at, clock=Clock(offset_ms, 5))
    phone.write(ticket, AddNote("后来"))
    assert [verdict.filing for verdict in phone.sync()] == [Filing.APPLIED] * 3
    assert [note.text for note in phone.tickets[ticket].notes] == ["表不准", "后来"]
    assert office.ticket(ticket).status is Status.ACCEPTED


def test_nul_and_other_unloved_characters_come_back_as_they_went(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    odd = "\x00\x01\x1b[31m\u202e\ufeff\ufffe\U0010ffff\r\n'\";--</script>{{7*7}}"
    phone.write(ticket, AddNote(odd))
    phone.sync()
    assert office.ticket(ticket).notes[0].text == odd
    assert phone.tickets[ticket].notes[0].text == odd


def test_work_that_was_not_begun_cannot_be_finished(office: Office, phone: Phone) -> None:
    ticket = office.assigned(CHEN)
    phone.write(ticket, FinishWork("找到", "做了"))
    (verdict,) = phone.sync()
    assert verdict.filing is Filing.REFUSED


# -- anything at all --------------------------------------------------------------------------------------------------

_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_fields = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("protocol", "device", "cursor", "ops", "reference", "holding", "other"), _json),
)
_patient = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


@_patient
@given(body=st.binary(max_size=300) | _fields.map(lambda different: _with(different)))
def test_any_body_is_answered(office: Office, phone: Phone, body: bytes) -> None:
    answer = phone.post(body)
    assert answer.status_code in {200, 400, 403, 426}, answer.text
    if answer.status_code != 200:
        problem(answer)


@_patient
@given(damage=st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), min_size=1, max_size=3))
def test_any_damage_to_an_operation_leaves_a_verdict_and_the_journal_goes_on(
    office: Office, phone: Phone, damage: list[tuple[int, int]]
) -> None:
    """Bytes of a good operation are overwritten: it is answered, and the next one, undamaged, is always applied."""
    ticket = office.assigned(CHEN)
    raw = bytearray(phone.write(ticket, AddNote("好")))
    for place, byte in damage:
        raw[place % len(raw)] = byte
    answer = phone.post(message()[: -len(b"]}")] + bytes(raw) + b"]}")
    if answer.status_code == 200:
        reply = msgspec.json.decode(answer.content, type=RoundReply)
        assert len(reply.verdicts) <= 1
        held = reply.received_through
    else:
        assert problem(answer) == (400, "malformed-request")
        held = office.storage.read_now(lambda reading: reading.journal.received_through(phone.journal.device))
    if held == len(phone.journal.raw):
        phone.journal.raw[-1] = bytes(raw)
    phone.sent_through = held
    phone.write(ticket, AddNote("再来"))
    assert phone.sync()[-1].filing is Filing.APPLIED
    assert office.ticket(ticket).notes[-1].text == "再来"


def _with(different: dict[str, Any]) -> bytes:
    try:
        return message(**different)
    except (OverflowError, UnicodeEncodeError):
        return b"7"
