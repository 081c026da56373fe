"""Budgets, and what was spent of them."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables.metadata import metadata

budgets = sa.Table(
    "budgets",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

budget_standings = sa.Table(
    "budget_standings",
    metadata,
    sa.Column("budget", TEXT, primary_key=True),
    sa.Column("start", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("subject", TEXT, primary_key=True),
    sa.Column("spent", INTEGER, nullable=False),
    sa.Column("unknown_cost_calls", INTEGER, nullable=False),
    sa.Column("level", INTEGER, nullable=False),
    sa.Column("due_at", INTEGER, nullable=True),
    sa.Index("budget_standings_by_spent", "budget", "start", "spent"),
    sa.Index("budget_standings_by_due", "due_at"),
    sa.Index("budget_standings_by_start", "start"),
)
