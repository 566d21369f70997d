"""Bytes from outside: whatever they are, the answer is a value."""

import hashlib
import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared_schema import operations as op
from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.identifiers import DeviceId, OperationId, PersonId, Sha256, TicketId, uuid7
from shared_schema.operations import Envelope
from shared_schema.rejections import MalformedOperation, UnknownOperation
from shared_schema.sync_protocol import (
    OPERATION_BYTES,
    OPERATIONS_PER_ROUND,
    EnrolReply,
    EnrolRequest,
    PhotosOffered,
    PhotosUnheld,
    RoundReply,
    RoundRequest,
    Verdict,
    holding,
)
from shared_schema.ticket import Ticket
from shared_schema.wire import Unreadable, UnreadableOperation
from tests.shared_schema.samples import CHEN, EVERY_OPERATION, LIN, enveloped

FORMS = (
    RoundRequest,
    RoundReply,
    EnrolRequest,
    EnrolReply,
    PhotosOffered,
    PhotosUnheld,
    Verdict,
    Ticket,
    Envelope,
)
NOTE = enveloped(op.AddNote("换了整流器"), CHEN)
GOOD = wire.encode(NOTE)

HOSTILE = {
    "nothing": b"",
    "one byte": b"{",
    "nested past every limit": b"[" * 200_000,
    "nested objects": b'{"operation":' * 50_000,
    "a number of 400 digits": GOOD.replace(b'"sequence":900', b'"sequence":' + b"9" * 400),
    "a number past 64 bits": GOOD.replace(b'"sequence":900', b'"sequence":18446744073709551616'),
    "a fraction": GOOD.replace(b'"sequence":900', b'"sequence":1.5'),
    "not a number": GOOD.replace(b'"sequence":900', b'"sequence":NaN'),
    "bad UTF-8": GOOD.replace("整".encode(), b"\xff\xfe"),
    "half a surrogate": GOOD.replace("整".encode(), b"\\ud800"),
    "a NUL": GOOD.replace("整".encode(), b"\\u0000"),
    "the year 10000": GOOD.replace(b"2026-", b"10000-"),
    "the 30th of February": GOOD.replace(b"2026-03-02", b"2026-02-30"),
    "a time zone of 99 hours": GOOD.replace(b"Z", b"+99:00"),
    "cut in the middle": GOOD[: len(GOOD) // 2],
    "something after it": GOOD + b"{}",
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "an array": b"[" + GOOD + b"]",
    "null": b"null",
    "a string": b'"hello"',
    "the same key twice": GOOD[:-1] + b',"sequence":901}',
    "a very long note": wire.encode(enveloped(op.AddNote("长" * 4001), CHEN)),
    "a very long operation": GOOD[:-1] + b" " * OPERATION_BYTES + b"}",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_answered_and_never_raise(data: bytes) -> None:
    for form in FORMS:
        wire.decode(data, form)
    wire.decode_envelope(data)
    wire.decode_verdict(data)
    wire.decode_change(data)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_bytes_at_all_are_answered(data: bytes) -> None:
    test_hostile_bytes_are_answered_and_never_raise(data)


@given(st.sampled_from(EVERY_OPERATION), st.data())
@settings(max_examples=400)
def test_a_good_operation_with_a_wound_is_answered(operation: op.Operation, data: st.DataObject) -> None:
    """One byte changed, a piece cut out or doubled: read, or refused; never an exception, never a wrong sequence."""
    good = wire.encode(enveloped(operation, LIN))
    start = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    put = data.draw(st.one_of(st.binary(max_size=3), st.just(good[start:end] * 2), st.just(b"")))
    read = wire.decode_envelope(good[:start] + put + good[end:])
    assert isinstance(read, Envelope | UnreadableOperation)
    if isinstance(read, UnreadableOperation):
        assert (read.id is None) == (read.sequence is None)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(json.loads(GOOD))), _json)
@settings(max_examples=300)
def test_a_field_of_any_other_form_is_answered(field: str, value: object) -> None:
    damaged = {**json.loads(GOOD), field: value}
    assert isinstance(wire.decode_envelope(json.dumps(damaged).encode()), Envelope | UnreadableOperation)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4000))
def test_every_text_a_person_can_type_arrives_as_typed(text: str) -> None:
    note = enveloped(op.AddNote(text), CHEN)
    assert wire.decode_envelope(wire.encode(note)) == note


def test_an_operation_from_a_newer_phone_is_refused_by_itself_and_can_be_answered() -> None:
    """Its id and sequence are known, so the verdict finds its way and the queue behind it goes on."""
    newer = GOOD.replace(b'"kind":"add_note"', b'"kind":"add_hologram"')
    assert wire.decode_envelope(newer) == UnreadableOperation(NOTE.id, 900, UnknownOperation("add_hologram"))


def test_a_field_this_version_does_not_know_is_refused_and_not_ignored() -> None:
    """Ignoring it would lose what a person typed into it."""
    newer = GOOD.replace(b'"kind":"add_note"', b'"kind":"add_note","colour":"red"')
    assert wire.decode_envelope(newer) == UnreadableOperation(NOTE.id, 900, MalformedOperation("$.operation"))


def test_what_is_wrong_is_said_with_its_place() -> None:
    empty = GOOD.replace("换了整流器".encode(), b"")
    assert wire.decode_envelope(empty) == UnreadableOperation(NOTE.id, 900, MalformedOperation("$.operation.text"))


def test_an_operation_that_does_not_say_who_it_is_has_no_place() -> None:
    nameless = GOOD.replace(NOTE.id.encode(), b"hello")
    assert wire.decode_envelope(nameless) == UnreadableOperation(None, None, MalformedOperation("$.id"))


_PLACES = {
    "$.id": ("id", OperationId),
    "$.device": ("device", DeviceId),
    "$.ticket": ("ticket", TicketId),
    "$.actor.person": ("person", PersonId),
    "$.previous_hash": ("previous_hash", Sha256),
}


def _of_envelope(place: str, text: str) -> bytes:
    name, _ = _PLACES[place]
    members = json.loads(GOOD)
    (members["actor"] if name == "person" else members)[name] = text
    return json.dumps(members).encode()


_SIGNS = st.sampled_from("0129abcfg-AF xÄ整٣\x00\n")
_UUIDS = st.builds("-".join, st.tuples(*(st.text(_SIGNS, min_size=size, max_size=size) for size in (8, 4, 4, 4, 12))))
_NEARLY = st.one_of(
    st.text(_SIGNS, max_size=70),
    *(st.text(_SIGNS, min_size=size, max_size=size) for size in (1, 36, 64)),
    st.text(st.sampled_from("0a-"), min_size=36, max_size=36),
    _UUIDS,
    st.from_regex(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\n?", fullmatch=True),
    st.from_regex(r"[0-9a-f]{63}[0-9a-fA-F-]", fullmatch=True),
    st.from_regex(r"[0-9a-z-]{0,65}", fullmatch=True),
)


@given(place=st.sampled_from(sorted(_PLACES)), text=_NEARLY)
@settings(max_examples=600)
@example(place="$.id", text="-" * 36)
@example(place="$.id", text="0123456789ab-cdef-0123-4567-89abcdef")
@example(place="$.ticket", text=NOTE.ticket.upper())
@example(place="$.ticket", text=NOTE.ticket + "\n")
@example(place="$.previous_hash", text="-" * 64)
@example(place="$.previous_hash", text="٣" * 64)
@example(place="$.device", text="-phone")
@example(place="$.actor.person", text="")
def test_an_envelopes_identifiers_are_held_to_their_patterns(place: str, text: str) -> None:
    """They are checked together and not each by its pattern, which comes to the same."""
    _, form = _PLACES[place]
    try:
        msgspec.convert(text, form)
        is_right = True
    except msgspec.ValidationError:
        is_right = False
    read = wire.decode_envelope(_of_envelope(place, text))
    assert isinstance(read, Envelope) is is_right
    if isinstance(read, UnreadableOperation):
        assert read.rejection == MalformedOperation(place)
        assert (read.id is None) is (place == "$.id")


_MEMBERS = st.one_of(
    st.sampled_from(EVERY_OPERATION).map(lambda operation: wire.encode(enveloped(operation, LIN))),
    st.sampled_from(sorted(HOSTILE.values())),
    st.builds(_of_envelope, st.sampled_from(sorted(_PLACES)), _NEARLY),
    st.sampled_from([b"{}", b"[" * 2000 + b"]" * 2000, b'"\\ud800"', GOOD.replace(b",", b" , "), GOOD[:-1] + b" }"]),
)


@given(st.lists(_MEMBERS, max_size=6))
@settings(max_examples=400)
@example([GOOD] * OPERATIONS_PER_ROUND)
@example([GOOD + GOOD, GOOD])
@example([GOOD, GOOD[:-1] + b'"', b'"' + GOOD[1:]])
@example([_of_envelope("$.id", "-" * 36), GOOD])
@example([GOOD, _of_envelope("$.ticket", "0123456789ab-cdef-0123-4567-89abcdef")])
def test_operations_read_together_are_read_as_each_by_itself(pieces: list[bytes]) -> None:
    request = wire.decode_round(b'{"protocol":1,"device":"phone-1","cursor":0,"ops":[%b]}' % b",".join(pieces))
    if isinstance(request, RoundRequest):
        raws = [bytes(raw) for raw in request.ops]
        assert list(wire.decode_envelopes(raws)) == [wire.decode_envelope(raw) for raw in raws]


def test_a_refusal_for_a_reason_yet_unknown_is_still_a_refusal() -> None:
    """The phone is older than the office: it knows that the operation was refused, if not in which words to say why."""
    verdict = wire.encode(Verdict(NOTE.id, 900, Filing.REFUSED, 4, UnknownOperation("x")))
    newer = verdict.replace(b"unknown_operation", b"moon_in_the_way")
    assert wire.decode_verdict(newer) == Verdict(NOTE.id, 900, Filing.REFUSED, 4, None)


def test_an_acceptance_in_an_unknown_way_is_not_taken_for_a_refusal() -> None:
    newer = wire.encode(Verdict(NOTE.id, 900, Filing.APPLIED, 4)).replace(b'"applied"', b'"archived"')
    assert isinstance(wire.decode_verdict(newer), Unreadable)


def test_one_bad_operation_does_not_take_the_round_with_it() -> None:
    """Operations stay undecoded inside the request: the neighbours of a broken one are read."""
    request = b'{"protocol":1,"device":"phone-1","cursor":0,"ops":[%b,{"kind":[[[]]]},%b]}' % (GOOD, GOOD)
    read = wire.decode(request, RoundRequest)
    assert isinstance(read, RoundRequest)
    assert [isinstance(wire.decode_envelope(raw), Envelope) for raw in read.ops] == [True, False, True]


def test_a_round_has_a_largest_size() -> None:
    ops = b",".join([b"{}"] * (OPERATIONS_PER_ROUND + 1))
    request = b'{"protocol":1,"device":"phone-1","cursor":0,"ops":[%b]}' % ops
    assert isinstance(wire.decode(request, RoundRequest), Unreadable)


def test_the_hash_is_over_the_bytes_as_they_came() -> None:
    """White space included: the office never writes an operation anew before hashing it."""
    spaced = GOOD.replace(b",", b", ")
    assert wire.decode_envelope(spaced) == NOTE
    assert wire.hash_of(spaced) == hashlib.sha256(spaced).hexdigest() != wire.hash_of(GOOD)


@given(
    st.lists(st.tuples(st.integers(0, 99).map(str), st.integers(0, 2**53)), unique_by=lambda pair: pair[0]), st.data()
)
def test_a_scope_has_one_digest_in_whatever_order_it_is_read(
    versions: list[tuple[str, int]], data: st.DataObject
) -> None:
    assert holding(versions) == holding(data.draw(st.permutations(versions)))
    if versions:
        ticket, version = versions[0]
        assert holding(versions) != holding([(ticket, version + 1), *versions[1:]])


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_identifiers_sort_by_the_time_they_were_made(time_ms: int, random_bytes: bytes) -> None:
    """RFC 9562, section 5.7: 48 bits of milliseconds, version 7, variant 10."""
    made = uuid7(time_ms, random_bytes)
    assert int(made.replace("-", "")[:12], 16) == time_ms
    assert made[14] == "7"
    assert made[19] in "89ab"


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.replace("换了整流器".encode(), b"x" * (OPERATION_BYTES + 1)),
        GOOD.replace("换了整流器".encode(), b"\xff\xfe"),
    ],
    ids=["too long", "not UTF-8"],
)
def test_what_cannot_be_read_still_has_its_number(raw: bytes) -> None:
    """Without it the office could not answer for it, and everything behind it in the journal would wait for ever."""
    read = wire.decode_envelope(raw)
    assert isinstance(read, UnreadableOperation)
    assert (read.id, read.sequence) == (NOTE.id, NOTE.sequence)
    assert isinstance(read.rejection, MalformedOperation)
