"""What agents were, in memory."""

from collections.abc import Sequence

from ringfence_kit.memory import MemoryDatabase, MemoryTable, MemoryTx
from ringfence_kit.names import AgentName

from ringfence_registry.model import AgentRevision

AGENT_REVISIONS: MemoryTable[tuple[str, int], AgentRevision] = MemoryTable("agent_revisions")


class MemoryRevisionTx(MemoryTx):
    """A `RevisionTx` on rows in memory; each method's contract stands there."""

    def add_revision(self, revision: AgentRevision) -> None:
        """See `RevisionTx`."""
        key = (str(revision.agent), revision.number)
        if key in self.rows.table(AGENT_REVISIONS):
            raise KeyError(key)
        self.rows.table(AGENT_REVISIONS)[key] = revision

    def revision(self, name: AgentName, number: int) -> AgentRevision | None:
        """See `RevisionTx`."""
        return self.rows.table(AGENT_REVISIONS).get((str(name), number))

    def had_card(self, name: AgentName, digest: str) -> bool:
        """See `RevisionTx`."""
        return any(
            agent == str(name) and revision.card_sha256 == digest
            for (agent, _), revision in self.rows.table(AGENT_REVISIONS).items()
        )


class MemoryRevisionStore:
    """A `RevisionReader` on a database in memory; each method's contract stands there."""

    _database: MemoryDatabase

    async def agent_revision(self, name: AgentName, number: int) -> AgentRevision | None:
        """See `RevisionReader`."""
        return await self._database.read(lambda rows: rows.table(AGENT_REVISIONS).get((str(name), number)))

    async def agent_revisions(self, name: AgentName, *, before: int | None, limit: int) -> Sequence[AgentRevision]:
        """See `RevisionReader`."""
        every = await self._database.read(lambda rows: list(rows.table(AGENT_REVISIONS).values()))
        found = [each for each in every if each.agent == name and (before is None or each.number < before)]
        return sorted(found, key=lambda each: each.number, reverse=True)[:limit]
