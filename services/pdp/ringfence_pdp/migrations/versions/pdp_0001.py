"""Bundles and kill switches."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, TEXT

revision = "pdp_0001"
down_revision = None
branch_labels = ("pdp",)
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "bundles",
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "kill_switches",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("target", TEXT, nullable=False, unique=True),
        sa.Column("record", BYTES, nullable=False),
    )
