"""The office's own look at its photos: how far it has come, what it found damaged or missing, who was asked for it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "scrubs",
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("begun_at_ms", Number, nullable=False),
        sa.Column("ended_at_ms", Number, nullable=True),
        sa.Column("done_through", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("process_until_ms", Number, nullable=False),
        sa.PrimaryKeyConstraint("folder", name="pk_scrubs"),
    )
    op.create_table(
        "photo_faults",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("found_at_ms", Number, nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name="pk_photo_faults"),
    )
    op.create_table(
        "photo_recalls",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("heard_at_ms", Number, nullable=False),
        sa.PrimaryKeyConstraint("device", name="pk_photo_recalls"),
    )
