"""A PostgreSQL server of this process's own, and an empty database on it for each world."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count

import sqlalchemy as sa

from tests.builders.postgresql import a_postgresql

_numbers = count(1)


@cache
def _server() -> sa.URL:
    folder = tempfile.mkdtemp(prefix="doorstep-simulation-postgresql-")
    server = a_postgresql(folder)

    def stop() -> None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")


@contextmanager
def a_database() -> Iterator[str]:
    """Its address."""
    name = f"world_{next(_numbers)}"
    administration = sa.create_engine(_server(), isolation_level="AUTOCOMMIT")
    with administration.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield _server().set(database=name).render_as_string(hide_password=False)
    with administration.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    administration.dispose()
