"""Technicians and their phones: cards, the day's visits, enrolling by QR code, what phones still hold, revoking."""

import asyncio
import io
from datetime import datetime
from typing import Any

import segno
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from markupsafe import Markup
from msgspec import Struct

from shared_schema.lifecycle import Role
from sync_server.accounts import Accounts, DeviceRow, Person
from sync_server.clock import Clock, moment
from sync_server.dispatch.acting import CertificateState, certificate_states
from sync_server.dispatch.forms import Form, texts
from sync_server.dispatch.pages import HEADERS, long_page, looked_at, page
from sync_server.dispatch.reader import Reader
from sync_server.problems import Problem, form_of
from sync_server.services.desk import Desk, TicketSummary
from sync_server.settings import Settings
from sync_server.storage import Storage

_LOCAL = ("http://localhost", "http://127.0.0.1", "http://[::1]")


class Card(Struct, frozen=True):
    person: Person
    certificates: list[CertificateState]
    visits: list[TicketSummary]
    devices: list[DeviceRow]


@looked_at("/technicians")
async def technicians_page(
    reader: NamedDependency[Reader], accounts: NamedDependency[Accounts], desk: NamedDependency[Desk]
) -> Response[Any]:
    people, devices = await accounts.people(Role.TECHNICIAN), await accounts.devices()
    today = reader.display.today
    days = await asyncio.gather(*(desk.day(person.id, today) for person in people))
    cards = [
        Card(
            person,
            certificate_states(person.certificates, today),
            visits,
            [device for device in devices if device.person == person.id],
        )
        for person, visits in zip(people, days, strict=True)
    ]
    template = "technicians/cards.html" if reader.target == "technicians" else "technicians/page.html"
    return await long_page(template, reader, here="technicians", technicians=cards)


@looked_at("/devices")
async def devices_page(reader: NamedDependency[Reader], accounts: NamedDependency[Accounts]) -> Response[Any]:
    template = "device_table.html" if reader.target == "devices" else "devices.html"
    return await long_page(template, reader, here="devices", devices=await accounts.devices())


# -- enrolling --------------------------------------------------------------------------------------------------------


class Offer(Struct, frozen=True):
    """An enrolment being offered on somebody's screen."""

    mark: str
    state: str
    """open, used or expired"""
    expires_at: datetime
    minutes_left: int = 0
    url: str = ""
    qr: Markup = Markup()
    needs_https: bool = False
    device_name: str = ""


async def _technician(person_id: str, accounts: Accounts) -> Person:
    person = await accounts.person(person_id)
    if person is None or person.role is not Role.TECHNICIAN or not person.active:
        raise Problem("not-found")
    return person


@looked_at("/technicians/{person_id:str}/enrol")
async def enrol_page(
    person_id: FromPath[str], reader: NamedDependency[Reader], accounts: NamedDependency[Accounts]
) -> Response[Any]:
    technician = await _technician(person_id, accounts)
    return page("technicians/enrol.html", reader, here="technicians", technician=technician, offer=None)


@post("/technicians/{person_id:str}/enrol", include_in_schema=False, request_max_body_size=64_000)
async def offer_enrolment(
    person_id: FromPath[str],
    reader: NamedDependency[Reader],
    accounts: NamedDependency[Accounts],
    settings: NamedDependency[Settings],
    clock: NamedDependency[Clock],
) -> Response[Any]:
    technician = await _technician(person_id, accounts)
    offer = await accounts.offer_enrolment(person_id, reader.person)
    if offer is None:
        raise Problem("not-found")
    shown = Offer(
        mark=offer.mark,
        state="open",
        expires_at=offer.expires_at,
        minutes_left=_minutes(offer.expires_at, clock.now()),
        url=offer.url,
        qr=_qr(offer.url),
        needs_https=not settings.address.startswith(("https://", *_LOCAL)),
    )
    return page("technicians/enrol.html", reader, here="technicians", technician=technician, offer=shown)


@looked_at("/technicians/{person_id:str}/enrol/{mark:str}")
async def enrolment_state(
    person_id: FromPath[str],
    mark: FromPath[str],
    reader: NamedDependency[Reader],
    accounts: NamedDependency[Accounts],
    clock: NamedDependency[Clock],
) -> Response[Any]:
    """Asked by the page with the QR code; 204 while nobody has used it."""
    technician = await _technician(person_id, accounts)
    offered = await accounts.offer_made(mark)
    if offered is None or offered.person.id != person_id:
        raise Problem("not-found")
    expires_at = moment(offered.expires_at_ms)
    if offered.used_at_ms is not None:
        names = {device.id: device.name for device in await accounts.devices(person_id)}
        shown = Offer(mark=mark, state="used", expires_at=expires_at, device_name=names.get(offered.device or "", ""))
    elif clock.now() >= expires_at:
        shown = Offer(mark=mark, state="expired", expires_at=expires_at)
    else:
        return Response(None, status_code=204, headers=HEADERS)
    return page("technicians/offer.html", reader, technician=technician, offer=shown)


def _minutes(until: datetime, now: datetime) -> int:
    return max(0, -(-int((until - now).total_seconds()) // 60))


def _qr(url: str) -> Markup:
    """Dark on white in both themes: a camera expects it so."""
    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        drawn,
        kind="svg",
        xmldecl=False,
        svgns=False,
        nl=False,
        border=4,
        omitsize=True,
        svgclass="qr-code",
        lineclass=None,
        dark="#000",
        light="#fff",
    )
    return Markup(drawn.getvalue().decode())  # noqa: S704 - segno's own drawing: only coordinates in it


# -- revoking ---------------------------------------------------------------------------------------------------------


async def _device(device_id: str, accounts: Accounts) -> DeviceRow:
    for device in await accounts.devices():
        if device.id == device_id:
            return device
    raise Problem("not-found")


@looked_at("/devices/{device_id:str}/revoke")
async def revoke_page(
    device_id: FromPath[str], reader: NamedDependency[Reader], accounts: NamedDependency[Accounts]
) -> Response[Any]:
    device = await _device(device_id, accounts)
    return page("revoke.html", reader, here="devices", device=device, form=Form({}, reader.words))


@post("/devices/{device_id:str}/revoke", include_in_schema=False, request_max_body_size=64_000)
async def revoke(
    request: Request[Any, Any, Any],
    device_id: FromPath[str],
    reader: NamedDependency[Reader],
    accounts: NamedDependency[Accounts],
) -> Response[Any]:
    device = await _device(device_id, accounts)
    form = Form(texts(await form_of(request)), reader.words)
    reason = form.line("reason", required=True)
    if form.faults:
        return page("revoke.html", reader, here="devices", status_code=422, device=device, form=form)
    await accounts.revoke(device.id, reader.person, reason)
    return Redirect("/devices", status_code=303)


# -- the price list, and faces ----------------------------------------------------------------------------------------


@looked_at("/prices")
async def prices_page(reader: NamedDependency[Reader], storage: NamedDependency[Storage]) -> Response[Any]:
    prices = await storage.read(lambda reading: reading.prices.all())
    return await long_page("prices.html", reader, here="prices", prices=prices)


route_handlers = [
    technicians_page,
    devices_page,
    enrol_page,
    offer_enrolment,
    enrolment_state,
    revoke_page,
    revoke,
    prices_page,
]
