"""Every message ever shipped is still read, and means the same bytes: golden/<version>/*.json, never edited."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from shared_schema import wire
from shared_schema.operations import Envelope
from shared_schema.rejections import Rejection
from shared_schema.sync_protocol import Verdict
from tests.shared_schema.golden_samples import FORMS, GOLDEN, REJECTIONS, samples, sums

FILES = sorted(GOLDEN.glob("v*/*.json"))


def _form(path: Path) -> type[msgspec.Struct]:
    return FORMS[path.name.partition(".")[0]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_message_is_read_and_written_as_it_was(path: Path) -> None:
    data = path.read_bytes()
    value = wire.decode(data, _form(path))
    assert not isinstance(value, wire.Unreadable), value
    assert wire.encode(value) == data


@pytest.mark.parametrize("path", [path for path in FILES if _form(path) is Envelope], ids=lambda path: path.stem)
def test_a_shipped_operation_is_read_on_its_own(path: Path) -> None:
    assert isinstance(wire.decode_envelope(path.read_bytes()), Envelope)


@pytest.mark.parametrize("path", [path for path in FILES if _form(path) is Verdict], ids=lambda path: path.stem)
def test_a_shipped_verdict_says_why_it_refused(path: Path) -> None:
    verdict = wire.decode_verdict(path.read_bytes())
    assert isinstance(verdict, Verdict)
    assert (verdict.rejection is not None) == (".refused." in path.name)


def test_no_golden_file_was_edited_or_removed() -> None:
    """Each still has the hash noted when it was added."""
    for folder in sorted({path.parent for path in FILES}):
        held = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.json")}
        assert held == sums(folder.name)


def test_every_message_has_a_golden_file_of_its_present_form() -> None:
    """What is missing: `python -m tests.shared_schema.golden_samples` adds it."""
    held = {path.read_bytes() for path in FILES}
    assert {name for name, data in samples().items() if data not in held} == set()


def test_every_rejection_is_among_the_samples() -> None:
    assert {type(rejection) for rejection in REJECTIONS} == set(Rejection.__args__)
