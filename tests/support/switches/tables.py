"""The tables of switches: the columns that are searched, beside the record."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, TEXT

metadata = sa.MetaData()

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("record", BYTES, nullable=False),
)
