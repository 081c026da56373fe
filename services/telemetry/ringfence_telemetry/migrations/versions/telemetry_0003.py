"""Workflows."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "telemetry_0003"
down_revision = "telemetry_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Traces counted before are settled when another span of them comes, and not otherwise."""
    op.create_table(
        "open_traces",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("rooted", sa.Boolean, nullable=False),
        sa.Column("due_at", INTEGER, nullable=True),
        sa.Column("marks", INTEGER, nullable=False),
        sa.Column("received_at", INTEGER, nullable=False),
    )
    op.create_index("open_traces_by_due", "open_traces", ["due_at"])
    op.create_index("open_traces_by_age", "open_traces", ["received_at"])
    op.create_table(
        "workflows",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("started_at", INTEGER, nullable=False),
        sa.Column("session", TEXT, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("workflows_by_start", "workflows", ["started_at", "trace"])
    op.create_index("workflows_by_session", "workflows", ["session", "started_at", "trace"])
    op.create_table(
        "workflow_agents",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("work_started_at", INTEGER, nullable=False),
        sa.Column("started_at", INTEGER, nullable=False),
        sa.Column("session", TEXT, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("trusted", sa.Boolean, nullable=False),
    )
    op.create_index("workflow_agents_by_work", "workflow_agents", ["agent", "work_started_at", "trace"])
    op.create_index("workflow_agents_by_agent", "workflow_agents", ["agent", "started_at", "trace"])
    op.create_table(
        "workflow_outcomes",
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("did", TEXT, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("work_id", TEXT, nullable=False),
        sa.Column("trace_id", BYTES, nullable=False),
    )
    op.create_index("workflow_outcomes_by_work", "workflow_outcomes", ["work_id"])
    op.create_index("workflow_outcomes_by_trace", "workflow_outcomes", ["trace_id"])
    op.create_table(
        "decision_traces",
        sa.Column("trace_id", BYTES, primary_key=True),
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
    )
