"""Switches."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, TEXT

revision = "switches_0001"
down_revision = None
branch_labels = ("switches",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "switches",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
