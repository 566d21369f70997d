"""What a transaction sees of the database, area by area."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, TypeVarTuple

import sqlalchemy as sa

from sync_server.storage import journal, keys, people, tickets
from sync_server.storage.attention import Attention
from sync_server.storage.audit import Audit
from sync_server.storage.dialects import ForMany, rehearse
from sync_server.storage.feed import Feed
from sync_server.storage.journal import Journal
from sync_server.storage.keys import Keys
from sync_server.storage.people import People
from sync_server.storage.prices import Prices
from sync_server.storage.rescues import Rescues
from sync_server.storage.scrubs import Scrubs
from sync_server.storage.tickets import Tickets
from sync_server.storage.uploads import Uploads

A = TypeVar("A")
R = TypeVarTuple("R")


Values: TypeAlias = Mapping[str, str | int]


class Looking(Protocol):
    """One snapshot, asked by statements that the areas offer; see Storage.look."""

    def row(self, statement: sa.Select[*R], values: Values) -> tuple[*R]: ...

    def rows(self, statement: "sa.Select[*R] | sa.CompoundSelect[*R]", values: Values) -> list[tuple[*R]]: ...


_OF_EACH_PHONE = (*journal.OF_EACH_PHONE, *keys.OF_EACH_PHONE, *people.OF_EACH_PHONE, *tickets.OF_EACH_PHONE)
_OF_EACH_OPERATION = (*journal.OF_EACH_OPERATION, *tickets.OF_EACH_TICKET)


class Reading:
    """One snapshot of everything; good for as long as the `work` it was handed to runs."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def row(self, statement: sa.Select[*R], values: Values) -> tuple[*R]:
        """The one row that a statement finds."""
        return (*self._connection.execute(statement, dict(values)).one(),)

    def rows(self, statement: "sa.Select[*R] | sa.CompoundSelect[*R]", values: Values) -> list[tuple[*R]]:
        return [(*row,) for row in self._connection.execute(statement, dict(values))]

    @cached_property
    def attention(self) -> Attention:
        return Attention(self._connection)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self._connection)

    @cached_property
    def feed(self) -> Feed:
        return Feed(self._connection)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self._connection)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self._connection)

    @cached_property
    def people(self) -> People:
        return People(self._connection)

    @cached_property
    def prices(self) -> Prices:
        return Prices(self._connection)

    @cached_property
    def rescues(self) -> Rescues:
        return Rescues(self._connection)

    @cached_property
    def scrubs(self) -> Scrubs:
        return Scrubs(self._connection)

    @cached_property
    def tickets(self) -> Tickets:
        return Tickets(self._connection)

    @cached_property
    def uploads(self) -> Uploads:
        return Uploads(self._connection)


class Writing(Reading):
    """The same inside a transaction that will be committed, or will never have been."""

    def execute(self, statement: ForMany, rows: Sequence[Any]) -> None:
        statement.execute(self._connection, rows)

    def rehearse(self, phones: int, operations: int) -> None:
        """Have SQLite read what it will be told when so many phones bring so many operations."""
        texts = [text for each in _OF_EACH_PHONE for text in each.texts(phones)]
        texts += [text for each in _OF_EACH_OPERATION for text in each.texts(operations)]
        rehearse(self._connection, texts)


class Rows(Generic[A]):
    """Work for Storage.write_together that is one statement, with a row for whatever each write is about.

    In a transaction of nothing else it goes straight to SQLite's driver, as one statement, which is one transaction:
    SQLAlchemy's share of a few rows is several times SQLite's, and at every statement, BEGIN and COMMIT too, the
    interpreter's lock goes to another thread and has to be waited for.
    """

    def __init__(self, statement: ForMany, row: Callable[[A], tuple[str | int, ...]]) -> None:
        self._statement = statement
        self._row = row

    def __call__(self, writing: Writing, abouts: Sequence[A]) -> Sequence[None]:
        writing.execute(self._statement, [self._row(about) for about in abouts])
        return [None] * len(abouts)

    def write(self, connection: sqlite3.Connection, abouts: Sequence[A]) -> None:
        self._statement.execute_alone(connection, [self._row(about) for about in abouts])
