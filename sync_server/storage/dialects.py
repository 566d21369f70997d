"""What both engines spell alike and SQLAlchemy keeps per dialect: INSERT … ON CONFLICT, and statements about many."""

import re
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors

Insert: TypeAlias = sqlite.Insert | postgresql.Insert

_DIALECTS: dict[str, sa.Dialect] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": psycopg.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}
_MARKS = {"sqlite": "?", "postgresql": "%s"}
_TOGETHER = (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
"""For so many rows a statement is made: few texts, which SQLite's driver keeps prepared."""
_AMONG = tuple(2**power for power in range(13))
"""Among so many values a query looks, for the same reason; where there are fewer, the last one is said again."""
_VALUES = re.compile(r"__\[POSTCOMPILE_\w+\]")
"""Where a compiled statement has room for the values of an expanding parameter."""


class text_of(sa.sql.functions.FunctionElement[str]):
    """Bytes that are UTF-8, as text."""

    type = sa.Text()
    inherit_cache = True


class bytes_of(sa.sql.functions.FunctionElement[bytes]):
    """Text as the bytes of its UTF-8."""

    type = sa.LargeBinary()
    inherit_cache = True


class joined(sa.sql.functions.FunctionElement[str]):
    """The texts of all rows as one, commas between them; NULL of no rows.

    For many small rows: SQLite's driver lets other threads run at every row, and each time the interpreter's lock goes
    from one core to another and back, which takes longer than the row.
    """

    type = sa.Text()
    inherit_cache = True


def _spelt(function: type[sa.sql.functions.FunctionElement[Any]], **by_dialect: str) -> None:
    def spell(form: str) -> Callable[..., str]:
        return lambda element, compiler, **options: form.format(compiler.process(element.clauses, **options))

    for dialect, form in by_dialect.items():
        compiles(function, dialect)(spell(form))


_spelt(text_of, sqlite="CAST({} AS TEXT)", postgresql="convert_from({}, 'UTF8')")
_spelt(bytes_of, sqlite="CAST({} AS BLOB)", postgresql="convert_to({}, 'UTF8')")
_spelt(joined, sqlite="group_concat({}, ',')", postgresql="string_agg({}, ',')")


def on_both(table: sa.Table, build: Callable[[Any], Insert]) -> dict[str, Insert]:
    """What `build` makes of an INSERT into `table`, by the name of the dialect; made once, not at every use."""
    return {"sqlite": build(sqlite.insert(table)), "postgresql": build(postgresql.insert(table))}


def _driver_of(connection: sa.Connection) -> sqlite3.Connection:
    """Its statements take part in the connection's transaction; what it raises are sqlite3's own errors."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection), driver
    return driver


def _found(connection: sa.Connection, text: str, values: tuple[Any, ...]) -> Sequence[tuple[Any, ...]]:
    if connection.dialect.name == "sqlite":
        return _driver_of(connection).execute(text, values).fetchall()
    return connection.exec_driver_sql(text, values).all()


class ForMany:
    """A statement for any number of rows, handed to the driver as text.

    Compiled once, because SQLAlchemy's share of every row is larger than SQLite's, as it is of every statement. Values
    go to the driver as they are.
    On SQLite one statement is about many rows: the driver lets other threads run at every step of a statement, and a
    step for each row has the writer's thread and the event loop wake each other thousands of times a second.
    """

    def __init__(
        self, statement: "sa.Insert | sa.Update | Mapping[str, Insert]", names: Sequence[str] | None = None
    ) -> None:
        """Rows are mappings, or, where `names` are given, tuples with the values of these parameters in that order.

        Where an update is given two rows about the same one of the table, either may be written last.
        """
        on = statement if isinstance(statement, Mapping) else dict.fromkeys(_DIALECTS, statement)
        self._one, wanted = _compiled(on["postgresql"], "postgresql")
        self._in_order = _ordering(wanted, names)
        before, wanted, after = _for_given(on["sqlite"])
        self._around = before, f"({', '.join('?' * len(wanted))})", after
        self._many = {size: self._about(size) for size in _TOGETHER}
        self._in_sqlite_order = _ordering(wanted, names)

    def execute(self, connection: sa.Connection, rows: Sequence[Any]) -> None:
        """Each row has a value for every parameter of the statement."""
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql(self._one, list(self._in_order(rows)))
            return
        driver = _driver_of(connection)
        for text, values in self._for_sqlite(rows):
            driver.execute(text, values)

    def execute_alone(self, connection: sqlite3.Connection, rows: Sequence[Any]) -> None:
        """The same without SQLAlchemy, by one statement whatever their number (a few hundred at most): it needs no
        transaction begun around it."""
        connection.execute(self._about(len(rows)), tuple(chain.from_iterable(self._in_sqlite_order(rows))))

    def texts(self, most: int) -> list[str]:
        """What SQLite is told about up to so many rows."""
        return [text for size, text in self._many.items() if size <= most]

    def _about(self, count: int) -> str:
        before, row, after = self._around
        return f"{before}{', '.join([row] * count)}{after}"

    def _for_sqlite(self, rows: Sequence[Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        done = 0
        for size, text in self._many.items():
            while len(rows) - done >= size:
                yield text, tuple(chain.from_iterable(self._in_sqlite_order(rows[done : done + size])))
                done += size


def _ordering(wanted: Sequence[str], names: Sequence[str] | None) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """From rows to the tuples that a text takes."""
    if names is not None and list(names) == list(wanted):
        return iter
    return partial(map, itemgetter(*wanted) if names is None else itemgetter(*map(names.index, wanted)))


def _for_given(statement: "sa.Insert | sa.Update") -> tuple[str, Sequence[str], str]:
    """SQLite's text before the rows, the parameters that each row has, and the text after them."""
    text, names = _compiled(statement, "sqlite")
    if isinstance(statement, sa.Insert):
        before, after = re.split(r"(?<= VALUES )\([?, ]+\)", text)
        return before, names, after
    names = list(dict.fromkeys(names))
    given = sa.table("given", *(sa.column(name) for name in names))

    def from_given(element: Any, **_: Any) -> Any:
        return given.c[element.key] if isinstance(element, sa.BindParameter) else None

    text, _ = _compiled(visitors.replacement_traverse(statement, {}, from_given), "sqlite")
    return f"WITH given ({', '.join(names)}) AS (VALUES ", names, f") {text}"


def _compiled(statement: Any, dialect: str) -> tuple[str, Sequence[str]]:
    """Its text, and its parameters in their order."""
    compiled = statement.compile(dialect=_DIALECTS[dialect])
    return str(compiled), compiled.positiontup


class Among:
    """A query for whatever has one of any number of values, handed to the driver as text for the same reason.

    Its one parameter is `column.in_(bindparam(…, expanding=True))`.
    """

    def __init__(self, statement: "sa.Select[Any]") -> None:
        self._around: dict[str, tuple[str, str]] = {}
        for name, dialect in _DIALECTS.items():
            before, after = _VALUES.split(str(statement.compile(dialect=dialect)))
            self._around[name] = before, after

    def rows(self, connection: sa.Connection, values: Collection[Any]) -> Sequence[tuple[Any, ...]]:
        if not values:
            return ()
        among = tuple(values)
        dialect = connection.dialect.name
        if dialect == "sqlite":
            size = next((size for size in _AMONG if size >= len(among)), len(among))
            among += among[-1:] * (size - len(among))
        return _found(connection, self._about(dialect, len(among)), among)

    def texts(self, most: int) -> list[str]:
        """What SQLite is asked about up to so many values."""
        return [self._about("sqlite", size) for size in _AMONG if size < 2 * most]

    def _about(self, dialect: str, count: int) -> str:
        before, after = self._around[dialect]
        return f"{before}{', '.join([_MARKS[dialect]] * count)}{after}"


class ForOne:
    """A statement that answers with a single value, handed to the driver as text for the same reason."""

    def __init__(self, statement: "sa.Select[Any] | sa.Update") -> None:
        self._texts = {dialect: _compiled(statement, dialect) for dialect in _DIALECTS}

    def value(self, connection: sa.Connection, values: Mapping[str, Any]) -> Any:
        """None where there is no such row."""
        text, names = self._texts[connection.dialect.name]
        rows = _found(connection, text, tuple([values[name] for name in names]))
        return rows[0][0] if rows else None


def rehearse(connection: sa.Connection, texts: Iterable[str]) -> None:
    """Have SQLite read what it will be told, and its driver keep what that comes to; nothing is done."""
    driver = _driver_of(connection)
    driver.execute("SAVEPOINT rehearsal")
    for text in texts:
        with suppress(sqlite3.IntegrityError):  # a row of nothing is refused, when its text has been read
            driver.execute(text, (None,) * text.count("?")).close()
    driver.execute("ROLLBACK TO rehearsal")
    driver.execute("RELEASE rehearsal")
