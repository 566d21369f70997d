"""`make app`: the phone's app as an ordinary Python process, its screen a browser's page, its store a plain file."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx

from tools.driving import PATIENCE_SECONDS, ROOT, AppOnScreen, Chromium, Office, until
from tools.side_by_side import free_port


def test_the_same_app_runs_in_an_ordinary_process(
    office: Office, open_browser: Callable[..., Chromium], app_folder: Path, tmp_path: Path
) -> None:
    """Enrolled by the key it is started with, a visit is accepted on its screen; the journal is in a file that any
    SQLite tool opens."""
    port = free_port()
    environment = {
        **os.environ,
        "DOORSTEP_DATA": str(tmp_path / "development"),
        "DOORSTEP_PORT": str(office.port),
        "DOORSTEP_APP_PORT": str(port),
        "DOORSTEP_APP_FOLDER": str(app_folder),
        "DOORSTEP_ENROLMENT_KEY": office.enrolment_link("t-chen"),
        "BROWSER": "true",  # the page is opened here, not by the process
    }
    with (tmp_path / "app.log").open("wb") as log:
        app = subprocess.Popen([sys.executable, "-m", "field_app"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: _answers(app, port, tmp_path / "app.log"), "the app's page")
        phone = AppOnScreen(open_browser("developer").start())
        phone.open(f"http://localhost:{port}/")
        phone.see("today")
        phone.tap(until(lambda: phone.identifiers("ticket-"), "a ticket")[0])
        phone.go_on()
        phone.see("received-by-office")
    finally:
        app.terminate()
        app.wait(PATIENCE_SECONDS)
    with closing(sqlite3.connect(tmp_path / "development" / "phone" / "store.db")) as store:
        assert store.execute("SELECT count(*) FROM journal WHERE state = 'accepted'").fetchone() == (1,)


def _answers(app: "subprocess.Popen[bytes]", port: int, log: Path) -> bool:
    assert app.poll() is None, log.read_text(encoding="utf-8")
    try:
        return httpx.get(f"http://localhost:{port}/").is_success
    except httpx.HTTPError:
        return False
