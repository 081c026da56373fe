"""Usage, audit log and signals."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "telemetry_0001"
down_revision = None
branch_labels = ("telemetry",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "usage",
        sa.Column("minute", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("session", TEXT, primary_key=True),
        sa.Column("model", TEXT, primary_key=True),
        sa.Column("operation", TEXT, primary_key=True),
        sa.Column("untrusted", sa.Boolean, primary_key=True),
        sa.Column("spans", INTEGER, nullable=False),
        sa.Column("errors", INTEGER, nullable=False),
        sa.Column("input_tokens", INTEGER, nullable=False),
        sa.Column("output_tokens", INTEGER, nullable=False),
        sa.Column("cache_read_tokens", INTEGER, nullable=False),
        sa.Column("cache_write_tokens", INTEGER, nullable=False),
        sa.Column("reasoning_tokens", INTEGER, nullable=False),
        sa.Column("tool_calls", INTEGER, nullable=False),
        sa.Column("duration_micros", INTEGER, nullable=False),
    )
    op.create_index("usage_by_agent", "usage", ["agent", "minute"])
    op.create_index("usage_by_session", "usage", ["session", "minute"])
    op.create_table(
        "trace_parts",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("received_at", INTEGER, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("trace_parts_by_age", "trace_parts", ["received_at"])
    op.create_table(
        "reporters",
        sa.Column("digest", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "labels",
        sa.Column("day", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("principal", TEXT, primary_key=True),
        sa.Column("label", TEXT, primary_key=True),
    )
    op.create_table(
        "ingest_logs",
        sa.Column("log_id", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "audit_entries",
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("entry_key", TEXT, nullable=False, unique=True),
        sa.Column("leaf_hash", BYTES, nullable=False),
        sa.Column("appended_at", INTEGER, nullable=False),
        sa.Column("body", BYTES, nullable=False),
    )
    op.create_table(
        "audit_tiles",
        sa.Column("level", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("hashes", BYTES, nullable=False),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("size", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "conducts",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("environment", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "signals",
        sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("signal_id", TEXT, nullable=False, unique=True),
        sa.Column("outcome", TEXT, nullable=False),  # empty while it waits for delivery
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("signals_by_outcome", "signals", ["outcome", "number"])
