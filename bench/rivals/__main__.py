"""`python -m bench.rivals`: install the rivals, drive each and Doorstep on the same work, add a section to the page.

Exits with 2 where a rival cannot be installed here, and says what failed.
"""

import argparse
import contextlib
import functools
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import comeback, lists, load, office, photos, race, serving
from bench.__main__ import PHOTO_BYTES, PHOTOS
from bench.office import OPERATIONS_PER_ROUND, Plan
from bench.report import Figure, Section, keep, spread, write_page
from bench.rivals import installation, work
from bench.rivals.kinto import kinto
from bench.rivals.pocketbase import PocketBase, pocketbase
from bench.rivals.work import Rival

Start = Callable[[], AbstractContextManager[Any]]

_INTRODUCTION = (
    "PocketBase (batch API) and Kinto on PostgreSQL, driven by the same phones in the same run. They are given the "
    "narrower form of the work: a record in a log and a record of a ticket for each operation, nothing judged, no "
    "journal, all phones with one user's token; Doorstep does all of its own work. Their phones push, then pull until "
    "nothing is new; Doorstep's are told what is new in the answer to the push. A ratio is Doorstep's figure over "
    "the rival's. Where a goal is a time, the goal of its ratio is that time over what PocketBase took where the goal "
    "was set: 0.06 of 0.39 ms of CPU for an operation, 0.9 of 8.5 s until a phone is done. Of Kinto's processes "
    "PostgreSQL's are not counted. Medians, with the smallest and the largest of the turns in brackets."
)
CPU_GOAL = 0.06 / 0.39
P99_GOAL = 0.9 / 8.5


class Returned(Struct):
    operations_per_second: float
    p99_seconds: float
    cpu_ms_per_operation: float
    bytes_per_operation: float
    peak_memory_bytes: float
    unheard: float
    """Tickets that a phone changed and never heard of again."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.rivals", description="Measure Doorstep beside PocketBase and Kinto.")
    parser.add_argument("--quick", action="store_true", help="one turn, short races")
    quick = parser.parse_args().quick
    try:
        programs = installation.install()
    except installation.NotToBeHad as fault:
        sys.stderr.write(f"bench-rivals: the rivals cannot be installed here: {fault}\n")
        return 2
    section = Section("Beside other servers", _INTRODUCTION, list(_figures(programs, quick)))
    keep("server-rivals", section)
    write_page()
    return 0


def _figures(programs: Path, quick: bool) -> Iterator[Figure]:
    turns, races = (1, 1) if quick else (3, 20)
    start_pocketbase: Start = functools.partial(pocketbase, programs)
    start_kinto: Start = functools.partial(kinto, programs)
    for phones in (100, 500):
        ours: list[comeback.Turn] = []
        theirs: list[Returned] = []
        for _ in range(turns):
            ours += comeback.measure(phones, 1)
            theirs.append(_returned(start_pocketbase, phones))
        yield from map(_said, _compared(phones, ours, "PocketBase", theirs))
        if phones == 100:
            yield from map(_said, _compared(phones, ours, "Kinto", [_returned(start_kinto, phones)]))
    yield from map(_said, _lists(start_pocketbase, start_kinto, 100 if quick else 300))
    yield from map(_said, _photos(start_pocketbase, turns))
    for name, start, writers in (("PocketBase", start_pocketbase, race.WRITERS), ("Kinto", start_kinto, race.WRITERS)):
        missed = [_race(start, writers) for _ in range(races)]
        yield _said(Figure(f"changes a cursor reader never heard of, of 1,200: {name}", spread(missed, "{:.0f}")))
    yield _said(
        Figure("changes a cursor reader never heard of, of 1,200: Doorstep", spread(race.on_sqlite(races), "{:.0f}"))
    )


def _said(figure: Figure) -> Figure:
    sys.stdout.write(f"{figure.what}: {figure.figure}{f' (goal {figure.goal})' if figure.goal else ''}\n")
    sys.stdout.flush()
    return figure


# -- coming back ------------------------------------------------------------------------------------------------------


def _returned(start: Start, phones: int) -> Returned:
    plans = _plans(phones)
    operations = phones * OPERATIONS_PER_ROUND
    with start() as rival:
        rival.put_tickets([work.narrow(ticket) for plan in plans for ticket in plan.tickets])
        cursor = rival.cursor()
        unheard: list[int] = []
        talks = [work.comes_back(rival, plan, cursor, unheard) for plan in plans]
        serving.settle()
        before = rival.served.cpu_seconds()
        met = load.drive(rival.served.address, talks)
        return Returned(
            operations_per_second=operations / met.seconds,
            p99_seconds=comeback.percentile([phone.done_after for phone in met.phones], 99),
            cpu_ms_per_operation=(rival.served.cpu_seconds() - before) * 1000 / operations,
            bytes_per_operation=sum(phone.bytes_up + phone.bytes_down for phone in met.phones) / operations,
            peak_memory_bytes=rival.served.peak_memory_bytes(),
            unheard=sum(unheard),
        )


@functools.cache
def _plans(phones: int) -> list[Plan]:
    return office.plans(phones, rounds=1)


def _compared(phones: int, ours: Sequence[comeback.Turn], name: str, theirs: Sequence[Returned]) -> list[Figure]:
    here = f"{phones} phones come back, {name}: "

    def middle(turns: Sequence[Any], field: str) -> float:
        return statistics.median([float(getattr(turn, field)) for turn in turns])

    def of(field: str, form: str, scale: float = 1.0) -> str:
        return spread([getattr(turn, field) * scale for turn in theirs], form)

    faster, sooner, lighter = (
        middle(ours, field) / middle(theirs, field)
        for field in ("operations_per_second", "p99_seconds", "cpu_ms_per_operation")
    )
    is_pocketbase, are_all = name == "PocketBase", phones == 500
    return [
        Figure(
            f"{here}operations a second, Doorstep ÷ {name}",
            f"{faster:.1f}",
            "≥ 6" if is_pocketbase else "",
            faster >= 6 if is_pocketbase else None,
        ),
        Figure(
            f"{here}until a phone is done, 99th percentile, Doorstep ÷ {name}",
            f"{sooner:.3f}",
            f"≤ {P99_GOAL:.3f}" if is_pocketbase and are_all else "",
            sooner <= P99_GOAL if is_pocketbase and are_all else None,
        ),
        Figure(
            f"{here}server CPU per operation, Doorstep ÷ {name}",
            f"{lighter:.3f}",
            f"≤ {CPU_GOAL:.3f}" if is_pocketbase else "",
            lighter <= CPU_GOAL if is_pocketbase else None,
        ),
        Figure(f"{here}operations a second", of("operations_per_second", "{:,.0f}")),
        Figure(f"{here}until a phone is done, 99th percentile", of("p99_seconds", "{:.2f} s")),
        Figure(f"{here}server CPU per operation", of("cpu_ms_per_operation", "{:.3f} ms")),
        Figure(f"{here}bytes per operation, up and down, before compression", of("bytes_per_operation", "{:.0f}")),
        Figure(f"{here}memory of the server, at its most", of("peak_memory_bytes", "{:.0f} MB", 1e-6)),
        Figure(f"{here}tickets changed that their phone never heard of again", of("unheard", "{:.0f}")),
    ]


# -- lists, photos, races ---------------------------------------------------------------------------------------------


def _lists(start_pocketbase: Start, start_kinto: Start, times: int) -> list[Figure]:
    with contextlib.ExitStack() as stack:
        changes = [
            lists.asking_for_changes(stack, 100_000),
            _asking_for_changes(stack.enter_context(start_pocketbase())),
        ]
        ours, delta = map(lists.exchanges_ms, lists.by_turns(changes, times // lists.IN_A_TURN))
    with contextlib.ExitStack() as stack:
        everything = [
            lists.asking_for_everything(stack, 2_000),
            _asking_for_everything(stack.enter_context(start_kinto())),
        ]
        met_ours, met_theirs = lists.by_turns(everything, max(5, times // 20))
    first = [once.seconds * 1000 for once in met_theirs]
    (phone,) = met_theirs[-1].phones
    size = phone.bytes_on_the_wire - phone.bytes_up
    quicker = statistics.median(ours) / statistics.median(delta)
    sooner = statistics.median([once.seconds * 1000 for once in met_ours]) / statistics.median(first)
    return [
        Figure(
            "delta of 10 changes among 100,000 tickets, Doorstep ÷ PocketBase",
            f"{quicker:.2f}",
            "≤ 0.7",
            quicker <= 0.7,
        ),
        Figure("the same, PocketBase", spread(delta, "{:.2f} ms")),
        Figure("first sync of 2,000 tickets, Doorstep ÷ Kinto", f"{sooner:.2f}", "≤ 0.5", sooner <= 0.5),
        Figure("the same, Kinto", f"{spread(first, '{:.0f} ms')}, {size / 1000:.0f} KB"),
    ]


def _asking_for_changes(rival: Rival) -> lists.Talk:
    """As lists.asking_for_changes."""
    random_ = office.same_every_time(11)
    assert isinstance(rival, PocketBase)
    for number in range(100_000 // lists.TICKETS_OF_ONE):
        technician = f"t-{number:03d}"
        made = [office.ticket_of(random_, number, place, technician) for place in range(lists.TICKETS_OF_ONE)]
        rival.put_tickets([work.narrow(ticket) for ticket in made])
        if number == 0:
            rival.touch([work.short(ticket.id) for ticket in made[: lists.CHANGES]])
    asked, cursor = rival.pull("t-000", rival.cursor()), rival.cursor()

    def pulling() -> load.Phone:
        for _ in range(lists.IN_A_TURN):
            told, _ = rival.told((yield asked), cursor)
            assert len(told) == lists.CHANGES, told

    return rival.served.address, pulling


def _asking_for_everything(rival: Rival) -> lists.Talk:
    """As lists.asking_for_everything."""
    random_ = office.same_every_time(11)
    rival.put_tickets([work.narrow(office.ticket_of(random_, 0, place, "t-000")) for place in range(2_000)])

    def pulling() -> load.Phone:
        told: list[str] = []
        for asked in rival.everything("t-000", 2_000):
            told += rival.told((yield asked), "")[0]
        assert len(told) == 2_000, len(told)

    return rival.served.address, pulling


def _photos(start: Start, turns: int) -> list[Figure]:
    random_ = office.same_every_time(13)
    pictures = [b"\xff\xd8\xff\xe0" + random_.randbytes(PHOTO_BYTES - 4) for _ in range(PHOTOS)]
    rates = []
    for _ in range(turns):
        with start() as rival:
            assert isinstance(rival, PocketBase)
            asked = [rival.photo(picture) for picture in pictures]
            serving.settle()
            met = load.drive(
                rival.served.address,
                [load.in_turn(asked[place :: photos.CONNECTIONS]) for place in range(photos.CONNECTIONS)],
            )
            rates.append(PHOTOS * PHOTO_BYTES / met.seconds / 1e6)
    return [Figure("200 photos × 300 KB over 8 connections, PocketBase: megabytes a second", spread(rates, "{:.0f}"))]


def _race(start: Start, writers: int) -> int:
    with start() as rival:
        server: Rival = rival
        return work.race(server, race.WRITES, writers)


if __name__ == "__main__":
    sys.exit(main())
