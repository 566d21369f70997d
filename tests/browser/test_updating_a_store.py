"""A newer app changes the store in a real browser's file system: with a copy, and back again where it fails."""

from collections.abc import Callable

from tests.browser.worker import do_in_python, in_python
from tools.driving import AppOnScreen, Chromium, Office, until

FIND = """
from pathlib import Path
from field_app.main import _phones
phone = _phones["browser"]
path, copy = Path("/doorstep/doorstep.db"), Path("/doorstep/doorstep.db-copy")
"""

BACK_TO_THE_OLD_FORM = """
from sqlite_utils import Migrations
from field_app.store import Store, UpdateFailed, migrations as steps
phone.syncing.cancel()
phone.actions.add_note(phone.store.tickets()[0].id, "旧版本里写的")
old = phone.store._file._connection
for statement in (
    "DROP INDEX journal_undealt",
    "DROP TABLE corrections",
    "ALTER TABLE journal DROP COLUMN dealt_as",
    "ALTER TABLE journal DROP COLUMN dealt_by",
    "DELETE FROM _sqlite_migrations WHERE name = 'refusals_dealt_with'",
):
    old.execute(statement)
flush = phone.device.persistence.flush
flush()
phone.store.close()
before = path.read_bytes()
"""

AN_UPDATE_THAT_FAILS = """
def fails(database):
    database.execute("CREATE TABLE colours (name TEXT)")
    database.execute("DROP TABLE drafts")
    raise ValueError("a mistake of ours")
newer = Migrations("field_app")
newer()(steps.first_tables)
newer(name="refusals_dealt_with")(fails)
good, steps.migrations = steps.migrations, newer
try:
    Store.open(str(path), flush, room_bytes=phone.device.persistence.room_bytes)
    told = "opened"
except Exception as fault:
    told = type(fault).__name__
steps.migrations = good
"""


def test_an_update_keeps_a_copy_in_the_browser_until_it_has_proven_itself(
    office: Office, open_browser: Callable[..., Chromium]
) -> None:
    """The first attempt goes wrong and leaves the store as it was; the second goes well and is killed before any round.
    The app finds everything, brings it to the office, and only then lets the copy go."""
    browser = open_browser("technician")
    phone = AppOnScreen(browser.start())
    phone.open(office.enrolment_link("t-chen"))
    phone.see("today")
    until(lambda: phone.identifiers("ticket-"), "a ticket")
    phone.can_open_offline()
    office.stop()
    do_in_python(phone, FIND + BACK_TO_THE_OLD_FORM)
    assert in_python(phone, "copy.exists()") is False
    do_in_python(phone, AN_UPDATE_THAT_FAILS)
    assert in_python(phone, "told") == "UpdateFailed"
    assert in_python(phone, "path.read_bytes() == before")
    assert in_python(phone, "before in copy.read_bytes()")
    do_in_python(phone, "store = Store.open(str(path), flush)")
    assert in_python(phone, "[entry.envelope.operation.text for entry in store.waiting()]") == ["旧版本里写的"]
    browser.kill()

    phone = AppOnScreen(browser.start())
    phone.open(f"{office.address}/app/")
    phone.see("today")
    do_in_python(phone, FIND)
    assert in_python(phone, "copy.stat().st_size") > 100_000
    assert in_python(phone, "phone.store.counts().operations") == 1
    office.start()
    do_in_python(phone, "phone.engine.wake()")
    until(lambda: in_python(phone, "not copy.exists() or copy.stat().st_size == 0"), "the copy is gone")
    assert in_python(phone, "phone.store.counts().operations") == 0
