"""What identity learned to do since its first tables: revocations, and more below, each with the table it needs."""

import json

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
    op.create_index("revocations_by_forget_at", "revocations", ["forget_at"])
    _widen_identities()
    op.create_table(
        "former_sponsors",
        sa.Column("environment", TEXT, primary_key=True),
        sa.Column("sponsor", TEXT, primary_key=True),
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("until", INTEGER, nullable=False),
    )
    op.create_table(
        "issuer_keys",
        sa.Column("environment", TEXT, primary_key=True),
        sa.Column("key_id", TEXT, primary_key=True),
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
    op.create_table(
        "agent_keys",
        sa.Column("public_key", TEXT, primary_key=True),
        sa.Column("did", TEXT, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column("since", INTEGER, nullable=False),
        sa.Column("until", INTEGER),
        sa.Column("compromised_since", INTEGER),
        sa.UniqueConstraint("did", "number", name="agent_keys_in_order"),
    )
    # Keys that were enrolled before stay used.
    op.execute(
        "INSERT INTO agent_keys (public_key, did, number, since) SELECT public_key, did, 1, enrolled_at FROM identities"
    )


def _widen_identities() -> None:
    """Add what sponsors are found and counted by; it stands in the records of those enrolled before."""
    op.add_column("identities", sa.Column("backup_sponsor", TEXT, nullable=False, server_default=""))
    op.add_column("identities", sa.Column("enrolled_at", INTEGER, nullable=False, server_default="0"))
    op.add_column("identities", sa.Column("expires_at", INTEGER))
    identities = sa.table(
        "identities", sa.column("did"), sa.column("record"), sa.column("backup_sponsor"), sa.column("enrolled_at")
    )
    connection = op.get_bind()
    for did, record in connection.execute(sa.select(identities.c.did, identities.c.record)).all():
        known = json.loads(record)
        connection.execute(
            sa.update(identities)
            .where(identities.c.did == did)
            .values(
                backup_sponsor=known.get("content", {}).get("backup_sponsor", ""),
                enrolled_at=known.get("created_at", 0),
            )
        )
    op.drop_index("identities_by_sponsor", "identities")
    counted = ["sponsor", "environment", "revoked_at", "enrolled_at", "expires_at", "debt"]
    op.create_index("identities_by_sponsor", "identities", counted)
    op.create_index("identities_by_backup_sponsor", "identities", ["backup_sponsor"])
    op.create_table(
        "delegations",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("environment", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False, unique=True),
        sa.Column("delegator", TEXT, nullable=False),
        sa.Column("delegatee", TEXT, nullable=False),
        sa.Column("issued_at", INTEGER, nullable=False),
        sa.Column("seen_at", INTEGER, nullable=False),
        sa.Column("expires_at", INTEGER, nullable=False),
        sa.Column("calls_spent", INTEGER, nullable=False),
        sa.Column("cost_spent", INTEGER, nullable=False),
        sa.Column("revoked_at", INTEGER),
        sa.Column("revocation_reason", TEXT),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("delegations_in_order", "delegations", ["environment", "seen_at", "path"])
    op.create_index("delegations_by_delegator", "delegations", ["delegator"])
    op.create_index("delegations_by_delegatee", "delegations", ["delegatee"])
    op.create_index("delegations_by_expiry", "delegations", ["expires_at"])
    op.create_table(
        "delegation_agents",
        sa.Column("did", TEXT, primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
    )
    op.create_index("delegation_agents_by_name", "delegation_agents", ["name"])
    op.create_table(
        "delegation_namespaces",
        sa.Column("namespace", TEXT, primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
    )
    op.create_index("delegation_namespaces_by_name", "delegation_namespaces", ["name"])
    op.create_table(
        "log_entries",
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("appended_at", INTEGER, nullable=False),
        sa.Column("body", BYTES, nullable=False),
    )
    op.create_index("log_entries_by_subject", "log_entries", ["subject", "position"])
    op.create_table(
        "log_tiles",
        sa.Column("level", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("hashes", BYTES, nullable=False),
    )
    op.create_table(
        "log_heads",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "elevations",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
