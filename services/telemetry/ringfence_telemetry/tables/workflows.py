"""Tables of pieces of work."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables.metadata import metadata

open_traces = sa.Table(
    "open_traces",
    metadata,
    sa.Column("trace", BYTES, primary_key=True),
    sa.Column("rooted", sa.Boolean, nullable=False),
    sa.Column("due_at", INTEGER, nullable=True),  # null when it is settled and nothing came since
    sa.Column("marks", INTEGER, nullable=False),
    sa.Column("received_at", INTEGER, nullable=False),
    sa.Index("open_traces_by_due", "due_at"),
    sa.Index("open_traces_by_age", "received_at"),
)

workflows = sa.Table(
    "workflows",
    metadata,
    sa.Column("trace", BYTES, primary_key=True),
    sa.Column("started_at", INTEGER, nullable=False),
    sa.Column("session", TEXT, nullable=False),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("workflows_by_start", "started_at", "trace"),
    sa.Index("workflows_by_session", "session", "started_at", "trace"),
)

workflow_agents = sa.Table(
    "workflow_agents",
    metadata,
    sa.Column("trace", BYTES, primary_key=True),
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("work_started_at", INTEGER, nullable=False),
    sa.Column("started_at", INTEGER, nullable=False),  # the agent's own part
    sa.Column("session", TEXT, nullable=False),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("trusted", sa.Boolean, nullable=False),
    sa.Index("workflow_agents_by_work", "agent", "work_started_at", "trace"),
    sa.Index("workflow_agents_by_agent", "agent", "started_at", "trace"),
)

workflow_outcomes = sa.Table(
    "workflow_outcomes",
    metadata,
    sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("did", TEXT, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("work_id", TEXT, nullable=False),
    sa.Column("trace_id", BYTES, nullable=False),  # empty when it names none
    sa.Index("workflow_outcomes_by_work", "work_id"),
    sa.Index("workflow_outcomes_by_trace", "trace_id"),
)

decision_traces = sa.Table(
    "decision_traces",
    metadata,
    sa.Column("trace_id", BYTES, primary_key=True),
    sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
)
