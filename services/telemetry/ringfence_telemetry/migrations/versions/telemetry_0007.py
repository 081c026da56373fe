"""Cosignatures of the audit log."""

import sqlalchemy as sa
from ringfence_kit.schema import Schema
from ringfence_kit.sql_columns import INTEGER, TEXT


def upgrade(schema: Schema) -> None:
    """Make the tables."""
    schema.create_table(
        "audit_cosignatures",
        sa.Column("size", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("witness", TEXT, primary_key=True),
        sa.Column("line", TEXT, nullable=False),
        sa.Column("added_at", INTEGER, nullable=False),
    )
    schema.create_index("audit_cosignatures_by_witness", "audit_cosignatures", ["witness", "size"])
