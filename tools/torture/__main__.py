"""`make torture`: kill, judge, and leave the figures for docs/reliability.md in .build/reliability."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tools.torture.killing import Killed, Torture
from tools.torture.report import RESULTS, keep


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=500, help="processes ended by SIGKILL (500)")
    parser.add_argument("--seed", type=int, default=1, help="of the dice: what is entered, what breaks (1)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="doorstep-torture-"))
    outcome = Torture(folder, arguments.seed).run(arguments.kills, _progress)
    sys.stderr.write("\n")
    if outcome.faults:
        sys.stderr.write("\n".join(outcome.faults[:20]) + f"\nseed {outcome.seed}; what is left is in {folder}\n")
        return 1
    shutil.rmtree(folder)
    sys.stdout.write(f"{keep(outcome)}\nkept in {RESULTS}\n")
    return 0


def _progress(outcome: Killed) -> None:
    entries = outcome.looked.entries_found
    sys.stderr.write(f"\r{outcome.kills} killed, {entries} times looked for an entry, {len(outcome.faults)} missing  ")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
