"""The section of docs/reliability.md: what was killed, what broke, what was looked at."""

from pathlib import Path

import msgspec

from bench.report import Figure, Section
from tools.torture.killing import PHONES, Killed

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".build" / "reliability" / "real-parts.json"

_INTRODUCTION = """`make torture`: the office as it is shipped and {phones} phones (the app's own store, engine and
actions on a real file, without the screens) are processes of their own; a relay between them breaks their connections;
each is ended by SIGKILL again and again, at moments nobody chose. What a phone called saved is looked for after every
kill of it, what the office called received after every kill of the office, and everything when all has calmed down.
SIGKILL takes the process and not the power: what an unflushed disk forgets is the simulation's part."""


def keep(outcome: Killed) -> str:
    """Leave the section for the page; what it says, for whoever waits."""
    made = section(outcome)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(made)))
    return "\n".join(f"{figure.what}: {figure.figure}" for figure in made.figures)


def section(outcome: Killed) -> Section:
    looked, held = outcome.looked, not outcome.faults
    struck = ", ".join(f"{fault.value} {times:,}" for fault, times in sorted(outcome.struck.items()))
    return Section(
        "Real parts under kill -9",
        _INTRODUCTION.format(phones=PHONES).replace("\n", " "),
        [
            Figure("seed", str(outcome.seed)),
            Figure(
                "processes killed by SIGKILL: office + phones",
                f"{outcome.kills:,}: {outcome.office_kills:,} + {outcome.phone_kills:,}",
                "≥ 500",
                outcome.kills >= 500,
            ),
            Figure("of these, while starting; both sides at once", f"{outcome.while_starting:,}; {outcome.together:,}"),
            Figure("connections; those that found no office", f"{outcome.connections:,}; {outcome.nobody_there:,}"),
            Figure(f"connections broken ({struck})", f"{outcome.struck.total():,}"),
            Figure(
                "`integrity_check` and `foreign_key_check` of the killed side's file",
                f"{looked.integrity_checks:,} sound",
            ),
            Figure(
                "entries called saved; lost",
                f"{looked.acknowledged:,}; {len(outcome.faults):,}",
                "0 lost",
                held,
            ),
            Figure("times one of them was looked for on a killed phone, and found", f"{looked.entries_found:,}"),
            Figure("times a killed office still held what it had called received", f"{looked.receipts_held:,}"),
            Figure(
                "operations at the office in the end: exactly once, one verdict, byte for byte the phone's",
                f"{looked.operations:,}",
                "all",
                held,
            ),
            Figure(
                "photos at the office in the end, by SHA-256",
                f"{looked.photos:,}, {looked.photo_bytes / 1e6:,.0f} MB",
                "all",
                held,
            ),
            Figure("tickets made again from the gap-free feed, and equal", f"{looked.tickets:,}", "all", held),
            Figure("minutes", f"{outcome.seconds / 60:.1f}"),
        ],
    )
