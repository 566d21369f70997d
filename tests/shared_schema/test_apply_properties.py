"""What holds for every history, however strange: nothing is lost, nothing is altered, the answer is always the same."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_schema import operations as op
from shared_schema import wire
from shared_schema.apply import Filing, Result, apply, filing
from shared_schema.lifecycle import MOVES, Role
from shared_schema.operations import Envelope, kind_of
from shared_schema.rebase import rebase
from shared_schema.rejections import PhotoMissing, StatementAltered
from shared_schema.ticket import Ticket, late_evidence
from tests.shared_schema.histories import histories

EVIDENCE = (op.AddNote, op.AddPhoto, op.Arrive, op.SignOffVisit, op.RaiseObjection)
KEPT = ("notes", "photos", "arrivals", "sign_offs", "objections", "proposals", "decisions", "remote_help")
UNALTERABLE = ("id", "number", "kind", "channel", "created_at", "created_by", "problem", "wished_time", "linked_ticket")

many = settings(max_examples=200)


def steps(history: list[Envelope]) -> Iterator[tuple[Envelope, Ticket | None, Result]]:
    ticket: Ticket | None = None
    for envelope in history:
        after = apply(envelope, ticket)
        yield envelope, ticket, after
        ticket = after if isinstance(after, Ticket) else ticket


@many
@given(histories())
def test_the_version_grows_by_one_exactly_when_an_operation_is_accepted(history: list[Envelope]) -> None:
    """So the version is the number of operations that were applied, and a refusal leaves no trace on the ticket."""
    accepted = 0
    for envelope, _, after in steps(history):
        accepted += isinstance(after, Ticket)
        if isinstance(after, Ticket):
            assert after.version == accepted
            assert filing(envelope.id, after) is not Filing.REFUSED
        else:
            assert filing(envelope.id, after) is Filing.REFUSED


@many
@given(histories())
def test_what_was_kept_is_kept_for_good(history: list[Envelope]) -> None:
    """Notes, photos, arrivals, signatures, objections, proposals, help given: only ever added to, at the end."""
    for _, before, after in steps(history):
        if before is None or not isinstance(after, Ticket):
            continue
        for name in KEPT:
            earlier, later = getattr(before, name), getattr(after, name)
            assert later[: len(earlier)] == earlier, name
        for name in UNALTERABLE:
            assert getattr(after, name) == getattr(before, name), name
        assert set(before.former_technicians) - {after.technician} <= set(after.former_technicians)


@many
@given(histories())
def test_evidence_from_somebody_who_may_know_the_ticket_is_never_turned_away(history: list[Envelope]) -> None:
    """Product rule 2: except where the signature is not over what it came with."""
    for envelope, before, after in steps(history):
        if before is None or not isinstance(envelope.operation, EVIDENCE):
            continue
        actor = envelope.actor
        if actor.role is Role.TECHNICIAN:
            entitled = actor.person == before.technician or actor.person in before.former_technicians
        else:
            entitled = isinstance(envelope.operation, op.AddNote | op.AddPhoto)
        if entitled:
            assert isinstance(after, Ticket | StatementAltered | PhotoMissing), after


@many
@given(histories())
def test_a_technicians_words_are_kept_even_where_the_move_no_longer_fits(history: list[Envelope]) -> None:
    """Made on an older version of a ticket they had or have: applied, late, or a proposal holding every word."""
    for envelope, before, after in steps(history):
        operation = envelope.operation
        if before is None or not isinstance(operation, op.FinishWork | op.WaitFor | op.ConfirmProblem):
            continue
        had = envelope.actor.person in before.former_technicians
        if envelope.actor.role is Role.TECHNICIAN and had:
            assert isinstance(after, Ticket)
            typed = after.proposals[-1].words
            for words in (getattr(operation, name) for name in operation.__struct_fields__):
                assert words in typed


@many
@given(histories())
def test_how_it_was_filed_agrees_with_what_changed(history: list[Envelope]) -> None:
    for envelope, before, after in steps(history):
        if before is None or not isinstance(after, Ticket):
            continue
        new_late = len(late_evidence(after)) - len(late_evidence(before))
        new_proposals = len(after.proposals) - len(before.proposals)
        match filing(envelope.id, after):
            case Filing.APPLIED:
                assert (new_late, new_proposals) == (0, 0)
            case Filing.LATE:
                assert (new_late, new_proposals) == (1, 0)
                assert after.status is before.status
            case Filing.PROPOSAL:
                assert (new_late, new_proposals) == (0, 1)
                assert after.status is before.status
            case Filing.REFUSED:
                pytest.fail("accepted, and filed as refused")


@many
@given(histories())
def test_the_status_changes_only_along_the_table_of_moves(history: list[Envelope]) -> None:
    for envelope, before, after in steps(history):
        if before is None or not isinstance(after, Ticket) or after.status is before.status:
            continue
        origins, target = MOVES[kind_of(envelope.operation)]
        assert before.status in origins
        assert after.status is target


@many
@given(histories())
def test_phone_and_office_get_the_same_answer(history: list[Envelope]) -> None:
    """The same function on the same values, after a journey over the wire."""
    for envelope, before, after in steps(history):
        travelled = wire.decode_envelope(wire.encode(envelope))
        assert travelled == envelope
        stored = None if before is None else wire.decode(wire.encode(before), Ticket)
        assert stored == before
        assert apply(envelope, before) == after


@many
@given(histories(), st.data())
def test_rebasing_in_two_parts_is_rebasing_at_once(history: list[Envelope], data: st.DataObject) -> None:
    """What the phone shows does not depend on how much of its journal the office has confirmed by now."""
    confirmed_through = data.draw(st.integers(0, len(history)))
    whole = rebase(None, history)
    confirmed = rebase(None, history[:confirmed_through])
    rest = rebase(confirmed.ticket, history[confirmed_through:])
    assert rest.ticket == whole.ticket
    assert (*confirmed.misfits, *rest.misfits) == whole.misfits


@given(histories())
def test_rebasing_nothing_changes_nothing(history: list[Envelope]) -> None:
    confirmed = rebase(None, history).ticket
    again = rebase(confirmed, [])
    assert again.ticket == confirmed
    assert again.misfits == ()


@given(histories())
def test_rebasing_names_exactly_the_operations_that_do_not_fit(history: list[Envelope]) -> None:
    refused = tuple((envelope.id, after) for envelope, _, after in steps(history) if not isinstance(after, Ticket))
    assert rebase(None, history).misfits == refused
