"""Switches."""

import sqlalchemy as sa
from ringfence_kit.schema import Schema
from ringfence_kit.sql_columns import BYTES, TEXT


def upgrade(schema: Schema) -> None:
    schema.create_table(
        "switches",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("is_on", sa.Boolean, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
