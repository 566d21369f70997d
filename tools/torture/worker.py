"""A technician's phone as a process: the app's own store, engine and actions, at work without a pause.

    python -m tools.torture.worker work FILE ADDRESS --seed 7

What has been saved is said on standard output, one line each, after the action has returned and never before:
`saved <operation id> <SHA-256 of the photo, or ->`. `enrol` lets the phone in; `deliver` runs one whole exchange with
the office and says what is left, without recording anything.
"""

import argparse
import asyncio
import hashlib
import os
import random
import sys
from pathlib import Path

from field_app.actions import Actions, Saved
from field_app.device.desktop import DesktopDevice
from field_app.state.phone import Phone
from field_app.store import Identity
from shared_schema.evidence import PhotoSlot, Signature, Statement
from shared_schema.lifecycle import Status
from shared_schema.rejections import Rejection
from shared_schema.ticket import Ticket

PAUSE_SECONDS = 0.02
"""Between two entries, on average."""
_PHOTO_BYTES = (2_000, 2_000, 2_000, 20_000, 20_000, 20_000, 120_000, 500_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", choices=["enrol", "work", "deliver"])
    parser.add_argument("store", type=Path)
    parser.add_argument("office")
    parser.add_argument("--key", default="")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    phone = await Phone.open(DesktopDevice(arguments.store, arguments.office))
    _say("up")
    match arguments.task:
        case "enrol":
            identity = await phone.engine.enrol(arguments.key, "手机")
            if not isinstance(identity, Identity):
                sys.stderr.write(f"not enrolled: {identity}\n")
                return 1
            await phone.engine.run_round()
        case "deliver":
            outcome = await phone.engine.run_round()
            counts = phone.store.counts()
            sys.stderr.write(f"{outcome}\n")
            _say(f"left {counts.operations} {counts.photos}")
        case _:
            phone.keep_in_sync()
            await _work(phone, random.Random(arguments.seed))  # noqa: S311 - dice, not secrets
    return 0


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


async def _work(phone: Phone, dice: random.Random) -> None:
    tickets = [ticket.id for ticket in phone.store.tickets()]
    while True:
        await asyncio.sleep(dice.expovariate(1 / PAUSE_SECONDS))
        ticket = phone.store.ticket(dice.choice(tickets))
        assert ticket is not None, "no ticket leaves this phone"
        saved, photo = _enter(phone.actions, ticket, dice)
        if isinstance(saved, Saved):
            (operation_id,) = saved.operation_ids
            _say(f"saved {operation_id} {photo}")


def _enter(actions: Actions, ticket: Ticket, dice: random.Random) -> tuple[object, str]:
    luck = dice.random()
    if luck < 0.07:
        data = b"\xff\xd8\xff\xe0" + dice.randbytes(dice.choice(_PHOTO_BYTES))
        slot = dice.choice([PhotoSlot.BEFORE, PhotoSlot.AFTER])
        return actions.add_photo(ticket.id, data, slot), hashlib.sha256(data).hexdigest()
    if luck < 0.65:
        text = f"记 {dice.getrandbits(32):08x} " + "整流器" * dice.choice([0, 0, 1, 10, 200])
        return actions.add_note(ticket.id, text), "-"
    return _move(actions, ticket, dice), "-"


def _move(actions: Actions, ticket: Ticket, dice: random.Random) -> Saved | Rejection | None:
    match ticket.status:
        case Status.ASSIGNED:
            return actions.accept(ticket.id)
        case Status.ACCEPTED:
            return actions.start_travel(ticket.id)
        case Status.TRAVELLING:
            return actions.arrive(ticket.id)
        case Status.ARRIVED if ticket.credential_shown_at is None:
            return actions.show_credential(ticket.id)
        case Status.ARRIVED:
            return actions.confirm_problem(ticket.id, "整流器老化")
        case Status.WORKING if dice.random() < 0.5:
            return actions.wait_for(ticket.id, "等配件")
        case Status.WORKING:
            return actions.finish_work(ticket.id, "整流器老化", "更换整流器")
        case Status.WAITING | Status.OBJECTED:
            return actions.resume_work(ticket.id)
        case Status.WORK_DONE if dice.random() < 0.8:
            return actions.raise_objection(ticket.id, _statement(ticket), "灯还是闪")
        case Status.WORK_DONE:
            strokes = ((dice.randrange(1000), dice.randrange(400)), (dice.randrange(1000), dice.randrange(400)))
            return actions.sign_off(ticket.id, _statement(ticket), "何女士", 5, "", Signature(1000, 400, (strokes,)))
        case _:
            return None


def _statement(ticket: Ticket) -> Statement:
    photos = tuple(photo.sha256 for photo in ticket.photos)[:200]
    return Statement("zh-CN", f"发现：{ticket.found}\n完成：{ticket.done}", ticket.found, ticket.done, photos)


if __name__ == "__main__":
    sys.exit(main())
