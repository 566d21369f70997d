"""How a database gets from any earlier form to today's: Alembic revisions, run in one transaction at every start.

The tables of today are in the areas of sync_server.storage; a test holds that the revisions lead exactly there, on both
engines. To add one: change the tables, `make migration NAME=what_changes`… or copy the newest file under `versions` and
write the two functions; a revision that has shipped is never edited.
"""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

TABLE = "alembic_version"

_LOCK = 0x446F6F72
"""Any number, the same for every process of every office: who migrates first lets the others wait."""


class SchemaUnknown(Exception):
    """The database has a form that this program does not know: a newer one made it. The message is its revision."""


def upgrade(connection: sa.Connection, to: str = "head") -> None:
    """Bring the database to the newest form, within the caller's transaction. Raises SchemaUnknown."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    found = revision(connection)
    if found is not None and not is_known(found):
        raise SchemaUnknown(found)
    configuration = _configuration()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, to)


def revision(connection: sa.Connection) -> str | None:
    """What form the database has; None where it has none yet."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    found = ScriptDirectory.from_config(_configuration()).get_current_head()
    assert found is not None
    return found


def is_known(revision: str) -> bool:
    """Whether this program can bring a database of that form to the newest."""
    return revision in {script.revision for script in ScriptDirectory.from_config(_configuration()).walk_revisions()}


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", "sync_server.storage:migrations")
    return configuration
