"""Tables of the audit log."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

from ringfence_telemetry.tables.metadata import metadata

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("entry_key", TEXT, nullable=False, unique=True),
    sa.Column("leaf_hash", BYTES, nullable=False),
    sa.Column("appended_at", INTEGER, nullable=False),
    sa.Column("body", BYTES, nullable=False),
)

audit_tiles = sa.Table(
    "audit_tiles",
    metadata,
    sa.Column("level", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("hashes", BYTES, nullable=False),
)

audit_checkpoints = sa.Table(
    "audit_checkpoints",
    metadata,
    sa.Column("size", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("record", BYTES, nullable=False),
)

audit_cosignatures = sa.Table(
    "audit_cosignatures",
    metadata,
    sa.Column("size", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("witness", TEXT, primary_key=True),
    sa.Column("line", TEXT, nullable=False),
    sa.Column("added_at", INTEGER, nullable=False),
    sa.Index("audit_cosignatures_by_witness", "witness", "size"),
)
