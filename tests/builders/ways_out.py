"""The ways by which work leaves a phone that cannot bring it: its app, and the desk where its file is taken in."""

from pathlib import Path

from field_app.state.phone import Phone as App
from sync_server.services.rescue import RescueDesk, RescueReport
from tests.builders.phones import Phone
from tests.builders.world import LIN, World


def the_app(phone: Phone) -> App:
    return App(phone.device, phone.store, phone.engine, phone.actions, phone.client)


def taken_in(world: World, file: bytes, folder: Path) -> RescueReport:
    path = folder / "brought.doorstep-rescue"
    path.write_bytes(file)
    desk = RescueDesk(world.storage, world.photo_files, world.clock, lambda: None)
    report = world.run(desk.take_in(path, LIN))
    assert isinstance(report, RescueReport), report
    return report
