"""The feed's counter: a commit-ordered, gap-free number for every change to any ticket.

One row is raised by the transaction that makes the change and stays locked until it commits, so a position becomes
visible only after every smaller one (a database sequence does not promise that, and a cursor reader would lose rows).
Take positions last, when everything has been read and decided: others wait for the row.

A database restored from a backup goes on far above (docs/decisions/0012): what phones were told after the backup was
made must not be taken for what they are told from now on. These jumps are on record; there are no other gaps.
"""

import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import asdict

from sync_server.storage.dialects import ForOne
from sync_server.storage.metadata import Number, metadata

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", Number, nullable=False),
)

restores = sa.Table(
    "restores",
    metadata,
    sa.Column("feed_resumes_after", Number, primary_key=True, autoincrement=False),
    sa.Column("feed_through", Number, nullable=False),
    sa.Column("backed_up_at_ms", Number, nullable=False),
    sa.Column("restored_at_ms", Number, nullable=False),
)

FEED = "feed"
REFERENCE = "reference"

_POSITIONS_PER_SECOND = 2**20
"""More than any office hands out. So the time of a restore, in this unit, is above every position of any history that
began earlier, also one this database knows nothing of; and below 2⁵³ until the year 2242."""


class Restore(Struct, frozen=True):
    """This database was once restored from a backup."""

    feed_resumes_after: int
    feed_through: int
    """The feed's last position in the backup."""
    backed_up_at_ms: int
    restored_at_ms: int


_COUNTED = ForOne(sa.select(counters.c.value).where(counters.c.name == sa.bindparam("counter")))
_RAISE = ForOne(
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
        return int(_COUNTED.value(self._connection, {"counter": FEED}) or 0)

    def take(self, count: int) -> int:
        """Reserve `count` positions for this transaction and return the first."""
        assert count > 0, count
        through = self._raise(FEED, count)
        self.taken_through = through
        return through - count + 1

    def resumed_after(self) -> int:
        """Where the feed went on after the newest restore; 0 where there was none.

        A cursor below it may be of a history that was lost.
        """
        return int(self._connection.scalar(sa.select(sa.func.max(restores.c.feed_resumes_after))) or 0)

    def restores(self) -> list[Restore]:
        """Oldest first."""
        columns = (restores.c[name] for name in Restore.__struct_fields__)
        rows = self._connection.execute(sa.select(*columns).order_by(restores.c.feed_resumes_after))
        return [Restore(*row) for row in rows]

    def resume_after_restore(self, backed_up_at_ms: int, restored_at_ms: int) -> Restore:
        """Go on where no position can have been handed out, and keep on record that the feed jumped there."""
        through = self.latest()
        after = max(through + _POSITIONS_PER_SECOND, restored_at_ms // 1000 * _POSITIONS_PER_SECOND)
        self._raise(FEED, after - through)
        restore = Restore(after, through, backed_up_at_ms, restored_at_ms)
        self._connection.execute(restores.insert(), [asdict(restore)])
        return restore

    def reference_revision(self) -> int:
        return int(_COUNTED.value(self._connection, {"counter": REFERENCE}) or 0)

    def reference_changed(self) -> None:
        """To be called by whatever changes what phones carry to look up: people, certificates, prices."""
        self._raise(REFERENCE, 1)

    def _raise(self, name: str, count: int) -> int:
        value = _RAISE.value(self._connection, {"counter": name, "count": count})
        assert value is not None, name  # the first migration puts a row there for each
        return int(value)
