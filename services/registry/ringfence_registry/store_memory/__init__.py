"""The registry in memory, for tests."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from ringfence_kit.events import Revision
from ringfence_kit.memory import MemoryDatabase, MemoryRows

from ringfence_registry.store import StoredAgents
from ringfence_registry.store_memory.agents import CARDS, MemoryAgentRows, load_agents
from ringfence_registry.store_memory.namespaces import MemoryNamespaceTx, load_namespaces
from ringfence_registry.store_memory.revisions import MemoryRevisionStore
from ringfence_registry.store_memory.tools import MemoryToolStore, MemoryToolTx, load_tools

T = TypeVar("T")


class MemoryAgentTx(MemoryAgentRows, MemoryNamespaceTx, MemoryToolTx):
    """An `AgentTx` on rows in memory."""


class MemoryAgentStore(MemoryRevisionStore, MemoryToolStore):
    """An `AgentStore` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def load(self, look: Callable[[StoredAgents], T]) -> tuple[Revision, T]:
        """See `AgentStore`."""
        return await self._database.load(lambda rows: look(_everything(rows)))

    async def card(self, digest: str) -> bytes | None:
        """See `CardReader`."""
        return await self._database.read(lambda rows: rows.table(CARDS).get(digest))


def _everything(rows: MemoryRows) -> StoredAgents:
    return StoredAgents(
        rows=partial(load_agents, rows),
        namespaces=load_namespaces(rows),
        tools=load_tools(rows),
    )
