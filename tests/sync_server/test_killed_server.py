"""The office is killed again and again while phones and the desk send: what it acknowledged it still holds, once.

A process of its own, ended by SIGKILL at a moment nobody chose, in the middle of rounds, photos and forms. Phones do
what phones do: they send again from where the office says it is. (Death of the process; loss of power is out of reach
of a test and rests on `synchronous=FULL` and fsync.)
"""

import base64
import hashlib
import json
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared_schema import wire
from shared_schema.operations import AddNote, Operation
from sync_server.accounts import SESSION_COOKIE
from sync_server.clock import SystemClock, milliseconds
from sync_server.settings import Settings
from sync_server.storage import Storage
from sync_server.storage.journal import OFFICE
from tests.sync_server.office import CHEN, LIN, WANG, Journal, Office, Phone, new_id
from tests.sync_server.serving import PATIENCE_SECONDS

KILLS = 3
SESSION = "token-of-a-dispatcher"
CSRF = "csrf-of-a-dispatcher"


class Running:
    """The process of the moment, and whether there will be another."""

    address = ""
    is_over = False


@contextmanager
def serving(data: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    words = [sys.executable, "-m", "sync_server", "serve", "--port", "0", "--data", str(data)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1], process
    finally:
        process.kill()
        process.communicate()


class Sender:
    """Sends until it is told that all is over; what fails is sent again, as often as it takes."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.fault: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=type(self).__name__)

    def _run(self) -> None:
        try:
            while not (self.running.is_over and self.is_done()):
                try:
                    with httpx.Client(base_url=self.running.address, timeout=PATIENCE_SECONDS, verify=False) as http:
                        while not (self.running.is_over and self.is_done()):
                            self.send(http)
                except httpx.TransportError:
                    time.sleep(0.1)
        except BaseException as fault:
            self.fault = fault

    def is_done(self) -> bool:
        raise NotImplementedError

    def send(self, http: httpx.Client) -> None:
        raise NotImplementedError


class Telephone(Sender):
    """A visit that never ends: notes in rounds of a few, each time from where the office says it is."""

    def __init__(self, running: Running, phone: Phone, ticket: str) -> None:
        super().__init__(running)
        self.journal: Journal = phone.journal
        self.headers = {"Authorization": f"Bearer {phone.token}"}
        self.ticket = ticket
        self.sent_through = 0
        self.acknowledged: set[str] = set()

    def write(self, operation: Operation) -> None:
        self.journal.write(self.ticket, operation)

    def is_done(self) -> bool:
        return self.sent_through == len(self.journal.raw)

    def send(self, http: httpx.Client) -> None:
        if not self.running.is_over:
            for _ in range(random.randint(1, 7)):
                self.write(AddNote(f"note {len(self.journal.raw) + 1}"))
        batch = self.journal.raw[self.sent_through :][:200]
        body = {"protocol": 1, "device": self.journal.device, "cursor": 0}
        content = json.dumps(body).encode()[:-1] + b',"ops":[' + b",".join(batch) + b"]}"
        answer = http.post("/sync/v1/round", content=content, headers=self.headers)
        assert answer.status_code == 200, answer.text
        reply = answer.json()
        assert reply["received_through"] >= self.sent_through, "what was received once is received for good"
        assert all(verdict["filing"] == "applied" for verdict in reply.get("verdicts", [])), reply
        self.acknowledged |= {verdict["id"] for verdict in reply.get("verdicts", [])}
        self.sent_through = reply["received_through"]


class Camera(Sender):
    """One photo after the other, whole or in pieces; an offset that was told is never taken back."""

    def __init__(self, running: Running, phone: Phone) -> None:
        super().__init__(running)
        self.headers = {"Authorization": f"Bearer {phone.token}", "Tus-Resumable": "1.0.0"}
        self.delivered: list[bytes] = []
        self.photo = self._another()
        self.told = 0

    def _another(self) -> bytes:
        return b"\xff\xd8\xff\xe0" + random.randbytes(300_000)

    def is_done(self) -> bool:
        return self.told == 0 and bool(self.delivered)

    def send(self, http: httpx.Client) -> None:
        digest = hashlib.sha256(self.photo).hexdigest()
        metadata = "sha256 " + base64.b64encode(digest.encode()).decode()
        more = {"Upload-Length": str(len(self.photo)), "Upload-Metadata": metadata}
        brought = b""
        if self.told == 0 and random.random() < 0.5:
            brought = self.photo
            more["Content-Type"] = "application/offset+octet-stream"
        begun = http.post("/sync/v1/uploads", headers=self.headers | more, content=brought)
        assert begun.status_code == 201, begun.text
        offset = int(begun.headers["Upload-Offset"])
        assert offset >= (self.told or len(brought)), "what was acknowledged is there after the kill"
        while offset < len(self.photo):
            self.told = offset
            piece = self.photo[offset : offset + 65_536]
            more = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            sent = http.patch(begun.headers["Location"], content=piece, headers=self.headers | more)
            assert sent.status_code == 204, (sent.status_code, sent.text)
            offset = int(sent.headers["Upload-Offset"])
        self.delivered.append(self.photo)
        self.photo, self.told = self._another(), 0


class Form(Sender):
    """A dispatcher who presses the button until the page says that it is done: one note, under one id."""

    def __init__(self, running: Running, ticket: str) -> None:
        super().__init__(running)
        self.address = f"/tickets/{ticket}/act/add_note"
        self.acknowledged: list[str] = []
        self.operation = new_id()

    def is_done(self) -> bool:
        return bool(self.acknowledged)

    def send(self, http: httpx.Client) -> None:
        fields = {"csrf": CSRF, "operation_id": self.operation, "base_version": "0", "text": self.operation}
        answer = http.post(self.address, data=fields, headers={"Cookie": f"{SESSION_COOKIE}={SESSION}"})
        assert answer.status_code == 303, (answer.status_code, re.sub(r"<[^>]*>", " ", answer.text)[:500])
        self.acknowledged.append(self.operation)
        self.operation = new_id()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextmanager
def opened(data: Path) -> Iterator[Storage]:
    storage = Storage.open(Settings(data=data).database)
    try:
        yield storage
    finally:
        storage.close()


def sign_in(storage: Storage) -> None:
    now = milliseconds(SystemClock().now())
    token = hashlib.sha256(SESSION.encode()).hexdigest()
    storage.write_now(lambda writing: writing.people.begin_session(token, LIN.id, CSRF, now, now + 3_600_000))


def test_whatever_was_acknowledged_before_a_kill_is_there_once_after_it(data: Path) -> None:
    clock: Any = SystemClock()
    with opened(data) as storage:
        office = Office(storage, clock, None)  # type: ignore[arg-type]
        sign_in(storage)
        tickets = [office.assigned(person) for person in (CHEN, WANG)]
        phones = [office.phone(person) for person in (CHEN, WANG)]
    running = Running()
    telephones = [Telephone(running, phone, ticket) for phone, ticket in zip(phones, tickets, strict=True)]
    camera, form = Camera(running, phones[0]), Form(running, tickets[0])
    senders: list[Sender] = [*telephones, camera, form]
    for turn in range(KILLS + 1):
        with serving(data) as (running.address, process):
            if turn == 0:
                for sender in senders:
                    sender.thread.start()
            if turn < KILLS:
                time.sleep(random.uniform(0.3, 0.9))
                process.send_signal(signal.SIGKILL)
                process.wait()
                running.address = ""  # the system gives its port to anybody, another test's office included
                _is_sound_as_left(data)
                continue
            running.is_over = True
            for sender in senders:
                sender.thread.join(PATIENCE_SECONDS)
                assert sender.fault is None, sender.fault
                assert not sender.thread.is_alive(), sender
    _is_sound(data / "doorstep.db")
    with opened(data) as storage:
        office = Office(storage, clock, None)  # type: ignore[arg-type]
        for telephone in telephones:
            _holds_the_journal(storage, telephone)
            texts = [note.text for note in office.ticket(telephone.ticket).notes if note.text.startswith("note ")]
            assert texts == [f"note {at + 1}" for at in range(len(telephone.journal.raw))]
            assert telephone.acknowledged <= set(telephone.journal.ids)
        counted = Counter(note.text for note in office.ticket(tickets[0]).notes)
        assert form.acknowledged
        assert all(counted[operation] == 1 for operation in form.acknowledged)
        assert max(counted.values()) == 1
    assert camera.delivered
    for photo in camera.delivered:
        digest = hashlib.sha256(photo).hexdigest()
        assert (data / "photos" / digest[:2] / digest).read_bytes() == photo


def test_what_a_killed_office_had_only_written_is_flushed_before_anybody_hears_of_it(data: Path) -> None:
    """SQLite's log comes into the database only after it was flushed: afterwards it is there without its log."""
    killed = data / "killed"
    killed.mkdir(parents=True)
    with opened(data) as storage:
        storage.write_now(lambda writing: writing.people.save(CHEN, 0))
        for name in ("doorstep.db", "doorstep.db-wal"):
            shutil.copy(data / name, killed / name)
    with opened(killed):
        shutil.copy(killed / "doorstep.db", data / "alone.db")
    with sqlite3.connect(data / "alone.db") as alone:
        assert alone.execute("SELECT id FROM people").fetchall() == [(CHEN.id,)]
    alone.close()


def _holds_the_journal(storage: Storage, telephone: Telephone) -> None:
    """Every operation in its place with its own bytes, and the feed without a gap."""
    entries = storage.read_now(lambda reading: reading.journal.after(0, 1_000_000))
    assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
    own = [entry for entry in entries if entry.device == telephone.journal.device]
    assert [entry.raw for entry in own] == telephone.journal.raw
    head = storage.write_now(lambda writing: writing.journal.head(telephone.journal.device))
    assert head.received_through == len(own)
    assert head.last_hash == wire.hash_of(own[-1].raw)
    assert head.broken_at is None
    office = [entry.sequence for entry in entries if entry.device == OFFICE]
    assert office == list(range(1, len(office) + 1))


def _is_sound_as_left(data: Path) -> None:
    """Right after a kill, as a copy: what has to be mended is left to the server that comes next."""
    with tempfile.TemporaryDirectory() as folder:
        for left in ("doorstep.db", "doorstep.db-wal"):
            if (data / left).exists():
                shutil.copy(data / left, folder)
        _is_sound(Path(folder) / "doorstep.db")


def _is_sound(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
