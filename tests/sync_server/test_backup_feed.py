"""After a restore the feed goes on where no phone can have been: no change hides below a cursor of the lost history."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from litestar.testing import TestClient

from shared_schema.operations import AddNote
from shared_schema.sync_protocol import holding
from sync_server.app import create_app
from sync_server.clock import milliseconds
from sync_server.settings import Settings
from sync_server.storage import Storage, Writing
from tests.sync_server.conftest import MONDAY
from tests.sync_server.office import CHEN, Office, StandingClock, changes_of

BACKED_UP = milliseconds(MONDAY)
RESTORED = milliseconds(MONDAY + timedelta(days=1))


def take(count: int) -> Callable[[Writing], int]:
    return lambda writing: writing.feed.take(count)


def test_the_feed_goes_on_above_everything_that_was_handed_out(any_storage: Storage) -> None:
    """Whatever the lost history handed out between backup and restore, at a million positions a second at most."""
    any_storage.write_now(take(7))
    restore = any_storage.write_now(lambda writing: writing.feed.resume_after_restore(BACKED_UP, RESTORED))
    assert (restore.feed_through, restore.backed_up_at_ms, restore.restored_at_ms) == (7, BACKED_UP, RESTORED)
    assert restore.feed_resumes_after > 7 + (RESTORED - BACKED_UP) // 1000 * 1_000_000
    assert any_storage.write_now(take(1)) == restore.feed_resumes_after + 1 < 2**53
    assert any_storage.read_now(lambda reading: reading.feed.restores()) == [restore]


def test_two_restores_never_go_on_at_the_same_place(any_storage: Storage) -> None:
    """Also where the second was made with a clock set back by years."""
    any_storage.write_now(take(7))
    for at_ms in (RESTORED, 1_000, 1_000):
        any_storage.write_now(lambda writing, at_ms=at_ms: writing.feed.resume_after_restore(BACKED_UP, at_ms))  # type: ignore[misc]
    restores = any_storage.read_now(lambda reading: reading.feed.restores())
    places = [place for each in restores for place in (each.feed_through, each.feed_resumes_after)]
    assert places == sorted(places)
    assert len(set(places)) == 4, "each goes on from where the one before it had gone"
    assert any_storage.read_now(lambda reading: reading.feed.resumed_after()) == places[-1]


@pytest.fixture
def restored(office: Office, settings: Settings, storage: Storage, clock: StandingClock) -> Iterator[Office]:
    """The same office, which believes to have been restored from a backup."""
    ticket = office.assigned(CHEN)
    assert office.ticket(ticket)
    storage.write_now(lambda writing: writing.feed.resume_after_restore(BACKED_UP, RESTORED))
    with TestClient(create_app(settings, storage, clock)) as client:
        yield Office(storage, clock, client)


def test_a_cursor_of_the_lost_history_is_set_back_though_the_feed_has_passed_it(restored: Office) -> None:
    """Number and version of a ticket may be the same in both histories: only the cursor tells them apart."""
    phone = restored.phone(CHEN)
    for cursor in (1, 3, 4, 1_000):
        reply = phone.ask(cursor=cursor)
        assert (reply.cursor, reply.more, reply.changes) == (0, True, [])
    phone.cursor = 1_000
    phone.sync()
    assert len(phone.tickets) == 1
    assert phone.cursor == restored.storage.read_now(lambda reading: reading.feed.latest())


def test_what_was_recorded_is_taken_in_the_round_that_sets_the_cursor_back(restored: Office) -> None:
    """A phone that knows nothing of the restore yet sends as ever, and has its verdict."""
    phone = restored.phone(CHEN)
    (ticket,) = [change.ticket.id for change in changes_of(phone.ask()) if hasattr(change.ticket, "id")]
    raw = phone.write(ticket, AddNote("一"))
    reply = phone.ask([raw], cursor=9)
    assert (reply.cursor, reply.received_through, len(reply.verdicts)) == (0, 1, 1)


def test_from_then_on_a_phone_is_answered_as_ever(restored: Office) -> None:
    phone = restored.phone(CHEN)
    phone.sync()
    mine = holding((each.id, each.version) for each in phone.tickets.values())
    again = phone.ask(holding=mine)
    assert (again.cursor, again.changes, again.in_step) == (phone.cursor, [], True)
    restored.assigned(CHEN)
    assert len(changes_of(phone.ask())) == 1


def test_a_list_of_many_pages_is_told_to_its_end(
    restored: Office, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pages end at positions of before the restore: who had just been told one of them was set back again, and
    asked for the first page without end."""
    monkeypatch.setattr("sync_server.services.rounds.CHANGES_PER_ROUND", 2)
    tickets = {restored.assigned(CHEN) for _ in range(7)}
    restored.storage.write_now(lambda writing: writing.feed.resume_after_restore(BACKED_UP, RESTORED + 1_000))
    with TestClient(create_app(settings, restored.storage, restored.clock)) as client:
        phone = Office(restored.storage, restored.clock, client).phone(CHEN)
        phone.cursor = 5
        cursors: list[int] = []
        while not cursors or phone.cursor < restored.storage.read_now(lambda reading: reading.feed.latest()):
            assert len(cursors) < 10, cursors
            phone.heed(phone.ask())
            cursors.append(phone.cursor)
    assert cursors[0] == 0
    assert cursors[1:] == sorted(cursors[1:])
    assert phone.tickets.keys() >= tickets
