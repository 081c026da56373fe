"""Evaluations, gates and baselines."""

revision = "telemetry_0006"
down_revision = "telemetry_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
