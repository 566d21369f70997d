"""Signed journals and the phones' keys; refused operations as a queue; what rescue files brought; the office's secrets.

Operations that were refused before this revision are filed from the verdicts they were given.
"""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_VERDICTS_AT_ONCE = 5000
_AT_ONCE = 50
"""Operations; each can have a megabyte."""
_OFFICE = "office"
_TOLD = ("id", "device", "sequence", "ticket", "received_at_ms", "verdict", "raw")


def upgrade() -> None:
    op.add_column("journals", sa.Column("signed_through", Number, nullable=False, server_default="0"))
    op.add_column("journals", sa.Column("signed_hash", sa.Text(), nullable=True))
    op.add_column("journals", sa.Column("signed_key", sa.LargeBinary(), nullable=True))
    op.add_column("journals", sa.Column("signature", sa.LargeBinary(), nullable=True))
    op.add_column("journals", sa.Column("signed_at_ms", Number, nullable=True))
    op.add_column("journals", sa.Column("signature_failed_at_ms", Number, nullable=True))
    op.add_column("journals", sa.Column("signature_fault", sa.Text(), nullable=True))
    op.create_table(
        "device_keys",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("since_ms", Number, autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("learnt_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("device", "since_ms", name="pk_device_keys"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("made_at_ms", Number, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
    refusals = op.create_table(
        "refusals",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("sequence", Number, autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("position", Number, nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("refused_at_ms", Number, nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at_ms", Number, nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("by_operation", sa.Text(), nullable=True),
        sa.Column("seen_at_ms", Number, nullable=True),
        sa.Column("seen_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("device", "sequence", "hash", name="pk_refusals"),
    )
    assert refusals is not None
    op.create_index("ix_refusals_operation", "refusals", ["operation"], unique=False)
    op.create_index("ix_refusals_ticket", "refusals", ["ticket"], unique=False)
    is_open = sa.text("answered_at_ms IS NULL AND seen_at_ms IS NULL")
    op.create_index(
        "ix_refusals_open",
        "refusals",
        ["refused_at_ms"],
        unique=False,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_table(
        "rescued_drafts",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("made_at_ms", Number, nullable=False),
        sa.Column("taken_in_at_ms", Number, nullable=False),
        sa.Column("seen_at_ms", Number, nullable=True),
        sa.Column("seen_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("device", "key", "hash", name="pk_rescued_drafts"),
    )
    op.create_table(
        "rescued_operations",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("sequence", Number, autoincrement=False, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("taken_in_at_ms", Number, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device", "sequence", "hash", name="pk_rescued_operations"),
    )
    op.create_table(
        "rescues",
        sa.Column("id", Number, autoincrement=True, nullable=False),
        sa.Column("file_sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", Number, nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("made_at_ms", Number, nullable=False),
        sa.Column("taken_in_at_ms", Number, nullable=False),
        sa.Column("taken_in_by", sa.Text(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rescues"),
    )
    op.create_index("ix_rescues_device", "rescues", ["device"], unique=False)
    op.create_index("ix_rescues_file_sha256", "rescues", ["file_sha256"], unique=False)
    _file_what_was_refused(op.get_bind(), refusals)


def _file_what_was_refused(connection: sa.Connection, refusals: sa.Table) -> None:
    operations = sa.table("operations", *(sa.column(name) for name in (*_TOLD, "position")))
    set_aside = sa.table("set_aside", *(sa.column(name) for name in _TOLD))
    devices = sa.table("devices", sa.column("id"), sa.column("person"))
    owners: dict[str, str] = {row.id: row.person for row in connection.execute(sa.select(devices))}
    last = 0
    while verdicts := connection.execute(
        sa.select(operations.c.position, operations.c.verdict)
        .where(operations.c.position > last)
        .order_by(operations.c.position)
        .limit(_VERDICTS_AT_ONCE)
    ).all():
        last = verdicts[-1].position
        refused = [row.position for row in verdicts if _code(row.verdict) is not None]
        for start in range(0, len(refused), _AT_ONCE):
            wanted = sa.select(operations).where(operations.c.position.in_(refused[start : start + _AT_ONCE]))
            rows = connection.execute(wanted).all()
            connection.execute(refusals.insert(), [_refusal(row, row.position, owners) for row in rows])
    aside = connection.execute(sa.select(set_aside)).all()
    if aside:
        connection.execute(refusals.insert(), [_refusal(row, 0, owners) for row in aside])


def _refusal(row: Any, position: int, owners: dict[str, str]) -> dict[str, Any]:
    raw = bytes(row.raw)
    envelope = _read(raw)
    person = _text(envelope, "actor", "person") or owners.get(row.device, "")
    by_the_desk = row.device == _OFFICE  # whoever decided it was told at once
    return {
        "device": row.device,
        "sequence": row.sequence,
        "hash": hashlib.sha256(raw).hexdigest(),
        "operation": row.id,
        "position": position,
        "ticket": row.ticket,
        "person": person if by_the_desk else owners.get(row.device, person),
        "kind": _text(envelope, "operation", "kind"),
        "code": _code(row.verdict) or "",
        "refused_at_ms": row.received_at_ms,
        "seen_at_ms": row.received_at_ms if by_the_desk else None,
        "seen_by": person if by_the_desk else None,
    }


def _code(verdict: bytes) -> str | None:
    """Of the rejection; None where it was accepted."""
    read = _read(bytes(verdict))
    return _text(read, "rejection", "code") if _text(read, "filing") == "refused" else None


def _read(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # refused because it cannot be read, or not by everybody
        return None


def _text(value: object, *path: str) -> str:
    """The text at that place, as a text column can hold it; empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value.replace("\x00", "").encode(errors="replace").decode()[:100] if isinstance(value, str) else ""
