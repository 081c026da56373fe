"""The pdp's tables: the columns that are searched, beside the record."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, TEXT

metadata = sa.MetaData()

kept_bundles = sa.Table(
    "kept_bundles",
    metadata,
    sa.Column("digest", TEXT, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False, unique=True),
    sa.Column("record", BYTES, nullable=False),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

kill_switches = sa.Table(
    "kill_switches",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("target", TEXT, nullable=False, unique=True),
    sa.Column("record", BYTES, nullable=False),
)
