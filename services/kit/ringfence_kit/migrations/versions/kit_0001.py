"""The state row, events and answered requests."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "kit_0001"
down_revision = None
branch_labels = ("kit",)
depends_on = None


def upgrade() -> None:
    """Make the kit's tables."""
    op.create_table(
        "store_state",
        sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1", name="store_state_one_row"), primary_key=True),
        sa.Column("service", TEXT, nullable=False),
        sa.Column("revision", INTEGER, nullable=False),
        sa.Column("compacted_revision", INTEGER, nullable=False),
        sa.Column("page_key", BYTES, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("revision", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("change", sa.SmallInteger, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("record", BYTES, nullable=False),
        sa.Column("at", INTEGER, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
    )
    op.create_table(
        "requests",
        sa.Column("request_id", TEXT, primary_key=True),
        sa.Column("method", TEXT, nullable=False),
        sa.Column("principal", TEXT, nullable=False),
        sa.Column("fingerprint", BYTES, nullable=False),
        sa.Column("result", BYTES, nullable=False),
        sa.Column("at", INTEGER, nullable=False),
    )
    op.create_index("ix_requests_at", "requests", ["at"])
