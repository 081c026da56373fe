"""The table of approvals: the columns that are searched, beside the record."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_pdp.tables import metadata

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("open_question", TEXT, unique=True),
    sa.Column("did", TEXT, nullable=False),
    sa.Column("ended_at", INTEGER),
    sa.Column("record", BYTES, nullable=False),
    sa.Column("namespace", TEXT, nullable=False, server_default=""),
    sa.Index("approvals_by_agent", "did", "ended_at"),
    sa.Index("approvals_by_namespace", "namespace", "ended_at"),
    sa.Index("approvals_by_end", "ended_at", "name"),
)
