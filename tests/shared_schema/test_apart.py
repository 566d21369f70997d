"""JSON taken apart by its brackets and strings: the pieces a parser finds, and those around what it cannot read."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_schema import apart, wire
from shared_schema.sync_protocol import OPERATIONS_PER_ROUND, RoundRequest
from shared_schema.wire import Unreadable

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
POISON = [
    rb'{"a":"\ud800"}',
    rb'{"a":"\udc00\ud800"}',
    rb'{"\ud800":1}',
    rb'{"a":"\x"}',
    b'{"a":"\x01"}',
    b'{"a":NaN}',
    b'{"a":-Infinity}',
    b'{"a":01}',
    b'{"a":1,}',
    b"{'a':1}",
    b'{"a" 1}',
    b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
]


@settings(deadline=None, derandomize=True)
@given(values=st.lists(_values, max_size=6), indent=st.sampled_from([None, 1]))
def test_the_members_of_an_array_are_those_a_parser_finds(values: list[Any], indent: int | None) -> None:
    pieces, are_all = apart.members(json.dumps(values, indent=indent).encode(), b"[")
    assert are_all
    assert [json.loads(piece) for piece in pieces] == values


@settings(deadline=None, derandomize=True)
@given(values=st.dictionaries(st.text(), _values, max_size=6))
def test_the_members_of_an_object_are_those_a_parser_finds(values: dict[str, Any]) -> None:
    pieces, are_all = apart.members(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass"), b"{")
    assert are_all
    assert [json.loads(b"{%b}" % piece) for piece in pieces] == [{key: value} for key, value in values.items()]


@settings(deadline=None, derandomize=True)
@given(data=st.binary() | st.text(alphabet='[]{},":\\a1 ').map(str.encode))
def test_anything_at_all_is_looked_at(data: bytes) -> None:
    for opening in (b"[", b"{"):
        pieces, are_all = apart.members(data, opening)
        assert all(piece in data for piece in pieces)
        assert not are_all or data.strip().startswith(opening)


@pytest.mark.parametrize(
    "data",
    [b"", b"[", b"[1", b'["', b'["\\"]', b'["\\', b"[1]]", b"[1] 2", b"[}", b"[{]}", b"]", b"x[1]", b"{}", b'"[]"'],
)
def test_what_does_not_close_or_is_something_else_is_not_whole(data: bytes) -> None:
    assert apart.members(data, b"[")[1] is False


def test_more_than_any_round_has_is_not_looked_at_to_the_end() -> None:
    """Whoever has a phone can send sixteen megabytes of brackets; others must not wait for them to be counted."""
    assert apart.members(b"[" * 2_000_000 + b"]" * 2_000_000, b"[") == ([], False)


# -- a round -------------------------------------------------------------------------------------------------------


def a_round(*operations: bytes, rest: bytes = b"") -> bytes:
    return b'{"protocol":2,"device":"d","cursor":7,"ops":[' + b",".join(operations) + b"]" + rest + b"}"


@pytest.mark.parametrize("poison", POISON, ids=lambda poison: poison[:20].decode("latin-1"))
def test_what_no_parser_reads_does_not_take_its_neighbours_with_it(poison: bytes) -> None:
    body = a_round(b'{"a":"],[\\\\"}', poison, b"2", rest=b',"reference":"x"')
    read = wire.decode_round(body)
    assert isinstance(read, RoundRequest), read
    assert [bytes(operation) for operation in read.ops] == [b'{"a":"],[\\\\"}', poison, b"2"]
    assert (read.cursor, read.reference) == (7, "x")


def test_a_round_that_can_be_read_is_read_as_always() -> None:
    body = a_round(b"1", b"2")
    assert wire.decode_round(body) == wire.decode(body, RoundRequest)


@pytest.mark.parametrize(
    "body",
    [
        a_round(POISON[0])[:-1],
        a_round(POISON[0], b""),
        a_round(POISON[0], rest=b',"ops":[]'),
        a_round(POISON[0], rest=b',"cursor":-1'),
        a_round(POISON[0], rest=b',"reference":"\\ud800"'),
        a_round(*[POISON[0]] * (OPERATIONS_PER_ROUND + 1)),
        b'{"protocol":2,"device":"d","cursor":7,"ops":{"a":%b}}' % POISON[0],
        b"[%b]" % a_round(POISON[0]),
    ],
    ids=lambda body: body[-30:].decode("latin-1"),
)
def test_a_round_that_is_itself_not_one_stays_unreadable(body: bytes) -> None:
    assert isinstance(wire.decode_round(body), Unreadable)


def test_an_operation_that_no_parser_reads_is_known_by_its_number() -> None:
    """Without it, everything behind it in the journal would wait for ever."""
    head = b'"id":"019a0000-0000-7000-8000-000000000001","device":"d","sequence":9'
    for poison in POISON:
        read = wire.decode_envelope(b"{%b,%b" % (head, poison[1:]))
        assert isinstance(read, wire.UnreadableOperation)
        assert (read.id, read.sequence) == ("019a0000-0000-7000-8000-000000000001", 9), poison
