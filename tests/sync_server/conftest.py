"""An office to test: a real database in a folder of its own, people, a clock that stands still until it is moved."""

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import sync_playwright

from sync_server.app import create_app
from sync_server.settings import Settings
from sync_server.storage import Storage
from tests.builders.postgresql import a_postgresql
from tests.sync_server.live_desk import PATIENCE_MS, Live
from tests.sync_server.office import Office, StandingClock
from tests.sync_server.serving import served
from tools import browser

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
"""Nine in the morning in Shanghai."""


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(MONDAY)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", company="上门家居服务", office_phone="400-820-0000")


@pytest.fixture
def storage(settings: Settings) -> Iterator[Storage]:
    storage = Storage.open(settings.database)
    yield storage
    storage.close()


@pytest.fixture
def office(settings: Settings, storage: Storage, clock: StandingClock) -> Iterator[Office]:
    """A running office with two dispatchers and three technicians, reached through its HTTP interface."""
    with TestClient(create_app(settings, storage, clock)) as client:
        yield Office(storage, clock, client)


# -- the desk in a browser -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    found = browser.obtain()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=found.path,
            args=["--no-sandbox"],
            env={**os.environ, **found.environment},
            timeout=PATIENCE_MS,
        )
        yield opened
        opened.close()


@pytest.fixture
def live(settings: Settings, storage: Storage, clock: StandingClock, chromium: Chromium) -> Iterator[Live]:
    app = create_app(settings, storage, clock)
    with served(app) as address:
        live = Live(Office(storage, clock, TestClient(app)), address, chromium)
        yield live
        for context in chromium.contexts:
            context.close()
    assert live.complaints == []


# -- both engines -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """Address of a real PostgreSQL server, started for this session.

    Not in pytest's own folder: under root the server runs as another user, and every pytest that starts on the machine
    takes that user's way into the folder away.
    """
    with tempfile.TemporaryDirectory(prefix="doorstep-postgresql-", ignore_cleanup_errors=True) as folder:
        server = a_postgresql(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of an empty database, once on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'contract.db'}"
        return
    server = sa.make_url(request.getfixturevalue("postgresql")).set(drivername="postgresql+psycopg")
    name = "test_" + "".join(letter if letter.isalnum() else "_" for letter in tmp_path.name.lower())
    administration = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    yield server.set(database=name).render_as_string(hide_password=False)
    with administration.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    administration.dispose()


@pytest.fixture
def open_database(database: str) -> Iterator[Callable[[], Storage]]:
    """Opens the same database as often as asked, as several processes would."""
    opened: list[Storage] = []

    def opening() -> Storage:
        opened.append(Storage.open(database))
        return opened[-1]

    yield opening
    for storage in opened:
        storage.close()


@pytest.fixture
def any_storage(open_database: Callable[[], Storage]) -> Storage:
    """The storage contract holds on each engine."""
    return open_database()
