"""Budgets and alerts."""

revision = "telemetry_0005"
down_revision = "telemetry_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
