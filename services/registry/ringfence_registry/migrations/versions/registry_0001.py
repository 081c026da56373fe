"""Agents, and the bodies of their cards by digest."""

import sqlalchemy as sa
from ringfence_kit.schema import Schema
from ringfence_kit.sql_columns import BYTES, TEXT


def upgrade(schema: Schema) -> None:
    """Make both tables."""
    schema.create_table(
        "agents",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("card_sha256", TEXT, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    schema.create_index("ix_agents_card_sha256", "agents", ["card_sha256"])
    schema.create_table(
        "cards",
        sa.Column("sha256", TEXT, primary_key=True),
        sa.Column("body", BYTES, nullable=False),
    )
