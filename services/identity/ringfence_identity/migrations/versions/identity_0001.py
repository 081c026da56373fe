"""Sponsors, identities with their certificates and DID logs, signals, and what may be used only once."""

import sqlalchemy as sa
from ringfence_kit.schema import Schema
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT


def upgrade(schema: Schema) -> None:
    """Make the first tables."""
    schema.create_table(
        "sponsors",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("account", TEXT, unique=True),
        sa.Column("record", BYTES, nullable=False),
    )
    schema.create_table(
        "identities",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("agent", TEXT, nullable=False),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("public_key", TEXT, nullable=False, unique=True),
        sa.Column("sponsor", TEXT, nullable=False),
        sa.Column("debt", INTEGER, nullable=False),
        sa.Column("revoked_at", INTEGER),
        sa.Column("record", BYTES, nullable=False),
        sa.UniqueConstraint("agent", "environment", name="identities_one_per_agent_and_environment"),
    )
    schema.create_index("identities_by_sponsor", "identities", ["environment", "sponsor"])
    schema.create_table(
        "certificates",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("serial", INTEGER, primary_key=True),
        sa.Column("credential", TEXT, nullable=False),
    )
    schema.create_table(
        "registrars",
        sa.Column("host", TEXT, primary_key=True),
        sa.Column("did", TEXT, nullable=False),
    )
    schema.create_table(
        "did_log",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("number", INTEGER, primary_key=True),
        sa.Column("line", TEXT, nullable=False),
    )
    schema.create_table(
        "spent",
        sa.Column("purpose", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("until", INTEGER, nullable=False),
    )
    schema.create_index("spent_by_until", "spent", ["until"])
    schema.create_table(
        "signals",
        sa.Column("environment", TEXT, primary_key=True),
        sa.Column("signal_id", TEXT, primary_key=True),
        sa.Column("did", TEXT, nullable=False),
        sa.Column("recorded_at", INTEGER, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    schema.create_index("signals_by_did", "signals", ["did", "recorded_at"])
