"""From the first release's tables to these: what an agent was then is its first revision now."""

import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from ringfence_kit.names import AgentName
from ringfence_kit.sql import Database
from ringfence_registry.cards.reading import read_card
from ringfence_registry.model import AgentState
from ringfence_registry.store_sql import MIGRATIONS, SqlAgentStore
from support.backends import Backend
from support.registry.agents import CARD
from support.registry.catalogs import whole

LEDGER = AgentName("finance", "ledger")
DIGEST = read_card(CARD).facts.sha256
AS_WRITTEN = {
    "name": {"namespace": "finance", "agent": "ledger"},
    "uid": "6d7c2b1e-8f5a-4d0c-9b3e-2a1f0c9d8e7f",
    "revision": 7,
    "spec": {
        "purpose": "Reconciles the ledger every night.",
        "owner": {"display_name": "Ada Example", "contact": "ada@example.com"},
        "risk_tier": "MEDIUM",
        "environments": ["dev", "prod"],
        "display_name": "Ledger",
    },
    "card": {
        "sha256": DIGEST,
        "size": len(CARD),
        "dialect": "0.3",
        "name": "Ledger",
        "description": "Keeps books.",
        "version": "1.0.0",
    },
    "state": "ACTIVE",
    "created_at": 1_000,
    "updated_at": 2_000,
}
"""An agent as the first release stored it, without what had its default."""


@pytest.mark.parametrize("backend", ["sqlite", "postgres"], indirect=True)
async def test_an_agent_of_the_first_release_has_its_first_revision(backend: Backend, tmp_path: Path) -> None:
    first_release = tmp_path / "versions"
    first_release.mkdir()
    shutil.copy(MIGRATIONS / "registry_0001.py", first_release)
    async with Database(backend.url, service="registry", migrations=first_release) as database:
        with database.engines.writer.connect() as connection, connection.begin():
            agents = sa.table("agents", sa.column("name"), sa.column("card_sha256"), sa.column("record"))
            row = {"name": str(LEDGER), "card_sha256": DIGEST, "record": json.dumps(AS_WRITTEN).encode()}
            connection.execute(sa.insert(agents).values(row))
            cards = sa.table("cards", sa.column("sha256"), sa.column("body"))
            connection.execute(sa.insert(cards).values(sha256=DIGEST, body=CARD))
    async with Database(backend.url, service="registry", migrations=MIGRATIONS) as database:
        store = SqlAgentStore(database)
        _, stored = await store.load(whole)
        (agent,) = stored.agents
        assert (agent.name, agent.state, agent.number, agent.aliases) == (LEDGER, AgentState.ACTIVE, 1, {})
        revision = await store.agent_revision(LEDGER, 1)
        assert revision is not None
        assert (revision.spec, revision.card_sha256, revision.created_at) == (agent.spec, DIGEST, 2_000)
        assert await store.agent_revision(LEDGER, 2) is None
