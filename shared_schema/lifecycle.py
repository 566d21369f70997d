"""The way of a ticket: kinds, channels, severities, statuses, and which move leads from where to where.

The table is product.md's; `apply` is its only reader that changes anything, screens and pages read it to know what to
offer. Complaints, returns and exchanges are received and answered here, but their own ways are not built yet: they
cannot be assigned a visit.
"""

from enum import Enum


class Kind(str, Enum):
    CONSULTATION = "consultation"
    INSTALLATION = "installation"
    REPAIR = "repair"
    INSPECTION = "inspection"
    COMPLAINT = "complaint"
    RETURN = "return"
    EXCHANGE = "exchange"


VISIT_KINDS = frozenset({Kind.INSTALLATION, Kind.REPAIR, Kind.INSPECTION})


class Channel(str, Enum):
    PHONE = "phone"
    WEB_FORM = "web_form"
    SOCIAL_MEDIA = "social_media"
    SHOP = "shop"
    ON_SITE = "on_site"


class Severity(str, Enum):
    EMERGENCY = "emergency"
    SEVERE = "severe"
    ORDINARY = "ordinary"
    ADVICE = "advice"


class Role(str, Enum):
    TECHNICIAN = "technician"
    DISPATCHER = "dispatcher"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


OFFICE_ROLES = frozenset({Role.DISPATCHER, Role.SUPERVISOR, Role.ADMINISTRATOR})


class Status(str, Enum):
    RECEIVED = "received"
    CONFIRMED = "confirmed"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    TRAVELLING = "travelling"
    ARRIVED = "arrived"
    WORKING = "working"
    WAITING = "waiting"
    WORK_DONE = "work_done"
    OBJECTED = "objected"
    SIGNED_OFF = "signed_off"
    SOLVED_REMOTELY = "solved_remotely"
    CLOSED = "closed"
    REOPENED = "reopened"
    CANCELLED = "cancelled"


OVER = frozenset({Status.CLOSED, Status.CANCELLED})
"""Statuses in which nobody works on the ticket any more and nothing of it is altered."""

ON_VISIT = frozenset(
    {
        Status.ACCEPTED,
        Status.TRAVELLING,
        Status.ARRIVED,
        Status.WORKING,
        Status.WAITING,
        Status.WORK_DONE,
        Status.OBJECTED,
    }
)
"""From acceptance until the customer has signed: evidence made now is on time."""

OPEN = frozenset(Status) - OVER

_ASSIGNABLE = frozenset({Status.CONFIRMED, Status.ASSIGNED}) | ON_VISIT - {Status.WORK_DONE}

MOVES: dict[str, tuple[frozenset[Status], Status]] = {
    "confirm_ticket": (frozenset({Status.RECEIVED, Status.REOPENED}), Status.CONFIRMED),
    "solve_remotely": (frozenset({Status.CONFIRMED}), Status.SOLVED_REMOTELY),
    "assign_ticket": (_ASSIGNABLE, Status.ASSIGNED),
    "accept_ticket": (frozenset({Status.ASSIGNED}), Status.ACCEPTED),
    "start_travel": (frozenset({Status.ACCEPTED}), Status.TRAVELLING),
    "arrive": (frozenset({Status.TRAVELLING}), Status.ARRIVED),
    "confirm_problem": (frozenset({Status.ARRIVED}), Status.WORKING),
    "wait_for": (frozenset({Status.WORKING}), Status.WAITING),
    "resume_work": (frozenset({Status.WAITING, Status.OBJECTED}), Status.WORKING),
    "finish_work": (frozenset({Status.WORKING}), Status.WORK_DONE),
    "sign_off": (frozenset({Status.WORK_DONE}), Status.SIGNED_OFF),
    "raise_objection": (frozenset({Status.WORK_DONE}), Status.OBJECTED),
    "close_ticket": (frozenset({Status.SIGNED_OFF, Status.SOLVED_REMOTELY}), Status.CLOSED),
    "reopen_ticket": (OVER, Status.REOPENED),
    "cancel_ticket": (OPEN - {Status.SIGNED_OFF}, Status.CANCELLED),
    "merge_duplicate": (OPEN - {Status.SIGNED_OFF}, Status.CANCELLED),
}
"""Operation kind → (statuses it may start from, status it leads to). Operations not named here move nothing."""


PROGRESS = {
    Status.ASSIGNED: 0,
    Status.ACCEPTED: 1,
    Status.TRAVELLING: 2,
    Status.ARRIVED: 3,
    Status.WORKING: 4,
    Status.WAITING: 4,
    Status.OBJECTED: 4,
    Status.WORK_DONE: 5,
}
"""How far a visit has come. A proposal that a dispatcher takes moves a ticket on, never back."""


def may_move(kind: str, status: Status) -> bool:
    """Whether the operation `kind` fits a ticket in `status`; the other conditions are `apply`'s."""
    return kind in MOVES and status in MOVES[kind][0]


def may_be_taken(kind: str, status: Status) -> bool:
    """Whether a dispatcher can let a proposed step count on a ticket that stands in `status` now."""
    if kind == "show_credential":
        return status in PROGRESS
    if may_move(kind, status):
        return True
    return kind in MOVES and status in PROGRESS and PROGRESS.get(MOVES[kind][1], -1) > PROGRESS[status]
