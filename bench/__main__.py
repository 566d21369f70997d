"""`python -m bench`: measure the server, then write docs/performance.md. `--quick` for a look, with fewer turns."""

import argparse
import statistics
import sys

from bench.report import Figure, Section, keep, write_page
from bench.server import ServerFigures, measure

ROUNDS_GOAL = 0.25
IDLE_GOAL = 0.4


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the server and write docs/performance.md.")
    parser.add_argument("--quick", action="store_true", help="two turns instead of seven")
    arguments = parser.parse_args()
    figures = measure(turns=2 if arguments.quick else 7)
    section = _section(figures)
    keep("server", section)
    write_page()
    for figure in section.figures:
        sys.stdout.write(f"{figure.what}: {figure.figure}{f' (goal {figure.goal})' if figure.goal else ''}\n")
    return 0 if all(figure.holds is not False for figure in section.figures) else 1


def _section(measured: ServerFigures) -> Section:
    return Section(
        "Server",
        "A server process with everything on (authentication, validation, journal hashes, `synchronous=FULL`), spoken "
        f"to over loopback by {measured.phones} phones at once; each figure is the median of "
        f"{len(measured.rounds_of_50)} turns. A round has 50 operations on 20 tickets, and its answer brings those "
        "tickets back. The yardsticks: "
        "sqlite3 of the standard library in one process, one durable transaction a round, with the same rows into the "
        "same tables and the same reads; and a Litestar handler that does nothing. An idle round says what the phone "
        "holds and hears that nothing has changed.",
        [
            Figure(
                "rounds of 50 over HTTP ÷ raw sqlite3 in process",
                f"{measured.rounds_ratio:.2f}",
                f"≥ {ROUNDS_GOAL}",
                measured.rounds_ratio >= ROUNDS_GOAL,
            ),
            Figure(
                "idle rounds ÷ empty Litestar handler",
                f"{measured.idle_ratio:.2f}",
                f"≥ {IDLE_GOAL}",
                measured.idle_ratio >= IDLE_GOAL,
            ),
            Figure("operations a second over HTTP", f"{statistics.median(measured.rounds_of_50):,.0f}"),
            Figure("operations a second, raw sqlite3", f"{statistics.median(measured.raw_sqlite):,.0f}"),
            Figure(
                "a round of 50, all phones at once: median, 95th percentile",
                f"{measured.round_median_ms:.0f} ms, {measured.round_p95_ms:.0f} ms",
            ),
            Figure("idle rounds a second", f"{statistics.median(measured.idle_rounds):,.0f}"),
            Figure("empty handler, requests a second", f"{statistics.median(measured.empty_handler):,.0f}"),
            Figure("an idle round, all phones at once: median", f"{measured.idle_median_ms:.1f} ms"),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
