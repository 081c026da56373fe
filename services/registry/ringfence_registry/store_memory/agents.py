"""Agents and the bodies of their cards in memory."""

from collections.abc import Generator, Sequence
from dataclasses import replace

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.memory import MemoryRows, MemoryTable
from ringfence_kit.names import AgentName

from ringfence_registry.agents.display_names import look_alike_key
from ringfence_registry.cards.model import Card
from ringfence_registry.model import Agent
from ringfence_registry.store import AgentRow, agent_row
from ringfence_registry.store_memory.revisions import AGENT_REVISIONS, MemoryRevisionTx

AGENTS: MemoryTable[str, Agent] = MemoryTable("agents")
CARDS: MemoryTable[str, bytes] = MemoryTable("cards")
PURGED: MemoryTable[str, bool] = MemoryTable("purged_agents")


class MemoryAgentRows(MemoryRevisionTx):
    """An `AgentTx` on rows in memory; each method's contract stands there."""

    def agent(self, name: AgentName) -> Agent | None:
        """See `AgentTx`."""
        return self.rows.table(AGENTS).get(str(name))

    def add(self, agent: Agent) -> bytes:
        """See `AgentTx`."""
        return self.put(agent)

    def put(self, agent: Agent) -> bytes:
        """See `AgentTx`."""
        self.rows.table(AGENTS)[str(agent.name)] = agent
        return records.encode(agent)

    def put_lease(self, name: AgentName, expires_at: Instant) -> None:
        """See `AgentTx`."""
        table = self.rows.table(AGENTS)
        table[str(name)] = replace(table[str(name)], lease_expires_at=expires_at)

    def put_card(self, card: Card) -> None:
        """See `AgentTx`."""
        self.rows.table(CARDS).setdefault(card.facts.sha256, card.body)

    def look_alike(self, agent: Agent) -> AgentName | None:
        """See `AgentTx`."""
        key = look_alike_key(agent)
        every = self.rows.table(AGENTS).values()
        alike = (each.name for each in every if each.name != agent.name and look_alike_key(each) == key)
        return min(alike, default=None, key=str)

    def was_purged(self, name: AgentName) -> bool:
        """See `AgentTx`."""
        return str(name) in self.rows.table(PURGED)

    def due_for_purge(self, now: Instant, limit: int) -> Sequence[AgentName]:
        """See `AgentTx`."""
        every = self.rows.table(AGENTS).values()
        due = [(agent.purge_at, agent.name) for agent in every if agent.purge_at is not None and agent.purge_at <= now]
        return [name for _, name in sorted(due)[:limit]]

    def purge(self, name: AgentName) -> None:
        """See `AgentTx`."""
        del self.rows.table(AGENTS)[str(name)]
        self.rows.table(PURGED)[str(name)] = True
        revisions, bodies = self.rows.table(AGENT_REVISIONS), self.rows.table(CARDS)
        gone = [revisions.pop(key) for key in list(revisions) if key[0] == str(name)]
        in_use = {revision.card_sha256 for revision in revisions.values()}
        for digest in {revision.card_sha256 for revision in gone} - in_use:
            bodies.pop(digest, None)


def load_agents(rows: MemoryRows) -> Generator[AgentRow, None, None]:
    """Yield the row of every agent."""
    for name, agent in rows.table(AGENTS).items():
        yield agent_row(name, records.encode(agent), agent.lease_expires_at)
