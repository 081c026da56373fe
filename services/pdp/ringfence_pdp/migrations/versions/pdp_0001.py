"""Bundles and kill switches."""

import sqlalchemy as sa
from ringfence_kit.schema import Schema
from ringfence_kit.sql_columns import BYTES, TEXT


def upgrade(schema: Schema) -> None:
    """Make the tables."""
    schema.create_table(
        "bundles",
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    schema.create_table(
        "kill_switches",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("target", TEXT, nullable=False, unique=True),
        sa.Column("record", BYTES, nullable=False),
    )
