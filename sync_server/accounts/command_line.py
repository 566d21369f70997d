"""`doorstep enrol` and `doorstep people …`: what an administrator does from a terminal, also while the server runs.

`add_commands` hangs them into the parser of __main__; each command is a function (arguments, settings) → exit status.
"""

import argparse
import asyncio
import getpass
import secrets
import sys
from collections.abc import Callable, Coroutine
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import segno

from shared_schema.identifiers import PersonId
from shared_schema.lifecycle import Role
from sync_server.accounts.accounts import SHORTEST_PASSWORD, Accounts, PasswordUnfit
from sync_server.clock import SystemClock
from sync_server.services.backups import opened
from sync_server.settings import Settings
from sync_server.storage import Storage
from sync_server.storage.people import LoginTaken, Person

_DONE = 0
_FAILED = 1


class _Refused(Exception):
    """Said to the administrator in one line; nothing was changed."""


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", where: Callable[[argparse.ArgumentParser], None]
) -> None:
    """`where` adds the options that say which office is meant."""
    enrol = commands.add_parser(
        "enrol",
        help="let somebody's phone in: print a link and a QR code",
        description="Print the link that enrols one phone for this person. It works once, within 15 minutes.",
    )
    enrol.add_argument("person", help="id, sign-in name or work number")
    _prepare(enrol, where, _enrol)

    people = commands.add_parser("people", help="list and add people, set their passwords")
    tasks = people.add_subparsers(title="commands", metavar="command", required=True)

    listing = tasks.add_parser("list", help="everybody who works here, and their phones")
    listing.add_argument("--role", choices=[role.value for role in Role])
    _prepare(listing, where, _list)

    add = tasks.add_parser(
        "add",
        help="add somebody, or change what is known of them",
        description="Add somebody. For somebody known already, what is given replaces what was known.",
    )
    add.add_argument("person", help="their id: small letters, digits and hyphens, such as t-chen")
    add.add_argument("--role", choices=[role.value for role in Role])
    add.add_argument("--name", help="as it stands on the work credential")
    add.add_argument("--login", help="the name to sign in with at the desk")
    add.add_argument("--number", help="work number")
    add.add_argument("--phone", help="telephone number")
    add.add_argument("--skill", action="append", dest="skills", help="may be given several times")
    add.add_argument("--credential-until", type=date.fromisoformat, metavar="YYYY-MM-DD")
    add.add_argument("--language", choices=["zh-CN", "en"])
    add.add_argument("--portrait", type=Path, metavar="FILE", help="JPEG for the work credential")
    _password_options(add)
    _prepare(add, where, _add)

    password = tasks.add_parser("password", help="set a password; whoever is signed in with the old one is signed out")
    password.add_argument("person", help="id, sign-in name or work number")
    _password_options(password)
    _prepare(password, where, _password)

    leave = tasks.add_parser("leave", help="somebody no longer works here: no sign-in, no sync; their work stays")
    leave.add_argument("person", help="id, sign-in name or work number")
    _prepare(leave, where, _leave)


_Task = Callable[[argparse.Namespace, Accounts, Storage], Coroutine[Any, Any, None]]


def _prepare(parser: argparse.ArgumentParser, where: Callable[[argparse.ArgumentParser], None], task: _Task) -> None:
    where(parser)
    parser.set_defaults(run=lambda arguments, settings: _run(task, arguments, settings))


def _password_options(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--generate-password", action="store_true", help="make one and print it")
    how.add_argument("--password-from-stdin", action="store_true", help="read it from the first line of standard input")


def _run(task: _Task, arguments: argparse.Namespace, settings: Settings) -> int:
    storage = opened(settings)
    accounts = Accounts(storage, settings, SystemClock())
    try:
        asyncio.run(task(arguments, accounts, storage))
    except _Refused as refused:
        sys.stderr.write(f"doorstep: {refused}\n")
        return _FAILED
    except PasswordUnfit as unfit:
        sys.stderr.write(f"doorstep: {unfit}\n")
        return _FAILED
    except LoginTaken as taken:
        sys.stderr.write(f"doorstep: somebody else signs in as {taken}\n")
        return _FAILED
    finally:
        accounts.close()
        storage.close()
    return _DONE


async def _enrol(arguments: argparse.Namespace, accounts: Accounts, storage: Storage) -> None:
    person = await _find(storage, arguments.person)
    offer = await accounts.offer_enrolment(person.id, by=None)
    if offer is None:
        raise _Refused(f"{person.name} ({person.id}) no longer works here")
    _say(f"{person.name} ({person.id}): open this on the phone before {offer.expires_at.astimezone():%H:%M}, once.")
    _say(offer.url)
    segno.make(offer.url, error="m", micro=False).terminal(sys.stdout, compact=True)
    sys.stdout.flush()


async def _list(arguments: argparse.Namespace, accounts: Accounts, _storage: Storage) -> None:
    role = Role(arguments.role) if arguments.role else None
    phones: dict[str, list[str]] = {}
    for device in await accounts.devices():
        if device.revoked_at is None:
            phones.setdefault(device.person, []).append(device.name or device.id)
    for person in await accounts.people(role):
        columns = (person.id, person.role.value, person.name, person.login or "-", person.number or "-")
        _say("\t".join((*columns, ", ".join(phones.get(person.id, [])) or "-")))


async def _add(arguments: argparse.Namespace, accounts: Accounts, storage: Storage) -> None:
    try:
        person_id = msgspec.convert(arguments.person, PersonId)
    except msgspec.ValidationError:
        raise _Refused("an id has small letters, digits and hyphens, 64 at most") from None
    known = await storage.read(lambda reading: reading.people.person(person_id))
    if known is None:
        if not arguments.role or not arguments.name:
            raise _Refused(f"{person_id} is new: --role and --name are needed")
        known = Person(id=person_id, role=Role(arguments.role), name=arguments.name)
    names = ("name", "login", "number", "phone", "skills", "credential_until", "language")
    given = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    if arguments.role:
        given["role"] = Role(arguments.role)
    if "skills" in given:
        given["skills"] = tuple(given["skills"])
    password = _chosen_password(arguments) if _password_is_given(arguments) else None
    portrait = _read(arguments.portrait) if arguments.portrait else None
    person = msgspec.structs.replace(known, **given, active=True)
    await accounts.add_person(person, password=password, portrait=portrait)
    _say(f"{person.id}: {person.name}, {person.role.value}")


async def _password(arguments: argparse.Namespace, accounts: Accounts, storage: Storage) -> None:
    person = await _find(storage, arguments.person)
    await accounts.set_password(person.id, _chosen_password(arguments))
    if person.login is None:
        _say(f"{person.name} has no name to sign in with yet: doorstep people add {person.id} --login …")


async def _leave(arguments: argparse.Namespace, accounts: Accounts, storage: Storage) -> None:
    person = await _find(storage, arguments.person)
    await accounts.add_person(msgspec.structs.replace(person, active=False))
    _say(f"{person.name} ({person.id}) can no longer sign in or sync")


async def _find(storage: Storage, wanted: str) -> Person:
    everybody = await storage.read(lambda reading: reading.people.everybody())
    found = [person for person in everybody if wanted in {person.id, person.login, person.number}]
    if len(found) != 1:
        raise _Refused(f"{'nobody' if not found else 'more than one person'} is known as {wanted}")
    return found[0]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise _Refused(f"{file}: {fault.strerror}") from fault


def _password_is_given(arguments: argparse.Namespace) -> bool:
    return bool(arguments.generate_password or arguments.password_from_stdin)


def _chosen_password(arguments: argparse.Namespace) -> str:
    if arguments.generate_password:
        password = secrets.token_urlsafe(12)
        _say(f"password: {password}")
        return password
    if arguments.password_from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"new password ({SHORTEST_PASSWORD} characters or more): ")
    if getpass.getpass("once more: ") != password:
        raise _Refused("the two are not the same")
    return password


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
