"""Servers as processes of their own: started, asked what they used, stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import load

_READY_SECONDS = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


def settle() -> None:
    """Have on the disk what earlier turns have written: it is busy with nothing else when the next one begins."""
    os.sync()


class Served:
    """A running server. What it used is read from /proc: Linux only, like the figures."""

    def __init__(self, address: str, process: int) -> None:
        self.address = address
        self._process = process

    def cpu_seconds(self) -> float:
        """Of all its threads, and of the processes it started that still run."""
        return sum(_cpu_seconds(each) for each in _family(self._process))

    def memory_bytes(self) -> int:
        """Resident now."""
        return sum(_memory(each, "VmRSS") for each in _family(self._process))

    def peak_memory_bytes(self) -> int:
        """The most that was ever resident."""
        return sum(_memory(each, "VmHWM") for each in _family(self._process))


def _family(process: int) -> list[int]:
    """The process and its descendants."""
    family = [process]
    for each in family:
        for task in Path(f"/proc/{each}/task").iterdir():
            family.extend(int(child) for child in (task / "children").read_text().split())
    return family


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(process: int, what: str) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def doorstep(data: Path, **settings: str) -> Iterator[Served]:
    """The office, as in life."""
    environment = os.environ | {"DOORSTEP_DATA": str(data), "DOORSTEP_PORT": "0", "DOORSTEP_HOST": "127.0.0.1"}
    with announced([sys.executable, "-m", "sync_server", "serve"], environment | settings) as served:
        yield served


@contextmanager
def nothing() -> Iterator[Served]:
    """A handler that does nothing."""
    with announced([sys.executable, "-m", "bench.serve_nothing"]) as served:
        yield served


@contextmanager
def bare_photos(folder: Path) -> Iterator[Served]:
    with announced([sys.executable, "-m", "bench.serve_bare_photos", str(folder)]) as served:
        yield served


@contextmanager
def announced(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A server whose first line of output ends with its address, and which answers GET /health."""
    with running(command, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1].decode()
        wait_for(address, "/health")
        yield Served(address, process.pid)


@contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    stdout: int = subprocess.DEVNULL,
    folder: Path | None = None,
) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=stdout, stderr=subprocess.DEVNULL, cwd=folder
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(address: str, path: str) -> None:
    """Until the server answers with 2xx. Raises what the last attempt met after a minute."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            load.drive(address, [load.again(load.request("GET", path, b""), 1)])
        except (OSError, load.RefusedByServer):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
