"""The sample company: made through the real door, so it must look like a company that has been at work for a month."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from shared_schema.apply import Filing
from shared_schema.lifecycle import Kind, Role, Status
from sync_server.sample import demo
from sync_server.sample.cases import CASES
from sync_server.sample.company import PRICES
from sync_server.sample.fill import SEED, fill
from sync_server.sample.story import steps
from sync_server.services.attention import AttentionQueue, WaitingKind
from sync_server.services.desk import Desk, TicketFile, TicketFilter
from sync_server.services.health import AlarmKind, Health, HealthWatch
from sync_server.services.photo_files import PhotoFiles
from sync_server.services.scrubbing import PhotoScrub
from sync_server.settings import Settings
from sync_server.storage import Storage

NOW = datetime(2026, 3, 4, 6, 20, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")


class StoppedClock:
    def now(self) -> datetime:
        return NOW


class Company:
    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data=folder)
        self.storage = Storage.open(self.settings.database)
        self.done = asyncio.run(fill(self.storage, self.settings, NOW, "amber-door-12"))
        self.photo_files = PhotoFiles(folder)
        self._desk = Desk(self.storage, self.photo_files, StoppedClock(), "Asia/Shanghai")

    def files(self) -> list[TicketFile]:
        async def read() -> list[TicketFile]:
            page = await self._desk.tickets(TicketFilter(page_size=200))
            files = [await self._desk.ticket(row.id) for row in page.rows]
            return [file for file in files if file is not None]

        return asyncio.run(read())

    def close(self) -> None:
        self.photo_files.close()
        self.storage.close()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    made = Company(tmp_path_factory.mktemp("sample"))
    yield made
    made.close()


def test_every_case_stands_where_its_story_says(company: Company) -> None:
    """About sixty tickets, in every status and of every kind."""
    tickets = [file.ticket for file in company.files()]
    assert len(tickets) == len(CASES) >= 60
    assert sorted(ticket.status.value for ticket in tickets) == sorted(case.stands.value for case in CASES)
    assert {ticket.status for ticket in tickets} == set(Status)
    assert {ticket.kind for ticket in tickets} == set(Kind)


def test_nothing_lies_in_the_future_and_one_entry_was_refused(company: Company) -> None:
    """Of an app that is newer than the office; nobody has answered it."""
    entries = [entry for file in company.files() for entry in file.history]
    assert all(entry.received_at < NOW for entry in entries)
    refused = [entry for entry in entries if entry.filing is Filing.REFUSED]
    assert [entry.kind for entry in refused] == ["use_parts"]
    assert [entry.envelope is None for entry in refused] == [True]
    assert all(file.ticket.created_at < NOW for file in company.files())


def test_the_queue_and_the_phones_states_have_something_to_show(company: Company) -> None:
    """A little of everything the desk's pages are for, and most of it in order."""

    async def look() -> tuple[dict[WaitingKind, int], Health]:
        queue = await AttentionQueue(company.storage, StoppedClock()).queue()
        scrub = PhotoScrub(company.storage, company.photo_files, StoppedClock(), every_days=0)
        watch = HealthWatch(company.storage, company.photo_files, scrub, company.settings.data, StoppedClock())
        return queue.counts, await watch.health()

    counts, health = asyncio.run(look())
    assert all(counts[kind] for kind in (WaitingKind.PROPOSAL, WaitingKind.EVIDENCE, WaitingKind.REFUSED))
    alarms = [alarm.kind for state in health.devices for alarm in state.alarms]
    assert sorted(alarms) == sorted((AlarmKind.SILENT, AlarmKind.CLOCK_JUMPED, AlarmKind.REFUSED))
    signed = [state for state in health.devices if state.key]
    assert len(signed) >= 5
    assert all(state.signed_through == state.received_through for state in signed)


def test_the_history_has_a_span_and_a_clock_that_was_set(company: Company) -> None:
    made = [entry.occurrence for file in company.files() for entry in file.history if entry.occurrence]
    assert any(each.jumped for each in made)
    assert any(timedelta(minutes=5) < each.latest - each.earliest < timedelta(minutes=10) for each in made)
    known = [each for each in made if each.latest - each.earliest < timedelta(minutes=1)]
    assert len(known) > 0.9 * len(made)


def test_there_is_late_evidence_to_look_at(company: Company) -> None:
    """A technician without a network, and a dispatcher who did not know: notes and photos late, a move proposed."""
    filings = [entry.filing for file in company.files() for entry in file.history]
    assert filings.count(Filing.LATE) >= 2
    assert filings.count(Filing.PROPOSAL) >= 1


def test_there_are_objections_signatures_and_photos(company: Company) -> None:
    tickets = [file.ticket for file in company.files()]
    assert sum(bool(ticket.objections) for ticket in tickets) >= 2
    assert sum(bool(ticket.sign_offs) for ticket in tickets) >= 15
    named = {photo.sha256 for ticket in tickets for photo in ticket.photos}
    arrived = company.photo_files.present(named)
    assert len(arrived) >= 30
    assert 1 <= len(named - arrived) <= 3  # one phone still holds a photo, and says so


def test_somebody_has_visits_today_and_to_come(company: Company) -> None:
    """What a technician sees first: t-chen's list is not empty, whenever the demo is started."""
    windows = [
        file.ticket.assignment.window.start.astimezone(ZONE)
        for file in company.files()
        if file.ticket.assignment and file.ticket.technician == "t-chen"
    ]
    today = NOW.astimezone(ZONE).date()
    assert sum(start.date() == today for start in windows) >= 2
    assert any(start.date() > today for start in windows)


def test_everybody_is_there_with_portrait_and_certificates(company: Company) -> None:
    people = company.storage.read_now(lambda reading: reading.people.everybody())
    technicians = [person for person in people if person.role is Role.TECHNICIAN]
    assert len(technicians) == 6
    assert all(person.has_photo and person.skills and person.certificates for person in technicians)
    assert any(held.valid_until < NOW.date() for person in technicians for held in person.certificates)
    assert {person.login for person in people if person.role is Role.DISPATCHER} == {"lin", "zhao"}
    assert company.storage.read_now(lambda reading: reading.prices.all()) == PRICES


def test_a_phone_was_last_heard_from_when_it_last_sent_something(company: Company) -> None:
    """Not when its first entry came: nobody works through today's visit with a phone silent for four weeks."""
    devices = company.storage.read_now(lambda reading: reading.people.devices())
    entries = [entry for file in company.files() for entry in file.history]
    for device in devices:
        received = [entry.received_at for entry in entries if entry.device == device.id]
        assert device.last_heard_at is not None
        assert device.last_heard_at <= NOW
        assert all(at - timedelta(minutes=2) <= device.last_heard_at for at in received), device.name


@pytest.mark.parametrize("hour", [0, 3, 7, 12, 18, 23])
def test_the_story_is_in_order_at_every_hour_of_the_day(hour: int) -> None:
    """Whenever `make demo` is first run: each ticket's steps follow one another and end before now."""
    now = NOW.replace(hour=hour)
    told = steps(now, ZONE, SEED)
    assert [step.operation_id for step in told] == [step.operation_id for step in steps(now, ZONE, SEED)]
    assert max(step.at for step in told) < now
    assert min(step.at for step in told) > now - timedelta(days=40)
    assert len({step.operation_id for step in told}) == len(told)


def test_a_second_demo_finds_the_data_of_the_first(tmp_path: Path) -> None:
    """The same password, the same tickets; and a folder filled only half is made again."""
    (tmp_path / "demo-unfinished").mkdir()
    (tmp_path / "demo-unfinished" / "doorstep.db").write_bytes(b"half")
    settings = demo.prepare(Settings(data=tmp_path))
    first = demo.greeting(settings)
    password = (tmp_path / demo.PASSWORD_FILE).read_text(encoding="utf-8")
    size = (tmp_path / "doorstep.db").stat().st_size
    assert demo.prepare(Settings(data=tmp_path)) == settings
    assert (tmp_path / "doorstep.db").stat().st_size == size
    assert not (tmp_path / "demo-unfinished").exists()
    assert password in first
    assert first.count("/app/#enrol=") == 6


def test_the_samples_customers_are_their_owners_alone(tmp_path: Path) -> None:
    """Whoever tries the demo may go on with it in earnest, in the same folder."""
    demo.prepare(Settings(data=tmp_path / "new"))
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
