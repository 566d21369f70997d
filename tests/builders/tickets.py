"""Tickets, requests, statements and pictures with usual values."""

import io
import random
from datetime import date, timedelta
from typing import Any

from PIL import Image

from shared_schema.evidence import Signature, Statement
from shared_schema.identifiers import uuid7
from shared_schema.lifecycle import Channel, Kind, Severity, Status
from shared_schema.operations import CreateTicket
from shared_schema.ticket import Assignment, Customer, Product, Ticket, Window
from tests.builders.clocks import MONDAY

_ids = random.Random(20260302)


def new_id() -> str:
    """An id nobody has used yet, the same in every run."""
    return uuid7(1_772_413_200_000, _ids.randbytes(10))


def a_customer(**different: str) -> Customer:
    usual = {"name": "何女士", "phone": "138 0013 8000", "region": "上海市徐汇区", "address": "桂平路 12 弄 3 号 501"}
    return Customer(**(usual | different))


def a_product(**different: Any) -> Product:
    usual: dict[str, Any] = {
        "category": "灯具",
        "model": "LX-200 吊灯",
        "serial": "SN20250711-0042",
        "order_number": "D20250711",
        "purchased_on": date(2025, 7, 11),
        "warranty_until": date(2027, 7, 11),
    }
    return Product(**(usual | different))


def a_window(hours_from_now: float = 5) -> Window:
    start = MONDAY + timedelta(hours=hours_from_now)
    return Window(start, start + timedelta(hours=2))


def a_request(**different: Any) -> CreateTicket:
    usual: dict[str, Any] = {
        "number": "-",
        "ticket_kind": Kind.REPAIR,
        "channel": Channel.PHONE,
        "customer": a_customer(),
        "product": a_product(),
        "problem": "客厅吊灯一闪一闪，整流器有响声",
    }
    return CreateTicket(**(usual | different))


def an_assigned_ticket(technician: str = "t-chen", **different: Any) -> Ticket:
    """As the office tells a phone of it: received, confirmed, assigned."""
    usual: dict[str, Any] = {
        "id": new_id(),
        "number": "260302-001",
        "kind": Kind.REPAIR,
        "channel": Channel.PHONE,
        "status": Status.ASSIGNED,
        "version": 3,
        "created_at": MONDAY,
        "created_by": "p-lin",
        "customer": a_customer(),
        "product": a_product(),
        "problem": "客厅吊灯一闪一闪，整流器有响声",
        "severity": Severity.ORDINARY,
        "assignment": Assignment(technician, a_window(), "p-lin", MONDAY),
    }
    return Ticket(**(usual | different))


def a_picture(size_bytes: int = 0, *, seed: int = 1) -> bytes:
    """A real JPEG; made at least so large by what a camera, too, may append after the picture's end."""
    shade = random.Random(seed)
    file = io.BytesIO()
    Image.new("RGB", (48, 32), (shade.randrange(256), shade.randrange(256), shade.randrange(256))).save(file, "JPEG")
    picture = file.getvalue() + seed.to_bytes(4, "big")
    return picture + shade.randbytes(max(0, size_bytes - len(picture)))


def a_signature() -> Signature:
    return Signature(1000, 400, (((10, 10), (500, 200), (990, 390)), ((10, 390), (990, 10))))


def a_statement(ticket: Ticket) -> Statement:
    """What the customer's page shows of this ticket."""
    photos = tuple(photo.sha256 for photo in ticket.photos)
    return Statement("zh-CN", f"发现：{ticket.found}\n完成：{ticket.done}", ticket.found, ticket.done, photos)
