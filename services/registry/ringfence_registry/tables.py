"""The registry's tables: the columns that are looked up, beside the records."""

import sqlalchemy as sa
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

metadata = sa.MetaData()

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("card_sha256", TEXT, nullable=False, index=True),
    sa.Column("record", BYTES, nullable=False),
    # What its name looks like, within its namespace (agents/display_names.py).
    sa.Column("look_alike", TEXT, nullable=False, server_default="", index=True),
    sa.Column("lease_expires_at", INTEGER),
    sa.Column("purge_at", INTEGER, index=True),
)

agent_revisions = sa.Table(
    "agent_revisions",
    metadata,
    sa.Column("agent", TEXT, primary_key=True),
    sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("card_sha256", TEXT, nullable=False, index=True),
    sa.Column("record", BYTES, nullable=False),
)

purged_agents = sa.Table("purged_agents", metadata, sa.Column("name", TEXT, primary_key=True))
"""Names of agents that are forgotten: names are not given twice."""

cards = sa.Table(
    "cards",
    metadata,
    sa.Column("sha256", TEXT, primary_key=True),
    sa.Column("body", BYTES, nullable=False),
)

namespaces = sa.Table(
    "namespaces",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

tools = sa.Table(
    "tools",
    metadata,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

tool_revisions = sa.Table(
    "tool_revisions",
    metadata,
    sa.Column("tool", TEXT, primary_key=True),
    sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
    sa.Column("record", BYTES, nullable=False),
)

external_systems = sa.Table(
    "external_systems",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)

system_uses = sa.Table(
    "system_uses",
    metadata,
    sa.Column("system", TEXT, primary_key=True),
    sa.Column("used_by", TEXT, primary_key=True, index=True),
)

boundaries = sa.Table(
    "boundaries",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("record", BYTES, nullable=False),
)
