"""Every operation on a ticket in every status: the rule book's way of a ticket (product.md), written out as a table."""

import pytest

from shared_schema import operations as op
from shared_schema.apply import Filing, Result, apply, filing
from shared_schema.lifecycle import MOVES, Kind, Status, may_move
from shared_schema.operations import kind_of
from shared_schema.rejections import (
    ChangedMeanwhile,
    NotAVisit,
    PhotoMissing,
    RoleNotAllowed,
    StatementAltered,
    StepMissing,
    TicketExists,
    UnknownTicket,
    WindowReversed,
)
from shared_schema.ticket import Customer, Ticket, Window, late_evidence
from tests.shared_schema.samples import (
    AFTER,
    ASSIGN_WANG,
    BY_KIND,
    CHEN,
    CREATE,
    DONE,
    EVERY_OPERATION,
    FOUND,
    LIN,
    NOON,
    OFFICE_KINDS,
    STRANGER,
    WANG,
    WINDOW,
    Tale,
    actor_for,
    enveloped,
    objection,
    sign_off,
    statement,
    tale_until,
)

# Columns: the ticket's status. Cells: the status after it; "=" accepted, the status stays; "~" accepted as late
# evidence, the status stays; "?" kept as a proposal, the status stays; "." refused.
TABLE = """
                    RE CO AS AC TR AR WO WA WD OB SI SO CL RP CA
create_ticket        .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
correct_details      =  =  =  =  =  =  =  =  =  =  =  =  .  =  .
confirm_ticket      CO  .  .  .  .  .  .  .  .  .  .  .  . CO  .
grade_ticket         =  =  =  =  =  =  =  =  =  =  =  =  .  =  .
record_remote_help   =  =  =  =  =  =  =  =  =  =  =  =  .  =  .
solve_remotely       . SO  .  .  .  .  .  .  .  .  .  .  .  .  .
assign_ticket        . AS AS AS AS AS AS AS  . AS  .  .  .  .  .
cancel_ticket       CA CA CA CA CA CA CA CA CA CA  . CA  . CA  .
merge_duplicate     CA CA CA CA CA CA CA CA CA CA  . CA  . CA  .
take_proposal        .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
dismiss_proposal     .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
review_evidence      .  .  .  .  .  .  .  .  .  .  .  .  .  .  .
close_ticket         .  .  .  .  .  .  .  .  .  . CL CL  .  .  .
reopen_ticket        .  .  .  .  .  .  .  .  .  .  .  . RP  . RP
accept_ticket        .  . AC  .  .  .  .  .  .  .  .  .  .  ?  .
start_travel         .  .  . TR  .  .  .  .  .  .  .  .  .  ?  .
arrive               .  .  ~  ~ AR  ~  ~  ~  ~  ~  ~  .  ~  ~  .
show_credential      .  .  .  .  .  =  =  .  .  .  .  .  .  ?  .
confirm_problem      .  .  .  .  . WO  .  .  .  .  .  .  .  ?  .
wait_for             .  .  .  .  .  . WA  .  .  .  .  .  .  ?  .
resume_work          .  .  .  .  .  .  . WO  . WO  .  .  .  ?  .
finish_work          .  .  .  .  .  . WD  .  .  .  .  .  .  ?  .
sign_off             .  .  ~  ~  ~  ~  ~  ~ SI  ~  ~  .  ~  ~  .
raise_objection      .  .  ~  ~  ~  ~  ~  ~ OB  ~  ~  .  ~  ~  .
answer_refusal       .  .  =  =  =  =  =  =  =  =  =  .  =  =  .
add_note             .  .  =  =  =  =  =  =  =  =  ~  .  ~  ~  .
add_photo            .  .  =  =  =  =  =  =  =  =  ~  .  ~  ~  .
"""
# In a status that a technician never came to (received, confirmed, solved remotely, cancelled before anybody was
# sent), the ticket is unknown to every technician. In reopened, t-chen has had it and has it no more. Assigning goes to
# t-wang where t-chen has it, and the problem is confirmed after the credential was shown.

CODES = {
    "RE": Status.RECEIVED,
    "CO": Status.CONFIRMED,
    "AS": Status.ASSIGNED,
    "AC": Status.ACCEPTED,
    "TR": Status.TRAVELLING,
    "AR": Status.ARRIVED,
    "WO": Status.WORKING,
    "WA": Status.WAITING,
    "WD": Status.WORK_DONE,
    "OB": Status.OBJECTED,
    "SI": Status.SIGNED_OFF,
    "SO": Status.SOLVED_REMOTELY,
    "CL": Status.CLOSED,
    "RP": Status.REOPENED,
    "CA": Status.CANCELLED,
}


def _cells() -> list[tuple[str, Status, str]]:
    heading, *rows = [line.split() for line in TABLE.strip().splitlines()]
    assert set(heading) == set(CODES)
    return [(row[0], CODES[code], cell) for row in rows for code, cell in zip(heading, row[1:], strict=True)]


def _attempt(kind: str, ticket: Ticket) -> tuple[Ticket, Result]:
    operation = BY_KIND[kind]
    if kind == "assign_ticket" and ticket.technician:
        operation = ASSIGN_WANG
    if kind == "confirm_problem" and ticket.status is Status.ARRIVED:
        shown = apply(enveloped(op.ShowCredential(), CHEN, number=899), ticket)
        assert isinstance(shown, Ticket)
        ticket = shown
    return ticket, apply(enveloped(operation, actor_for(kind)), ticket)


def test_the_table_names_every_operation_and_every_status_once() -> None:
    """A new operation or status has to be entered in the table before anything passes."""
    cells = _cells()
    assert {kind for kind, _, _ in cells} == {kind_of(operation) for operation in EVERY_OPERATION} == set(BY_KIND)
    assert {status for _, status, _ in cells} == set(Status)
    assert len(cells) == len(BY_KIND) * len(Status)


@pytest.mark.parametrize(("kind", "status", "cell"), _cells(), ids=lambda value: getattr(value, "value", value))
def test_each_operation_does_in_each_status_what_the_table_says(kind: str, status: Status, cell: str) -> None:
    """By the one who may make it, on the ticket as it stands."""
    ticket = tale_until(status).now
    assert ticket.status is status
    ticket, after = _attempt(kind, ticket)
    if cell == ".":
        assert not isinstance(after, Ticket), after
        return
    assert isinstance(after, Ticket), after
    assert after.version == ticket.version + 1
    assert after.status is CODES.get(cell, status)
    assert len(late_evidence(after)) - len(late_evidence(ticket)) == (1 if cell == "~" else 0)
    assert len(after.proposals) - len(ticket.proposals) == (1 if cell == "?" else 0)


def test_every_status_can_be_reached_and_left_or_is_an_end() -> None:
    """No status is a trap: from each there is a move, and each is the target of one or the beginning."""
    targets = {target for _, target in MOVES.values()} | {Status.RECEIVED}
    assert targets == set(Status)
    for status in Status:
        assert any(may_move(kind, status) for kind in MOVES), status


def test_moves_name_real_operations() -> None:
    assert set(MOVES) <= set(BY_KIND)


@pytest.mark.parametrize("kind", sorted(OFFICE_KINDS))
def test_a_technician_does_not_decide_for_the_office(kind: str) -> None:
    """Whatever the status: the role is looked at first."""
    assert apply(enveloped(BY_KIND[kind], CHEN), tale_until(Status.WORKING).now) == RoleNotAllowed(CHEN.role)


@pytest.mark.parametrize("kind", sorted(set(BY_KIND) - OFFICE_KINDS - {"add_note", "add_photo"}))
def test_the_office_does_not_make_the_visit_in_the_technicians_name(kind: str) -> None:
    assert apply(enveloped(BY_KIND[kind], LIN), tale_until(Status.WORKING).now) == RoleNotAllowed(LIN.role)


@pytest.mark.parametrize("kind", sorted(set(BY_KIND) - OFFICE_KINDS))
def test_a_stranger_learns_nothing_not_even_that_the_ticket_exists(kind: str) -> None:
    """The answer for somebody else's ticket is the one for no ticket at all."""
    envelope = enveloped(BY_KIND[kind], STRANGER)
    assert apply(envelope, tale_until(Status.WORKING).now) == apply(envelope, None) == UnknownTicket()


def test_a_ticket_is_created_once() -> None:
    assert apply(enveloped(CREATE, LIN), tale_until(Status.RECEIVED).now) == TicketExists()


def test_work_does_not_begin_before_the_credential_was_shown() -> None:
    """Product rule: arrived → show the work credential → confirm the problem."""
    ticket = tale_until(Status.ARRIVED).now
    assert apply(enveloped(BY_KIND["confirm_problem"], CHEN), ticket) == StepMissing("show_credential")


def test_a_complaint_is_not_a_visit_and_cannot_be_assigned() -> None:
    tale = Tale().then(
        LIN, op.CreateTicket("S-1", Kind.COMPLAINT, CREATE.channel, CREATE.customer, CREATE.product, "迟到")
    )
    tale.then(LIN, BY_KIND["confirm_ticket"])
    assert apply(enveloped(BY_KIND["assign_ticket"], LIN), tale.now) == NotAVisit(Kind.COMPLAINT)


def test_a_visit_window_ends_after_it_begins() -> None:
    reversed_window = op.AssignTicket("t-chen", Window(WINDOW.end, WINDOW.start))
    assert apply(enveloped(reversed_window, LIN), tale_until(Status.CONFIRMED).now) == WindowReversed()


def test_two_dispatchers_do_not_overwrite_each_other_unseen() -> None:
    """Zhao assigns what Lin has just assigned to somebody else: she is told, and nothing of Lin's is lost."""
    assigned = tale_until(Status.ASSIGNED).now
    late_decision = op.AssignTicket("t-wang", WINDOW, replaces=None)
    assert apply(enveloped(late_decision, LIN), assigned) == ChangedMeanwhile()
    stale = op.CorrectDetails(CREATE.customer, CREATE.product, Customer("李女士", "", "", ""), CREATE.product)
    assert apply(enveloped(stale, LIN), assigned) == ChangedMeanwhile()


def test_moving_only_the_window_leaves_the_visit_where_it_is() -> None:
    travelling = tale_until(Status.TRAVELLING).now
    later = Window(WINDOW.start.replace(hour=9), WINDOW.end.replace(hour=11))
    after = apply(enveloped(op.AssignTicket("t-chen", later, replaces="t-chen"), LIN), travelling)
    assert isinstance(after, Ticket)
    assert (after.status, after.technician, after.former_technicians) == (Status.TRAVELLING, "t-chen", ())


def test_work_done_in_a_cellar_survives_a_reassignment() -> None:
    """The dispatcher gives the ticket to Wang while Chen's phone has no network: his note is late evidence, his move
    a proposal with everything he typed, and the ticket stays where Wang has it."""
    tale = tale_until(Status.WORKING)
    seen_by_chen = tale.version
    tale.then(LIN, ASSIGN_WANG)
    note = enveloped(op.AddNote("换了整流器"), CHEN, number=901, base_version=seen_by_chen)
    with_note = apply(note, tale.now)
    assert isinstance(with_note, Ticket)
    assert filing(note.id, with_note) is Filing.LATE
    finish = enveloped(op.FinishWork(FOUND, DONE), CHEN, number=902, base_version=seen_by_chen)
    after = apply(finish, with_note)
    assert isinstance(after, Ticket)
    assert filing(finish.id, after) is Filing.PROPOSAL
    assert (after.status, after.technician) == (Status.ASSIGNED, "t-wang")
    assert after.notes[-1].text == "换了整流器"
    assert after.proposals[-1].words == f"{FOUND}\n{DONE}"


def test_a_technician_who_gets_the_ticket_back_is_not_a_former_one() -> None:
    tale = tale_until(Status.ACCEPTED).then(LIN, ASSIGN_WANG)
    assert tale.now.former_technicians == ("t-chen",)
    tale.then(LIN, op.AssignTicket("t-chen", WINDOW, replaces="t-wang"))
    assert tale.now.former_technicians == ("t-wang",)
    assert isinstance(apply(enveloped(op.AddNote("我也在"), WANG), tale.now), Ticket)


def test_a_signature_under_another_text_is_refused() -> None:
    """The hash in the operation is not that of the statement it came with."""
    done = tale_until(Status.WORK_DONE).now
    assert apply(enveloped(sign_off(statement(), sha256="0" * 64), CHEN), done) == StatementAltered()
    assert apply(enveloped(objection(statement(), sha256="0" * 64), CHEN), done) == StatementAltered()


def test_a_signature_names_only_photos_that_are_on_the_ticket() -> None:
    shown = statement(photos=[AFTER])
    assert apply(enveloped(sign_off(shown), CHEN), tale_until(Status.WORK_DONE).now) == PhotoMissing()


def test_a_signature_for_work_that_was_described_anew_is_kept_as_late() -> None:
    """The customer saw an earlier description: the signature is kept, and does not end the ticket."""
    tale = tale_until(Status.WORK_DONE).then(CHEN, objection(statement())).then(CHEN, op.ResumeWork())
    tale.then(CHEN, op.FinishWork(FOUND, "门缝已调平。"))
    after = apply(enveloped(sign_off(statement()), CHEN), tale.now)
    assert isinstance(after, Ticket)
    assert after.status is Status.WORK_DONE
    assert after.sign_offs[-1].late


def test_objection_and_rework_go_on_until_the_customer_is_satisfied() -> None:
    tale = tale_until(Status.WORK_DONE)
    for attempt in range(3):
        done = tale.now.done
        tale.then(CHEN, objection(statement(done=done))).then(CHEN, op.ResumeWork())
        tale.then(CHEN, op.FinishWork(FOUND, f"第 {attempt + 2} 次调整"))
    tale.then(CHEN, sign_off(statement(done=tale.now.done)))
    assert tale.now.status is Status.SIGNED_OFF
    assert len(tale.now.objections) == 3


def test_reopening_clears_the_visit_and_keeps_its_evidence() -> None:
    closed, reopened = tale_until(Status.CLOSED).now, tale_until(Status.REOPENED).now
    assert reopened.technician is None
    assert (reopened.found, reopened.done, reopened.over_because, reopened.over_at) == ("", "", "", None)
    assert reopened.sign_offs == closed.sign_offs
    assert reopened.arrivals == closed.arrivals


def test_what_happened_is_told_by_the_servers_clock() -> None:
    """The phone's clock is two years slow, and it knows: the note is dated by the measured offset."""
    two_years_ms = 2 * 365 * 86_400_000
    slow = enveloped(op.AddNote("钟慢了两年"), CHEN)
    slow = op.Envelope(
        slow.id, slow.device, 1, slow.ticket, CHEN, 3, NOON, op.Clock(two_years_ms, 500), "0" * 64, slow.operation
    )
    after = apply(slow, tale_until(Status.WORKING).now)
    assert isinstance(after, Ticket)
    assert after.notes[-1].written_at.year == 2028


def test_a_clock_at_the_end_of_time_does_not_stop_anything() -> None:
    last = NOON.replace(year=9999, month=12, day=31)
    late = op.Envelope(
        enveloped(op.AddNote("年份坏了"), CHEN).id,
        "phone-t-chen",
        1,
        enveloped(op.AddNote("x"), CHEN).ticket,
        CHEN,
        3,
        last,
        op.Clock(2**50, None),
        "0" * 64,
        op.AddNote("年份坏了"),
    )
    assert isinstance(apply(late, tale_until(Status.WORKING).now), Ticket)
