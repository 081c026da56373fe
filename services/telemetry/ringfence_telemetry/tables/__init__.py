"""Telemetry's tables."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables import alerts as alerts
from ringfence_telemetry.tables import audit as audit
from ringfence_telemetry.tables import budgets as budgets
from ringfence_telemetry.tables import evaluations as evaluations
from ringfence_telemetry.tables import slos as slos
from ringfence_telemetry.tables import usage as usage
from ringfence_telemetry.tables import workflows as workflows
from ringfence_telemetry.tables.metadata import metadata as metadata

trace_parts = sa.Table(
    "trace_parts",
    metadata,
    sa.Column("trace", BYTES, primary_key=True),
    sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("received_at", INTEGER, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("trace_parts_by_age", "received_at"),
)

reporters = sa.Table(
    "reporters",
    metadata,
    sa.Column("digest", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

labels = sa.Table(
    "labels",
    metadata,
    sa.Column("day", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("kind", TEXT, primary_key=True),
    sa.Column("principal", TEXT, primary_key=True),
    sa.Column("label", TEXT, primary_key=True),
)

ingest_logs = sa.Table(
    "ingest_logs",
    metadata,
    sa.Column("log_id", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

conducts = sa.Table(
    "conducts",
    metadata,
    sa.Column("did", TEXT, primary_key=True),
    sa.Column("environment", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("signal_id", TEXT, nullable=False, unique=True),
    sa.Column("outcome", TEXT, nullable=False),  # empty while it waits for delivery
    sa.Column("record", BYTES, nullable=False),
    sa.Index("signals_by_outcome", "outcome", "number"),
)
