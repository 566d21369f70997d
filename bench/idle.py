"""Rounds such as a phone sends every few seconds when nothing happens, and a handler that does nothing, by turns."""

import tempfile
from pathlib import Path

from msgspec import Struct

from bench import load, office, serving
from bench.comeback import latest_position, sync_request
from shared_schema.sync_protocol import holding


class IdleFigures(Struct):
    rounds_per_second: list[float]
    empty_requests_per_second: list[float]
    """In the turns between."""


def measure(*, phones: int, times: int, turns: int) -> IdleFigures:
    figures = IdleFigures([], [])
    with tempfile.TemporaryDirectory(prefix="doorstep-bench-") as folder:
        data = Path(folder)
        plans = office.build(f"sqlite:///{data / 'doorstep.db'}", phones, rounds=1)
        cursor = latest_position(data / "doorstep.db")
        asked = [_idle_round(plan, cursor) for plan in plans]
        with serving.doorstep(data) as office_, serving.nothing() as nothing:
            load.drive(office_.address, [_in_step(each, 2) for each in asked])
            for _ in range(turns):
                empty = load.request("POST", "/empty", b"{}", "Content-Type: application/json")
                met = load.drive(nothing.address, [load.again(empty, times) for _ in plans])
                figures.empty_requests_per_second.append(phones * times / met.seconds)
                met = load.drive(office_.address, [_in_step(each, times) for each in asked])
                figures.rounds_per_second.append(phones * times / met.seconds)
    return figures


def _idle_round(plan: office.Plan, cursor: int) -> bytes:
    plan.rounds.clear()
    held = holding((ticket.id, ticket.version) for ticket in plan.tickets)
    return sync_request(office.body(plan, cursor, [], held), plan)


def _in_step(asked: bytes, times: int) -> load.Phone:
    for _ in range(times):
        answer = yield asked
        assert b'"in_step":true' in answer, answer
