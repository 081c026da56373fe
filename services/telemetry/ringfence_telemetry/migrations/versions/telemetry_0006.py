"""Evaluations, gates and baselines."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "telemetry_0006"
down_revision = "telemetry_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "judgements",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("agent", TEXT, nullable=False),  # empty while nobody knows whose work it is about
        sa.Column("version", TEXT, nullable=False),
        sa.Column("at", INTEGER, nullable=False),
        sa.Column("recorded_at", INTEGER, nullable=False),
        sa.Column("trace", BYTES, nullable=True),
        sa.Column("passed", sa.Boolean, nullable=True),
        sa.Column("scored", sa.Boolean, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("judgements_by_agent", "judgements", ["agent", "scored", "at"])
    op.create_index("judgements_by_trace", "judgements", ["trace", "passed"])
    op.create_index("judgements_by_age", "judgements", ["recorded_at"])
    op.create_table(
        "evaluation_counts",
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("day", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("version", TEXT, primary_key=True),
        sa.Column("what", TEXT, primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("number", INTEGER, nullable=False),
    )
    op.create_index("evaluation_counts_by_day", "evaluation_counts", ["day"])
    op.create_table(
        "trace_works",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("at", INTEGER, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("trace_works_by_age", "trace_works", ["at"])
    op.create_table(
        "acceptance_gates",
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "baselines",
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("version", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
