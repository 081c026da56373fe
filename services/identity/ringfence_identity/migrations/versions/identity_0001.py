"""Sponsors, identities with their certificates and DID logs, signals, and what may be used only once."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "identity_0001"
down_revision = None
branch_labels = ("identity",)
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "sponsors",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("account", TEXT, unique=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
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
    op.create_index("identities_by_sponsor", "identities", ["environment", "sponsor"])
    op.create_table(
        "certificates",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("serial", INTEGER, primary_key=True),
        sa.Column("credential", TEXT, nullable=False),
    )
    op.create_table(
        "registrars",
        sa.Column("host", TEXT, primary_key=True),
        sa.Column("did", TEXT, nullable=False),
    )
    op.create_table(
        "did_log",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("number", INTEGER, primary_key=True),
        sa.Column("line", TEXT, nullable=False),
    )
    op.create_table(
        "spent",
        sa.Column("purpose", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("until", INTEGER, nullable=False),
    )
    op.create_index("spent_by_until", "spent", ["until"])
    op.create_table(
        "signals",
        sa.Column("environment", TEXT, primary_key=True),
        sa.Column("signal_id", TEXT, primary_key=True),
        sa.Column("did", TEXT, nullable=False),
        sa.Column("recorded_at", INTEGER, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("signals_by_did", "signals", ["did", "recorded_at"])
