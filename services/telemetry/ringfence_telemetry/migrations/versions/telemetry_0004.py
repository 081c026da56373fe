"""Objectives and breakers."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "telemetry_0004"
down_revision = "telemetry_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "slos",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("agent", TEXT, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("slos_by_agent", "slos", ["agent"])
    op.create_table(
        "slo_counts",
        sa.Column("slo", TEXT, primary_key=True),
        sa.Column("level", INTEGER, primary_key=True, autoincrement=False),  # minutes to a slot
        sa.Column("slot", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("agent", TEXT, primary_key=True),  # to blame; empty for good events
        sa.Column("good", INTEGER, nullable=False),
        sa.Column("bad", INTEGER, nullable=False),
        sa.Column("errors", INTEGER, nullable=False),
        sa.Column("witnessed", INTEGER, nullable=False),
    )
    op.create_index("slo_counts_by_age", "slo_counts", ["level", "slot"])
    op.create_table(
        "slo_blamed",
        sa.Column("slo", TEXT, primary_key=True),
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "slo_traces",
        sa.Column("trace_id", BYTES, primary_key=True),
        sa.Column("ended_at", INTEGER, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("slo_traces_by_age", "slo_traces", ["ended_at"])
    op.create_table(
        "breakers",
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("skill", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
