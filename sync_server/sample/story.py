"""The cases told step by step: every operation of the sample company, with the moment it was made.

Deterministic: the same moment and the same seed give the same steps, ids included. Nothing is done here: see `fill`.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from random import Random
from typing import TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from shared_schema import operations as op
from shared_schema.evidence import PhotoSlot, Signature, Statement, digest
from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import Status
from shared_schema.operations import Operation
from shared_schema.ticket import Customer, Product, Ticket, Window
from sync_server.sample import pictures
from sync_server.sample.cases import CASES, PRODUCTS, Case, Visit
from sync_server.sample.company import COMPANY, PEOPLE

_S = Status

Told: TypeAlias = Callable[[Ticket | None], Operation]
"""The operation, made on the ticket as it then is."""


class Step(Struct, frozen=True):
    at: datetime
    person: str
    ticket: str
    operation_id: str
    told: Told | None
    """None: the phone has a network again and sends what waited."""
    photo: bytes = b""
    """The bytes of an add_photo."""
    is_offline: bool = False
    """Recorded without a network; it waits on the phone."""
    is_photo_held: bool = False
    """The photo's bytes have not been sent yet."""


class _Made(Struct):
    """A step being written: `at` is where it ideally lies."""

    at: datetime
    person: str
    told: Told | None
    photo: bytes = b""
    is_offline: bool = False
    is_photo_held: bool = False


def steps(now: datetime, zone: ZoneInfo, seed: int) -> list[Step]:
    """Everything that has happened at the sample company until `now`, in order."""
    told = [step for place in range(len(CASES)) for step in _case(place, now, zone, seed)]
    return sorted(told, key=lambda step: step.at)


def ticket_id(place: int, now: datetime, seed: int) -> str:
    random = Random(f"{seed} ticket {place}")  # noqa: S311 — the same ids every time are the point
    received = now - timedelta(days=CASES[place].age_days)
    return uuid7(int(received.timestamp() * 1000), random.randbytes(10))


def _case(place: int, now: datetime, zone: ZoneInfo, seed: int) -> Iterator[Step]:
    case, random = CASES[place], Random(f"{seed} case {place}")  # noqa: S311
    ticket = ticket_id(place, now, seed)
    linked = None if case.linked_to is None else ticket_id(case.linked_to, now, seed)
    made = _Telling(place, case, now, zone, random, linked).tell()
    latest = now - timedelta(seconds=20)
    moments: list[datetime] = []
    for step in reversed(made):  # nothing lies in the future, and nothing before what led to it
        latest = min(step.at, latest)
        moments.append(latest)
        latest -= timedelta(seconds=40)
    for step, at in zip(made, reversed(moments), strict=True):
        identifier = uuid7(int(at.timestamp() * 1000), random.randbytes(10))
        yield Step(at, step.person, ticket, identifier, step.told, step.photo, step.is_offline, step.is_photo_held)


class _Telling:
    """One case, in the order in which it happened."""

    def __init__(
        self, place: int, case: Case, now: datetime, zone: ZoneInfo, random: Random, linked: str | None
    ) -> None:
        self._place, self._case, self._now, self._zone, self._random = place, case, now, zone, random
        self._linked = linked
        self._clerk, self._colleague = ("lin", "zhao") if place % 2 == 0 else ("zhao", "lin")
        self._made: list[_Made] = []
        self._photos = 0

    def tell(self) -> list[_Made]:
        case = self._case
        received = self._now - timedelta(days=case.age_days)
        if case.age_days >= 1:
            received = _in_office_hours(received, self._zone)
        created = self._created()
        self._add(received, self._clerk, lambda _: created)
        if case.stands is _S.RECEIVED or (case.stands is _S.CANCELLED and not case.technician):
            self._over(received + timedelta(hours=3))
            return self._made
        confirmed = received + timedelta(minutes=self._random.randrange(9, 50))
        grade = op.ConfirmTicket(case.severity, case.checked)
        self._add(confirmed, self._clerk, lambda _: grade)
        if not case.technician:
            self._helped(confirmed)
            return self._made
        if case.tried:
            tried = op.RecordRemoteHelp(case.tried)
            self._add(confirmed + timedelta(minutes=6), self._clerk, lambda _: tried)
        self._visit(confirmed + timedelta(minutes=self._random.randrange(12, 90)))
        return self._made

    def _add(self, at: datetime, person: str, told: Told | None, *, is_offline: bool = False) -> None:
        self._made.append(_Made(at, person, told, is_offline=is_offline))

    def _created(self) -> op.CreateTicket:
        case, product = self._case, PRODUCTS[self._case.product]
        bought = (self._now - timedelta(days=case.bought_days)).astimezone(self._zone).date()
        return op.CreateTicket(
            number="-",  # the office allots it
            ticket_kind=case.kind,
            channel=case.channel,
            customer=Customer(case.customer, f"1990001{_people_number(case):04d}", case.region, case.home),
            product=Product(
                category=product.category,
                model=product.model,
                serial=f"{case.product[:2].upper()}{bought:%y%m}{1000 + self._place * 37 % 9000}",
                order_number=f"DD{bought:%Y%m%d}{self._place * 613 % 10000:04d}",
                purchased_on=bought,
                warranty_until=_years_later(bought, product.warranty_years),
            ),
            problem=case.problem,
            wished_time=case.wished,
            linked_ticket=self._linked,
        )

    # -- without a visit ---------------------------------------------------------------------------------------------

    def _helped(self, confirmed: datetime) -> None:
        case = self._case
        helped = confirmed + timedelta(minutes=18)
        if case.stands in {_S.SOLVED_REMOTELY, _S.CLOSED, _S.REOPENED}:
            solved = op.SolveRemotely(case.tried)
            self._add(helped, self._clerk, lambda _: solved)
            self._over(helped + timedelta(hours=20))
        elif case.tried:
            tried = op.RecordRemoteHelp(case.tried)
            self._add(helped, self._clerk, lambda _: tried)

    def _over(self, at: datetime) -> None:
        case = self._case
        if case.stands is _S.CANCELLED:
            cancelled = op.CancelTicket(case.over)
            self._add(at, self._clerk, lambda _: cancelled)
        elif case.stands in {_S.CLOSED, _S.REOPENED}:
            closed = op.CloseTicket(case.over)
            self._add(at, self._colleague, lambda _: closed)
            if case.stands is _S.REOPENED:
                reopened = op.ReopenTicket(case.again)
                self._add(self._now - timedelta(hours=2 + self._place % 5), self._clerk, lambda _: reopened)

    # -- with one ----------------------------------------------------------------------------------------------------

    def _visit(self, assigned: datetime) -> None:
        case = self._case
        assert case.visit is not None, case.customer
        window = _window(case.visit, self._now, self._zone)
        if case.reassigned_from:
            self._handed_over(assigned, window)
        else:
            decided = op.AssignTicket(case.technician, window)
            self._add(assigned, self._clerk, lambda _: decided)
        if case.stands is _S.CANCELLED:
            self._over(min(window.start, self._now) - timedelta(hours=3))
            return
        order = (_S.ASSIGNED, _S.ACCEPTED, _S.TRAVELLING, _S.ARRIVED, _S.WORKING)
        far = order.index(case.stands) if case.stands in order else len(order)
        technician, start = case.technician, window.start
        accepted = self._made[-1].at + timedelta(minutes=self._random.randrange(4, 55))
        if far >= 1:
            self._add(accepted, technician, lambda _: op.AcceptTicket())
        if far >= 2:
            self._add(start - timedelta(minutes=self._random.randrange(22, 48)), technician, lambda _: op.StartTravel())
        if far >= 3:
            arrived = start + timedelta(minutes=self._random.randrange(-6, 14))
            self._add(arrived, technician, lambda _: op.Arrive())
            self._at_the_door(arrived, far)

    def _at_the_door(self, arrived: datetime, far: int) -> None:
        case, technician = self._case, self._case.technician
        self._add(arrived + timedelta(minutes=2), technician, lambda _: op.ShowCredential())
        if far < 4:
            return
        agreed = op.ConfirmProblem(case.agreed)
        self._add(arrived + timedelta(minutes=7), technician, lambda _: agreed)
        self._photo(arrived + timedelta(minutes=9), PhotoSlot.BEFORE)
        if case.note:
            note = op.AddNote(case.note)
            self._add(arrived + timedelta(minutes=24), technician, lambda _: note)
        if case.stands is _S.WAITING:
            waits = op.WaitFor(case.waits_for)
            self._add(arrived + timedelta(minutes=46), technician, lambda _: waits)
        elif case.stands is not _S.WORKING:
            self._work_done(arrived + timedelta(minutes=self._random.randrange(42, 95)))

    def _work_done(self, at: datetime) -> None:
        case, technician = self._case, self._case.technician
        self._photo(at - timedelta(minutes=3), PhotoSlot.AFTER)
        finished = op.FinishWork(case.found, case.done)
        self._add(at, technician, lambda _: finished)
        if case.stands is _S.WORK_DONE:
            return
        if case.objection:
            self._add(at + timedelta(minutes=6), technician, self._objects)
            if case.stands is _S.OBJECTED:
                return
            self._add(at + timedelta(minutes=9), technician, lambda _: op.ResumeWork())
            at += timedelta(minutes=55)
            self._photo(at - timedelta(minutes=2), PhotoSlot.AFTER)
            redone = op.FinishWork(case.found, f"{case.done}\n{case.redone}")
            self._add(at, technician, lambda _: redone)
        self._add(at + timedelta(minutes=8), technician, self._signs)
        self._over(at + timedelta(hours=26))

    def _handed_over(self, assigned: datetime, window: Window) -> None:
        """The first technician is in a cellar when the ticket is given to another; what they did there arrives late."""
        case, first = self._case, self._case.reassigned_from
        day = timedelta(days=1)
        earlier = Window(window.start - day, window.end - day)
        to_first = op.AssignTicket(first, earlier)
        self._add(assigned, self._clerk, lambda _: to_first)
        start = earlier.start
        self._add(assigned + timedelta(minutes=20), first, lambda _: op.AcceptTicket())
        self._add(start - timedelta(minutes=30), first, lambda _: op.StartTravel())
        self._add(start + timedelta(minutes=4), first, lambda _: op.Arrive())
        self._add(start + timedelta(minutes=6), first, lambda _: op.ShowCredential())
        agreed = op.ConfirmProblem(case.agreed)
        self._add(start + timedelta(minutes=11), first, lambda _: agreed, is_offline=True)
        note = op.AddNote(case.left_note)
        self._add(start + timedelta(minutes=25), first, lambda _: note, is_offline=True)
        self._photo(start + timedelta(minutes=28), PhotoSlot.BEFORE, person=first, is_offline=True)
        to_second = op.AssignTicket(case.technician, window, replaces=first)
        self._add(start + timedelta(minutes=70), self._colleague, lambda _: to_second)
        self._add(start + timedelta(minutes=115), first, None)

    def _photo(self, at: datetime, slot: PhotoSlot, *, person: str = "", is_offline: bool = False) -> None:
        if not self._case.scene:
            return
        self._photos += 1
        data = pictures.draw(self._case.scene, mended=slot is PhotoSlot.AFTER, room=self._place, shot=self._photos)
        added = op.AddPhoto(hashlib.sha256(data).hexdigest(), len(data), "image/jpeg", slot)
        held = self._case.stands is _S.WORKING and self._case.technician == "t-zhou"
        self._made.append(_Made(at, person or self._case.technician, lambda _: added, data, is_offline, held))

    # -- the customer --------------------------------------------------------------------------------------------------

    def _statement(self, ticket: Ticket | None) -> Statement:
        assert ticket is not None, self._case.customer
        assert ticket.assignment is not None, self._case.customer
        name = next(person.name for person in PEOPLE if person.id == ticket.technician)
        shown = tuple(photo for photo in ticket.photos if photo.slot in {PhotoSlot.BEFORE, PhotoSlot.AFTER})
        day = ticket.assignment.window.start.astimezone(self._zone)
        parts = [
            f"服务内容\n{day.year}年{day.month}月{day.day}日，{COMPANY}的{name}上门为您服务，单号 {ticket.number}。",
            f"产品\n{ticket.product.model} · {ticket.product.serial}",
            f"确认的问题\n{ticket.confirmed_problem}",
            f"发现的情况\n{ticket.found}",
            f"处理情况\n{ticket.done}",
        ]
        if shown:
            parts.append(f"照片\n服务前后照片共 {len(shown)} 张")
        return Statement("zh-CN", "\n\n".join(parts), ticket.found, ticket.done, tuple(photo.sha256 for photo in shown))

    def _objects(self, ticket: Ticket | None) -> Operation:
        statement = self._statement(ticket)
        return op.RaiseObjection(statement, digest(statement), self._case.objection)

    def _signs(self, ticket: Ticket | None) -> Operation:
        statement = self._statement(ticket)
        return op.SignOffVisit(
            statement=statement,
            statement_sha256=digest(statement),
            signer=self._case.customer,
            rating=self._case.rating,
            signature=_signature(self._random),
            comment=self._case.comment,
        )


def _people_number(case: Case) -> int:
    """The same for every case of the same customer."""
    return int.from_bytes(hashlib.sha256(f"{case.customer}{case.home}".encode()).digest()[:2], "big") % 10_000


def _years_later(day: date, years: int) -> date:
    return day.replace(year=day.year + years, day=min(day.day, 28))


def _in_office_hours(moment: datetime, zone: ZoneInfo) -> datetime:
    there = moment.astimezone(zone)
    return there.replace(hour=9 + there.hour * 9 // 24).astimezone(moment.tzinfo)


def _window(visit: Visit, now: datetime, zone: ZoneInfo) -> Window:
    there = now.astimezone(zone)
    if visit.from_now is not None:
        start = there.replace(minute=0, second=0, microsecond=0) + timedelta(hours=visit.from_now)
    else:
        start = datetime.combine(there.date() + timedelta(days=visit.day), time(visit.hour), zone)
    return Window(start, start + timedelta(hours=2))


def _signature(random: Random) -> Signature:
    """Three or four strokes that run like handwriting."""
    strokes = []
    left = 70.0
    for _ in range(random.randrange(3, 5)):
        height, length = random.uniform(60, 110), random.uniform(110, 190)
        waves, lean = random.uniform(1.2, 2.6), random.uniform(-0.5, 0.5)
        points = []
        for tick in range(28):
            along = tick / 27
            swing = math.sin(along * waves * math.tau + lean) * height * (1 - along * 0.4)
            points.append((round(left + along * length + swing * 0.25), round(160 + swing + along * 26)))
        strokes.append(tuple(points))
        left += length * random.uniform(0.72, 1.0)
    return Signature(800, 320, tuple(strokes))
