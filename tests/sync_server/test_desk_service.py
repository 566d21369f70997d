"""What the desk's pages stand on: decisions made once, and everything known about a ticket in one look."""

import asyncio
import hashlib
from collections.abc import Coroutine
from datetime import date, timedelta
from io import BytesIO
from typing import Any, TypeVar

import pytest
from PIL import Image

from shared_schema.apply import Filing
from shared_schema.evidence import PhotoSlot
from shared_schema.lifecycle import Severity, Status
from shared_schema.operations import (
    AcceptTicket,
    AddNote,
    AddPhoto,
    AssignTicket,
    CloseTicket,
    ConfirmTicket,
    GradeTicket,
)
from shared_schema.rejections import MoveNotAllowed, TicketExists, UnknownOperation, UnknownTicket
from sync_server.services.desk import Desk, TicketFilter
from sync_server.services.photo_files import PhotoFiles
from sync_server.settings import Settings
from tests.builders.tickets import a_request
from tests.sync_server.office import CHEN, LIN, WANG, Office, new_id

T = TypeVar("T")


@pytest.fixture
def photo_files(settings: Settings) -> PhotoFiles:
    return PhotoFiles(settings.data)


@pytest.fixture
def desk(office: Office, photo_files: PhotoFiles) -> Desk:
    return Desk(office.storage, photo_files, office.clock, "Asia/Shanghai")


def run(doing: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(doing)


def test_a_request_gets_the_next_number_of_its_day(office: Office, desk: Desk) -> None:
    for number in ("260302-001", "260302-002"):
        verdict, allotted = run(desk.create(LIN, a_request(), operation_id=new_id(), ticket_id=new_id()))
        assert (verdict.filing, allotted) == (Filing.APPLIED, number)
    office.clock.move(timedelta(hours=15, minutes=30))  # half past midnight in Shanghai, still the 2nd in UTC
    assert run(desk.create(LIN, a_request(), operation_id=new_id(), ticket_id=new_id()))[1] == "260303-001"


def test_pressing_the_button_twice_makes_one_ticket(office: Office, desk: Desk) -> None:
    """The form carries its ids, so the second press, or the reload, is the same request."""
    operation_id, ticket_id = new_id(), new_id()
    first = run(desk.create(LIN, a_request(), operation_id=operation_id, ticket_id=ticket_id))
    again = run(desk.create(LIN, a_request(), operation_id=operation_id, ticket_id=ticket_id))
    assert again == first
    assert run(desk.tickets(TicketFilter())).total == 1
    assert run(desk.create(LIN, a_request(), operation_id=new_id(), ticket_id=new_id()))[1] == "260302-002"


def test_another_request_under_the_same_ids_is_not_taken_for_done(office: Office, desk: Desk) -> None:
    """However often it is sent, it gets the same answer, and what was sent first stands."""
    operation_id, ticket_id = new_id(), new_id()
    run(desk.create(LIN, a_request(), operation_id=operation_id, ticket_id=ticket_id))
    answers = [
        run(desk.create(LIN, a_request(problem="别的"), operation_id=operation_id, ticket_id=ticket_id))
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert answers[0][0].rejection == TicketExists()
    assert office.ticket(ticket_id).problem == a_request().problem
    assert len(office.storage.read_now(lambda reading: reading.journal.of_ticket(ticket_id))) == 2


def test_an_id_that_a_phone_s_operation_has_stands_for_nothing_at_the_desk(office: Office, desk: Desk) -> None:
    phone, ticket = office.phone(), office.assigned()
    phone.write(ticket, AddNote("手机上写的"))
    phone.sync()
    run(desk.perform(LIN, ticket, AddNote("客服写的"), operation_id=phone.journal.ids[0], base_version=4))
    assert [note.text for note in office.ticket(ticket).notes] == ["手机上写的", "客服写的"]


def test_deciding_twice_is_deciding_once(office: Office, desk: Desk) -> None:
    ticket = office.received()
    operation_id = new_id()
    for _ in range(2):
        verdict = run(
            desk.perform(LIN, ticket, ConfirmTicket(Severity.SEVERE), operation_id=operation_id, base_version=1)
        )
        assert (verdict.filing, verdict.version) == (Filing.APPLIED, 2)
    assert office.ticket(ticket).version == 2


def test_a_decision_that_no_longer_fits_is_kept_with_its_reason(office: Office, desk: Desk) -> None:
    ticket = office.received()
    verdict = run(desk.perform(LIN, ticket, CloseTicket("好"), operation_id=new_id(), base_version=1))
    assert verdict.rejection == MoveNotAllowed("close_ticket", Status.RECEIVED)
    file = run(desk.ticket(ticket))
    assert file is not None
    assert (file.history[-1].kind, file.history[-1].filing) == ("close_ticket", Filing.REFUSED)
    assert file.history[-1].rejection == verdict.rejection


def test_a_ticket_that_does_not_exist_has_no_file_and_takes_no_decisions(office: Office, desk: Desk) -> None:
    assert run(desk.ticket(new_id())) is None
    verdict = run(desk.perform(LIN, new_id(), GradeTicket(Severity.ADVICE), operation_id=new_id(), base_version=1))
    assert verdict.rejection == UnknownTicket()


def test_two_dispatchers_at_once_do_not_overwrite_each_other(office: Office, desk: Desk) -> None:
    """Both saw an unassigned ticket; the second one's assignment is refused, the first one's stands."""
    ticket = office.received()
    office.decide(ticket, ConfirmTicket(Severity.ORDINARY))

    async def both() -> list[Filing]:
        verdicts = await asyncio.gather(
            *(
                desk.perform(
                    LIN,
                    ticket,
                    AssignTicket(technician.id, office.this_afternoon()),
                    operation_id=new_id(),
                    base_version=2,
                )
                for technician in (CHEN, WANG)
            )
        )
        return [verdict.filing for verdict in verdicts]

    assert run(both()) == [Filing.APPLIED, Filing.REFUSED]
    assert office.ticket(ticket).technician == CHEN.id


def test_the_file_holds_the_history_the_links_the_photos_and_the_names(
    office: Office, desk: Desk, photo_files: PhotoFiles
) -> None:
    phone = office.phone(CHEN)
    ticket = office.assigned(CHEN)
    second_visit = office.received(linked_ticket=ticket)
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    held = hashlib.sha256(picture.getvalue()).hexdigest()
    run(photo_files.store(picture.getvalue()))
    phone.write(ticket, AcceptTicket())
    phone.write(ticket, AddPhoto(held, len(picture.getvalue()), "image/jpeg", PhotoSlot.BEFORE))
    phone.write(ticket, AddPhoto("a" * 64, 9, "image/jpeg", PhotoSlot.AFTER))
    unreadable = phone.write(ticket, AddNote("x")).replace(b'"kind":"add_note"', b'"kind":"scan_barcode"')
    phone.journal.raw[-1] = unreadable
    phone.sync()
    file = run(desk.ticket(ticket))
    assert file is not None
    assert file.ticket == office.ticket(ticket)
    assert [entry.kind for entry in file.history] == [
        "create_ticket",
        "confirm_ticket",
        "assign_ticket",
        "accept_ticket",
        "add_photo",
        "add_photo",
        "scan_barcode",
    ]
    assert file.history[3].actor_name == CHEN.name
    assert file.history[3].device_name == f"{CHEN.name}的手机"
    assert file.history[-1].envelope is None
    assert file.history[-1].rejection == UnknownOperation("scan_barcode")
    assert file.photos == {held}
    assert [link.id for link in file.links] == [second_visit]
    assert file.names == {LIN.id: LIN.name, CHEN.id: CHEN.name}
    linked = run(desk.ticket(second_visit))
    assert linked is not None
    assert [link.id for link in linked.links] == [ticket]


def test_a_list_says_how_much_there_is_and_never_shows_an_empty_page(office: Office, desk: Desk) -> None:
    for _ in range(5):
        office.received()
    office.assigned(CHEN)
    page = run(desk.tickets(TicketFilter(statuses=(Status.RECEIVED,), page=9, page_size=2)))
    assert (page.total, page.page, page.pages, len(page.rows)) == (5, 3, 3, 1)
    assert (page.counts[Status.RECEIVED], page.counts[Status.ASSIGNED], page.counts[Status.CLOSED]) == (5, 1, 0)


def test_a_technicians_day_is_a_day_in_the_companys_time_zone(office: Office, desk: Desk) -> None:
    ticket = office.assigned(CHEN)
    assert [visit.id for visit in run(desk.day(CHEN.id, date(2026, 3, 2)))] == [ticket]
    assert run(desk.day(CHEN.id, date(2026, 3, 3))) == []
    assert run(desk.day(WANG.id, date(2026, 3, 2))) == []


def test_the_same_customer_is_recognised_while_the_number_is_typed(office: Office, desk: Desk) -> None:
    ticket = office.received()
    assert [each.id for each in run(desk.similar(phone="13800138000", serial=""))] == [ticket]
    assert run(desk.similar(phone="", serial="")) == []
