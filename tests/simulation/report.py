"""docs/reliability.md, out of what simulation, mutations and the killing of real processes left in .build/reliability.

One JSON file each, in the form of bench.report. The page is made anew from all that are there.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.report import Figure, Section
from tests.simulation.mishaps import MISHAPS
from tests.simulation.mutations import Tried

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".build" / "reliability"
PAGE = ROOT / "docs" / "reliability.md"
_SECTIONS = ("simulation", "mutations", "real-parts")

_OPENING = """# Reliability

Made by `make simulate`, `make mutations` and `make torture` (the figures) out of `tests/simulation/report.py` (the
words); do not edit.

## What is promised

* **Saved on this phone** is said after commit and flush. What was called saved survives the death of the app, of the
  phone and the loss of power at any moment, and stays visible on the phone until the office holds it.
* **Received by the office** is said after the office's commit, of a photo after its bytes were verified and flushed.
  What was called received survives the death and the loss of power of the office.
* What the office's disk has **damaged or lost of a photo after that** the office notices by itself, in bounded time,
  says so at the desk, and has it brought anew by a phone that still holds it.
* Every operation is at the office **exactly once, with exactly one verdict**, as it was entered, however often it was
  sent. What is refused stays on the phone until its technician has made something of it.
* Photos arrive **byte for byte** as they were taken.
* The feed has no gap but the recorded ones of a restore; each device's journal is whole and chained by hashes; a ticket
  is the sum of its accepted operations.
* After a restore to an older backup the phones bring again what the office has lost.
* A ticket that leaves a technician's scope leaves the phone, and its customer's number and address at once.
* The desk is **told what happened**: what was refused and what came late is in its queue, with what the technician made
  of it; the bounds of when something was done hold the moment at which it was, whatever the phone's clock said; the
  office's own check (`doorstep verify`) finds nothing, and nobody is suspected who has done nothing.
* What left a phone in a rescue file is at the office once that file was taken in, whatever has become of the phone.
* Replaying any message and taking any rescue file in again change nothing. When the trouble is over, the queues drain
  and everything comes to rest; no phone ever asks without end.

What no program can hold: a phone that is lost with work nobody else has, a store put back to an old copy by hand,
what the desk did after the backup that was restored, a rescue file of a phone that was enrolled after it, and a photo
that the office's disk has damaged and no phone has any more. The simulation accounts for exactly those operations and
photos, one by one; nothing else may be missing.

## What the simulation does

`tests/simulation` runs the **production code** in one process and one thread: actions, store (real SQLite), sync engine
and HTTP client of ten phones; application, services, storage (real SQLite) and photo files of the office; three
dispatchers. Time, network and disks are simulated and obey a seed, so that a run is the same byte for byte wherever and
whenever it is repeated.

* **Time** is a number in the event loop; it jumps to whatever is due next. Work for threads is done in the loop a
  moment later; several writes that wait are committed as a group, as in life.
* **Disks** lie under SQLite itself (its virtual file system interface). When the power goes, what was flushed is there;
  of what was written since, any subset, the pages perhaps torn. Phones flush either like a desktop's file system or
  like the browser's (where fsync does nothing, and `opfs.js` says what is flushed when). Death comes between any two
  writes; after each, `PRAGMA integrity_check`. The copy kept during an update, which is no SQLite file, lies on the
  same disks.
* **The office's disk rots**: photos that were received are altered, cut short or gone, and nobody says so. The
  production code looks at all of them every simulated hour; a quarter of an hour later there must be an alarm for each
  that is not whole, and for no other, and in the end every one that is on some phone must be whole.
* **One phone's file alone** (`tests/simulation/one_file.py`) is ended at as many moments as it has: while things are
  recorded, rolled back, answered, while the disk is full, while an update changes it or is taken back, after an old
  copy was put in its place, and while the next start repairs what it finds. It must be whole, and hold exactly what
  was acknowledged or what was being done. `python -m tests.simulation file --files 100` ends it fifty thousand times.
* **Sizes** (`tests/simulation/sizes.py`): in most worlds pages, rounds, pieces of photos and parts of rescue files are
  so small that everything comes in many of them, and received photos make room on the phones after minutes.
* **The network** carries the real requests and answers as bytes between the phone's HTTP client and the office's ASGI
  application, and does to them what is counted below.
* **People** work by tables of moves (`tests/simulation/people.py`): they take the next step or one that does not fit,
  tap twice, note, photograph, object, leave drafts; they take requests, confirm, assign, reassign, correct, cancel,
  close, reopen, merge duplicates, decide on what came late, click twice; what was refused is noted, repeated or
  withdrawn.
* **Newer versions** find what an older one has left (`tests/simulation/older_forms.py`): apps change their store with
  a copy kept until it has proven itself, some by steps that destroy and fail; the office changes its database while
  phones are away; both are killed in the middle, again and again. An app kept at an older version cannot read some of
  what it is told; operations of a newer one can only be refused, one by one, and hold up nothing behind them.
* **Rescue files** are made and opened by the production code; the desk takes them in before the phone itself comes or
  after, once or several times, and when the phone is lost.
* Then all heals: networks are good, everybody is there. The queues must drain, and every promise is looked for.

With `--postgres` two office processes work on one PostgreSQL database, and requests reach now the one, now the other.
There the office dies between transactions (before a commit, or after it and before anybody hears); the database's own
loss of power is PostgreSQL's to survive. A transaction is one step there: two that overlap inside the database wait for
locks in an order that its own processes decide, which no seed repeats. That is left to the races of threads and
processes in `tests/sync_server` (`test_storage_contract.py`, `test_migrations.py`) and to those of `make bench`.

Left to other tests: the update in a real browser's file system (`tests/browser`), where also each write and flush of
such a browser is kept, compared with the simulated one's and cut off at every flush; and real processes under `kill -9`
(below).

`make simulate SEED=7 STEPS=1` tells the story of seed 7 again; a failure prints its seed, makes itself short by leaving
events out for as long as the same invariant breaks, and prints what is left. Fifty seeds run in `make test`.
"""


class Summary(Struct, frozen=True):
    """What a run of many worlds came to."""

    first_seed: int
    worlds: int
    steps: int
    seconds: float
    processes: int
    counts: dict[str, int]
    excused: dict[str, int]


def section(summary: Summary) -> Section:
    counts = summary.counts
    happened = {name: counts.get(name, 0) for name in MISHAPS}
    last_seed = summary.first_seed + summary.worlds - 1
    checked = {name: times for name, times in sorted(counts.items()) if name not in happened}
    return Section(
        "The simulation's last recorded run",
        "A step is a move of a person, a message or a mishap. Nothing promised was lost, altered or doubled: a run in"
        " which anything was is not recorded.",
        [
            Figure("seeds", f"{summary.first_seed}-{last_seed} ({summary.worlds} worlds)"),
            Figure(
                "steps in 10 minutes on two cores",
                f"{summary.steps / summary.seconds * 600:,.0f}",
                "≥ 200,000",
                summary.steps / summary.seconds * 600 >= 200_000,
            ),
            Figure(f"steps, in {summary.seconds:,.0f} s with {summary.processes} process(es)", f"{summary.steps:,}"),
            Figure("faults injected", f"{sum(happened.values()):,}"),
            *(Figure(f"fault: {name}", f"{times:,}") for name, times in happened.items()),
            *(Figure(name, f"{times:,}") for name, times in checked.items()),
            *(Figure(f"may be missing, because {reason}", f"{times:,}") for reason, times in summary.excused.items()),
        ],
    )


def keep_run(summary: Summary) -> None:
    _keep("simulation", section(summary))


def keep_mutations(tried: Sequence[Tried]) -> None:
    caught = sum(outcome.caught is not None for outcome in tried)
    figures = [Figure("mutations caught", f"{caught} of {len(tried)}", "all of ≥ 15", caught == len(tried) >= 15)]
    for outcome in tried:
        result = outcome.caught
        found = "**survived**" if result is None else f"seed {result.seed}, step {result.steps}: {result.broken}"
        figures.append(Figure(outcome.mutation, found))
    words = (
        "`make mutations` breaks the production code in known ways, one at a time, and tells stories until an invariant"
        " is broken: which one, in which world and after how many steps."
    )
    _keep("mutations", Section("Mutations: that the simulation bites", words, figures))


def _keep(name: str, made: Section) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(made)))


def write_page() -> None:
    paths = [RESULTS / f"{name}.json" for name in _SECTIONS]
    sections = [msgspec.json.decode(path.read_bytes(), type=Section) for path in paths if path.exists()]
    PAGE.write_text("\n".join([_OPENING, *map(_rendered, sections)]), encoding="utf-8")


def _rendered(made: Section) -> str:
    marks = {True: "reached", False: "**missed**", None: ""}
    rows = [f"| {each.what} | {each.figure} | {each.goal} | {marks[each.holds]} |" for each in made.figures]
    table = "\n".join(["| what | figure | goal | |", "| --- | ---: | ---: | --- |", *rows])
    return f"## {made.title}\n\n{made.introduction}\n\n{table}\n"
