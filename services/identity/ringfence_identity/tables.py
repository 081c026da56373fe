"""The tables of identity: the columns that are searched, beside the record."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

metadata = sa.MetaData()

sponsors = sa.Table(
    "sponsors",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    # NULL when an administrator vouches; NULLs are distinct, so only real accounts must be unique.
    sa.Column("account", TEXT, unique=True),
    sa.Column("record", BYTES, nullable=False),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("did", TEXT, primary_key=True),
    sa.Column("agent", TEXT, nullable=False),
    sa.Column("environment", TEXT, nullable=False),
    sa.Column("public_key", TEXT, nullable=False, unique=True),
    sa.Column("sponsor", TEXT, nullable=False),
    sa.Column("backup_sponsor", TEXT, nullable=False, server_default=""),
    sa.Column("enrolled_at", INTEGER, nullable=False, server_default="0"),
    # NULL when it does not end by itself.
    sa.Column("expires_at", INTEGER),
    sa.Column("debt", INTEGER, nullable=False),
    # NULL while it is not revoked.
    sa.Column("revoked_at", INTEGER),
    sa.Column("record", BYTES, nullable=False),
    sa.UniqueConstraint("agent", "environment", name="identities_one_per_agent_and_environment"),
    sa.Index("identities_by_sponsor", "sponsor", "environment", "revoked_at", "enrolled_at", "expires_at"),
    # Those who owe: few, and a newcomer's sponsor is asked for the largest debt among them.
    sa.Index(
        "identities_by_debt",
        "sponsor",
        "environment",
        "debt",
        "revoked_at",
        sqlite_where=sa.text("debt > 0"),
        postgresql_where=sa.text("debt > 0"),
    ),
    sa.Index("identities_by_backup_sponsor", "backup_sponsor"),
)

former_sponsors = sa.Table(
    "former_sponsors",
    metadata,
    sa.Column("environment", TEXT, primary_key=True),
    sa.Column("sponsor", TEXT, primary_key=True),
    sa.Column("did", TEXT, primary_key=True),
    sa.Column("until", INTEGER, nullable=False),
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("did", TEXT, primary_key=True),
    sa.Column("serial", INTEGER, primary_key=True),
    sa.Column("credential", TEXT, nullable=False),
)

status_places = sa.Table(
    "status_places",
    metadata,
    sa.Column("did", TEXT, primary_key=True),
    sa.Column("serial", INTEGER, primary_key=True),
    sa.Column("environment", TEXT, nullable=False),
    sa.Column("number", INTEGER, nullable=False),
    sa.Column("pair", INTEGER, nullable=False),
    sa.Column("place", INTEGER, nullable=False),
    sa.UniqueConstraint("environment", "number", name="status_places_by_number"),
    # Two certificates never share a place, whatever the keys do.
    sa.UniqueConstraint("environment", "pair", "place", name="status_places_taken_once"),
)

agent_keys = sa.Table(
    "agent_keys",
    metadata,
    # Every public key that was ever an agent's: one that was replaced is never anybody's again.
    sa.Column("public_key", TEXT, primary_key=True),
    sa.Column("did", TEXT, nullable=False),
    sa.Column("number", INTEGER, nullable=False),
    sa.Column("since", INTEGER, nullable=False),
    # NULL while it is in force.
    sa.Column("until", INTEGER),
    # NULL while nobody reported it.
    sa.Column("compromised_since", INTEGER),
    sa.UniqueConstraint("did", "number", name="agent_keys_in_order"),
)

registrars = sa.Table(
    "registrars",
    metadata,
    sa.Column("host", TEXT, primary_key=True),
    sa.Column("did", TEXT, nullable=False),
)

did_log = sa.Table(
    "did_log",
    metadata,
    sa.Column("did", TEXT, primary_key=True),
    sa.Column("number", INTEGER, primary_key=True),
    sa.Column("line", TEXT, nullable=False),
)

spent = sa.Table(
    "spent",
    metadata,
    sa.Column("purpose", TEXT, primary_key=True),
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("until", INTEGER, nullable=False),
    sa.Index("spent_by_until", "until"),
)

revocations = sa.Table(
    "revocations",
    metadata,
    sa.Column("environment", TEXT, primary_key=True),
    sa.Column("kind", TEXT, primary_key=True),
    sa.Column("subject", TEXT, primary_key=True),
    # NULL when it is remembered for ever.
    sa.Column("forget_at", INTEGER),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("revocations_by_forget_at", "forget_at"),
)

signals = sa.Table(
    "signals",
    metadata,
    sa.Column("environment", TEXT, primary_key=True),
    sa.Column("signal_id", TEXT, primary_key=True),
    sa.Column("did", TEXT, nullable=False),
    sa.Column("recorded_at", INTEGER, nullable=False),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("signals_by_did", "did", "recorded_at"),
)

delegations = sa.Table(
    "delegations",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("environment", TEXT, nullable=False),
    # The hashes from the first grant of the chain to this one, with / between: a subtree is a range.
    sa.Column("path", TEXT, nullable=False, unique=True),
    sa.Column("delegator", TEXT, nullable=False),
    sa.Column("delegatee", TEXT, nullable=False),
    sa.Column("issued_at", INTEGER, nullable=False),
    sa.Column("seen_at", INTEGER, nullable=False),
    sa.Column("expires_at", INTEGER, nullable=False),
    sa.Column("calls_spent", INTEGER, nullable=False),
    sa.Column("cost_spent", INTEGER, nullable=False),
    # NULL while it holds.
    sa.Column("revoked_at", INTEGER),
    sa.Column("revocation_reason", TEXT),
    sa.Column("record", BYTES, nullable=False),
    sa.Index("delegations_in_order", "environment", "seen_at", "path"),
    sa.Index("delegations_by_delegator", "delegator"),
    sa.Index("delegations_by_delegatee", "delegatee"),
    sa.Index("delegations_by_expiry", "expires_at"),
)

issuer_keys = sa.Table(
    "issuer_keys",
    metadata,
    sa.Column("environment", TEXT, primary_key=True),
    sa.Column("key_id", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

delegation_agents = sa.Table(
    "delegation_agents",
    metadata,
    sa.Column("did", TEXT, primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Index("delegation_agents_by_name", "name"),
)

delegation_namespaces = sa.Table(
    "delegation_namespaces",
    metadata,
    sa.Column("namespace", TEXT, primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Index("delegation_namespaces_by_name", "name"),
)

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("subject", TEXT, nullable=False),
    sa.Column("appended_at", INTEGER, nullable=False),
    sa.Column("body", BYTES, nullable=False),
    sa.Index("log_entries_by_subject", "subject", "position"),
)

log_tiles = sa.Table(
    "log_tiles",
    metadata,
    sa.Column("level", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("position", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("hashes", BYTES, nullable=False),
)

log_heads = sa.Table(
    "log_heads",
    metadata,
    # "tree": what the log holds; "checkpoint": what of it was signed last.
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

elevations = sa.Table(
    "elevations",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)
