"""Workflows."""

import sqlalchemy as sa
from ringfence_kit.schema import Schema
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT


def upgrade(schema: Schema) -> None:
    """Make the tables. Traces counted before are settled when another span of them comes, and not otherwise."""
    schema.create_table(
        "open_traces",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("rooted", sa.Boolean, nullable=False),
        sa.Column("due_at", INTEGER, nullable=True),
        sa.Column("marks", INTEGER, nullable=False),
        sa.Column("received_at", INTEGER, nullable=False),
    )
    schema.create_index("open_traces_by_due", "open_traces", ["due_at"])
    schema.create_index("open_traces_by_age", "open_traces", ["received_at"])
    schema.create_table(
        "workflows",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("started_at", INTEGER, nullable=False),
        sa.Column("session", TEXT, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    schema.create_index("workflows_by_start", "workflows", ["started_at", "trace"])
    schema.create_index("workflows_by_session", "workflows", ["session", "started_at", "trace"])
    schema.create_table(
        "workflow_agents",
        sa.Column("trace", BYTES, primary_key=True),
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("work_started_at", INTEGER, nullable=False),
        sa.Column("started_at", INTEGER, nullable=False),
        sa.Column("session", TEXT, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("trusted", sa.Boolean, nullable=False),
    )
    schema.create_index("workflow_agents_by_work", "workflow_agents", ["agent", "work_started_at", "trace"])
    schema.create_index("workflow_agents_by_agent", "workflow_agents", ["agent", "started_at", "trace"])
    schema.create_table(
        "workflow_outcomes",
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("did", TEXT, nullable=False),
        sa.Column("accepted", sa.Boolean, nullable=False),
        sa.Column("work_id", TEXT, nullable=False),
        sa.Column("trace_id", BYTES, nullable=False),
    )
    schema.create_index("workflow_outcomes_by_work", "workflow_outcomes", ["work_id"])
    schema.create_index("workflow_outcomes_by_trace", "workflow_outcomes", ["trace_id"])
    schema.create_table(
        "decision_traces",
        sa.Column("trace_id", BYTES, primary_key=True),
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
    )
