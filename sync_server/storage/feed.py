"""The feed's counter: a commit-ordered, gap-free number for every change to any ticket.

One row is raised by the transaction that makes the change and stays locked until it commits, so a position becomes
visible only after every smaller one (a database sequence does not promise that, and a cursor reader would lose rows).
Take positions last, when everything has been read and decided: others wait for the row.
"""

import sqlalchemy as sa

from sync_server.storage.metadata import Number, metadata

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", Number, nullable=False),
)

FEED = "feed"
REFERENCE = "reference"

_LATEST = sa.select(counters.c.value).where(counters.c.name == FEED)
_REVISION = sa.select(counters.c.value).where(counters.c.name == REFERENCE)
_RAISE = (
    sa.update(counters)
    .where(counters.c.name == sa.bindparam("counter"))
    .values(value=counters.c.value + sa.bindparam("count"))
    .returning(counters.c.value)
)


class Feed:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.taken_through: int | None = None
        """The last position this transaction has taken."""

    def latest(self) -> int:
        """Everything up to here is committed and in this snapshot."""
        return int(self._connection.scalar(_LATEST) or 0)

    def take(self, count: int) -> int:
        """Reserve `count` positions for this transaction and return the first."""
        assert count > 0, count
        through = self._raise(FEED, count)
        self.taken_through = through
        return through - count + 1

    def reference_revision(self) -> int:
        return int(self._connection.scalar(_REVISION) or 0)

    def reference_changed(self) -> None:
        """To be called by whatever changes what phones carry to look up: people, certificates, prices."""
        self._raise(REFERENCE, 1)

    def _raise(self, name: str, count: int) -> int:
        value = self._connection.scalar(_RAISE, {"counter": name, "count": count})
        assert value is not None, name  # the first migration puts a row there for each
        return int(value)
