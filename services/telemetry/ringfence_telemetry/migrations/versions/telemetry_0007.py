"""Cosignatures of the audit log."""

revision = "telemetry_0007"
down_revision = "telemetry_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
