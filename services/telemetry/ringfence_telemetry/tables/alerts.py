"""Alerts, what happened to them, and silences."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables.metadata import metadata

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("firing_key", TEXT, nullable=True, unique=True),  # its key while it fires, NULL once it is over
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("agent", TEXT, nullable=False),
    sa.Column("resolved_at", INTEGER, nullable=True),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("alerts_by_agent", "agent", "number"),
    sa.Index("alerts_by_end", "resolved_at"),
)

alert_events = sa.Table(
    "alert_events",
    metadata,
    sa.Column("sequence", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("at", INTEGER, nullable=False),
    sa.Column("record", BYTES, nullable=False),
)

silences = sa.Table(
    "silences",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("expires_at", INTEGER, nullable=False),
    sa.Column("record", BYTES, nullable=False),
)
