"""The pdp's tables: the columns that are searched, beside the record."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, TEXT

metadata = sa.MetaData()

bundles = sa.Table(
    "bundles",
    metadata,
    sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.Column("record", BYTES, nullable=False),
)

kill_switches = sa.Table(
    "kill_switches",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("target", TEXT, nullable=False, unique=True),
    sa.Column("record", BYTES, nullable=False),
)
