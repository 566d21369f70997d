"""Rescue files: what a phone still held comes to the office in a file, and what came of it is said."""

import asyncio
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from litestar import Request, Response, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from msgspec import Struct

from shared_schema import wire
from shared_schema.wire import Unreadable
from sync_server.clock import moment
from sync_server.dispatch.forms import files, texts
from sync_server.dispatch.pages import long_page, looked_at
from sync_server.dispatch.reader import Reader
from sync_server.problems import form_of
from sync_server.services.live import Live
from sync_server.services.photo_files import OutOfRoom
from sync_server.services.rescue import MAY_VOUCH, RescueDesk, RescueRefused, RescueReport
from sync_server.settings import Settings
from sync_server.storage import Reading, Storage
from sync_server.storage.rescues import Rescue

RESCUE_BYTES = 2 * 2**30
"""Far more than a phone that has not been online for a month holds."""

_FORM_BYTES = 2**20
"""What a form may have beside its file."""
_SHOWN = 100


class TakenIn(Struct, frozen=True):
    """A rescue file that was taken in, with what was in it."""

    at: datetime
    by: str
    person: str
    device: str
    made_at: datetime
    size_mb: float
    report: RescueReport


def _taken_in(reading: Reading) -> list[TakenIn]:
    rescues = reading.rescues.taken_in(newest=_SHOWN)
    devices = {device.id: device for device in reading.people.devices()}
    names = reading.people.named({each.taken_in_by for each in rescues})
    return [
        TakenIn(
            at=moment(each.taken_in_at_ms),
            by=names.get(each.taken_in_by, each.taken_in_by),
            person=devices[each.device].person_name if each.device in devices else report.person,
            device=devices[each.device].name if each.device in devices else each.device,
            made_at=moment(each.made_at_ms),
            size_mb=each.size_bytes / 1e6,
            report=report,
        )
        for each, report in ((each, _report(each)) for each in rescues)
    ]


def _report(rescue: Rescue) -> RescueReport:
    report = wire.decode(rescue.report, RescueReport)
    assert not isinstance(report, Unreadable), report
    return report


async def _page(
    reader: Reader,
    storage: Storage,
    *,
    report: RescueReport | None = None,
    refusal: str = "",
    may_vouch: bool = False,
    status_code: int = 200,
) -> Response[Any]:
    taken = await storage.read(_taken_in)
    return await long_page(
        "rescue.html",
        reader,
        here="rescue",
        status_code=status_code,
        taken=taken,
        report=report,
        newest=taken[0] if report else None,
        refusal=refusal,
        may_vouch=may_vouch,
        limit=reader.display.number(RESCUE_BYTES // 2**30),
    )


@looked_at("/rescue")
async def rescue_page(reader: NamedDependency[Reader], storage: NamedDependency[Storage]) -> Response[Any]:
    return await _page(reader, storage)


@post("/rescue", include_in_schema=False, request_max_body_size=RESCUE_BYTES + _FORM_BYTES)
async def take_in(
    request: Request[Any, Any, Any],
    reader: NamedDependency[Reader],
    rescue: NamedDependency[RescueDesk],
    storage: NamedDependency[Storage],
    settings: NamedDependency[Settings],
    live: NamedDependency[Live],
) -> Response[Any]:
    data = await form_of(request)  # the file is on disk by now, in a temporary file of its own
    chosen = files(data, "file")
    if not chosen:
        return await _page(reader, storage, refusal=reader.words("rescue.choose"), status_code=422)
    vouched = texts(data).get("vouched") == "1"
    try:
        result = await _take_in(chosen[0], rescue, reader, settings.data, vouched=vouched)
    except OutOfRoom:
        return await _page(reader, storage, refusal=reader.words("rescue.refused.no_room"), status_code=507)
    if isinstance(result, RescueRefused):
        refusal = reader.words(f"rescue.refused.{result.code}")
        may_vouch = result.code == "not-vouched-for" and reader.person.role in MAY_VOUCH
        return await _page(reader, storage, refusal=refusal, may_vouch=may_vouch, status_code=422)
    live.devices_changed()  # drafts move no feed
    return await _page(reader, storage, report=result)


async def _take_in(
    chosen: UploadFile, rescue: RescueDesk, reader: Reader, folder: Path, *, vouched: bool
) -> RescueReport | RescueRefused:
    """Raises OutOfRoom."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="rescue-") as copy:
        await asyncio.to_thread(_copy, chosen.file, copy)
        return await rescue.take_in(Path(copy.name), reader.person, vouched=vouched)


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    source.seek(0)
    try:
        shutil.copyfileobj(source, target, 2**20)
        target.flush()
    except OSError as fault:
        raise OutOfRoom from fault


route_handlers = [rescue_page, take_in]
