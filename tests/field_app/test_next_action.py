"""The one button of the ticket page."""

import pytest

from field_app.actions import next_action
from shared_schema.lifecycle import Status, may_move
from tests.builders.clocks import MONDAY
from tests.builders.tickets import an_assigned_ticket


@pytest.mark.parametrize(
    ("status", "shown", "action"),
    [
        (Status.ASSIGNED, False, "accept_ticket"),
        (Status.ACCEPTED, False, "start_travel"),
        (Status.TRAVELLING, False, "arrive"),
        (Status.ARRIVED, False, "show_credential"),
        (Status.ARRIVED, True, "confirm_problem"),
        (Status.WORKING, True, "finish_work"),
        (Status.WAITING, True, "resume_work"),
        (Status.OBJECTED, True, "resume_work"),
        (Status.WORK_DONE, True, "hand_over"),
        (Status.SIGNED_OFF, True, None),
        (Status.CLOSED, True, None),
        (Status.CANCELLED, False, None),
        (Status.CONFIRMED, False, None),
    ],
)
def test_there_is_one_next_step_and_it_is_allowed(status: Status, shown: bool, action: str | None) -> None:
    ticket = an_assigned_ticket(status=status, credential_shown_at=MONDAY if shown else None)
    assert next_action(ticket) == action
    assert action in {None, "show_credential", "hand_over"} or may_move(str(action), status)
