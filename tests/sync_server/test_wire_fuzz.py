"""Whatever comes over the wire: a verdict or a problem, never a 500, and never a neighbour lost.

Hypothesis mangles whole rounds byte by byte, and operations of every kind by their structure: values no parser takes,
numbers no database holds, brackets without end, fields twice, of another type, or not at all. Each stands between two
good operations, which must be applied. The seed is fixed (FUZZ_SEED chooses another, FUZZ_EXAMPLES how many); it is
printed with what failed.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, note, seed, settings
from hypothesis import strategies as st
from msgspec import Raw

from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.operations import AddNote, Operation, kind_of
from shared_schema.sync_protocol import RoundReply, Verdict
from tests.shared_schema.samples import EVERY_OPERATION
from tests.sync_server.office import CHEN, Office, Phone, verdicts_of
from tests.sync_server.test_bad_rounds import message, problem

SEED = int(os.environ.get("FUZZ_SEED", "20260302"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))

patient = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)

POISON = [
    rb'"\ud800"',
    rb'"\udfff\ud800"',
    rb'"\u0000"',
    rb'"\x"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"\n"',
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0.0",
    b"1.0",
    b"007",
    b"+1",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"9" * 400,
    b"true",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b'"' + b"x" * 5_000 + b'"',
    b'"0001-01-01T00:00:00Z"',
    b'"9999-12-31T23:59:59.999999999-23:59"',
    b'"2026-02-30T25:61:61Z"',
    b"[" * 3_000 + b"]" * 3_000,
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    b"'x'",
    b"undefined",
    b"/* x */ 1",
    b"1,",
]
"""Values that are none, or that nobody expects. Their brackets and strings close: where one does not, no reader can say
where the operation ends."""


@pytest.fixture
def phone(office: Office) -> Phone:
    return office.phone(CHEN)


# -- operations by their structure ---------------------------------------------------------------------------------


class Mangling(msgspec.Struct, frozen=True):
    """What is done to one member, found by walking down `path` (each number modulo what is there)."""

    path: tuple[int, ...]
    how: str
    value: bytes


_manglings = st.builds(
    Mangling,
    st.lists(st.integers(0, 30), min_size=1, max_size=4).map(tuple),
    st.sampled_from(["replace", "remove", "twice", "add"]),
    st.sampled_from(POISON) | st.text(max_size=8).map(msgspec.json.encode) | st.integers().map(lambda n: b"%d" % n),
)


def written(value: Any, path: Sequence[int], mangling: Mangling, *, spare: frozenset[str] = frozenset()) -> bytes:
    """JSON, with the mangling where the path ends. `spare` names members that are left as they are."""
    if not path:
        return mangling.value
    if isinstance(value, dict) and value:
        open_to = [key for key in value if key not in spare] or list(value)
        chosen = open_to[path[0] % len(open_to)]
        members = []
        for key, inner in value.items():
            name = msgspec.json.encode(key)
            if key != chosen:
                members.append(name + b":" + msgspec.json.encode(inner))
                continue
            is_last = len(path) == 1 or not isinstance(inner, dict | list) or not inner
            changed = mangling.value if is_last else written(inner, path[1:], mangling)
            match mangling.how if is_last else "replace":
                case "remove":
                    continue
                case "twice":
                    members += [name + b":" + msgspec.json.encode(inner), name + b":" + changed]
                case "add":
                    members += [name + b":" + msgspec.json.encode(inner), b'"unheard_of":' + changed]
                case _:
                    members.append(name + b":" + changed)
        return b"{" + b",".join(members) + b"}"
    if isinstance(value, list) and value:
        chosen_at = path[0] % len(value)
        items = [msgspec.json.encode(item) for item in value]
        items[chosen_at] = written(value[chosen_at], path[1:], mangling)
        return b"[" + b",".join(items) + b"]"
    return mangling.value


@seed(SEED)
@patient
@given(operation=st.sampled_from(EVERY_OPERATION), mangling=_manglings)
@example(operation=AddNote("x"), mangling=Mangling((9, 1), "replace", rb'"\ud800"'))
@example(operation=AddNote("x"), mangling=Mangling((9,), "replace", b"[" * 90_000 + b"]" * 90_000))
def test_a_mangled_operation_of_any_kind_harms_no_other(
    office: Office, phone: Phone, operation: Operation, mangling: Mangling
) -> None:
    """It gets a verdict under its own number, its bytes are kept, and what stands before and behind it is applied."""
    note(f"FUZZ_SEED={SEED} {kind_of(operation)}")
    ticket = office.assigned(CHEN)
    first = len(phone.journal.raw)
    phone.write(ticket, AddNote("之前"))
    sound = msgspec.json.decode(phone.write(ticket, operation))
    # Without its number nobody could say what was refused; that is told apart below.
    phone.journal.raw[-1] = written(sound, mangling.path, mangling, spare=frozenset({"id", "sequence"}))
    phone.write(ticket, AddNote("之后"))
    answer = phone.post(message()[: -len(b"]}")] + b",".join(phone.journal.raw[first:]) + b"]}")
    assert answer.status_code == 200, (answer.status_code, answer.text)
    before, mangled, behind = _in_order(answer.content)
    assert (before.filing, behind.filing) == (Filing.APPLIED, Filing.APPLIED)
    assert mangled.id == phone.journal.ids[-2]
    assert (mangled.rejection is None) == (mangled.filing is not Filing.REFUSED)
    held = office.storage.read_now(lambda reading: reading.journal.held(phone.journal.device, [first + 2]))
    assert held[first + 2].raw == phone.journal.raw[-2]
    texts = [each.text for each in office.ticket(ticket).notes]
    assert (texts[0], texts[-1]) == ("之前", "之后")


def _in_order(body: bytes) -> list[Verdict]:
    return sorted(verdicts_of(msgspec.json.decode(body, type=RoundReply)), key=lambda verdict: verdict.sequence)


# -- bytes ---------------------------------------------------------------------------------------------------------


def _flip(body: bytearray, place: int, byte: int) -> None:
    body[place % len(body)] = byte


def _cut(body: bytearray, place: int, byte: int) -> None:
    del body[place % len(body) :]


def _drop(body: bytearray, place: int, byte: int) -> None:
    at = place % len(body)
    del body[at : at + 1 + byte % 40]


def _repeat(body: bytearray, place: int, byte: int) -> None:
    at = place % len(body)
    body[at:at] = body[at : at + 1 + byte]


def _insert(body: bytearray, place: int, byte: int) -> None:
    at = place % len(body)
    body[at:at] = POISON[byte % len(POISON)]


_damages = st.lists(
    st.tuples(st.sampled_from([_flip, _cut, _drop, _repeat, _insert]), st.integers(0, 20_000), st.integers(0, 255)),
    min_size=1,
    max_size=4,
)


@seed(SEED)
@patient
@given(operation=st.sampled_from(EVERY_OPERATION), damages=_damages)
def test_a_damaged_round_is_answered_and_the_journal_goes_on(
    office: Office, phone: Phone, operation: Operation, damages: list[tuple[Callable[..., None], int, int]]
) -> None:
    """Wherever the damage is, what the office then holds is a beginning of the journal, and what follows is applied."""
    note(f"FUZZ_SEED={SEED} {kind_of(operation)}")
    ticket = office.assigned(CHEN)
    first = len(phone.journal.raw)
    phone.write(ticket, AddNote("之前"))
    phone.write(ticket, operation)
    body = bytearray(message()[: -len(b"]}")] + b",".join(phone.journal.raw[first:]) + b"]}")
    for damage, place, byte in damages:
        if body:
            damage(body, place, byte)
    answer = phone.post(bytes(body))
    if answer.status_code == 200:
        msgspec.json.decode(answer.content, type=RoundReply)
    else:
        assert problem(answer) in {(400, "malformed-request"), (403, "not-allowed"), (426, "upgrade-required")}
    _go_on(office, phone, ticket)


def _go_on(office: Office, phone: Phone, ticket: str) -> None:
    """The office holds what it was sent, damaged or not; the phone writes on from there."""
    device = phone.journal.device
    through = office.storage.read_now(lambda reading: reading.journal.received_through(device))
    held = office.storage.read_now(lambda reading: reading.journal.held(device, range(1, through + 1)))
    phone.journal.raw = [held[number].raw for number in sorted(held)]
    phone.sent_through = len(phone.journal.raw)
    assert phone.sent_through == through
    phone.write(ticket, AddNote("再来"))
    assert phone.sync()[-1].filing is Filing.APPLIED
    assert office.ticket(ticket).notes[-1].text == "再来"


# -- the other addresses -------------------------------------------------------------------------------------------

_anything = st.binary(max_size=200) | st.builds(
    lambda poison, key: msgspec.json.encode({"protocol": 1, "key": key, "device": Raw(poison)}),
    st.sampled_from([poison for poison in POISON if poison.isascii()]),
    st.text(max_size=30),
)


@seed(SEED)
@patient
@given(body=_anything)
def test_any_enrolment_is_answered(office: Office, body: bytes) -> None:
    note(f"FUZZ_SEED={SEED}")
    answer = office.client.post("/sync/v1/enrol", content=body)
    assert problem(answer) in {
        (400, "malformed-request"),
        (404, "enrolment-unknown"),
        (413, "request-too-large"),
        (426, "upgrade-required"),
    }


_header = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=60) | (
    st.sampled_from(["0", "-1", "1e9", "9" * 30, "1.0.0", "sha256 AAAA", "sha256 " + "A" * 88, "PATCH", "," * 300])
)
_names = ["Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Checksum", "Content-Type"]


@seed(SEED)
@patient
@given(
    method=st.sampled_from(["POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "PUT", "GET"]),
    where=st.sampled_from(["", "/" + "0" * 32, "/x", "/%00"]),
    headers=st.dictionaries(st.sampled_from([*_names, "X-HTTP-Method-Override"]), _header),
    is_tus=st.booleans(),
    body=st.binary(max_size=50),
)
def test_any_upload_is_answered(
    office: Office, phone: Phone, method: str, where: str, headers: dict[str, str], is_tus: bool, body: bytes
) -> None:
    note(f"FUZZ_SEED={SEED}")
    sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    sent |= {b"Tus-Resumable": b"1.0.0"} if is_tus else {}
    sent[b"Authorization"] = f"Bearer {phone.token}".encode()
    answer = office.client.request(method, f"/sync/v1/uploads{where}", headers=sent, content=body)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and method != "HEAD":
        problem(answer)


@seed(SEED)
@patient
@given(data=st.binary(max_size=300) | st.sampled_from(POISON))
def test_no_reader_of_the_wire_lets_an_exception_out(data: bytes) -> None:
    """The phone's side reads with the same functions."""
    note(f"FUZZ_SEED={SEED}")
    wire.decode_verdict(data)
    wire.decode_change(data)
    wire.decode_envelope(data)
    wire.decode_round(data)
