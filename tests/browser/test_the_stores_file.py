"""What the app in a real browser writes, cuts and flushes, kept and ended at every point: the file is never lost.

The simulation's disks say the same of a browser as opfs.js does; here the two are held against each other.
"""

import base64
import copy
import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from tests.browser.worker import do_in_python, in_python
from tests.simulation.disks import Manner, Power, SimulatedDisk
from tools.driving import AppOnScreen, Chromium, Office, until

KEEP_WHAT_IS_DONE = """() => {
  self.done = [];
  const names = new Map();
  const create = FileSystemFileHandle.prototype.createSyncAccessHandle;
  FileSystemFileHandle.prototype.createSyncAccessHandle = async function (...given) {
    const handle = await create.apply(this, given);
    names.set(handle, this.name);
    return handle;
  };
  const handles = FileSystemSyncAccessHandle.prototype;
  for (const verb of ['write', 'truncate', 'flush']) {
    const real = handles[verb];
    handles[verb] = function (...given) {
      const name = names.get(this);
      if (name && verb === 'write') {
        const bytes = new Uint8Array(given[0].buffer, given[0].byteOffset, given[0].byteLength);
        self.done.push([verb, name, given[1].at, btoa(String.fromCharCode(...bytes))]);
      } else if (name) self.done.push([verb, name, given[0] ?? 0, '']);
      return real.apply(this, given);
    };
  }
}"""

A_STORE_OF_ITS_OWN = """
import js
from field_app.device import browser
from field_app.store import Identity, Store
browser.FOLDER, browser.MOUNT_POINT = "looked-at", "/looked-at"
persistence = browser.BrowserPersistence()
path = await persistence.open()
def flush():
    persistence.flush()
    js.done.push("flushed")
store = Store.open(path, flush)
store.enrolled(Identity("device-1", "t-chen", "陈师傅", "token-1"))
for number in range(40):
    key = f"note.{number % 7}"
    if number == 20:  # more than SQLite keeps in memory: the file is written to before the commit
        store.save_draft("long", {"text": "x" * 2_300_000})
    try:
        with store._file.transaction():
            store._file.write("DELETE FROM drafts" if number == 30 else f"DELETE FROM drafts WHERE key = '{key}'")
            raise KeyError("a mistake of ours")
    except KeyError:
        pass
    store.save_draft(key, {"text": str(number) + "灯" * (number % 5) * 300})
    store.record_incident("looked-at", str(number % 3))
    js.done.push(f"{key} {number}")
store.close()
"""

A_WRITE_IN_PART = """
import os
from field_app.device import browser
browser.FOLDER, browser.MOUNT_POINT = "in-part", "/in-part"
persistence = browser.BrowserPersistence()
path = await persistence.open()
told = []
with open(f"{path}-journal", "w+b", buffering=0) as journal:
    journal.write(bytes(100))
    told.append(os.stat(f"{path}-journal").st_size)
    js.writesInPart()
    try:
        persistence.flush()
    except OSError:
        told.append(os.stat(f"{path}-journal").st_size)
await persistence.close()
again = browser.BrowserPersistence()
await again.open()
told.append(os.stat(f"{path}-journal").st_size)
"""

WRITES_IN_PART = """() => {
  self.writesInPart = () => {
    const handles = FileSystemSyncAccessHandle.prototype;
    const real = handles.write;
    handles.write = function (bytes, options) {
      handles.write = real;
      return real.call(this, bytes.subarray(0, 10), options);
    };
  };
}"""

FLUSHED = "flushed"


class Done(Struct, frozen=True):
    verb: str
    name: str
    at: int
    data: bytes


def test_what_a_browser_flushes_and_when_saves_the_file_at_every_point(
    office: Office, open_browser: Callable[..., Chromium], tmp_path: Path
) -> None:
    phone = AppOnScreen(open_browser("technician").start())
    phone.open(f"{office.address}/app/")
    phone.see("enrol")  # from now on the app leaves its own store alone
    worker = until(lambda: phone.page.workers[0] if phone.page.workers else None, "the worker Python runs in")
    worker.evaluate(KEEP_WHAT_IS_DONE)
    do_in_python(phone, A_STORE_OF_ITS_OWN)
    assert in_python(phone, "path") == "/looked-at/doorstep.db"
    done = [
        each if isinstance(each, str) else Done(each[0], each[1], each[2], base64.b64decode(each[3]))
        for each in json.loads(worker.evaluate("() => JSON.stringify(self.done)"))
    ]
    assert sum(isinstance(each, Done) and each.verb == "write" for each in done) > 1000
    flushed_as_they_are_opened = [(each.verb, each.name) for each in done[:3] if isinstance(each, Done)]
    assert flushed_as_they_are_opened == [
        ("flush", name) for name in ("doorstep.db", "doorstep.db-journal", "doorstep.db-copy")
    ]
    the_simulation_flushes_as_it_does(done)
    nothing_is_lost_wherever_it_ends(done, tmp_path, random.Random(7))


def test_what_a_browser_wrote_only_in_part_is_told_and_counts_as_no_more_than_it_is(
    office: Office, open_browser: Callable[..., Chromium]
) -> None:
    """What was held back was counted as written; then there was no room for all of it. The files are let go of all the
    same, and can be opened once more on the same page."""
    phone = AppOnScreen(open_browser("technician").start())
    phone.open(f"{office.address}/app/")
    phone.see("enrol")  # from now on the app leaves its own store alone
    worker = until(lambda: phone.page.workers[0] if phone.page.workers else None, "the worker Python runs in")
    worker.evaluate(WRITES_IN_PART)
    do_in_python(phone, "import js\n" + A_WRITE_IN_PART)
    assert in_python(phone, "told") == [100, 10, 10]


def the_simulation_flushes_as_it_does(done: Sequence[Done | str]) -> None:
    """After every write and cut as much is unflushed on the simulated disk as in the browser."""
    browser, simulated = SimulatedDisk(Power()), SimulatedDisk(Power(), Manner.BROWSER)
    for number, each in enumerate(done):
        if each == FLUSHED:
            simulated.flush()
        elif isinstance(each, Done):
            _do(browser, each)
            if each.verb != "flush":
                _do(simulated, each)
                assert _unflushed(simulated) == _unflushed(browser), number


def nothing_is_lost_wherever_it_ends(done: Sequence[Done | str], folder: Path, dice: random.Random) -> None:
    disk, said = SimulatedDisk(Power()), dict[str, int]()
    """Above all where most is unflushed: right before a flush."""
    begun = done.index("note.0 0")
    for number, each in enumerate(done):
        if isinstance(each, Done):
            _do(disk, each)
        elif each != FLUSHED:
            key, told = each.split()
            said[key] = int(told)
        following = done[min(number + 1, len(done) - 1)]
        before_flush = isinstance(following, Done) and following.verb == "flush"
        for _ in range(0 if number < begun else 3 if before_flush else dice.random() < 0.02):
            left = copy.deepcopy(disk)
            left.come_back(Power(), dice)
            found = _drafts(left.image(), folder)
            for key, value in said.items():
                assert found[key] >= value, (number, key)


def _do(disk: SimulatedDisk, each: Done) -> None:
    file = disk.open(each.name, create=True)
    match each.verb:
        case "write":
            file.write(each.at, each.data)
        case "truncate":
            file.truncate(each.at)
        case _:
            file.sync()
    file.close()


def _unflushed(disk: SimulatedDisk) -> dict[str, int]:
    return {name: len(content.unflushed) for name, content in disk.files.items() if content.unflushed}


def _drafts(image: dict[str, bytes], folder: Path) -> dict[str, int]:
    """Number in each draft, as SQLite finds them with these files. Raises sqlite3.DatabaseError."""
    for name in ("doorstep.db", "doorstep.db-journal"):
        (folder / name).write_bytes(image.get(name, b""))
    connection = sqlite3.connect(folder / "doorstep.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT key, body FROM drafts WHERE key LIKE 'note.%'")
        return {key: int(json.loads(body)["text"].rstrip("灯")) for key, body in rows}
    finally:
        connection.close()
