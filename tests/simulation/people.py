"""What people do, as tables: a move is a name, how often it is made, and how.

A technician's move is made on a phone, with a ticket that it shows; a desk move turns a ticket as the dispatcher sees
it into an operation, or into None where the rules of the desk leave nothing to do. To teach the company something new,
add a row. Whatever the production code turns away is turned away; that is part of the story.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from field_app.actions import Actions, Correction, form_key, next_action
from field_app.store import StorageUnavailable
from shared_schema import operations as op
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import OPEN, OVER, VISIT_KINDS, Kind, Role, Severity, Status, may_move
from shared_schema.operations import Operation
from shared_schema.ticket import Ticket, Window, undecided, unreviewed
from sync_server.storage.people import Person
from tests.builders.tickets import a_picture, a_request, a_signature, a_statement

if TYPE_CHECKING:
    from tests.simulation.phones import Phone
    from tests.simulation.world import World

DISPATCHERS = tuple(
    Person(id=f"p-{name}", role=Role.DISPATCHER, name=name, login=name) for name in ("lin", "zhao", "sun")
)
SUPERVISOR = Person(id="p-qian", role=Role.SUPERVISOR, name="qian", login="qian")
TECHNICIANS = tuple(
    Person(id=f"t-{number:02d}", role=Role.TECHNICIAN, name=f"师傅 {number}", number=f"{number:04d}")
    for number in range(1, 11)
)

# -- technicians ------------------------------------------------------------------------------------------------------

Step = Callable[[Actions, Ticket, str], object]

STEPS: dict[str, Step] = {
    "accept_ticket": lambda actions, ticket, words: actions.accept(ticket.id),
    "start_travel": lambda actions, ticket, words: actions.start_travel(ticket.id),
    "arrive": lambda actions, ticket, words: actions.arrive(ticket.id),
    "show_credential": lambda actions, ticket, words: actions.show_credential(ticket.id),
    "confirm_problem": lambda actions, ticket, words: actions.confirm_problem(ticket.id, words),
    "finish_work": lambda actions, ticket, words: actions.finish_work(ticket.id, f"发现 {words}", f"完成 {words}"),
    "wait_for": lambda actions, ticket, words: actions.wait_for(ticket.id, f"待件 {words}"),
    "resume_work": lambda actions, ticket, words: actions.resume_work(ticket.id),
    "hand_over": lambda actions, ticket, words: actions.sign_off(
        ticket.id, a_statement(ticket), "何女士", 5, words, a_signature()
    ),
    "object": lambda actions, ticket, words: actions.raise_objection(ticket.id, a_statement(ticket), f"异议 {words}"),
}
"""Operation kind, or the pages' word for it → how the app does it."""

TechnicianMove = Callable[["Phone", Ticket, random.Random, str], None]


def _next_step(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    step = next_action(ticket)
    if step is not None:
        _takes(phone, step, ticket, words)


def _any_step(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    _takes(phone, dice.choice(list(STEPS)), ticket, words)


def _double_tap(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    step = next_action(ticket)
    if step is not None:
        _takes(phone, step, ticket, words)
        _takes(phone, step, ticket, words)


def _whole_visit(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    """Everything in a cellar, one after the other."""
    for _ in range(dice.randrange(3, 8)):
        shown = phone.app.store.ticket(ticket.id) if phone.app else None
        step = next_action(shown) if shown else None
        if shown is None or step is None:
            return
        _takes(phone, step, shown, words)


def _object(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    if ticket.status is Status.WORK_DONE:
        _takes(phone, "object", ticket, words)


def _wait(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    if ticket.status is Status.WORKING:
        _takes(phone, "wait_for", ticket, words)


def _takes(phone: "Phone", step: str, ticket: Ticket, words: str) -> None:
    assert phone.app is not None
    phone.saves(STEPS[step](phone.app.actions, ticket, words))


def _note(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    assert phone.app is not None
    phone.saves(phone.app.actions.add_note(ticket.id, f"记 {words}"))


def _photo(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    assert phone.app is not None
    known = phone.world.ledger.photos
    if known and dice.random() < 0.15:  # out of the gallery: it was recorded before, here or by a colleague
        picture = known[dice.choice(list(known))]
    else:
        size = dice.choice([0, 0, 3_000, 30_000, 90_000, 300_000])
        picture = a_picture(size, seed=dice.randrange(2**32))
    slot = dice.choice([PhotoSlot.BEFORE, PhotoSlot.AFTER, PhotoSlot.OBJECTION])
    phone.saves(phone.app.actions.add_photo(ticket.id, picture, slot), picture)


def _drafts(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    """Words typed and left lying."""
    assert phone.app is not None
    kept = phone.world.ledger.drafts
    place = phone.name, f"note.{dice.randrange(3)}"
    try:
        phone.app.store.save_draft(place[1], {"text": words})
    except StorageUnavailable:
        kept[place] = kept.get(place, {""}) | {words}
        raise
    kept[place] = {words}


def _finishes_draft(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    """What was left lying, or has just been typed, is recorded."""
    assert phone.app is not None
    if not (typed := _typed(phone)):
        _drafts(phone, ticket, dice, words)
        typed = _typed(phone)
    key, text = dice.choice(typed)
    if phone.saves(phone.app.actions.add_note(ticket.id, text, clear_drafts=[key])):
        phone.world.ledger.drafts.pop((phone.name, key), None)


def _typed(phone: "Phone") -> list[tuple[str, str]]:
    """(key, text) of the drafts above."""
    assert phone.app is not None
    drafts = [(key, phone.app.store.draft(key) or {}) for key, _ in phone.app.store.drafts() if key.startswith("note.")]
    return [(key, draft["text"]) for key, draft in drafts]


def _answers_refusals(phone: "Phone", ticket: Ticket, dice: random.Random, words: str) -> None:
    """What was refused becomes a note, is corrected, is done once more, or is withdrawn; what is not possible is turned
    away."""
    assert phone.app is not None
    actions = phone.app.actions
    ways = (actions.turn_into_note, partial(_corrects, phone, words=words), actions.record_again, actions.withdraw)
    for entry in phone.app.store.refusals()[:2]:
        phone.answers(entry.id, dice.choice(ways))


def _corrects(phone: "Phone", operation_id: str, *, words: str) -> object:
    """In its form, where that is a note's; other forms are left open."""
    assert phone.app is not None
    begun = phone.app.actions.begin_correction(operation_id)
    if not isinstance(begun, Correction) or begun.form != "note":
        return begun
    draft = form_key(begun.form, begun.ticket)
    return phone.app.actions.add_note(begun.ticket, f"改 {words}", clear_drafts=[draft])


ANSWERS = "answers what was refused"

TECHNICIAN_MOVES: dict[str, tuple[int, TechnicianMove]] = {
    "takes the next step": (22, _next_step),
    "writes a note": (8, _note),
    "takes a photo": (8, _photo),
    "does a whole visit": (3, _whole_visit),
    "taps twice": (2, _double_tap),
    "taps what does not fit": (2, _any_step),
    "hands over to one who objects": (3, _object),
    "waits for a part": (2, _wait),
    "leaves a draft": (3, _drafts),
    "finishes a draft": (6, _finishes_draft),
    ANSWERS: (5, _answers_refusals),
}
"""Name → (how often, how)."""

# -- the desk ---------------------------------------------------------------------------------------------------------

DeskMove = Callable[[Ticket, random.Random, str, "World"], Operation | None]


def a_new_request(dice: random.Random, words: str, world: "World") -> op.CreateTicket:
    kind = dice.choice([Kind.REPAIR, Kind.REPAIR, Kind.INSTALLATION, Kind.INSPECTION, Kind.COMPLAINT])
    origin = dice.choice(world.tickets) if world.tickets and dice.random() < 0.2 else None
    return a_request(ticket_kind=kind, problem=f"问题 {words}", linked_ticket=origin)


def _assign(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    if not may_move("assign_ticket", ticket.status) or ticket.kind not in VISIT_KINDS:
        return None
    start = world.clock.now() + timedelta(hours=dice.randrange(1, 30))
    window = Window(start, start + timedelta(hours=2))
    return op.AssignTicket(dice.choice(TECHNICIANS).id, window, ticket.technician)


def _move_window(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    if ticket.technician is None or not may_move("assign_ticket", ticket.status):
        return None
    start = world.clock.now() + timedelta(hours=dice.randrange(1, 30))
    return op.AssignTicket(ticket.technician, Window(start, start + timedelta(hours=1)), ticket.technician)


def _correct(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    if ticket.status not in OPEN:
        return None
    customer = replace(ticket.customer, name=f"何女士 {words}")
    return op.CorrectDetails(customer, ticket.product, ticket.customer, ticket.product)


def _where(kind: str, operation: Callable[[str], Operation]) -> DeskMove:
    def move(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
        return operation(words) if may_move(kind, ticket.status) else None

    return move


def _grade(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    return op.GradeTicket(dice.choice(list(Severity))) if ticket.status in OPEN else None


def _remote_help(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    return op.RecordRemoteHelp(f"电话指导 {words}") if ticket.status in OPEN else None


def _desk_note(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    return op.AddNote(f"客服 {words}")


def _duplicate(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    """Two requests about the same: the younger one ends, the other goes on."""
    if ticket.linked_ticket is None or ticket.status not in OPEN:
        return None
    return op.MergeDuplicate(ticket.linked_ticket, f"重复 {words}")


def _decide(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    """A step that came too late counts all the same, or does not."""
    waiting = undecided(ticket)
    if not waiting:
        return None
    proposal = dice.choice(waiting).operation_id
    if dice.random() < 0.5:
        return op.TakeProposal(proposal, words)
    return op.DismissProposal(proposal, f"不采纳 {words}")


def _review(ticket: Ticket, dice: random.Random, words: str, world: "World") -> Operation | None:
    waiting = unreviewed(ticket)
    return op.ReviewEvidence(dice.choice(waiting).operation_id, words) if waiting else None


DESK_MOVES: dict[str, tuple[int, DeskMove]] = {
    "confirms": (8, _where("confirm_ticket", lambda words: op.ConfirmTicket(Severity.ORDINARY, words))),
    "assigns or reassigns": (10, _assign),
    "moves a window": (2, _move_window),
    "cancels": (4, _where("cancel_ticket", lambda words: op.CancelTicket(f"取消 {words}"))),
    "reopens": (3, _where("reopen_ticket", lambda words: op.ReopenTicket(f"又坏了 {words}"))),
    "closes": (5, _where("close_ticket", lambda words: op.CloseTicket(f"回访 {words}"))),
    "corrects details": (4, _correct),
    "finds a duplicate": (5, _duplicate),
    "decides on a late step": (6, _decide),
    "reviews late evidence": (4, _review),
    "grades": (2, _grade),
    "helps from afar": (1, _remote_help),
    "solves from afar": (1, _where("solve_remotely", lambda words: op.SolveRemotely(f"远程 {words}"))),
    "writes a note": (2, _desk_note),
}
"""Name → (how often, what the ticket asks for)."""

NEW_REQUESTS = 5
"""How often, beside DESK_MOVES, somebody calls."""


def workable(tickets: list[Ticket]) -> list[Ticket]:
    """What a technician turns to; rarely is it something that is over."""
    return [ticket for ticket in tickets if ticket.status not in OVER] or tickets
