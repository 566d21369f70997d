"""Histories nobody would think of: operations of every kind, by anybody, in any order, on stale versions."""

from datetime import timedelta

from hypothesis import strategies as st
from msgspec import Struct

from shared_schema import operations as op
from shared_schema.apply import apply
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Role, Severity
from shared_schema.operations import Actor, Envelope, Operation
from shared_schema.ticket import Ticket
from tests.shared_schema.samples import (
    AFTER,
    BEFORE,
    BY_KIND,
    CHEN,
    CREATE,
    DONE,
    EVERY_OPERATION,
    FOUND,
    LIN,
    NOON,
    STRANGER,
    WANG,
    WINDOW,
    enveloped,
    objection,
    sign_off,
    statement,
)

_ASSIGNMENTS: tuple[Operation, ...] = tuple(
    op.AssignTicket(technician, WINDOW, replaces)
    for technician in ("t-chen", "t-wang")
    for replaces in (None, "t-chen", "t-wang")
)
_SIGNATURES: tuple[Operation, ...] = (
    sign_off(statement(photos=[BEFORE])),
    sign_off(statement(done="别的"), rating=1),
    sign_off(statement(), sha256="0" * 64),
    objection(statement(photos=[BEFORE, AFTER])),
    objection(statement(), sha256="0" * 64),
)
_WAY: tuple[Operation, ...] = (
    BY_KIND["confirm_ticket"],
    op.AssignTicket("t-chen", WINDOW),
    *(
        BY_KIND[kind]
        for kind in ("accept_ticket", "start_travel", "arrive", "show_credential", "confirm_problem", "finish_work")
    ),
    sign_off(statement()),
    BY_KIND["close_ticket"],
    BY_KIND["reopen_ticket"],
)

_ids = st.integers(1, 26).map(lambda number: f"019a0000-0000-7000-8000-{number:012d}")

operations: st.SearchStrategy[Operation] = st.one_of(
    st.sampled_from(EVERY_OPERATION),
    st.sampled_from(_ASSIGNMENTS),
    st.sampled_from(_SIGNATURES),
    st.builds(op.AddNote, st.text(min_size=1, max_size=30)),
    st.builds(op.FinishWork, st.sampled_from([FOUND, "另一个原因"]), st.sampled_from([DONE, "另一种处理"])),
    st.builds(
        op.AddPhoto, st.sampled_from([BEFORE, AFTER]), st.just(7), st.just("image/png"), st.sampled_from(PhotoSlot)
    ),
    st.builds(op.TakeProposal, _ids),
    st.builds(op.DismissProposal, _ids, st.just("已另有安排")),
    st.builds(op.ReviewEvidence, _ids),
    st.builds(op.ConfirmTicket, st.sampled_from(Severity), st.text(max_size=5)),
)

actors: st.SearchStrategy[Actor] = st.sampled_from(
    [LIN, CHEN, CHEN, WANG, STRANGER, Actor("sun", Role.SUPERVISOR), Actor("root", Role.ADMINISTRATOR)]
)


class Attempt(Struct, frozen=True):
    operation: Operation
    actor: Actor
    behind: int
    """How many versions older the ticket was that the actor had in front of them; 0: the newest."""
    offset_minutes: int


attempts = st.builds(Attempt, operations, actors, st.integers(0, 4), st.integers(-3_000_000, 3_000_000))


@st.composite
def histories(draw: st.DrawFn) -> list[Envelope]:
    """A created ticket, part of the ordinary way, then anything; what is refused stays in."""
    told: list[Envelope] = []
    ticket: Ticket | None = None

    def tell(envelope: Envelope) -> None:
        nonlocal ticket
        after = apply(envelope, ticket)
        ticket = after if isinstance(after, Ticket) else ticket
        told.append(envelope)

    tell(enveloped(CREATE, LIN, number=1, base_version=0))
    for step in _WAY[: draw(st.integers(0, len(_WAY)))]:
        tell(enveloped(step, CHEN if isinstance(step, op.VisitOperation) else LIN, number=len(told) + 1))
    for attempt in draw(st.lists(attempts, max_size=14)):
        tell(
            enveloped(
                attempt.operation,
                attempt.actor,
                number=len(told) + 1,
                base_version=max(0, (ticket.version if ticket else 0) - attempt.behind),
                at=NOON + timedelta(minutes=attempt.offset_minutes),
            )
        )
    return told
