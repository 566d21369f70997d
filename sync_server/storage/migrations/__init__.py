"""How a database gets from any earlier form to today's: Alembic revisions, run in one transaction at every start.

The tables of today are in the areas of sync_server.storage; a test holds that the revisions lead exactly there, on both
engines. To add one: change the tables, `make migration NAME=what_changes`… or copy the newest file under `versions` and
write the two functions; a revision that has shipped is never edited.
"""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_LOCK = 0x446F6F72
"""Any number, the same for every process of every office: who migrates first lets the others wait."""


def upgrade(connection: sa.Connection) -> None:
    """Bring the database to the newest form, within the caller's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    configuration = Config()
    configuration.set_main_option("script_location", "sync_server.storage:migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
