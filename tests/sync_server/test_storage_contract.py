"""What the services rely on, held by SQLite and by a real PostgreSQL alike."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from shared_schema.apply import Filing
from shared_schema.credentials import Price
from shared_schema.lifecycle import Kind, Severity, Status
from shared_schema.operations import (
    AddNote,
    AssignTicket,
    CancelTicket,
    ConfirmTicket,
    CreateTicket,
    MergeDuplicate,
    Operation,
    ReopenTicket,
)
from shared_schema.rejections import ChangedMeanwhile
from shared_schema.sync_protocol import Verdict
from shared_schema.ticket import Ticket, Window
from sync_server.clock import milliseconds
from sync_server.services.operations import arrived, receive
from sync_server.services.verification import verify
from sync_server.storage import Reading, Rows, Storage, StorageUnavailable, Writing
from sync_server.storage.tickets import TicketFilter, TicketSort
from sync_server.storage.uploads import BEGIN, StoredUpload, begun_row
from tests.builders.tickets import a_customer, a_product, a_request
from tests.sync_server.conftest import MONDAY
from tests.sync_server.office import CHEN, LIN, WANG, Journal, StandingClock, decide, hire, new_id


@pytest.fixture
def storage(any_storage: Storage) -> Storage:
    any_storage.write_now(hire)
    return any_storage


def receive_request(storage: Storage, request: CreateTicket) -> str:
    ticket = new_id()
    verdict = storage.write_now(lambda writing: decide(writing, LIN, ticket, request, MONDAY))
    assert verdict.rejection is None, verdict
    return ticket


def assign(storage: Storage, ticket: str, technician: str = CHEN.id, replaces: str | None = None) -> None:
    window = Window(MONDAY + timedelta(hours=5), MONDAY + timedelta(hours=7))

    def work(writing: Writing) -> None:
        if replaces is None:
            decide(writing, LIN, ticket, ConfirmTicket(Severity.ORDINARY), MONDAY)
        assert decide(writing, LIN, ticket, AssignTicket(technician, window, replaces), MONDAY).rejection is None

    storage.write_now(work)


def found(storage: Storage, **wanted: object) -> list[str]:
    filter_ = TicketFilter(**wanted)  # type: ignore[arg-type]
    return [ticket.number for ticket in storage.read_now(lambda reading: reading.tickets.find(filter_))]


# -- transactions -----------------------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_nothing_behind(storage: Storage) -> None:
    def fail(writing: Writing) -> None:
        writing.feed.take(5)
        writing.prices.replace([Price("A", "上门费", "次", 5000)])
        raise RuntimeError("the power went")

    before = storage.read_now(lambda reading: reading.feed.latest())
    with pytest.raises(RuntimeError, match="power"):
        storage.write_now(fail)
    assert storage.read_now(lambda reading: (reading.feed.latest(), reading.prices.all())) == (before, ())


def while_the_writer_is_busy(storage: Storage, write: Callable[[], Sequence[Awaitable[Any]]]) -> list[Any]:
    """What became of these writes, asked for while another is being made: results and exceptions, in order."""
    is_busy, may_go_on = threading.Event(), threading.Event()

    def keep_busy(_writing: Writing) -> None:
        is_busy.set()
        may_go_on.wait()

    async def all_at_once() -> list[Any]:
        waiting = asyncio.ensure_future(storage.write(keep_busy))
        await asyncio.to_thread(is_busy.wait)
        together = asyncio.ensure_future(asyncio.gather(*write(), return_exceptions=True))
        await asyncio.sleep(0)  # gather makes a task of each; in the next turn all of them ask
        await asyncio.sleep(0)
        may_go_on.set()
        await waiting
        outcomes: list[Any] = await together
        return outcomes

    return asyncio.run(all_at_once())


def test_of_writes_that_share_a_transaction_only_the_one_that_fails_fails(storage: Storage) -> None:
    """Group commit: twenty writes arrive while the writer is busy, one of them is bad."""

    def fail(writing: Writing) -> int:
        writing.feed.take(1)
        raise ValueError("bad")

    outcomes = while_the_writer_is_busy(
        storage,
        lambda: [storage.write(fail if place == 7 else lambda writing: writing.feed.take(1)) for place in range(20)],
    )
    assert isinstance(outcomes[7], ValueError)
    positions = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert positions == list(range(positions[0], positions[0] + 19))


def test_writes_of_one_kind_that_share_a_transaction_are_made_together_and_fail_alone(storage: Storage) -> None:
    """Twenty rounds arrive while the writer is busy: one piece of work for all, made again singly for the bad one."""
    calls: list[list[int]] = []

    def take(writing: Writing, numbers: list[int]) -> list[int]:
        calls.append(numbers)
        first = writing.feed.take(len(numbers))
        if 7 in numbers:
            raise ValueError("bad")
        return [first + place for place in range(len(numbers))]

    def all_at_once(numbers: range) -> list[Any]:
        return while_the_writer_is_busy(storage, lambda: [storage.write_together(take, number) for number in numbers])

    good = [outcome for outcome in all_at_once(range(20, 40)) if isinstance(outcome, int)]
    assert calls == [list(range(20, 40))]
    assert good == list(range(good[0], good[0] + 20))
    outcomes = all_at_once(range(20))
    assert isinstance(outcomes[7], ValueError)
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 19


@pytest.mark.parametrize("among_others", [False, True])
def test_rows_written_together_fail_alone(storage: Storage, among_others: bool) -> None:
    """Twenty uploads begin while the writer is busy, one of them twice; a transaction may hold other work, too."""
    begin = Rows(BEGIN, begun_row)
    uploads = [
        StoredUpload(
            id=f"{number % 19:032}",
            device="phone-a",
            person=CHEN.id,
            sha256=f"{number:064}",
            size_bytes=3_000_000_000,
            begun_at_ms=1,
            expires_at_ms=2,
        )
        for number in range(20)
    ]

    def writes() -> list[Awaitable[object]]:
        together: list[Awaitable[object]] = [storage.write_together(begin, upload) for upload in uploads]
        return [*together, storage.write(lambda writing: writing.feed.take(1))] if among_others else together

    outcomes = while_the_writer_is_busy(storage, writes)
    assert outcomes[:19] == [None] * 19
    assert isinstance(outcomes[19], sa.exc.IntegrityError)
    assert len(outcomes) == 20 or isinstance(outcomes[20], int)
    kept = storage.read_now(lambda reading: [reading.uploads.upload(upload.id) for upload in uploads[:19]])
    assert kept == uploads[:19]


@pytest.mark.parametrize("count", [1, 3, 64, 65, 4096, 5000])
def test_what_is_looked_for_among_any_number_is_found_once(storage: Storage, count: int) -> None:
    ticket = receive_request(storage, a_request())
    (held,) = storage.read_now(lambda reading: [each.id for each in reading.journal.of_ticket(ticket)])
    wanted = [held, *(new_id() for _ in range(count - 1))]
    assert storage.read_now(lambda reading: reading.journal.known(wanted)) == {held}
    assert storage.read_now(lambda reading: reading.journal.known(wanted[::-1])) == {held}
    assert storage.read_now(lambda reading: reading.journal.known(wanted[1:])) == set()
    loaded = storage.write_now(lambda writing: writing.tickets.to_change([ticket, *wanted[1:]]))
    assert list(loaded) == [ticket]


def test_a_read_sees_one_moment_however_long_it_takes(storage: Storage) -> None:
    def look_twice(reading: Reading) -> tuple[int, int]:
        first = reading.feed.latest()
        storage.write_now(lambda writing: writing.feed.take(1))
        return first, reading.feed.latest()

    first, second = storage.read_now(look_twice)
    assert first == second


def test_listeners_hear_of_the_feed_after_the_commit_and_only_then(storage: Storage) -> None:
    heard: list[tuple[int, int]] = []
    other = Storage(storage.address.render_as_string(hide_password=False))
    storage.on_feed(lambda position: heard.append((position, other.read_now(lambda reading: reading.feed.latest()))))
    storage.write_now(lambda writing: writing.feed.take(3))
    storage.write_now(lambda writing: writing.feed.latest())
    other.close()
    assert len(heard) == 1
    assert heard[0][0] == heard[0][1]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_database_that_was_away_is_used_again_when_it_is_back(postgresql: str, database: str) -> None:
    """PostgreSQL is restarted under a running office: what is asked just then is refused, what follows works."""
    storage = Storage.open(database)
    storage.write_now(lambda writing: writing.feed.take(1))
    storage.read_now(lambda reading: reading.feed.latest())
    administration = sa.create_engine(
        sa.make_url(postgresql).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with administration.connect() as connection:
        connection.execute(
            sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": sa.make_url(database).database},
        )
    administration.dispose()
    with pytest.raises(StorageUnavailable):
        storage.read_now(lambda reading: reading.feed.latest())
    assert storage.read_now(lambda reading: reading.feed.latest()) == 1
    assert storage.write_now(lambda writing: writing.feed.take(1)) == 2
    storage.close()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("told", "done"), [("off", "local"), ("remote_write", "remote_write")])
def test_what_is_committed_waits_for_the_disk_whatever_the_server_was_told(database: str, told: str, done: str) -> None:
    administration = sa.create_engine(database, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{sa.make_url(database).database}" SET synchronous_commit = {told}')
    administration.dispose()
    storage = Storage.open(database)
    setting: sa.Select[str] = sa.select(sa.func.current_setting("synchronous_commit"))
    assert storage.write_now(lambda writing: writing.row(setting, {})) == (done,)
    storage.close()


# -- the feed under racing writers ------------------------------------------------------------------------------------

ROUNDS = 40
"""Of each writer."""


def test_a_cursor_reader_misses_nothing_while_several_processes_write(open_database: Callable[[], Storage]) -> None:
    """Positions of a database sequence become visible out of order, and a cursor reader loses rows. These must not."""
    first = open_database()
    first.write_now(hire)
    storages = [first, open_database(), open_database()]
    tickets = [receive_request(first, a_request(number=f"N{place}")) for place in range(6)]
    for ticket in tickets:
        assign(first, ticket)
    start = first.read_now(lambda reading: reading.feed.latest())
    clock = StandingClock(MONDAY)
    faults: list[BaseException] = []
    written: list[int] = []

    def write(place: int) -> None:
        storage = storages[place % len(storages)]
        journal = Journal(f"phone-{place}", CHEN, clock)
        try:
            for _ in range(ROUNDS):
                brought = [
                    arrived(journal.write(ticket, AddNote("写"))) for ticket in tickets[place % 3 : place % 3 + 3]
                ]
                storage.write_now(lambda writing: receive(writing, journal.device, CHEN, brought, 0))  # noqa: B023
            written.append(len(journal.raw))
        except BaseException as fault:
            faults.append(fault)

    seen: list[int] = []
    versions: dict[str, int] = {}
    reading = open_database()
    writers = [threading.Thread(target=write, args=(place,)) for place in range(4)]
    for writer in writers:
        writer.start()
    cursor = start
    while True:
        is_last_look = not any(writer.is_alive() for writer in writers)
        entries = reading.read_now(lambda reading: reading.journal.after(cursor, 1000))  # noqa: B023
        changes = reading.read_now(
            lambda reading: reading.tickets.changes(CHEN.id, cursor, reading.feed.latest(), 1000)  # noqa: B023
        )
        versions |= {row.ticket: row.position for row in changes}
        seen += [entry.position for entry in entries]
        cursor = entries[-1].position if entries else cursor
        if is_last_look and not entries:
            break
    assert faults == []
    assert seen == list(range(start + 1, start + 1 + sum(written))), "gap-free, in order, and all of them"
    final = first.read_now(lambda reading: reading.tickets.changes(CHEN.id, start, 10**12, 1000))
    assert versions == {row.ticket: row.position for row in final}


def test_the_same_operation_through_two_processes_at_once_is_taken_once(open_database: Callable[[], Storage]) -> None:
    """A phone gives up waiting and asks again, and a load balancer sends it elsewhere."""
    one, two = open_database(), open_database()
    one.write_now(hire)
    ticket = receive_request(one, a_request(number="N1"))
    assign(one, ticket)
    journal = Journal("phone", CHEN, StandingClock(MONDAY))
    answers: list[list[bytes]] = []
    for text in "一二三四五六":
        brought = [arrived(journal.write(ticket, AddNote(text)))]
        racing = [
            threading.Thread(
                target=lambda storage, brought: answers.append(
                    storage.write_now(lambda writing: receive(writing, "phone", CHEN, brought, 0))
                ),
                args=(storage, brought),
            )
            for storage in (one, two)
        ]
        for thread in racing:
            thread.start()
        for thread in racing:
            thread.join()
        assert answers[-1] == answers[-2]
    kept = one.read_now(lambda reading: reading.tickets.by_id([ticket])[ticket])
    assert [note.text for note in kept.notes] == list("一二三四五六")


def test_two_processes_that_merge_two_tickets_into_each_other_at_once_leave_one_open(
    open_database: Callable[[], Storage], tmp_path: Path
) -> None:
    """A into B and B into A: both would end, and the customer's request with them. Then once more."""
    one, two = open_database(), open_database()
    one.write_now(hire)
    for turn in range(8):
        pair = [receive_request(one, a_request(number=f"N{turn}{letter}")) for letter in "AB"]
        for _ in range(2):
            verdicts = _merged_into_each_other(one, two, pair)
            assert sorted(verdict.filing for verdict in verdicts) == [Filing.APPLIED, Filing.REFUSED]
            kept = one.read_now(lambda reading: reading.tickets.by_id(pair))  # noqa: B023
            (duplicate,) = [ticket for ticket in kept.values() if ticket.status is Status.CANCELLED]
            (goes_on,) = [ticket for ticket in kept.values() if ticket.status is not Status.CANCELLED]
            assert (duplicate.duplicate_of, goes_on.duplicate_of) == (goes_on.id, None)
            two.write_now(lambda writing: decide(writing, LIN, duplicate.id, ReopenTicket("并错了"), MONDAY))  # noqa: B023
    assert verify(one, tmp_path, tell=lambda *_: None).problems == ()


def _merged_into_each_other(one: Storage, two: Storage, pair: Sequence[str]) -> list[Verdict]:
    at_once = threading.Barrier(2)

    def merge(storage: Storage, ticket: str, into: str) -> Verdict:
        at_once.wait()
        return storage.write_now(lambda writing: decide(writing, LIN, ticket, MergeDuplicate(into), MONDAY))

    with ThreadPoolExecutor(2) as dispatchers:
        return list(dispatchers.map(merge, (one, two), pair, reversed(pair)))


def test_a_merge_and_a_reopening_that_cross_in_two_processes_leave_no_circle(
    open_database: Callable[[], Storage],
) -> None:
    """A is a duplicate of B. One dispatcher opens A again, the other merges B into A, which may be too early."""
    one, two = open_database(), open_database()
    one.write_now(hire)
    for turn in range(8):
        first, second = (receive_request(one, a_request(number=f"N{turn}{letter}")) for letter in "AB")
        one.write_now(lambda writing: decide(writing, LIN, first, MergeDuplicate(second), MONDAY))  # noqa: B023
        at_once = threading.Barrier(2)

        def decided(storage: Storage, ticket: str, operation: Operation) -> Verdict:
            at_once.wait()  # noqa: B023
            return storage.write_now(lambda writing: decide(writing, LIN, ticket, operation, MONDAY))

        with ThreadPoolExecutor(2) as dispatchers:
            reopened, merged = dispatchers.map(
                decided, (one, two), (first, second), (ReopenTicket("不是同一件"), MergeDuplicate(first))
            )
        kept = one.read_now(lambda reading: reading.tickets.by_id([first, second]))  # noqa: B023
        assert reopened.filing is Filing.APPLIED
        assert kept[first].status is Status.REOPENED
        assert (kept[second].duplicate_of == first) == (merged.filing is Filing.APPLIED)
        assert merged.rejection in {None, ChangedMeanwhile()}


# -- finding ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(storage: Storage) -> Storage:
    """Four tickets that differ in everything that is searched."""
    receive_request(storage, a_request(number="N1"))
    receive_request(
        storage,
        a_request(
            number="N2",
            ticket_kind=Kind.INSTALLATION,
            customer=a_customer(
                name="Zoë Müller", phone="+86 139-1111-2222", region="北京市海淀区", address="100% 胡同_7"
            ),
            product=a_product(model="ＷＫ９", serial="abc 12", category="家具"),
            problem="安装衣柜",
        ),
    )
    third = receive_request(
        storage, a_request(number="N3", problem="灯罩\x00裂了", customer=a_customer(region="上海市浦东新区"))
    )
    assign(storage, third)
    fourth = receive_request(storage, a_request(number="N4", problem="开关失灵", product=a_product(serial="")))
    storage.write_now(lambda writing: decide(writing, LIN, fourth, CancelTicket("重复"), MONDAY))
    return storage


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("", ["N4", "N3", "N2", "N1"]),
        ("整流器", ["N1"]),
        ("流", ["N1"]),
        ("吊灯 整流器", ["N1"]),
        ("吊灯 衣柜", []),
        ("zoë MÜLLER", ["N2"]),
        ("wk9", ["N2"]),
        ("13911112222", ["N2"]),
        ("139-1111-2222", ["N2"]),
        ("138-0013-8000", ["N4", "N3", "N1"]),
        ("100%", ["N2"]),
        ("0%胡", []),
        ("_7", ["N2"]),
        ("\\", []),
        ("'; DROP TABLE tickets; --", []),
        ("裂了\x00", ["N3"]),
        ("n3", ["N3"]),
    ],
)
def test_words_find_parts_of_what_was_written(shelf: Storage, words: str, numbers: list[str]) -> None:
    assert found(shelf, words=words) == numbers


def test_filters_narrow_and_counts_say_what_each_status_would_show(shelf: Storage) -> None:
    assert found(shelf, statuses=(Status.ASSIGNED, Status.CANCELLED)) == ["N4", "N3"]
    assert found(shelf, severities=(Severity.ORDINARY,)) == ["N3"]
    assert found(shelf, technician=CHEN.id) == ["N3"]
    assert found(shelf, region="上海市") == ["N4", "N3", "N1"]
    assert found(shelf, kind=Kind.INSTALLATION) == ["N2"]
    assert found(shelf, late_only=True) == []
    wanted = TicketFilter(region="上海市", statuses=(Status.ASSIGNED,))
    assert shelf.read_now(lambda reading: reading.tickets.count_by_status(wanted)) == {
        Status.RECEIVED: 1,
        Status.ASSIGNED: 1,
        Status.CANCELLED: 1,
    }


def test_pages_follow_each_other_in_every_order(shelf: Storage) -> None:
    for sort in TicketSort:
        pages = [found(shelf, sort=sort, page=page, page_size=3) for page in (1, 2, 3)]
        assert sorted(pages[0] + pages[1]) == ["N1", "N2", "N3", "N4"]
        assert pages[2] == []
    assert found(shelf, sort=TicketSort.WINDOW)[0] == "N3"
    assert found(shelf, sort=TicketSort.CHANGED)[0] == "N4"
    assert found(shelf, sort=TicketSort.SEVERITY)[0] == "N3"


def test_the_same_customer_or_the_same_piece_is_recognised_however_it_is_typed(shelf: Storage) -> None:
    def similar(phone: str, serial: str) -> list[str]:
        return sorted(each.number for each in shelf.read_now(lambda reading: reading.tickets.similar(phone, serial)))

    assert similar("13911112222", "") == ["N2"]
    assert similar("(138) 0013-8000", "") == ["N1", "N3", "N4"]
    assert similar("", "ABC12") == ["N2"]
    assert similar("139", "") == []
    assert similar("", "  ") == []


def test_a_technicians_day_is_what_touches_it(shelf: Storage) -> None:
    def numbers(start: timedelta, end: timedelta) -> list[str]:
        span = milliseconds(MONDAY + start), milliseconds(MONDAY + end)
        return [each.number for each in shelf.read_now(lambda reading: reading.tickets.visits(CHEN.id, *span))]

    assert numbers(timedelta(hours=6), timedelta(hours=20)) == ["N3"]
    assert numbers(timedelta(hours=7), timedelta(hours=20)) == []
    assert numbers(timedelta(), timedelta(hours=5)) == []


def test_numbers_are_allotted_without_gaps_and_day_by_day(storage: Storage) -> None:
    allotted = [storage.write_now(lambda writing: writing.tickets.next_number("260302")) for _ in range(3)]
    assert allotted == ["260302-001", "260302-002", "260302-003"]
    assert storage.write_now(lambda writing: writing.tickets.next_number("260303")) == "260303-001"


# -- for phones -------------------------------------------------------------------------------------------------------


def test_a_ticket_is_kept_whole(storage: Storage) -> None:
    """NUL characters and all: the columns beside it are only for finding it."""
    request = a_request(number="N1", problem="裂\x00了", customer=a_customer(address="\x00\U0001f3e0 é"))
    ticket = receive_request(storage, request)
    kept = storage.read_now(lambda reading: reading.tickets.by_id([ticket, new_id()]))
    assert list(kept) == [ticket]
    assert (kept[ticket].problem, kept[ticket].customer) == (request.problem, request.customer)


def test_changes_come_in_the_order_of_the_feed_and_stop_where_they_are_told_to(storage: Storage) -> None:
    tickets = [receive_request(storage, a_request(number=f"N{place}")) for place in range(4)]
    for ticket in tickets:
        assign(storage, ticket)
    assign(storage, tickets[1], WANG.id, replaces=CHEN.id)
    latest = storage.read_now(lambda reading: reading.feed.latest())
    rows = storage.read_now(lambda reading: reading.tickets.changes(CHEN.id, 0, latest, 100))
    assert [row.ticket for row in rows] == [tickets[0], tickets[2], tickets[3], tickets[1]]
    assert [row.data is None for row in rows] == [False, False, False, True]
    assert rows == sorted(rows, key=lambda row: row.position)
    before = rows[1].position
    assert storage.read_now(lambda reading: reading.tickets.changes(CHEN.id, 0, before, 100)) == rows[:2]
    assert storage.read_now(lambda reading: reading.tickets.changes(CHEN.id, before, latest, 1)) == rows[2:3]
    assert {ticket for ticket, _ in storage.read_now(lambda reading: reading.tickets.scope(CHEN.id))} == {
        tickets[0],
        tickets[2],
        tickets[3],
    }


def test_only_what_is_over_expires_and_only_once(storage: Storage) -> None:
    over, open_ = (receive_request(storage, a_request(number=number)) for number in ("N1", "N2"))
    for ticket in (over, open_):
        assign(storage, ticket)
    storage.write_now(lambda writing: decide(writing, LIN, over, CancelTicket("取消"), MONDAY))
    day = milliseconds(MONDAY)
    assert storage.write_now(lambda writing: writing.tickets.expire(day, writing.feed)) == 0
    assert storage.write_now(lambda writing: writing.tickets.expire(day + 1, writing.feed)) == 1
    assert storage.write_now(lambda writing: writing.tickets.expire(day + 1, writing.feed)) == 0
    assert [ticket for ticket, _ in storage.read_now(lambda reading: reading.tickets.scope(CHEN.id))] == [open_]


def test_two_hundred_operations_on_a_hundred_tickets_in_one_transaction(storage: Storage) -> None:
    tickets = [new_id() for _ in range(100)]
    window = Window(MONDAY, MONDAY + timedelta(hours=2))

    def make(writing: Writing) -> None:
        for place, ticket in enumerate(tickets):
            decide(writing, LIN, ticket, a_request(number=f"N{place}"), MONDAY)
            decide(writing, LIN, ticket, ConfirmTicket(Severity.ORDINARY), MONDAY)
            decide(writing, LIN, ticket, AssignTicket(CHEN.id, window), MONDAY)

    storage.write_now(make)
    journal = Journal("phone", CHEN, StandingClock(MONDAY))
    brought = [arrived(journal.write(ticket, AddNote("批"))) for ticket in tickets * 2]
    answers = storage.write_now(lambda writing: receive(writing, "phone", CHEN, brought, 0))
    assert len(answers) == 200
    kept: dict[str, Ticket] = storage.read_now(lambda reading: reading.tickets.by_id(tickets))
    assert all(len(ticket.notes) == 2 for ticket in kept.values())
    assert b'"filing":"%b"' % Filing.APPLIED.value.encode() in answers[0]


def test_the_price_list_is_replaced_whole_and_phones_are_told(storage: Storage) -> None:
    before = storage.read_now(lambda reading: reading.feed.reference_revision())
    listed = [Price("B", "整流器", "个", 8800), Price("A", "上门费", "次", 5000)]
    storage.write_now(lambda writing: writing.prices.replace([Price("C", "旧", "", 1)]))
    storage.write_now(lambda writing: writing.prices.replace(listed))
    assert storage.read_now(lambda reading: reading.prices.all()) == tuple(listed)
    assert storage.read_now(lambda reading: reading.feed.reference_revision()) == before + 2


def test_a_ticket_s_history_is_read_page_by_page_from_the_newest(storage: Storage) -> None:
    """What was set aside stands where it came."""
    ticket = receive_request(storage, a_request())
    head = storage.read_now(lambda reading: reading.journal.of_ticket(ticket)[0])
    entries = [
        replace(
            head,
            position=1000 + count,
            id=new_id(),
            device="phone",
            sequence=count,
            received_at_ms=head.received_at_ms + count,
        )
        for count in range(1, 5)
    ]
    aside = replace(entries[1], position=0, id=new_id())
    storage.write_now(lambda writing: writing.journal.append(entries))
    storage.write_now(lambda writing: writing.journal.put_aside([(aside, "hash")]))
    whole = [head, entries[0], entries[1], aside, *entries[2:]]
    assert storage.read_now(lambda reading: reading.journal.of_ticket(ticket)) == whole
    assert storage.read_now(lambda reading: reading.journal.count_of_ticket(ticket)) == 6
    pages = storage.read_now(
        lambda reading: [reading.journal.of_ticket(ticket, newest=4, skip=skip) for skip in (0, 4, 8)]
    )
    assert pages == [whole[2:], whole[:2], []]
