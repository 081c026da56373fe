"""Approvals: what people are asked, and what they said."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "pdp_0002"
down_revision = "pdp_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table. A question has at most one approval that is not over: `open_question` is empty afterwards."""
    op.create_table(
        "approvals",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("open_question", TEXT, unique=True),
        sa.Column("did", TEXT, nullable=False),
        sa.Column("ended_at", INTEGER),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("approvals_by_agent", "approvals", ["did", "ended_at"])
    op.create_index("approvals_by_end", "approvals", ["ended_at", "name"])
