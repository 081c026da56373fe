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
    sa.Column("debt", INTEGER, nullable=False),
    # NULL while it is not revoked.
    sa.Column("revoked_at", INTEGER),
    sa.Column("record", BYTES, nullable=False),
    sa.UniqueConstraint("agent", "environment", name="identities_one_per_agent_and_environment"),
    sa.Index("identities_by_sponsor", "environment", "sponsor"),
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
