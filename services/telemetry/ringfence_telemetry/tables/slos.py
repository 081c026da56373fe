"""Objectives, what was counted for them, and breakers."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables.metadata import metadata

slos = sa.Table(
    "slos",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("agent", TEXT, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("slos_by_agent", "agent"),
)

slo_counts = sa.Table(
    "slo_counts",
    metadata,
    sa.Column("slo", TEXT, primary_key=True),
    sa.Column("level", INTEGER, primary_key=True, autoincrement=False),  # minutes to a slot
    sa.Column("slot", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("agent", TEXT, primary_key=True),  # to blame; empty for good events
    sa.Column("good", INTEGER, nullable=False),
    sa.Column("bad", INTEGER, nullable=False),
    sa.Column("errors", INTEGER, nullable=False),
    sa.Column("witnessed", INTEGER, nullable=False),
    sa.Index("slo_counts_by_age", "level", "slot"),
)

slo_blamed = sa.Table(
    "slo_blamed",
    metadata,
    sa.Column("slo", TEXT, primary_key=True),
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

slo_traces = sa.Table(
    "slo_traces",
    metadata,
    sa.Column("trace_id", BYTES, primary_key=True),
    sa.Column("ended_at", INTEGER, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("slo_traces_by_age", "ended_at"),
)

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("skill", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)
