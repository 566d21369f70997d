"""`doorstep serve` as a process of its own: it says where it is, stops when told to, and says plainly why it cannot."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from sync_server.settings import Settings, SettingUnusable, from_environment
from tests.sync_server.serving import PATIENCE_SECONDS


@contextmanager
def doorstep(*words: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sync_server", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """An open event stream does not keep it, and nothing is left half written."""
    with doorstep("serve", "--port", "0", "--data", str(tmp_path / "data")) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert httpx.get(f"{address}/health", timeout=PATIENCE_SECONDS).json() == {"status": "ok"}
        assert httpx.get(f"{address}/nowhere", timeout=PATIENCE_SECONDS).status_code in {303, 404}
        refused = httpx.post(
            f"{address}/sync/v1/round", headers={"Authorization": "Bearer none"}, timeout=PATIENCE_SECONDS
        )
        assert refused.status_code == 401
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, complaints) == (0, "")
    assert (tmp_path / "data" / "doorstep.db").exists()
    assert not (tmp_path / "data" / "doorstep.db-wal").exists(), "the database was closed"
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0, "customers' data is its owner's alone"


def test_whoever_has_not_sent_a_request_yet_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    """Nor is there anything in the log: a phone whose round was cut sends it again."""
    with doorstep("serve", "--port", "0", "--data", str(tmp_path / "data")) as process:
        assert process.stdout is not None
        where = urlsplit(process.stdout.readline().split()[-1])
        with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_SECONDS) as stalled:
            head = "POST /sync/v1/enrol HTTP/1.1\r\nHost: office\r\nContent-Length: 1000\r\n"
            stalled.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert b"100 Continue" in stalled.recv(1000), "the office waits for the body"
            stalled.sendall(b"{")
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, complaints) == (0, "")


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with doorstep("serve", "--port", str(port), "--data", str(tmp_path)) as process:
            _, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert str(port) in complaint
    assert "Traceback" not in complaint


@pytest.mark.parametrize(
    "environment",
    [
        {"DOORSTEP_PORT": "eighty"},
        {"DOORSTEP_PORT": "70000"},
        {"DOORSTEP_TLS_CERTIFICATE": "/nowhere/cert.pem"},
        {"DOORSTEP_TLS_CERTIFICATE": "/nowhere/cert.pem", "DOORSTEP_TLS_KEY": "/nowhere/key.pem", "DOORSTEP_PORT": "0"},
        {"DOORSTEP_DATABASE_URL": "sqlite:////proc/nowhere/office.db", "DOORSTEP_PORT": "0"},
        {"DOORSTEP_DATABASE_URL": "oracle://nowhere", "DOORSTEP_PORT": "0"},
    ],
    ids=lambda environment: " ".join(environment),
)
def test_what_it_cannot_start_with_is_said_in_a_line(tmp_path: Path, environment: dict[str, str]) -> None:
    with doorstep("serve", **({"DOORSTEP_DATA": str(tmp_path)} | environment)) as process:
        _, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode in {1, 2}
    assert complaint.startswith("doorstep: ")
    assert "Traceback" not in complaint


def test_a_stranger_is_told_what_there_is() -> None:
    shown = subprocess.run([sys.executable, "-m", "sync_server", "--help"], capture_output=True, text=True, check=True)
    for command in ("serve", "demo", "enrol", "people", "backup", "restore", "verify"):
        assert f"\n    {command} " in shown.stdout


# -- settings ---------------------------------------------------------------------------------------------------------


def test_without_any_setting_it_is_an_office_on_this_machine() -> None:
    settings = from_environment({})
    assert settings == Settings()
    assert (settings.address, settings.database) == ("http://localhost:8000", "sqlite:///.data/doorstep.db")


def test_every_setting_is_read_from_the_environment() -> None:
    settings = from_environment(
        {
            "DOORSTEP_DATA": "/srv/doorstep",
            "DOORSTEP_PORT": "443",
            "DOORSTEP_PUBLIC_URL": "https://doorstep.example/",
            "DOORSTEP_EXPIRY_DAYS": "30",
            "DOORSTEP_TIME_ZONE": "Asia/Urumqi",
            "DOORSTEP_COMPANY": "",
        }
    )
    assert settings.data == Path("/srv/doorstep")
    assert settings.address == "https://doorstep.example"
    assert (settings.port, settings.expiry_days, settings.time_zone) == (443, 30, "Asia/Urumqi")
    assert settings.company == Settings().company, "an empty value is no value"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOORSTEP_PORT", "x"),
        ("DOORSTEP_EXPIRY_DAYS", "-1"),
        ("DOORSTEP_TIME_ZONE", "Mars/Olympus"),
        ("DOORSTEP_COMPANY", "厦" * 201),
    ],
)
def test_a_value_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingUnusable, match=name):
        from_environment({name: value})
