"""What the phone's flash memory has damaged: it must not take anything else with it."""

import asyncio

import pytest

from field_app.sync import NotPossible, make_rescue_file
from shared_schema.lifecycle import Status
from tests.builders.rescue_opening import an_office_key, opened, public_half
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.hand import Hand, a_reference
from tests.field_app.headless import Screen
from tests.field_app.single_phone import SinglePhone, saved


def damaged(phone: SinglePhone, what: bytes, instead: bytes) -> None:
    """So many bytes on the disk are other ones."""
    phone.store.close()
    data = phone.path.read_bytes()
    assert data.count(what) >= 1
    assert len(what) == len(instead)
    phone.path.write_bytes(data.replace(what, instead))
    phone.open()


@pytest.mark.parametrize("instead", ["上海市\0".encode(), b"\xff" * 9 + b'"'], ids=["no JSON", "no text"])
def test_a_ticket_that_can_be_read_no_more_takes_no_other_with_it(phone: SinglePhone, instead: bytes) -> None:
    """The office tells it anew."""
    whole, broken = an_assigned_ticket(number="WHOLE"), an_assigned_ticket(number="BROKEN", wished_time="上海市!")
    phone.given(whole, broken)
    note = saved(phone.actions.add_note(broken.id, "先断电"))
    damaged(phone, "上海市!".encode(), instead)
    assert [ticket.number for ticket in phone.store.tickets()] == ["WHOLE"]
    assert [entry.id for entry in phone.store.waiting()] == [note]
    assert phone.store.next_exchange().cursor == 0, "everything is asked for again"
    phone.hears(puts=[whole, broken])
    assert len(phone.store.tickets()) == 2


@pytest.mark.parametrize("of_it", ['"number":"T-3"', "灯3灯3灯3"], ids=["where it begins", "where it goes on"])
def test_a_page_of_tickets_that_is_lost_leaves_the_rest_and_the_way_to_the_office(
    phone: SinglePhone, of_it: str
) -> None:
    """The app opens, shows the tickets it still has, and everything recorded can leave the phone."""
    office = an_office_key()
    tickets = [an_assigned_ticket(number=f"T-{number}", problem=f"灯{number}" * 900) for number in range(30)]
    phone.hears(puts=tickets, reference=a_reference(rescue_key=public_half(office)))
    note = saved(phone.actions.add_note(tickets[3].id, "先断电"))
    phone.store.close()
    data = bytearray(phone.path.read_bytes())
    page = data.index(of_it.encode()) // 4096 * 4096
    data[page : page + 4096] = b"\xff" * 4096
    phone.path.write_bytes(data)
    phone.open()
    shown = {ticket.number for ticket in phone.store.tickets()}
    assert shown
    assert shown < {ticket.number for ticket in tickets}
    assert phone.store.next_exchange().cursor == 0
    assert [entry.id for entry in phone.store.waiting()] == [note]

    async def rescued() -> bytes:
        made = await make_rescue_file(phone.store, phone.device, phone.store.reference())
        assert not isinstance(made, NotPossible)
        return b"".join([piece async for piece in made])

    assert opened(asyncio.run(rescued()), office).envelopes == phone.store.raw_journal()
    phone.hears(puts=tickets)
    assert {ticket.number for ticket in phone.store.tickets()} == {ticket.number for ticket in tickets}
    phone.restart()
    assert len(phone.store.tickets()) == 30


def test_a_draft_that_can_be_read_no_more_does_not_close_its_form(hand: Hand) -> None:
    """What is left of it is shown where what needs attention is, and is not written over."""
    ticket = an_assigned_ticket(status=Status.WORKING)
    hand.given(ticket)
    hand.single.store.save_draft(f"note:{ticket.id}", {"text": "整流器型号 B-21"})
    damaged(hand.single, '型号 B-21"}'.encode(), '型号 B-21"]'.encode())

    async def write(screen: Screen) -> None:
        assert screen.value("note-text") == ""
        await screen.type("note-text", "重写")
        await screen.go("/sync/attention")
        assert "整流器型号 B-21" in screen.text()
        await screen.go(f"/tickets/{ticket.id}/note")
        assert screen.value("note-text") == "重写"
        await screen.tap("note-submit")

    hand.does(write, f"/tickets/{ticket.id}/note")
    assert hand.ticket(ticket.id).notes[-1].text == "重写"
    assert hand.single.store.held().drafts == 1
