"""The tickets' pages: the live list with the chosen ticket beside it, the ticket itself, and everything done to it."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect

from shared_schema.apply import Filing
from shared_schema.evidence import PhotoSlot
from shared_schema.identifiers import TicketId
from shared_schema.lifecycle import Kind, Role
from shared_schema.operations import AddPhoto, ReviewEvidence
from shared_schema.sync_protocol import Verdict
from sync_server.accounts import Accounts, access_ticket
from sync_server.clock import Clock
from sync_server.dispatch.acting import (
    Acting,
    around,
    fresh,
    moved_on,
    new_id,
    refused,
    with_candidates,
    with_similar,
    with_ticket_named,
)
from sync_server.dispatch.acts import Act, act_of, name_for
from sync_server.dispatch.forms import Form, all_texts, files, texts
from sync_server.dispatch.late import late_on
from sync_server.dispatch.pages import HEADERS, long_page, looked_at, page
from sync_server.dispatch.reader import Reader
from sync_server.dispatch.ticket_list import list_values
from sync_server.dispatch.ticket_view import TicketView, mark_of, ticket_view
from sync_server.dispatch.wanted import wanted_in
from sync_server.problems import Problem, form_of
from sync_server.services.desk import HISTORY_PAGE, Desk, TicketFile
from sync_server.services.photo_files import NotAPicture, PhotoFiles, Stored, TooLarge

PHOTOS_BYTES = 200 * 2**20
MOST_PHOTOS = 20
MOST_EVIDENCE = 500
_LAST_PAGE = 10**9


async def file_of(ticket_id: str, reader: Reader, desk: Desk, *, history_page: int = 1) -> TicketFile:
    """The ticket as this person may see it. Raises Problem `ticket-unknown`."""
    try:
        msgspec.convert(ticket_id, TicketId)
    except msgspec.ValidationError:
        raise Problem("ticket-unknown") from None
    file = await desk.ticket(ticket_id, history_page=history_page)
    seen = access_ticket(reader.person, file.ticket) if file else None
    if file is None or seen is None:
        raise Problem("ticket-unknown")
    return msgspec.structs.replace(file, ticket=seen)


async def shown(file: TicketFile, reader: Reader, accounts: Accounts, where: str) -> dict[str, Any]:
    """What the ticket's templates need. That this person is now shown the customer's data is noted."""
    await accounts.note_views(reader.person, [file.ticket.id], where)
    return {
        "file": await _view(file, reader),
        "acting": None,
        "close_address": "/tickets",
        "fresh_id": lambda: new_id(reader.clock),
        "name_of": lambda person_id: file.names.get(person_id, person_id),
    }


async def _view(file: TicketFile, reader: Reader) -> TicketView:
    return await asyncio.to_thread(ticket_view, file, reader.words, reader.display)


# -- looking ----------------------------------------------------------------------------------------------------------


@looked_at("/tickets")
async def ticket_list(
    request: Request[Any, Any, Any],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
) -> Response[Any]:
    wanted = wanted_in(request.query_params)
    values = list_values(await desk.tickets(wanted.filter()), wanted, reader)
    if reader.target == "list":
        answer = await long_page("ticket_list.html", reader, **values)
        if request.headers.get("hx-trigger") != "list":  # not when it only brings itself up to date
            answer.headers["HX-Push-Url"] = wanted.address()
        return answer
    values |= {"file": None, "acting": None}
    if wanted.chosen and await desk.ticket(wanted.chosen):
        file = await file_of(wanted.chosen, reader, desk)
        values |= await shown(file, reader, accounts, "panel")
        values["close_address"] = wanted.address(chosen="")
    technicians = await accounts.people(Role.TECHNICIAN)
    return await long_page(
        "tickets.html",
        reader,
        here="tickets",
        kinds=[kind.value for kind in Kind],
        technicians=technicians,
        regions=await desk.regions(),
        **values,
    )


@looked_at("/tickets/{ticket_id:str}")
async def ticket_page(
    ticket_id: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
    clock: NamedDependency[Clock],
    act: FromQuery[str] = "",
    about: FromQuery[str] = "",
) -> Response[Any]:
    file = await file_of(ticket_id, reader, desk)
    values = await shown(file, reader, accounts, "page")
    wanted = act_of(act)
    if wanted is not None and wanted.possible(file.ticket):
        begun = await moved_on(fresh(wanted, file.ticket, reader, clock), file.ticket, reader, desk)
        acting = await _prepared(begun, file, reader, accounts, desk, [about])
        values["acting"] = acting if acting.may_be_sent else None
    return await long_page("ticket_page.html", reader, here="tickets", **values)


@looked_at("/tickets/{ticket_id:str}/panel")
async def ticket_panel(
    ticket_id: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
) -> Response[Any]:
    file = await file_of(ticket_id, reader, desk)
    return await long_page("panel.html", reader, **await shown(file, reader, accounts, "panel"))


@looked_at("/tickets/{ticket_id:str}/file")
async def ticket_again(
    ticket_id: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
    seen: FromQuery[str] = "",
) -> Response[Any]:
    """The open ticket anew; 204 where it is as it was seen."""
    file = await file_of(ticket_id, reader, desk)
    if mark_of(file) == seen:
        return Response(None, status_code=204, headers=HEADERS)
    return await long_page("ticket/file.html", reader, **await shown(file, reader, accounts, "live"))


@looked_at("/tickets/{ticket_id:str}/history")
async def ticket_history(
    ticket_id: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
    page_number: Annotated[str, QueryParameter(name="page")] = "",
) -> Response[Any]:
    """Every entry, HISTORY_PAGE at a time."""
    wanted = min(max(_number(page_number, 1), 1), _LAST_PAGE)
    file = await file_of(ticket_id, reader, desk, history_page=wanted)
    pages = max(1, -(-file.history_length // HISTORY_PAGE))
    if wanted > pages:
        raise Problem("not-found")
    values = await shown(file, reader, accounts, "history")
    address = f"/tickets/{file.ticket.id}/history?page="
    return await long_page(
        "history.html",
        reader,
        here="tickets",
        pages=pages,
        page_shown=wanted,
        previous_page=f"{address}{wanted - 1}" if wanted > 1 else "",
        next_page=f"{address}{wanted + 1}" if wanted < pages else "",
        **values,
    )


# -- doing ------------------------------------------------------------------------------------------------------------


async def _prepared(
    acting: Acting, file: TicketFile, reader: Reader, accounts: Accounts, desk: Desk, about: Sequence[str] = ()
) -> Acting:
    acting.about = late_on(file.ticket, file.names, reader.words).about(about)
    acting.may_be_sent = bool(acting.about) or not _wanted_act(acting.kind).about
    if acting.kind == "assign_ticket":
        return await with_candidates(acting, file.ticket, reader, accounts, desk)
    if acting.kind == "merge_duplicate":
        return await with_similar(acting, file.ticket, desk)
    return acting


def _wanted_act(kind: str) -> Act:
    act = act_of(kind)
    if act is None:
        raise Problem("not-found")
    return act


@looked_at("/tickets/{ticket_id:str}/act/{kind:str}")
async def act_form(
    ticket_id: FromPath[str],
    kind: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
    clock: NamedDependency[Clock],
    about: FromQuery[str] = "",
) -> Response[Any]:
    act = _wanted_act(kind)
    if not reader.target:  # a form's address opened in a window of its own
        asked = urlencode({"act": act.kind} | ({"about": about} if about else {}))
        return Redirect(f"/tickets/{ticket_id}?{asked}", status_code=303)
    file = await file_of(ticket_id, reader, desk)
    begun = await moved_on(fresh(act, file.ticket, reader, clock), file.ticket, reader, desk)
    acting = await _prepared(begun, file, reader, accounts, desk, [about])
    if not acting.may_be_sent:
        acting.refusal = reader.words("rejection.already_decided")
    return await long_page(f"ticket/acts/{act.template}", reader, acting=acting, file=await _view(file, reader))


@looked_at("/tickets/{ticket_id:str}/technicians")
async def technicians_of_day(
    request: Request[Any, Any, Any],
    ticket_id: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
) -> Response[Any]:
    """The technician picker for the window being typed."""
    file = await file_of(ticket_id, reader, desk)
    form = Form({name: str(value) for name, value in request.query_params.items()}, reader.words)
    acting = around(_wanted_act("assign_ticket"), file.ticket, form, reader)
    acting = await with_candidates(acting, file.ticket, reader, accounts, desk)
    return await long_page("ticket/technicians.html", reader, acting=acting)


@looked_at("/tickets/{ticket_id:str}/merge-into")
async def ticket_to_merge_into(
    ticket_id: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    into: FromQuery[str] = "",
) -> Response[Any]:
    """What is known by the number being typed."""
    file = await file_of(ticket_id, reader, desk)
    form = Form({"into": into[:200]}, reader.words)
    acting = around(_wanted_act("merge_duplicate"), file.ticket, form, reader)
    other = await with_ticket_named(form, file.ticket, desk)
    acting.into = await desk.summary(other.id) if other else None
    return page("ticket/merge_into.html", reader, acting=acting)


@post("/tickets/{ticket_id:str}/act/{kind:str}", include_in_schema=False, request_max_body_size=PHOTOS_BYTES)
async def act(
    request: Request[Any, Any, Any],
    ticket_id: FromPath[str],
    kind: FromPath[str],
    reader: NamedDependency[Reader],
    desk: NamedDependency[Desk],
    accounts: NamedDependency[Accounts],
    photo_files: NamedDependency[PhotoFiles],
    clock: NamedDependency[Clock],
) -> Response[Any]:
    wanted = _wanted_act(kind)
    file = await file_of(ticket_id, reader, desk)
    data = await form_of(request)
    form = Form(texts(data), reader.words)
    operation_id = form.identifier("operation_id") or new_id(clock)
    about = list(dict.fromkeys(all_texts(data, "about")))
    verdicts: list[Verdict] = []
    if wanted.kind == "add_photo":
        stored = await photos_typed(files(data, "photos"), form, photo_files)
        if not stored:
            form.fault("photos", "fault.photos")
        verdicts = await add_photos(stored, file.ticket.id, operation_id, reader, desk)
    elif wanted.kind == "review_evidence":
        verdicts = await _review(about, form, file.ticket.id, operation_id, reader, desk)
    else:
        if wanted.kind == "merge_duplicate":
            await with_ticket_named(form, file.ticket, desk)
        operation = wanted.read(form, file.ticket, reader.display)
        if operation is not None:
            base_version = _number(form.value("base_version"), file.ticket.version)
            verdicts = [
                await desk.perform(
                    reader.person, file.ticket.id, operation, operation_id=operation_id, base_version=base_version
                )
            ]
    after = await file_of(ticket_id, reader, desk)
    refusals = [verdict for verdict in verdicts if verdict.filing is Filing.REFUSED]
    # What a colleague has reviewed in the meantime is reviewed all the same.
    is_done = len(refusals) < len(verdicts) if wanted.kind == "review_evidence" else not refusals
    refusal = None if is_done else next(iter(refusals), None)
    if verdicts and refusal is None and not form.faults:
        return await _done(after, reader, accounts, wanted)
    acting = around(wanted, after.ticket, form, reader)
    if refusal is not None:
        acting = refused(wanted, after.ticket, form, refusal, reader, clock)
    values = await shown(after, reader, accounts, "act")
    values["acting"] = await _prepared(acting, after, reader, accounts, desk, about)
    template = "ticket/file.html" if reader.target else "ticket_page.html"
    return await long_page(template, reader, here="tickets", status_code=409 if refusal else 422, **values)


async def _done(file: TicketFile, reader: Reader, accounts: Accounts, act: Act) -> Response[Any]:
    if not reader.target:
        return Redirect(f"/tickets/{file.ticket.id}", status_code=303)
    answer = await long_page("ticket/file.html", reader, **await shown(file, reader, accounts, "act"))
    told = reader.words(f"act.{name_for(act, file.ticket)}.done", number=file.ticket.number)
    answer.headers["HX-Trigger"] = ascii_json({"told": told})
    return answer


def ascii_json(value: object) -> str:
    """JSON in ASCII only: what a header can carry."""
    text = msgspec.json.encode(value).decode()
    return "".join(sign if ord(sign) < 128 else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    units = sign.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else otherwise


# -- several at once --------------------------------------------------------------------------------------------------


async def _review(
    about: list[str], form: Form, ticket_id: str, operation_id: str, reader: Reader, desk: Desk
) -> list[Verdict]:
    """One operation for each piece of evidence, under ids that follow from the form's."""
    words = form.words("words")
    wanted = [each for each in about[:MOST_EVIDENCE] if form.is_identifier(each)]
    if form.faults:
        return []
    return [
        await desk.perform(
            reader.person,
            ticket_id,
            ReviewEvidence(each, words),
            operation_id=str(uuid.uuid5(uuid.UUID(operation_id), each)),
            base_version=0,
        )
        for each in wanted
    ]


# -- photos that a customer sent ---------------------------------------------------------------------------------------


async def photos_typed(chosen: list[UploadFile], form: Form, photo_files: PhotoFiles) -> list[Stored]:
    """The pictures among the chosen files, stored; what is wrong with the others is noted on the form."""
    if len(chosen) > MOST_PHOTOS:
        form.fault("photos", "fault.too_many_photos", limit=MOST_PHOTOS)
        return []
    stored: list[Stored] = []
    no_pictures: list[str] = []
    too_large: list[str] = []
    for file in chosen:
        match await photo_files.store(await file.read(photo_files.limit_bytes + 1)):
            case Stored() as photo:
                stored.append(photo)
            case NotAPicture():
                no_pictures.append(file.filename)
            case TooLarge():
                too_large.append(file.filename)
    limit = photo_files.limit_bytes // 1_000_000
    for key, names in (("fault.not_a_picture", no_pictures), ("fault.photo_too_large", too_large)):
        if names:
            form.fault_too("photos", key, name=form.listed(names), limit=limit)
    return stored


async def add_photos(
    photos: list[Stored], ticket_id: str, operation_id: str, reader: Reader, desk: Desk
) -> list[Verdict]:
    """One operation for each photo, under ids that follow from the form's: sent twice, they are added once."""
    return [
        await desk.perform(
            reader.person,
            ticket_id,
            AddPhoto(photo.sha256, photo.size_bytes, photo.media_type, PhotoSlot.REPORTED),
            operation_id=str(uuid.uuid5(uuid.UUID(operation_id), photo.sha256)),
            base_version=0,
        )
        for photo in {photo.sha256: photo for photo in photos}.values()
    ]


route_handlers = [
    ticket_list,
    ticket_page,
    ticket_panel,
    ticket_again,
    ticket_history,
    act_form,
    technicians_of_day,
    ticket_to_merge_into,
    act,
]
