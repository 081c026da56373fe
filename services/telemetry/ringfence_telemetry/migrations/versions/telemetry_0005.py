"""Budgets and alerts."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "telemetry_0005"
down_revision = "telemetry_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "alerts",
        sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("firing_key", TEXT, nullable=True, unique=True),  # its key while it fires, NULL once it is over
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("agent", TEXT, nullable=False),
        sa.Column("resolved_at", INTEGER, nullable=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("alerts_by_agent", "alerts", ["agent", "number"])
    op.create_index("alerts_by_end", "alerts", ["resolved_at"])
    op.create_table(
        "alert_events",
        sa.Column("sequence", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("at", INTEGER, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "silences",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("expires_at", INTEGER, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "budgets",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "budget_standings",
        sa.Column("budget", TEXT, primary_key=True),
        sa.Column("start", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("spent", INTEGER, nullable=False),
        sa.Column("unknown_cost_calls", INTEGER, nullable=False),
        sa.Column("level", INTEGER, nullable=False),
        sa.Column("due_at", INTEGER, nullable=True),
    )
    op.create_index("budget_standings_by_spent", "budget_standings", ["budget", "start", "spent"])
    op.create_index("budget_standings_by_due", "budget_standings", ["due_at"])
    op.create_index("budget_standings_by_start", "budget_standings", ["start"])
