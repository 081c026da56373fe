"""The registry's tables: the columns that are looked up, beside the records."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, TEXT

metadata = sa.MetaData()

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("card_sha256", TEXT, nullable=False, index=True),
    sa.Column("record", BYTES, nullable=False),
)

cards = sa.Table(
    "cards",
    metadata,
    sa.Column("sha256", TEXT, primary_key=True),
    sa.Column("body", BYTES, nullable=False),
)

namespaces = sa.Table(
    "namespaces",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)
