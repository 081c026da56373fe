"""Usage by tool, team, outcome and cost, in levels of time; prices."""

revision = "telemetry_0002"
down_revision = "telemetry_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
