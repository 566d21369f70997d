"""What the desk makes of proposals and late evidence: taken, dismissed, reviewed; once, and nothing is altered."""

import pytest

from shared_schema import operations as op
from shared_schema.apply import apply
from shared_schema.lifecycle import PROGRESS, Status
from shared_schema.operations import Operation, kind_of
from shared_schema.rejections import AlreadyDecided, MoveNotAllowed, RoleNotAllowed, UnknownItem, UnknownTicket
from shared_schema.ticket import Outcome, Ticket, undecided, unreviewed
from tests.shared_schema.samples import (
    ASSIGN_WANG,
    BY_KIND,
    CHEN,
    DONE,
    FOUND,
    LIN,
    TICKET,
    Tale,
    enveloped,
    settled_tale,
    tale_until,
)


def proposed(operation: Operation, *after: tuple[object, ...]) -> tuple[Tale, str]:
    """t-chen's step, made before the ticket was given to t-wang, and its id."""
    tale = tale_until(Status.ACCEPTED)
    seen = tale.version
    tale.then(LIN, ASSIGN_WANG).then(CHEN, operation, base_version=seen)
    return tale, tale.told[-1].id


def test_finished_work_that_is_taken_counts_and_the_ticket_is_his_again_who_did_it() -> None:
    tale, proposal = proposed(op.FinishWork(FOUND, DONE))
    now = tale.then(LIN, op.TakeProposal(proposal, "他做完了")).now
    assert (now.status, now.found, now.done, now.technician) == (Status.WORK_DONE, FOUND, DONE, "t-chen")
    assert now.former_technicians == ("t-wang",)
    assert undecided(now) == ()
    assert [(each.about, each.outcome, each.words) for each in now.decisions] == [(proposal, Outcome.TAKEN, "他做完了")]
    assert now.proposals == tale_of(tale, proposal)


def tale_of(tale: Tale, proposal: str) -> tuple[object, ...]:
    """The proposals as they stood before anybody decided."""
    ticket: Ticket | None = None
    for envelope in tale.told:
        after = apply(envelope, ticket)
        assert isinstance(after, Ticket)
        ticket = after
        if envelope.id == proposal:
            return after.proposals
    raise AssertionError(proposal)


def test_words_with_line_ends_are_taken_apart_as_they_were_typed() -> None:
    tale, proposal = proposed(op.FinishWork("一\n二", "三\n四"))
    now = tale.then(LIN, op.TakeProposal(proposal)).now
    assert (now.found, now.done) == ("一\n二", "三\n四")


@pytest.mark.parametrize(
    "operation",
    [op.AcceptTicket(), op.StartTravel(), op.ConfirmProblem("门框变形"), op.WaitFor("等配件"), op.ShowCredential()],
    ids=kind_of,
)
def test_a_step_that_is_taken_does_what_it_would_have_done(operation: Operation) -> None:
    tale, proposal = proposed(operation)
    now = tale.then(LIN, op.TakeProposal(proposal)).now
    expected = {
        "accept_ticket": Status.ACCEPTED,
        "start_travel": Status.TRAVELLING,
        "confirm_problem": Status.WORKING,
        "wait_for": Status.WAITING,
        "show_credential": Status.ASSIGNED,
    }
    assert now.status is expected[kind_of(operation)]
    assert now.technician == "t-chen"
    assert now.confirmed_problem == ("门框变形" if isinstance(operation, op.ConfirmProblem) else "")
    assert now.waiting_for == ("等配件" if isinstance(operation, op.WaitFor) else "")
    assert (now.credential_shown_at is not None) == isinstance(operation, op.ShowCredential)


def test_a_step_never_takes_a_visit_back() -> None:
    tale, proposal = proposed(op.StartTravel())
    finished, _ = tale, tale.then(LIN, op.TakeProposal(proposal))
    again = finished.then(CHEN, op.Arrive()).then(CHEN, op.ShowCredential()).then(CHEN, op.ConfirmProblem("门框变形"))
    late = apply(enveloped(op.StartTravel(), CHEN, number=60, base_version=1), again.now)
    assert isinstance(late, Ticket)
    refused = apply(enveloped(op.TakeProposal("019a0000-0000-7000-8000-000000000060"), LIN, number=61), late)
    assert refused == MoveNotAllowed("start_travel", Status.WORKING)


@pytest.mark.parametrize("status", sorted(set(Status) - set(PROGRESS), key=str))
def test_nothing_is_taken_on_a_ticket_that_no_visit_is_under_way_on(status: Status) -> None:
    tale, proposal = proposed(op.FinishWork(FOUND, DONE))
    if status in {Status.CANCELLED, Status.REOPENED}:
        tale.then(LIN, BY_KIND["cancel_ticket"])
        if status is Status.REOPENED:
            tale.then(LIN, BY_KIND["reopen_ticket"])
        refused = apply(enveloped(op.TakeProposal(proposal), LIN), tale.now)
        assert refused == MoveNotAllowed("finish_work", status)
        dismissed = apply(enveloped(op.DismissProposal(proposal, "已取消"), LIN), tale.now)
        assert isinstance(dismissed, Ticket)
        assert undecided(dismissed) == ()


def test_what_is_decided_is_decided_once() -> None:
    tale, proposal = proposed(op.FinishWork(FOUND, DONE))
    tale.then(LIN, op.DismissProposal(proposal, "王师傅已完成"))
    for operation in (op.TakeProposal(proposal), op.DismissProposal(proposal, "再次")):
        assert apply(enveloped(operation, LIN), tale.now) == AlreadyDecided()


def test_late_evidence_is_reviewed_once_and_stays() -> None:
    tale = settled_tale()
    arrived = tale.now.arrivals[-1]
    assert arrived.late
    assert unreviewed(tale.now) == ()
    assert apply(enveloped(op.ReviewEvidence(arrived.operation_id), LIN), tale.now) == AlreadyDecided()


@pytest.mark.parametrize(
    "operation",
    [BY_KIND["take_proposal"], BY_KIND["dismiss_proposal"], BY_KIND["review_evidence"]],
    ids=kind_of,
)
def test_nothing_is_decided_about_what_is_not_there_or_by_a_technician(operation: Operation) -> None:
    tale = settled_tale()
    assert apply(enveloped(operation, LIN), tale.now) == UnknownItem()
    assert apply(enveloped(operation, LIN), None) == UnknownTicket()
    assert isinstance(apply(enveloped(operation, CHEN), tale.now), RoleNotAllowed)


def test_a_proposal_is_not_reviewed_and_evidence_not_taken() -> None:
    tale, proposal = proposed(op.FinishWork(FOUND, DONE))
    assert apply(enveloped(op.ReviewEvidence(proposal), LIN), tale.now) == UnknownItem()
    arrival = settled_tale().now.arrivals[-1].operation_id
    assert not isinstance(apply(enveloped(op.TakeProposal(arrival), LIN), settled_tale().now), Ticket)


def test_a_ticket_is_no_duplicate_of_itself() -> None:
    tale = tale_until(Status.CONFIRMED)
    assert apply(enveloped(op.MergeDuplicate(TICKET), LIN), tale.now) == UnknownTicket()
    merged = tale.then(LIN, BY_KIND["merge_duplicate"]).now
    assert (merged.status, merged.duplicate_of) == (Status.CANCELLED, "019a0000-0000-7000-8000-000000000002")
    assert tale.then(LIN, BY_KIND["reopen_ticket"]).now.duplicate_of is None
