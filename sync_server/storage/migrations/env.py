"""What Alembic runs to reach a database: here it is handed the connection and the transaction it works in."""

from alembic import context

from sync_server.storage.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite's, too: the transaction was begun by hand
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()
