"""What goes wrong, as a table: name, how often, and what happens to the world.

Each is injected by the plan and can be left out of it, so that a failing story can be made short.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from shared_schema.sync_protocol import OLDEST_PROTOCOL, PROTOCOL
from sync_server.storage.people import LoginTaken
from tests.simulation.network import FAULTS
from tests.simulation.people import DISPATCHERS, workable
from tests.simulation.phones import RIGHT_AFTER_SAVING, WHILE_SAVING

if TYPE_CHECKING:
    from tests.simulation.phones import Phone
    from tests.simulation.world import World

Mishap = Callable[["World", "Phone", random.Random], Awaitable[bool]]
"""Whether it happened: some need an office, or a phone that is on."""


def _armed(name: str) -> Mishap:
    async def mishap(world: "World", phone: "Phone", dice: random.Random) -> bool:
        """Counted when a message meets it."""
        phone.line.armed.append((name, random.Random(dice.randbytes(8))))
        return False

    return mishap


async def _cellar(world: "World", phone: "Phone", dice: random.Random) -> bool:
    phone.line.is_up = False
    world.later(dice.uniform(5, 90), _comes_up(phone))
    return True


async def _comes_up(phone: "Phone") -> None:
    phone.line.is_up = True
    phone.device.maybe_online()


async def _hotel(world: "World", phone: "Phone", dice: random.Random) -> bool:
    phone.line.is_captive = True

    async def leaves() -> None:
        phone.line.is_captive = False

    world.later(dice.uniform(5, 40), leaves())
    return True


async def _country_road(world: "World", phone: "Phone", dice: random.Random) -> bool:
    phone.line.patience = dice.uniform(10, 150)

    async def leaves() -> None:
        phone.line.patience = 1.0

    world.later(dice.uniform(20, 90), leaves())
    return True


# -- phones -----------------------------------------------------------------------------------------------------------


async def _kill_phone(world: "World", phone: "Phone", dice: random.Random) -> bool:
    if phone.app is None:
        return False
    phone.kill(power_lost=False)
    return True


async def _cut_phone(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """The power goes at one of the next writes, or right now."""
    if phone.app is None:
        return False
    phone.power_was_lost = True
    phone.disk.power.fuse = dice.choice((0, dice.randrange(8), dice.randrange(60)))
    return True


async def _cut_phone_after_saving(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """Counted when it happens."""
    phone.dies_once_it_has_saved = True
    return False


async def _cut_phone_while_saving(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """Counted when it happens."""
    phone.dies_while_it_saves = True
    return False


async def _kill_phone_writing(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """The process dies between two writes; the system keeps what it was handed."""
    if phone.app is None:
        return False
    phone.power_was_lost = False
    phone.disk.power.fuse = dice.choice((dice.randrange(8), dice.randrange(60)))
    return True


async def _phone_full(world: "World", phone: "Phone", dice: random.Random) -> bool:
    phone.disk.is_full = True

    async def makes_room() -> None:
        phone.disk.is_full = False

    world.later(dice.uniform(5, 60), makes_room())
    return True


def _clock(shift: Callable[[random.Random], timedelta]) -> Mishap:
    async def mishap(world: "World", phone: "Phone", dice: random.Random) -> bool:
        phone.device.clock_wrong_by += shift(dice)
        return True

    return mishap


def _other_protocol(spoken: int) -> Mishap:
    async def mishap(world: "World", phone: "Phone", dice: random.Random) -> bool:
        phone.line.protocol = spoken

        async def updates() -> None:
            """A new version of the app is a restart."""
            phone.line.protocol = None
            if phone.app is not None:
                phone.kill(power_lost=False)

        world.later(dice.uniform(10, 120), updates())
        return True

    return mishap


async def _newer_operations(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """Poison: the office can only refuse them, one by one, and what is recorded after them must not wait for it."""
    shown = workable(phone.app.store.tickets()) if phone.app is not None else []
    if not shown:
        return False
    return await phone.records_what_only_a_newer_app_knows(dice.choice(shown).id, dice.choice((1, 3, 25)))


async def _second_tab(world: "World", phone: "Phone", dice: random.Random) -> bool:
    if phone.app is None:
        return False
    await phone.second_tab()
    return True


async def _update_app(world: "World", phone: "Phone", dice: random.Random) -> bool:
    if phone.app is None:
        return False
    await phone.updates(dice)
    return True


async def _back_up_phone(world: "World", phone: "Phone", dice: random.Random) -> bool:
    if phone.app is None:
        return False
    phone.backup = phone.disk.image()
    return True


async def _restore_phone(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """Everything on one of them as it was some time ago; its technician has not noticed, and writes on."""
    backed_up = [each for each in world.phones if each.backup is not None and each.app is not None]
    if not backed_up or world.office.process is None:
        return False
    phone = phone if phone in backed_up else dice.choice(backed_up)
    phone.switch_off()
    await asyncio.sleep(1)
    if phone.backup is not None:
        phone.disk.replace(phone.backup)
        phone.backup = None
        phone.was_restored = True
    phone.switch_on()
    begins, within = dice.uniform(2, 40), dice.choice((0.2, 2, 40))
    for number in range(dice.randrange(9)):
        world.later(begins + dice.uniform(0, within), _writes_on(phone, f"{number}"))
    return True


async def _writes_on(phone: "Phone", words: str) -> None:
    if phone.app is not None and (shown := workable(phone.app.store.tickets())):
        phone.saves(phone.app.actions.add_note(shown[0].id, f"接着 {words}"))


async def _replace_phone(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """Lost with all that is on it; the desk turns it away and hands out another."""
    if world.office.process is None or world.phones_lost >= 2:
        return False
    return await _is_lost(world, phone, dice)


async def _is_lost(world: "World", phone: "Phone", dice: random.Random) -> bool:
    if phone.is_gone or world.is_peace:
        return False
    world.phones_lost += 1
    identity = phone.app.store.identity() if phone.app else None
    phone.is_gone = True
    phone.disk.power.cut()
    world.excuse("a phone was lost")
    if identity is not None:
        await world.turns_away(identity, dice, "手机丢失")
    await world.new_phone(phone.person)
    return True


async def _rescue(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """What it holds leaves it by hand, mostly because there is no network; the desk takes it in before the phone has
    sent it, or after, once or several times."""
    if dice.random() < 0.6:
        phone.line.is_up = False
        world.later(dice.uniform(80, 200), _comes_up(phone))
        await asyncio.sleep(dice.uniform(10, 80))
    file = await phone.hands_on_a_rescue_file()
    if file is None:
        return False
    for _ in range(dice.choice((1, 1, 2, 3))):
        world.later(dice.uniform(0, 120), world.takes_in(file))
    return True


async def _replace_phone_by_file(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """As above, and some time after it was made the phone is lost."""
    if world.phones_lost >= 4 or not await _rescue(world, phone, dice):
        return False
    await asyncio.sleep(dice.uniform(0, 60))
    return await _is_lost(world, phone, dice)


async def _revoke(world: "World", phone: "Phone", dice: random.Random) -> bool:
    identity = phone.app.store.identity() if phone.app else None
    if identity is None or world.office.process is None:
        return False
    await world.turns_away(identity, dice, "离职")
    world.later(dice.uniform(5, 120), world.enrols(phone))
    return True


# -- the office -------------------------------------------------------------------------------------------------------


async def _kill_office(world: "World", phone: "Phone", dice: random.Random) -> bool:
    process = world.office.process
    if process is None:
        return False
    process.power.cut()
    return True


async def _cut_office(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """At one of the next writes, which may be in the middle of a group's commit."""
    process = world.office.process
    if process is None:
        return False
    process.power.fuse = dice.choice((0, dice.randrange(10), dice.randrange(80)))
    process.loses_power = dice.random() < 0.6
    return True


async def _slow_office(world: "World", phone: "Phone", dice: random.Random) -> bool:
    world.office.is_slow = True

    async def recovers() -> None:
        world.office.is_slow = False

    world.later(dice.uniform(5, 40), recovers())
    return True


async def _office_full(world: "World", phone: "Phone", dice: random.Random) -> bool:
    world.office.disk.is_full = True

    async def makes_room() -> None:
        world.office.disk.is_full = False

    world.later(dice.uniform(3, 30), makes_room())
    return True


async def _office_rots(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """The disk under its photos, which says nothing of it."""
    damaged = world.office.damage_a_photo(dice) if world.office.process is not None else None
    if damaged is None:
        return False
    world.ledger.damaged.add(damaged)
    return True


async def _failing_write(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """A write that its own rules undo, perhaps among good ones: somebody is to sign in under another's name."""
    somebody = replace(DISPATCHERS[1], login=DISPATCHERS[0].login)
    try:
        await world.office.do(lambda office: office.accounts.add_person(somebody))
    except LoginTaken:
        return True
    return False


async def _back_up_office(world: "World", phone: "Phone", dice: random.Random) -> bool:
    if world.office.process is None or not world.office.is_embedded:
        return False
    world.office_backup = world.office.back_up()
    return True


async def _restore_office(world: "World", phone: "Phone", dice: random.Random) -> bool:
    if world.office_backup is None or world.office.process is None or world.office.restores >= 2:
        return False
    backup, world.office_backup = world.office_backup, None
    await world.office.restore(backup)
    world.excuse("the office was put back to an old backup")
    return True


async def _update_office(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """While phones are away."""
    if world.office.process is None or not world.office.is_embedded:
        return False
    await world.office.update(dice)
    return True


async def _nights(world: "World", phone: "Phone", dice: random.Random) -> bool:
    """Everybody goes home and comes back some days later; what is over expires meanwhile."""
    await world.sleep_days(dice.choice((0.4, 0.6, 3, 9)))
    return True


DISK_ROTS = "office's disk damages a photo"

MISHAPS: dict[str, tuple[int, Mishap]] = {
    **{name: (5, _armed(name)) for name in FAULTS},
    "no network": (12, _cellar),
    "captive network": (3, _hotel),
    "slow network": (5, _country_road),
    "phone killed": (6, _kill_phone),
    "phone killed between two writes": (8, _kill_phone_writing),
    "phone lost power between two writes": (12, _cut_phone),
    WHILE_SAVING: (10, _cut_phone_while_saving),
    RIGHT_AFTER_SAVING: (10, _cut_phone_after_saving),
    "phone's storage full": (4, _phone_full),
    "phone's clock two years off": (2, _clock(lambda dice: timedelta(days=dice.choice((-730, 730))))),
    "phone's clock set back": (2, _clock(lambda dice: -timedelta(seconds=dice.randrange(1, 90_000)))),
    "phone's clock in another time zone": (2, _clock(lambda dice: timedelta(hours=dice.choice((-8, 8, 5.5))))),
    "app of an older protocol": (4, _other_protocol(OLDEST_PROTOCOL)),
    "app of a protocol that is not spoken any more": (1, _other_protocol(OLDEST_PROTOCOL - 1)),
    "app of a newer protocol": (2, _other_protocol(PROTOCOL + 1)),
    "operations that only a newer app knows": (8, _newer_operations),
    "app updated, its store changed": (5, _update_app),
    "second tab": (2, _second_tab),
    "phone backed up": (10, _back_up_phone),
    "phone restored from an old backup": (6, _restore_phone),
    "phone replaced": (1, _replace_phone),
    "rescue file made": (3, _rescue),
    "phone replaced by its rescue file": (3, _replace_phone_by_file),
    "device revoked and enrolled again": (3, _revoke),
    "office killed": (5, _kill_office),
    "office stopped between two writes": (8, _cut_office),
    "office's disk slow": (4, _slow_office),
    "office's disk full": (2, _office_full),
    DISK_ROTS: (0, _office_rots),
    "a write that fails, in a group": (6, _failing_write),
    "office backed up": (4, _back_up_office),
    "office restored from an older backup": (3, _restore_office),
    "office updated, its database changed": (3, _update_office),
    "some nights pass": (3, _nights),
}
"""Name → (how often, what happens). Never of those that are often 0: they are planned apart."""
