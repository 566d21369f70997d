"""The one statement both engines spell alike and SQLAlchemy keeps per dialect: INSERT … ON CONFLICT."""

from collections.abc import Callable
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Insert: TypeAlias = sqlite.Insert | postgresql.Insert


def on_both(table: sa.Table, build: Callable[[Any], Insert]) -> dict[str, Insert]:
    """What `build` makes of an INSERT into `table`, by the name of the dialect; made once, not at every use."""
    return {"sqlite": build(sqlite.insert(table)), "postgresql": build(postgresql.insert(table))}
