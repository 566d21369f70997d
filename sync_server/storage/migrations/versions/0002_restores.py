"""On record: when this database was restored from a backup, and where its feed went on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column("feed_resumes_after", Number, autoincrement=False, nullable=False),
        sa.Column("feed_through", Number, nullable=False),
        sa.Column("backed_up_at_ms", Number, nullable=False),
        sa.Column("restored_at_ms", Number, nullable=False),
        sa.PrimaryKeyConstraint("feed_resumes_after", name="pk_restores"),
    )
