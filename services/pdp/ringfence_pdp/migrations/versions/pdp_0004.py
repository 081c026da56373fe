"""Approvals are counted by namespace too, so that one cannot fill what all share."""

import json

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "pdp_0004"
down_revision = "pdp_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and fill it for those that are open: only they are counted."""
    op.add_column("approvals", sa.Column("namespace", TEXT, nullable=False, server_default=""))
    op.create_index("approvals_by_namespace", "approvals", ["namespace", "ended_at"])
    approvals = sa.table(
        "approvals",
        sa.column("name", TEXT),
        sa.column("namespace", TEXT),
        sa.column("ended_at", INTEGER),
        sa.column("record", BYTES),
    )
    connection = op.get_bind()
    for name, record in connection.execute(
        sa.select(approvals.c.name, approvals.c.record).where(approvals.c.ended_at.is_(None))
    ).all():
        namespace = json.loads(bytes(record))["question"]["agent"].split("/")[1]
        connection.execute(sa.update(approvals).where(approvals.c.name == name).values(namespace=namespace))
