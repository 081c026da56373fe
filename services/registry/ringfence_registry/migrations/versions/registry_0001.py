"""Agents, and the bodies of their cards by digest."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, TEXT

revision = "registry_0001"
down_revision = None
branch_labels = ("registry",)
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "agents",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("card_sha256", TEXT, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("ix_agents_card_sha256", "agents", ["card_sha256"])
    op.create_table(
        "cards",
        sa.Column("sha256", TEXT, primary_key=True),
        sa.Column("body", BYTES, nullable=False),
    )
