"""`python -m bench`: measure the server, then write docs/performance.md. `--quick` for a look, with fewer turns."""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence

from bench import comeback, idle, lists, live, photos, race
from bench.report import Figure, Section, keep, spread, write_page

PHOTOS = 200
PHOTO_BYTES = 300_000
STREAMS = 500


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the server and write docs/performance.md.")
    parser.add_argument("--quick", action="store_true", help="fewer turns, shorter races")
    quick = parser.parse_args().quick
    turns = 2 if quick else 7
    figures = [
        *_comeback(100, comeback.measure(100, 3 * turns)),  # tenths of a second say little
        *_comeback(500, comeback.measure(500, turns)),
        *_lists(lists.measure(tickets=100_000, first_sync_tickets=2_000, times=100 if quick else 600)),
        *_photos(photos.measure(photos=PHOTOS, size_bytes=PHOTO_BYTES, turns=3 * turns)),
        _at_most("memory per idle live connection", live.bytes_per_stream(STREAMS) / 1024, 30, "{:.0f} KB"),
        *_races(1 if quick else 20),
        *_idle(idle.measure(phones=8, times=250, turns=turns)),
    ]
    keep("server", Section("Server", _INTRODUCTION, figures))
    write_page()
    for figure in figures:
        sys.stdout.write(f"{figure.what}: {figure.figure}{f' (goal {figure.goal})' if figure.goal else ''}\n")
    return 0 if all(figure.holds is not False for figure in figures) else 1


_INTRODUCTION = (
    "A server process as in life: authentication, validation, journal hashes and signatures, `synchronous=FULL`; on "
    "SQLite where nothing else is said. The phones are in another process on the same two cores, their requests "
    "prepared beforehand and genuine. Medians, with the smallest and the largest of the turns in brackets. Phones "
    "that come back push 50 operations on 20 tickets each and pull until the office has said that both sides hold the"
    " same, which the answer to the push does where nothing else has happened; every turn begins with the same "
    "database and a server just started, with nothing left for the disk to write of earlier ones. Raw is sqlite3 of "
    "the standard library in one process, with SQLite's own page size, in the turns between: a log row and a ticket "
    "row for each operation, 50 to a transaction, nothing judged or answered; with the same tables, it writes the "
    "very rows the server has written, into the server's tables with their indexes. The bare handler hashes, flushes "
    "and renames each photo and flushes the folder. A race is 1,200 writes by 8 phones, each a round of its own, "
    "beside one that pulls by its cursor."
)


def _comeback(phones: int, turns: Sequence[comeback.Turn]) -> list[Figure]:
    def of(name: str) -> list[float]:
        return [float(getattr(turn, name)) for turn in turns]

    here = f"{phones} phones come back: "
    figures = [
        _at_least(f"{here}operations a second ÷ raw sqlite3", of("ratio"), 0.4, "{:.2f}"),
        _at_least(
            f"{here}operations a second ÷ raw sqlite3 with the same tables", of("ratio_in_our_tables"), 0.25, "{:.2f}"
        ),
        Figure(f"{here}operations a second", spread(of("operations_per_second"), "{:,.0f}")),
        Figure(f"{here}operations a second, raw sqlite3", spread(of("raw_operations_per_second"), "{:,.0f}")),
        Figure(
            f"{here}operations a second, raw sqlite3 with the same tables",
            spread(of("raw_operations_per_second_in_our_tables"), "{:,.0f}"),
        ),
        _at_most(f"{here}server CPU per operation", of("cpu_ms_per_operation"), 0.06, "{:.3f} ms"),
        _at_most(
            f"{here}bytes per operation, up and down, before compression", of("bytes_per_operation"), 760, "{:.0f}"
        ),
    ]
    if phones == 500:
        figures += [
            _at_most(f"{here}until a phone is done, 99th percentile", of("p99_seconds"), 0.9, "{:.2f} s"),
            _at_most(
                f"{here}memory of the server, at its most",
                [each / 1e6 for each in of("peak_memory_bytes")],
                200,
                "{:.0f} MB",
            ),
        ]
    return figures


def _lists(measured: lists.ListFigures) -> list[Figure]:
    growth = statistics.median(measured.delta_ms) / statistics.median(measured.delta_of_few_ms)
    return [
        Figure("delta of 10 changes among 100,000 tickets", spread(measured.delta_ms, "{:.2f} ms")),
        _at_most("the same ÷ among 10,000", growth, 1.15, "{:.2f}"),
        Figure("first sync of 2,000 tickets", spread(measured.first_sync_ms, "{:.0f} ms")),
        _at_most("the same: bytes over the wire", measured.first_sync_bytes / 1000, 600, "{:.0f} KB"),
        Figure("the same: bytes before compression", f"{measured.first_sync_plain_bytes / 1000:.0f} KB"),
    ]


def _photos(measured: photos.PhotoFigures) -> list[Figure]:
    ours, bare = measured.bytes_per_second, measured.bare_bytes_per_second
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return [
        _at_least("200 photos × 300 KB over 8 connections ÷ bare handler", ratios, 0.8, "{:.2f}"),
        Figure("the same: megabytes a second", spread([each / 1e6 for each in ours], "{:.0f}")),
        Figure("the same, bare handler: megabytes a second", spread([each / 1e6 for each in bare], "{:.0f}")),
    ]


def _races(races: int) -> list[Figure]:
    return [
        _at_most(f"changes a cursor reader never heard of, {races} × 1,200 writes, {engine}", sum(missed), 0, "{:.0f}")
        for engine, missed in (
            ("SQLite", race.on_sqlite(races)),
            ("PostgreSQL, two server processes", race.on_postgresql(races)),
        )
    ]


def _idle(measured: idle.IdleFigures) -> list[Figure]:
    ours, empty = measured.rounds_per_second, measured.empty_requests_per_second
    return [
        _at_least(
            "idle rounds ÷ empty Litestar handler",
            [one / other for one, other in zip(ours, empty, strict=True)],
            0.4,
            "{:.2f}",
        ),
        Figure("idle rounds a second", spread(ours, "{:,.0f}")),
    ]


def _at_most(what: str, measured: float | Sequence[float], goal: float, form: str) -> Figure:
    return _judged(what, measured, f"≤ {goal:g}", lambda value: value <= goal, form)


def _at_least(what: str, measured: float | Sequence[float], goal: float, form: str) -> Figure:
    return _judged(what, measured, f"≥ {goal:g}", lambda value: value >= goal, form)


def _judged(
    what: str, measured: float | Sequence[float], goal: str, holds: Callable[[float], bool], form: str
) -> Figure:
    values = [measured] if isinstance(measured, float | int) else list(measured)
    unit = form.partition("}")[2]
    return Figure(what, spread(values, form), f"{goal}{unit}", holds(statistics.median(values)))


if __name__ == "__main__":
    sys.exit(main())
