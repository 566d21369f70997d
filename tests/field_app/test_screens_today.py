"""The list of visits: what is next, today's, the days to come, what is past; and what is said when there is nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import flet as ft
import pytest
from msgspec.structs import replace

from field_app.state.day import visits
from shared_schema.lifecycle import Severity, Status
from shared_schema.ticket import Assignment, Customer, Ticket, Window
from tests.builders.clocks import MONDAY
from tests.builders.tickets import an_assigned_ticket
from tests.field_app.hand import Hand
from tests.field_app.headless import Screen

NOW = MONDAY


def a_visit(number: str, hours: float, **different: Any) -> Ticket:
    start = NOW + timedelta(hours=hours)
    window = Window(start, start + timedelta(hours=2))
    return an_assigned_ticket(number=number, assignment=Assignment("t-chen", window, "p-lin", NOW), **different)


def numbers(tickets: tuple[Ticket, ...]) -> list[str]:
    return [ticket.number for ticket in tickets]


def test_visits_stand_by_time_whatever_order_they_came_in() -> None:
    day = visits([a_visit("C", 6), a_visit("A", 1), a_visit("B", 3), a_visit("D", 25)], NOW)
    assert numbers(day.today) == ["A", "B", "C"]
    assert [numbers(tickets) for _, tickets in day.coming] == [["D"]]
    assert day.next is not None
    assert day.next.number == "A"


def test_the_visit_under_way_is_the_next_one_even_if_another_was_planned_before_it() -> None:
    day = visits([a_visit("A", 1), a_visit("B", 3, status=Status.WORKING)], NOW)
    assert day.next is not None
    assert day.next.number == "B"


def test_what_is_left_over_from_yesterday_does_not_push_todays_visit_aside() -> None:
    day = visits([a_visit("Y", -24, status=Status.OBJECTED), a_visit("T", 2)], NOW)
    assert day.next is not None
    assert day.next.number == "T"


def test_an_unfinished_visit_of_yesterday_stays_with_todays() -> None:
    day = visits([a_visit("Y", -24), a_visit("T", 2)], NOW)
    assert numbers(day.today) == ["Y", "T"]


@pytest.mark.parametrize("status", [Status.SIGNED_OFF, Status.CLOSED, Status.CANCELLED, Status.SOLVED_REMOTELY])
def test_what_is_finished_is_past_even_if_it_was_today(status: Status) -> None:
    day = visits([a_visit("A", 1, status=status)], NOW)
    assert day.today == ()
    assert numbers(day.past) == ["A"]


def test_an_empty_day_says_when_the_next_visit_is(hand: Hand) -> None:
    hand.given(a_visit("D", 26))

    async def look(screen: Screen) -> None:
        assert "11:00–13:00" in screen.text("empty-day")
        assert screen.shows("ticket-D")

    hand.does(look)


def test_past_visits_are_folded_until_they_are_asked_for(hand: Hand) -> None:
    hand.given(a_visit("A", 1), a_visit("P", -30, status=Status.SIGNED_OFF))

    async def look(screen: Screen) -> None:
        assert not screen.shows("ticket-P")
        await screen.tap("past-toggle")
        assert screen.shows("ticket-P")

    hand.does(look)


def test_a_card_says_when_where_and_how_grave(hand: Hand) -> None:
    hand.given(a_visit("A", 1, severity=Severity.EMERGENCY))

    async def look(screen: Screen) -> None:
        card = screen.text("ticket-A")
        for words in ("10:00–12:00", "何女士　徐汇区", "紧急", "已派单"):
            assert words in card
        assert "桂平路" not in card, "the address is for after acceptance"

    hand.does(look)


def test_a_card_begins_the_address_with_what_tells_places_apart(hand: Hand) -> None:
    """All of a day's visits lie in one city; the street is there from acceptance on (product.md, rule 4)."""
    customer = Customer("顾女士", "13900000017", "广东省深圳市福田区", "景田路 8 号")
    hand.given(a_visit("A", 1, customer=customer), a_visit("B", 3, customer=customer, status=Status.ACCEPTED))

    async def look(screen: Screen) -> None:
        assert "顾女士　福田区" in screen.text("ticket-A").splitlines()
        assert "顾女士　福田区 景田路 8 号" in screen.text("ticket-B").splitlines()

    hand.does(look)


def test_a_change_from_the_office_shows_without_a_reload(hand: Hand) -> None:
    """A new ticket arrives while the list is open."""
    hand.given(a_visit("A", 1))

    async def look(screen: Screen) -> None:
        assert not screen.shows("ticket-B")
        hand.given(a_visit("B", 2))
        await screen.settle()
        assert screen.shows("ticket-B")

    hand.does(look)


def test_a_card_that_did_not_change_is_not_rendered_again(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two hundred of them it is what keeps the list quick."""
    tickets = [a_visit(f"{number:03}", 1 + number / 100) for number in range(40)]
    hand.given(*tickets)
    rendered: list[str] = []
    from field_app.components import badges

    original = badges.status_badge

    def counted(status: Status, words: object) -> ft.Control:
        rendered.append(status.value)
        return original(status, words)  # type: ignore[arg-type]

    monkeypatch.setattr(badges, "status_badge", counted)

    async def look(screen: Screen) -> None:
        rendered.clear()
        hand.given(replace(tickets[3], severity=Severity.SEVERE, version=9))
        await screen.settle()
        assert len(rendered) == 1

    hand.does(look)


def test_times_are_the_phones_own(hand: Hand) -> None:
    """A window sent in another offset is shown in the time of the place where the phone is."""
    start = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
    window = Window(start, start + timedelta(hours=1))
    hand.given(an_assigned_ticket(number="Z", assignment=Assignment("t-chen", window, "p-lin", NOW)))

    async def look(screen: Screen) -> None:
        assert "14:30–15:30" in screen.text("ticket-Z")

    hand.does(look)


def test_a_long_list_is_shown_a_page_at_a_time(hand: Hand) -> None:
    """Two hundred visits: a few screens full at once, the others as they are asked for, none missing."""
    hand.given(*(a_visit(f"{number:03}", 1 + 24 * (number // 8) + number % 8) for number in range(200)))

    async def look(screen: Screen) -> None:
        shown = 0
        while screen.shows("more"):
            before, shown = shown, sum(name.startswith("ticket-") for name in screen.identifiers())
            assert before < shown < 200
            await screen.tap("more")
        assert sum(name.startswith("ticket-") for name in screen.identifiers()) == 200

    hand.does(look)
