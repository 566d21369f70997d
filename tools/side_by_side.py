"""Two runs on one machine, in one checkout: what each needs for itself, and what only one may do at a time.

    python tools/side_by_side.py NAME COMMAND ...    run a command while nobody else does anything under that name

Runs before anything is installed: standard library only.
"""

import contextlib
import fcntl
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LOCKS = Path(__file__).resolve().parent.parent / ".build" / "locks"

_PORTS = range(20_000, 32_000)
"""Below those that Linux and macOS hand out by themselves: no connection of anybody's ever takes one of these."""
_reserved: list[socket.socket] = []


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Wait until no other process of this checkout is in a block of that name, and keep them out until it ends.

    The lock is the system's and ends with the process, however that ends. It counts per block: one inside another of
    the same name waits for ever.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free, and that no other process is given here while this one lives.

    A port that the system picks is anybody's again once it is closed: another run's, or a passing connection's, while
    a server that is to have it is started or stopped. So the UDP port of the same number is held instead.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            held.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            held.close()
            continue
        _reserved.append(held)
        return port
    raise RuntimeError(f"none of the ports {_PORTS} is free")


def main(name: str, *command: str) -> int:
    with alone(name):
        return subprocess.run(command, check=False).returncode  # noqa: S603 — the command is the caller's


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
