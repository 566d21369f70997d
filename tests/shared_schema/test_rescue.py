"""The rescue file's framing: what goes in comes out, and what was altered or cut is told."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema import rescue
from shared_schema.rescue import (
    DraftRecord,
    EnvelopeRecord,
    NotARescueFile,
    PhotoRecord,
    Record,
    framed,
    in_chunks,
    record_bytes,
    records_in,
)


def _recorded(form: str, body: bytes) -> tuple[Record, bytes]:
    if form == "photo":
        body = body or b"\0"
        return PhotoRecord(len(body), hashlib.sha256(body).hexdigest(), "image/jpeg"), body
    return (EnvelopeRecord(len(body)) if form == "envelope" else DraftRecord(len(body), "note/1")), body


recorded = st.builds(_recorded, st.sampled_from(["envelope", "photo", "draft"]), st.binary(max_size=300))


@given(st.lists(recorded, max_size=8), st.integers(1, 700))
def test_records_come_out_of_the_chunks_as_they_went_in(records: list[tuple[Record, bytes]], size: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rescue, "CHUNK_BYTES", size)
        chunks = list(in_chunks(record_bytes(*each) for each in records))
    assert [is_last for _, is_last in chunks] == [False] * (len(chunks) - 1) + [True]
    assert all(len(chunk) <= size for chunk, _ in chunks)
    assert list(records_in(chunk for chunk, _ in chunks)) == records


@given(st.lists(recorded, min_size=1, max_size=4), st.data())
def test_a_file_cut_short_is_told(records: list[tuple[Record, bytes]], data: st.DataObject) -> None:
    whole = b"".join(record_bytes(*each) for each in records)
    ends = {0}
    for each in records:
        ends.add(max(ends) + len(record_bytes(*each)))
    cut = data.draw(st.integers(1, len(whole) - 1).filter(lambda place: place not in ends))
    with pytest.raises(NotARescueFile):
        list(records_in([whole[:cut]]))


@pytest.mark.parametrize(
    "data",
    [
        framed(b"{}"),
        framed(b"[" * 9000),
        framed(b"\xff\xfe"),
        (2**31).to_bytes(4, "big"),
        framed(json.dumps({"form": "envelope", "size": 2**40}).encode()),
        framed(json.dumps({"form": "photo", "size": 1, "sha256": "x", "media_type": ""}).encode()) + b"a",
    ],
)
def test_nonsense_is_told(data: bytes) -> None:
    with pytest.raises(NotARescueFile):
        list(records_in([data]))


def test_what_seals_a_chunk_depends_on_its_place_its_header_and_whether_it_ends_the_file() -> None:
    assert len({rescue.nonce(number) for number in range(300)}) == 300
    sealed_with = {
        rescue.associated_data(header, is_last=is_last) for header in (b"a", b"b") for is_last in (True, False)
    }
    assert len(sealed_with) == 4
