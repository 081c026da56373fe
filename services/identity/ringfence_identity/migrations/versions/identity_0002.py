"""What identity learned to do since its first tables: revocations, and more below, each with the table it needs."""

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "identity_0002"
down_revision = "identity_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "revocations",
        sa.Column("environment", TEXT, primary_key=True),
        sa.Column("kind", TEXT, primary_key=True),
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("forget_at", INTEGER),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "status_places",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("serial", INTEGER, primary_key=True),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("pair", INTEGER, nullable=False),
        sa.Column("place", INTEGER, nullable=False),
        sa.UniqueConstraint("environment", "number", name="status_places_by_number"),
        sa.UniqueConstraint("environment", "pair", "place", name="status_places_taken_once"),
    )
