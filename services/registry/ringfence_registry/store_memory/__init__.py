"""Agents and cards in memory, for tests."""

from ringfence_kit.events import Revision
from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable
from ringfence_kit.names import AgentName

from ringfence_registry.cards.model import Card
from ringfence_registry.model import Agent
from ringfence_registry.store import StoredAgents
from ringfence_registry.store_memory.namespaces import MemoryNamespaceTx, load_namespaces

AGENTS: MemoryTable[str, Agent] = MemoryTable("agents")
CARDS: MemoryTable[str, bytes] = MemoryTable("cards")


class MemoryAgentTx(MemoryNamespaceTx):
    """An `AgentTx` on rows in memory."""

    def agent(self, name: AgentName) -> Agent | None:
        """See `AgentTx`."""
        return self.rows.table(AGENTS).get(str(name))

    def put(self, agent: Agent) -> None:
        """See `AgentTx`."""
        self.rows.table(AGENTS)[str(agent.name)] = agent

    def put_card(self, card: Card) -> None:
        """See `AgentTx`."""
        self.rows.table(CARDS).setdefault(card.facts.sha256, card.body)


class MemoryAgentStore:
    """An `AgentStore` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def load(self) -> tuple[Revision, StoredAgents]:
        """See `AgentStore`."""
        return await self._database.load(_everything)

    async def card(self, digest: str) -> bytes | None:
        """See `CardReader`."""
        return await self._database.read(lambda rows: rows.table(CARDS).get(digest))


def _everything(rows: MemoryRows) -> StoredAgents:
    agents = tuple(agent for _, agent in sorted(rows.table(AGENTS).items()))
    in_use = {agent.card.sha256 for agent in agents}
    return StoredAgents(
        agents=agents,
        cards={digest: body for digest, body in rows.table(CARDS).items() if digest in in_use},
        namespaces=load_namespaces(rows),
    )
