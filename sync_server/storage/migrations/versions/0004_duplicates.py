"""A ticket that was merged into another is found from that other."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tickets", sa.Column("duplicate_of", sa.Text(), nullable=True))
    op.create_index("ix_tickets_duplicate_of", "tickets", ["duplicate_of"], unique=False)
