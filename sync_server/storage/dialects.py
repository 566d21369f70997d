"""What both engines spell alike and SQLAlchemy keeps per dialect: INSERT … ON CONFLICT, and statements about many."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg

Insert: TypeAlias = sqlite.Insert | postgresql.Insert

_DIALECTS: dict[str, sa.Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}
_MARKS = {"sqlite": "?", "postgresql": "%s"}
_VALUES = re.compile(r"__\[POSTCOMPILE_\w+\]")
"""Where a compiled statement has room for the values of an expanding parameter."""


def on_both(table: sa.Table, build: Callable[[Any], Insert]) -> dict[str, Insert]:
    """What `build` makes of an INSERT into `table`, by the name of the dialect; made once, not at every use."""
    return {"sqlite": build(sqlite.insert(table)), "postgresql": build(postgresql.insert(table))}


class ForMany:
    """A statement for any number of rows, handed to the driver as text.

    Compiled once, because SQLAlchemy's share of every row is larger than SQLite's. Values go to the driver as they are.
    """

    def __init__(self, statement: "sa.Insert | sa.Update | Mapping[str, Insert]") -> None:
        self._compiled: dict[str, tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]]]] = {}
        for name, dialect in _DIALECTS.items():
            compiled = (statement[name] if isinstance(statement, Mapping) else statement).compile(dialect=dialect)
            order = compiled.positiontup
            assert order, str(compiled)
            self._compiled[name] = str(compiled), itemgetter(*order)

    def execute(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Each row has a value for every parameter of the statement."""
        text, in_order = self._compiled[connection.dialect.name]
        connection.exec_driver_sql(text, [in_order(row) for row in rows])


class Among:
    """A query for whatever has one of any number of values, handed to the driver as text for the same reason.

    Its one parameter is `column.in_(bindparam(…, expanding=True))`.
    """

    def __init__(self, statement: "sa.Select[Any]") -> None:
        self._around: dict[str, tuple[str, str]] = {}
        for name, dialect in _DIALECTS.items():
            before, after = _VALUES.split(str(statement.compile(dialect=dialect)))
            self._around[name] = before, after

    def rows(self, connection: sa.Connection, values: Collection[Any]) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        if not values:
            return ()
        before, after = self._around[connection.dialect.name]
        marks = ", ".join([_MARKS[connection.dialect.name]] * len(values))
        return connection.exec_driver_sql(f"{before}{marks}{after}", tuple(values)).all()
