"""The first form of the database: tickets, journals, people, phones, uploads, prices."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", Number, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "customer_data_views",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("viewed_at_ms", Number, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer_data_views"),
    )
    op.create_index("ix_customer_data_views_ticket", "customer_data_views", ["ticket"], unique=False)
    op.create_table(
        "journals",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("received_through", Number, nullable=False),
        sa.Column("last_hash", sa.Text(), nullable=False),
        sa.Column("broken_at_ms", Number, nullable=True),
        sa.PrimaryKeyConstraint("device", name="pk_journals"),
    )
    op.create_table(
        "operations",
        sa.Column("position", Number, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("sequence", Number, nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("received_at_ms", Number, nullable=False),
        sa.Column("verdict", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_operations"),
        sa.UniqueConstraint("device", "sequence", name="uq_operations_device_sequence"),
    )
    op.create_index("ix_operations_id", "operations", ["id"], unique=False)
    op.create_index("ix_operations_ticket", "operations", ["ticket", "position"], unique=False)
    op.create_table(
        "people",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("certificates", sa.Text(), nullable=False),
        sa.Column("credential_until", sa.Text(), nullable=True),
        sa.Column("photo", sa.LargeBinary(), nullable=True),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at_ms", Number, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("login", name="uq_people_login"),
    )
    op.create_table(
        "prices",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("place", Number, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("price_fen", Number, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_prices"),
    )
    op.create_table(
        "set_aside",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("sequence", Number, autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("received_at_ms", Number, nullable=False),
        sa.Column("verdict", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device", "sequence", "hash", name="pk_set_aside"),
    )
    op.create_index("ix_set_aside_ticket", "set_aside", ["ticket"], unique=False)
    op.create_table(
        "ticket_numbers",
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("last", Number, nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_ticket_numbers"),
    )
    op.create_table(
        "tickets",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("version", Number, nullable=False),
        sa.Column("position", Number, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=True),
        sa.Column("technician", sa.Text(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("created_at_ms", Number, nullable=False),
        sa.Column("window_start_ms", Number, nullable=True),
        sa.Column("window_end_ms", Number, nullable=True),
        sa.Column("over_at_ms", Number, nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("linked_ticket", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
        sa.UniqueConstraint("number", name="uq_tickets_number"),
    )
    op.create_index("ix_tickets_created_at_ms", "tickets", ["created_at_ms"], unique=False)
    op.create_index("ix_tickets_holder", "tickets", ["holder", "position"], unique=False)
    op.create_index("ix_tickets_linked_ticket", "tickets", ["linked_ticket"], unique=False)
    op.create_index("ix_tickets_phone", "tickets", ["phone"], unique=False)
    op.create_index("ix_tickets_position", "tickets", ["position"], unique=False)
    op.create_index("ix_tickets_serial", "tickets", ["serial"], unique=False)
    op.create_index("ix_tickets_status", "tickets", ["status"], unique=False)
    op.create_index("ix_tickets_technician", "tickets", ["technician", "window_start_ms"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", Number, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("begun_at_ms", Number, nullable=False),
        sa.Column("expires_at_ms", Number, nullable=False),
        sa.Column("settled_at_ms", Number, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_person_sha256", "uploads", ["person", "sha256"], unique=False)
    op.create_index("ix_uploads_state_expires_at_ms", "uploads", ["state", "expires_at_ms"], unique=False)
    op.create_table(
        "withdrawals",
        sa.Column("technician", sa.Text(), nullable=False),
        sa.Column("position", Number, autoincrement=False, nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("technician", "position", name="pk_withdrawals"),
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("enrolled_at_ms", Number, nullable=False),
        sa.Column("last_heard_at_ms", Number, nullable=True),
        sa.Column("holds_operations", Number, nullable=True),
        sa.Column("holds_photos", Number, nullable=True),
        sa.Column("revoked_at_ms", Number, nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_devices_person"),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.UniqueConstraint("token_sha256", name="uq_devices_token_sha256"),
    )
    op.create_index("ix_devices_person", "devices", ["person"], unique=False)
    op.create_table(
        "revocations",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("revoked_at_ms", Number, autoincrement=False, nullable=False),
        sa.Column("revoked_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name="fk_revocations_device"),
        sa.PrimaryKeyConstraint("device", "revoked_at_ms", name="pk_revocations"),
    )
    op.create_table(
        "enrolment_offers",
        sa.Column("key_sha256", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("offered_by", sa.Text(), nullable=False),
        sa.Column("offered_at_ms", Number, nullable=False),
        sa.Column("expires_at_ms", Number, nullable=False),
        sa.Column("used_at_ms", Number, nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_enrolment_offers_person"),
        sa.PrimaryKeyConstraint("key_sha256", name="pk_enrolment_offers"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("created_at_ms", Number, nullable=False),
        sa.Column("used_at_ms", Number, nullable=False),
        sa.Column("expires_at_ms", Number, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name="fk_sessions_person"),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_sessions"),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"], unique=False)
    counters = sa.table("counters", sa.column("name", sa.Text), sa.column("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": "feed", "value": 0}, {"name": "reference", "value": 0}])
