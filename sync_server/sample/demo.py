"""`doorstep demo`: the sample company in the data folder, made where there is nothing yet, and how to look around.

The command line (sync_server.__main__) calls `prepare` and `greeting` and then serves as ever.
"""

import asyncio
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from shared_schema.lifecycle import Role
from sync_server.accounts import Accounts
from sync_server.clock import SystemClock
from sync_server.sample.company import COMPANY, OFFICE_PHONE
from sync_server.sample.fill import fill
from sync_server.settings import Settings
from sync_server.storage import Storage

PASSWORD_FILE = "demo-password"  # noqa: S105 — a file's name
_WORDS = "amber basil cedar clover copper fern harbor indigo juniper lantern maple olive pebble saffron silver willow"


def prepare(settings: Settings) -> Settings:
    """Have the sample company in the data folder; the settings to serve it with.

    What is there already is left as it is, whoever made it. A folder is filled beside its place and moved there when it
    is complete, so that one interrupted is made again and never half served.
    """
    plain = Settings()
    settings = replace(
        settings,
        company=COMPANY if settings.company == plain.company else settings.company,
        office_phone=settings.office_phone or OFFICE_PHONE,
    )
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.database_url:
        _fill_where_empty(settings)
    elif not _database(settings).exists():
        unfinished = settings.data / "demo-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        _fill_where_empty(replace(settings, data=unfinished))
        for made in sorted(unfinished.iterdir(), key=lambda path: path == unfinished / _database(settings).name):
            made.rename(settings.data / made.name)  # the database last: with it the folder is complete
        unfinished.rmdir()
    return settings


def _database(settings: Settings) -> Path:
    return Path(settings.database.removeprefix("sqlite:///"))


def _fill_where_empty(settings: Settings) -> None:
    storage = Storage.open(settings.database)
    try:
        if storage.read_now(lambda reading: reading.people.everybody()):
            return
        password = "-".join([*(secrets.choice(_WORDS.split()) for _ in range(3)), str(secrets.randbelow(90) + 10)])
        asyncio.run(fill(storage, settings, datetime.now(UTC), password))
        kept = settings.data / PASSWORD_FILE
        kept.touch(mode=0o600)
        kept.write_text(password, encoding="utf-8")
    finally:
        storage.close()


def greeting(settings: Settings) -> str:
    """Addresses, sign-ins, and an enrolment link for each technician's phone."""
    storage = Storage.open(settings.database)
    accounts = Accounts(storage, settings, SystemClock())
    try:
        people = storage.read_now(lambda reading: reading.people.everybody(active_only=True))
        logins = ", ".join(f"{person.login} ({person.name})" for person in people if person.login)
        lines = [
            "",
            f"{settings.company}: the sample company",
            "",
            f"  desk      {settings.address}/",
            f"            sign in as {logins}",
            f"            password  {_password(settings)}",
            "",
            "  phone     open one of these; each enrols one phone, once, within 15 minutes",
        ]
        for person in people:
            if person.role is Role.TECHNICIAN:
                offer = asyncio.run(accounts.offer_enrolment(person.id, None))
                assert offer is not None, person
                lines.append(f"            {person.name:\u3000<3}  {offer.url}")
        lines += [
            "            (more: sign in at the desk, Technicians, or `doorstep enrol`)",
            "",
            f"  data      {settings.data.resolve()} — delete it and the next `make demo` starts afresh",
            "            Ctrl-C stops the server; nothing is lost",
            "",
        ]
        return "\n".join(lines)
    finally:
        accounts.close()
        storage.close()


def _password(settings: Settings) -> str:
    try:
        return (settings.data / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "(this folder was not filled by the demo: use your own)"
