"""docs/performance.md out of what the benchmarks left in .build/bench: one JSON file each, in one form.

Whoever measures something (bench.server here, the phone's figures elsewhere) writes a Section; the page is made anew
from all that are there.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".build" / "bench"
PAGE = ROOT / "docs" / "performance.md"

_OPENING = """# Performance

Made by `make bench`; do not edit. Ratios of two things measured by turns in the same run hold on other machines,
absolute figures are one machine's, which may have been busy with other things.
"""


class Figure(Struct, frozen=True):
    what: str
    figure: str
    goal: str = ""
    holds: bool | None = None
    """Whether the goal is reached; None where there is none."""


class Section(Struct, frozen=True):
    title: str
    introduction: str
    figures: list[Figure]


def keep(name: str, section: Section) -> None:
    """Leave the section for the page, as .build/bench/<name>.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(section)))


def spread(values: Sequence[float], form: str) -> str:
    """The median, and where there are several values the smallest and the largest."""
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    number = form.partition("}")[0] + "}"
    return f"{middle} ({number.format(min(values))}–{number.format(max(values))})"


def write_page() -> None:
    sections = [msgspec.json.decode(path.read_bytes(), type=Section) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text("\n".join([_OPENING, *map(_rendered, sections)]), encoding="utf-8")


def _rendered(section: Section) -> str:
    marks = {True: "reached", False: "**missed**", None: ""}
    rows = [
        f"| {figure.what} | {figure.figure} | {figure.goal} | {marks[figure.holds]} |" for figure in section.figures
    ]
    table = "\n".join(["| what | measured | goal | |", "| --- | ---: | ---: | --- |", *rows])
    return f"## {section.title}\n\n{section.introduction}\n\n{table}\n"
