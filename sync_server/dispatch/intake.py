"""Taking a request: the form for a new ticket, and the tickets that may be about the same thing while it is typed."""

from datetime import date
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Redirect

from shared_schema.apply import Filing
from shared_schema.lifecycle import Channel, Kind
from shared_schema.operations import CreateTicket
from shared_schema.ticket import Ticket
from sync_server.accounts import Accounts, access_ticket
from sync_server.clock import Clock
from sync_server.dispatch.acting import new_id
from sync_server.dispatch.acts import customer_typed, customer_values, product_typed, product_values
from sync_server.dispatch.forms import Form, all_texts, files, texts
from sync_server.dispatch.pages import looked_at, page
from sync_server.dispatch.reader import Reader
from sync_server.dispatch.ticket_pages import PHOTOS_BYTES, add_photos, photos_typed
from sync_server.problems import form_of
from sync_server.services.desk import Desk, TicketSummary
from sync_server.services.photo_files import PhotoFiles, Stored

_SHOWN = 8
"""More tickets of one customer than this are not told apart at a glance."""


async def _intake(
    reader: Reader,
    desk: Desk,
    form: Form,
    similar: list[TicketSummary],
    *,
    kept_photos: list[str] | None = None,
    refusal: str = "",
    status_code: int = 200,
) -> Response[Any]:
    return page(
        "intake.html",
        reader,
        here="tickets",
        status_code=status_code,
        form=form,
        similar=similar[:_SHOWN],
        refusal=refusal,
        kept_photos=kept_photos or [],
        kinds=[kind.value for kind in Kind],
        channels=[channel.value for channel in Channel],
        regions=await desk.regions(),
    )


@looked_at("/tickets/new")
async def intake_page(
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
    clock: NamedDependency[Clock],
    linked: FromQuery[str] = "",
) -> Response[Any]:
    values = {"operation_id": new_id(clock), "ticket_id": new_id(clock), "channel": Channel.PHONE.value}
    numbered = await desk.ticket_numbered(linked[:200]) if linked else None
    origin = access_ticket(reader.person, numbered) if numbered is not None else None
    if origin is not None:
        await accounts.note_views(reader.person, [origin.id], "intake")
        values |= (
            {"linked": origin.number, "linked_from": origin.number}
            | customer_values(origin.customer)
            | product_values(origin.product)
        )
    return await _intake(reader, desk, Form(values, reader.words), [])


@looked_at("/tickets/similar")
async def similar_tickets(
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    phone: FromQuery[str] = "",
    serial: FromQuery[str] = "",
) -> Response[Any]:
    found = await desk.similar(phone=phone[:200], serial=serial[:200])
    return page("similar.html", reader, similar=found[:_SHOWN])


@post("/tickets/new", include_in_schema=False, request_max_body_size=PHOTOS_BYTES)
async def take_request(
    request: Request[Any, Any, Any],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    photo_files: NamedDependency[PhotoFiles],
    clock: NamedDependency[Clock],
) -> Response[Any]:
    data = await form_of(request)
    form = Form(texts(data), reader.words)
    for name in ("operation_id", "ticket_id"):
        form.put(name, form.identifier(name) or new_id(clock))
    photos = await photos_typed(files(data, "photos"), form, photo_files)
    photos += _kept(all_texts(data, "kept_photo"), photo_files)
    operation = await _typed(form, desk, reader.display.today)
    kept = list({photo.sha256: None for photo in photos})
    similar = await desk.similar(phone=form.value("phone")[:200], serial=form.value("serial")[:200])
    if operation is None:
        return await _intake(reader, desk, form, similar, kept_photos=kept, status_code=422)
    operation_id, ticket_id = form.value("operation_id"), form.value("ticket_id")
    verdict, _number = await desk.create(reader.person, operation, operation_id=operation_id, ticket_id=ticket_id)
    if verdict.filing is Filing.REFUSED:
        form.put("operation_id", new_id(clock))
        form.put("ticket_id", new_id(clock))
        refusal = reader.words.refusal(verdict.rejection)
        return await _intake(reader, desk, form, similar, kept_photos=kept, refusal=refusal, status_code=409)
    await add_photos(photos, ticket_id, operation_id, reader, desk)
    return Redirect(f"/tickets?chosen={ticket_id}", status_code=303)


async def _typed(form: Form, desk: Desk, today: date) -> CreateTicket | None:
    """The request as typed, or None with the faults noted on the form."""
    customer, product = customer_typed(form), product_typed(form, today)
    kind, channel = form.choice("ticket_kind", Kind), form.choice("channel", Channel)
    problem, wished_time = form.words("problem", required=True), form.line("wished_time")
    linked = await _linked(form, desk)
    if form.faults or customer is None or kind is None or channel is None:
        return None
    try:
        return msgspec.convert(
            {
                "kind": "create_ticket",
                "number": "-",
                "ticket_kind": kind,
                "channel": channel,
                "customer": customer,
                "product": product,
                "problem": problem,
                "wished_time": wished_time,
                "linked_ticket": linked.id if linked else None,
            },
            CreateTicket,
        )
    except msgspec.ValidationError:
        form.fault("problem", "fault.text")
        return None


async def _linked(form: Form, desk: Desk) -> Ticket | None:
    number = form.line("linked")
    if not number:
        return None
    found = await desk.ticket_numbered(number)
    if found is None:
        form.fault("linked", "fault.linked")
    return found


def _kept(sha256s: list[str], photo_files: PhotoFiles) -> list[Stored]:
    """Photos that came with the form before it was refused: the office has them already."""
    kept: list[Stored] = []
    for sha256 in sha256s:
        path, media_type = photo_files.path(sha256), photo_files.media_type(sha256)
        if path is not None and media_type is not None:
            kept.append(Stored(sha256, path.stat().st_size, media_type))
    return kept


route_handlers = [intake_page, similar_tickets, take_request]
