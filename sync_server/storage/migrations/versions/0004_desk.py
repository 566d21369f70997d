"""What the desk looks for: a ticket's duplicates, tickets with something late, since when a phone has held work."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("tickets", sa.Column("duplicate_of", sa.Text(), nullable=True))
    op.create_index("ix_tickets_duplicate_of", "tickets", ["duplicate_of"], unique=False)
    op.create_index(
        "ix_tickets_late",
        "tickets",
        ["position"],
        unique=False,
        sqlite_where=sa.text("late IS 1"),
        postgresql_where=sa.text("late IS true"),
    )
    op.add_column("devices", sa.Column("holds_since_ms", Number, nullable=True))
