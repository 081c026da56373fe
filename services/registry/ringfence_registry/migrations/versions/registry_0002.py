"""Namespaces that were set up."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, TEXT

revision = "registry_0002"
down_revision = "registry_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "namespaces",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
