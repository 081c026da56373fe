"""Judgements, what is counted of agents' versions by the day, and what they are held against."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables.metadata import metadata

judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("agent", TEXT, nullable=False),  # empty while nobody knows whose work it is about
    sa.Column("version", TEXT, nullable=False),
    sa.Column("at", INTEGER, nullable=False),
    sa.Column("recorded_at", INTEGER, nullable=False),
    sa.Column("trace", BYTES, nullable=True),
    sa.Column("passed", sa.Boolean, nullable=True),
    sa.Column("scored", sa.Boolean, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("judgements_by_agent", "agent", "scored", "at"),
    sa.Index("judgements_by_trace", "trace", "passed"),
    sa.Index("judgements_by_age", "recorded_at"),
)

evaluation_counts = sa.Table(
    "evaluation_counts",
    metadata,
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("day", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("version", TEXT, primary_key=True),
    sa.Column("what", TEXT, primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("number", INTEGER, nullable=False),
    sa.Index("evaluation_counts_by_day", "day"),
)

trace_works = sa.Table(
    "trace_works",
    metadata,
    sa.Column("trace", BYTES, primary_key=True),
    sa.Column("at", INTEGER, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("trace_works_by_age", "at"),
)

acceptance_gates = sa.Table(
    "acceptance_gates",
    metadata,
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

baselines = sa.Table(
    "baselines",
    metadata,
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("version", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)
