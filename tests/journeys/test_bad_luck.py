"""Weeks of bad luck in a few seconds: phones, dispatchers and networks do whatever the dice say, then all calms down.

The seed stands in the test's name; the same seed is the same story. What must hold at its end is written in `_proven`.
"""

import random

import pytest

from field_app.store import EntryState
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import OVER, Severity, Status
from shared_schema.wire import UnreadableOperation, decode_envelope
from tests.builders.networks import (
    CREATION,
    captive_portal,
    cut_reply,
    damage_body,
    lose_reply,
    lose_request,
    repeat_request,
)
from tests.builders.phones import Phone
from tests.builders.tickets import a_customer, a_picture, a_signature, a_statement
from tests.builders.world import World

STEPS = 120


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_after_any_amount_of_bad_luck_the_office_holds_everything(world: World, seed: int) -> None:
    """Entries are made, networks fail in every way, phones and the office restart, tickets change hands meanwhile."""
    dice = random.Random(seed)
    phones = [world.phone("t-chen"), world.phone("t-wang"), world.phone("t-chen")]
    tickets = [world.dispatcher.sends(dice.choice(["t-chen", "t-wang"])) for _ in range(4)]
    for phone in phones:
        phone.sync()
    for step in range(STEPS):
        _anything(dice, world, phones, tickets, step)
    for phone in phones:
        phone.network.disarm()
        phone.network.up = True
        world.clock.move(hours=1)
        for _ in range(3):
            assert phone.sync().away is None
    for phone in phones:  # what the others brought last
        phone.sync()
        _proven(world, phone)


def _anything(dice: random.Random, world: World, phones: list[Phone], tickets: list[str], step: int) -> None:
    luck = dice.random()
    if luck < 0.55:
        _works(dice, dice.choice(phones), dice.choice(tickets), step)
    elif luck < 0.70:
        dice.choice(phones).sync()
    elif luck < 0.80:
        network = dice.choice(phones).network
        network.up = dice.random() < 0.6
        fault = dice.choice([lose_reply, lose_request, cut_reply, captive_portal, repeat_request])
        network.arm(fault)
        if dice.random() < 0.5:
            on_upload = [lose_reply, lose_request, damage_body, network.cutting(dice.randrange(1, 60_000))]
            network.arm(dice.choice(on_upload), dice.choice([CREATION, "PATCH"]))
    elif luck < 0.87:
        dice.choice(phones).restart()
    elif luck < 0.88:
        world.restart_office()
    else:
        _decides(dice, world, dice.choice(tickets), tickets)


def _works(dice: random.Random, phone: Phone, ticket: str, step: int) -> None:
    """Whatever the technician tries; what does not fit is turned away, and that is fine."""
    actions = phone.actions
    shown = phone.store.ticket(ticket)
    match dice.randrange(12):
        case 0:
            actions.accept(ticket)
        case 1:
            actions.start_travel(ticket)
        case 2:
            actions.arrive(ticket)
        case 3:
            actions.show_credential(ticket)
        case 4:
            actions.confirm_problem(ticket, f"确认 {step}")
        case 5:
            actions.finish_work(ticket, f"发现 {step}", f"完成 {step}")
        case 6 if shown is not None and shown.status is Status.WORK_DONE:
            actions.sign_off(ticket, a_statement(shown), "何女士", 5, "", a_signature())
        case 7 if shown is not None and shown.status is Status.WORK_DONE:
            actions.raise_objection(ticket, a_statement(shown), f"异议 {step}")
        case 8:
            actions.resume_work(ticket)
        case 9:
            size = dice.choice([0, 30_000, 400_000])
            actions.add_photo(ticket, a_picture(size, seed=step), dice.choice([PhotoSlot.BEFORE, PhotoSlot.AFTER]))
        case _:
            actions.add_note(ticket, f"记 {step}")


def _decides(dice: random.Random, world: World, ticket: str, tickets: list[str]) -> None:
    held = world.server.ticket(ticket)
    desk = world.dispatcher
    match dice.randrange(5):
        case 0 if held.status in {Status.ASSIGNED, Status.ACCEPTED, Status.TRAVELLING, Status.WORKING}:
            desk.assign(ticket, dice.choice(["t-chen", "t-wang"]))
        case 1 if held.status not in OVER | {Status.SIGNED_OFF}:
            desk.cancel(ticket)
        case 2 if held.status is Status.SIGNED_OFF:
            desk.close(ticket)
        case 3 if held.status not in OVER:
            desk.grade(ticket, dice.choice(list(Severity)))
            desk.correct_customer(ticket, a_customer(name=f"何女士 {dice.randrange(100)}"))
        case 4 if len(tickets) < 8:
            tickets.append(desk.sends(dice.choice(["t-chen", "t-wang"])))
        case _:
            pass


def _proven(world: World, phone: Phone) -> None:
    recorded = phone.store.raw_journal()
    assert world.server.journal(phone) == recorded, "the office holds every byte of the journal, in order"
    counts = phone.store.counts()
    assert (counts.operations, counts.photos) == (0, 0)
    for entry in phone.store.journal(limit=10_000):
        assert entry.state in {EntryState.ACCEPTED, EntryState.LATE, EntryState.PROPOSAL}, entry
        note = entry.envelope.operation if entry.envelope is not None else None
        if entry.kind == "add_note":
            written = [n.text for n in world.server.ticket(entry.ticket).notes if n.operation_id == entry.id]
            assert written == [getattr(note, "text", None)], "every note once"
    for photo in phone.store.photo_states():
        assert world.server.photo(photo.sha256) == phone.store.photo(photo.sha256)
    for ticket in phone.store.tickets():
        held = world.server.ticket(ticket.id)
        assert (ticket.version, ticket.status, ticket.technician) == (held.version, held.status, held.technician)
    assert not phone.incidents() & {"pulled-everything-again", "round-failed", "verdicts-missing", "round-refused"}
    for raw in recorded:
        assert not isinstance(decode_envelope(raw), UnreadableOperation)
