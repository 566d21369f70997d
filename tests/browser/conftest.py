"""One published app and one sample company for the whole run; an office and browsers of its own for each test."""

import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Playwright, sync_playwright

from sync_server.sample import demo
from sync_server.settings import Settings
from tools import browser
from tools.driving import Chromium, Office
from tools.publish import archive
from tools.publish.__main__ import BUILD, LOCK, ROOT, publish
from tools.side_by_side import alone, free_port

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def app_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app's own source as it is when the run begins: what is edited meanwhile concerns the next."""
    folder = tmp_path_factory.mktemp("source")
    for name in archive.OURS:
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "main.py", folder)
    return folder


@pytest.fixture(scope="session")
def app_folder(app_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published app, this run's own: another run may publish something else in the place of what is copied."""
    folder = tmp_path_factory.mktemp("published") / "app"
    publish(BUILD / "app", source=app_source)
    with alone(LOCK):
        shutil.copytree(BUILD / "app", folder)
    publish(folder, source=app_source)
    return folder


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample company, filled once; tests work on copies."""
    folder = tmp_path_factory.mktemp("company") / "data"
    demo.prepare(Settings(data=folder))
    return folder


@pytest.fixture(scope="session")
def playwright(chromium: browser.Browser) -> Iterator[Playwright]:
    """After `chromium`: finding the browser also finds the Node that Playwright runs on."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def chromium() -> browser.Browser:
    return browser.obtain()


@pytest.fixture
def office(company: Path, app_folder: Path, tmp_path: Path) -> Iterator[Office]:
    shutil.copytree(company, tmp_path / "data")
    office = Office(tmp_path / "data", app_folder, free_port())
    office.start()
    yield office
    office.stop()


@pytest.fixture
def open_browser(
    playwright: Playwright, chromium: browser.Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Chromium]]:
    """A browser of its own profile; the same name is the same profile."""
    opened: list[Chromium] = []
    failures = BUILD / "failures" / tmp_path.parent.name  # the run's folder, which no other has

    def of(name: str, *flags: str, size: tuple[int, int] = (390, 844)) -> Chromium:
        opened.append(Chromium(playwright, chromium, tmp_path / name, size=size, flags=flags))
        return opened[-1]

    yield of
    for one in opened:
        if request.node.stash.get(FAILED, False):
            one.leave_evidence(failures / f"{request.node.name}-{opened.index(one)}")
        one.forget()


@pytest.fixture(scope="session")
def camera_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake camera sees: a lamp, and a dot that moves so that no two pictures are alike."""
    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    with film.open("wb") as frames:
        for turn in range(12):
            frame = Image.new("RGB", (1280, 720), "#C9B79C")
            pen = ImageDraw.Draw(frame)
            pen.ellipse((440, 160, 840, 560), fill="#F6F1DD", outline="#5B4B36", width=8)
            pen.ellipse((80 + turn * 90, 620, 120 + turn * 90, 660), fill="#B3261E")
            frame.save(frames, "JPEG", quality=85)
    return film
