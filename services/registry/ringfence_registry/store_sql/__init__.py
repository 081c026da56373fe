"""Agents and cards in SQL."""

from pathlib import Path

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName
from ringfence_kit.sql import Database

from ringfence_registry.cards.model import Card
from ringfence_registry.model import Agent
from ringfence_registry.store import StoredAgents
from ringfence_registry.store_sql.namespaces import SqlNamespaceTx, load_namespaces
from ringfence_registry.tables import agents, cards

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"


class SqlAgentTx(SqlNamespaceTx):
    """An `AgentTx` on a connection."""

    def agent(self, name: AgentName) -> Agent | None:
        """See `AgentTx`."""
        record = self.connection.scalar(sa.select(agents.c.record).where(agents.c.name == str(name)))
        return None if record is None else records.decode(record, Agent)

    def put(self, agent: Agent) -> None:
        """See `AgentTx`."""
        name, row = str(agent.name), {"card_sha256": agent.card.sha256, "record": records.encode(agent)}
        updated = self.connection.execute(sa.update(agents).where(agents.c.name == name).values(row))
        if updated.rowcount == 0:
            self.connection.execute(sa.insert(agents).values(name=name, **row))

    def put_card(self, card: Card) -> None:
        """See `AgentTx`."""
        # Writers take turns (the kit locks the revision first), so nobody inserts between these two.
        digest = card.facts.sha256
        if self.connection.scalar(sa.select(cards.c.sha256).where(cards.c.sha256 == digest)) is None:
            self.connection.execute(sa.insert(cards).values(sha256=digest, body=card.body))


class SqlAgentStore:
    """An `AgentStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> tuple[Revision, StoredAgents]:
        """See `AgentStore`."""
        return await self._database.load(_everything)

    async def card(self, digest: str) -> bytes | None:
        """See `CardReader`."""
        query = sa.select(cards.c.body).where(cards.c.sha256 == digest)
        return await self._database.read(lambda connection: connection.scalar(query))


def _everything(connection: sa.Connection) -> StoredAgents:
    in_use = sa.select(agents.c.card_sha256)
    bodies = connection.execute(sa.select(cards.c.sha256, cards.c.body).where(cards.c.sha256.in_(in_use)))
    found = connection.scalars(sa.select(agents.c.record).order_by(agents.c.name))
    return StoredAgents(
        agents=tuple(records.decode(record, Agent) for record in found),
        cards={row.sha256: row.body for row in bodies},
        namespaces=load_namespaces(connection),
    )
