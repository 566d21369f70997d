"""Python in a process of its own, killed at its n-th flush after it has called count_flushes()."""

import subprocess
import sys

_DYING = """
import os, signal, sys

left, flush = int(sys.argv.pop(1)), os.fsync

def flush_or_die(handle):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    flush(handle)

def count_flushes():
    os.fsync = flush_or_die
"""


def killed_at(flush: int, script: str, *words: str) -> int:
    """Exit status of `script`, whose arguments are `words`; -9 where it came to that flush. At 0 it is left alone."""
    command = [sys.executable, "-c", _DYING + script, str(flush), *words]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
