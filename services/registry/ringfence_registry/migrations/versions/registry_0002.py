"""What agents were, and when they end; namespaces that were set up; tools with the schemas they had; external systems
and who names them; boundaries."""

import json

import sqlalchemy as sa
from alembic import op
from ringfence_kit.sql_columns import BYTES, INTEGER, TEXT

revision = "registry_0002"
down_revision = "registry_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; what an agent is becomes its first revision."""
    op.add_column("agents", sa.Column("look_alike", TEXT, nullable=False, server_default=""))
    op.add_column("agents", sa.Column("lease_expires_at", INTEGER))
    op.add_column("agents", sa.Column("purge_at", INTEGER))
    op.create_index("ix_agents_look_alike", "agents", ["look_alike"])
    op.create_index("ix_agents_purge_at", "agents", ["purge_at"])
    op.create_table(
        "agent_revisions",
        sa.Column("agent", TEXT, primary_key=True),
        sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("card_sha256", TEXT, nullable=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_index("ix_agent_revisions_card_sha256", "agent_revisions", ["card_sha256"])
    op.create_table("purged_agents", sa.Column("name", TEXT, primary_key=True))
    _first_revisions()
    op.create_table(
        "namespaces",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "tools",
        sa.Column("id", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "tool_revisions",
        sa.Column("tool", TEXT, primary_key=True),
        sa.Column("number", INTEGER, primary_key=True, autoincrement=False),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "external_systems",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )
    op.create_table(
        "system_uses",
        sa.Column("system", TEXT, primary_key=True),
        sa.Column("used_by", TEXT, primary_key=True),
    )
    op.create_index("ix_system_uses_used_by", "system_uses", ["used_by"])
    op.create_table(
        "boundaries",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("record", BYTES, nullable=False),
    )


def _first_revisions() -> None:
    connection = op.get_bind()
    agents = sa.table("agents", sa.column("name"), sa.column("card_sha256"), sa.column("record"))
    revisions = sa.table("agent_revisions", *map(sa.column, ("agent", "number", "card_sha256", "record")))
    for name, digest, record in connection.execute(sa.select(agents)).all():
        agent = json.loads(record)
        first = {
            "agent": agent["name"],
            "number": 1,
            "spec": agent["spec"],
            "card_sha256": digest,
            "created_at": agent["updated_at"],
            "actor": "",
        }
        row = {"agent": name, "number": 1, "card_sha256": digest, "record": json.dumps(first).encode()}
        connection.execute(sa.insert(revisions).values(row))
