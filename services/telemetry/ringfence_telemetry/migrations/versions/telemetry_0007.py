"""Cosignatures of the audit log."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import INTEGER, TEXT

revision = "telemetry_0007"
down_revision = "telemetry_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit_cosignatures",
        sa.Column("size", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("witness", TEXT, primary_key=True),
        sa.Column("line", TEXT, nullable=False),
        sa.Column("added_at", INTEGER, nullable=False),
    )
    op.create_index("audit_cosignatures_by_witness", "audit_cosignatures", ["witness", "size"])
