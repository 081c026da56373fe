"""The kit's tables, in every service's database, kept by the kit's own line of migrations."""

import sqlalchemy as sa

from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

metadata = sa.MetaData()

store_state = sa.Table(
    "store_state",
    metadata,
    # One row. Every writer locks it first, so several replicas take turns and revisions have no gap.
    sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1", name="store_state_one_row"), primary_key=True),
    sa.Column("service", TEXT, nullable=False),
    sa.Column("revision", INTEGER, nullable=False),
    sa.Column("compacted_revision", INTEGER, nullable=False),
    sa.Column("page_key", BYTES, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("revision", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("change", sa.SmallInteger, nullable=False),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Column("at", INTEGER, nullable=False),
    sa.Column("actor", TEXT, nullable=False),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("request_id", TEXT, primary_key=True),
    sa.Column("method", TEXT, nullable=False),
    sa.Column("principal", TEXT, nullable=False),
    sa.Column("fingerprint", BYTES, nullable=False),
    sa.Column("result", BYTES, nullable=False),
    sa.Column("at", INTEGER, nullable=False, index=True),
)
