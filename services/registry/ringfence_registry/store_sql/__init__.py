"""The registry in SQL: SQLite or PostgreSQL."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from ringfence_kit.events import Revision
from ringfence_kit.sql import Database

from ringfence_registry.store import StoredAgents
from ringfence_registry.store_sql.agents import SqlAgentRows, load_agents
from ringfence_registry.store_sql.namespaces import SqlNamespaceTx, load_namespaces
from ringfence_registry.store_sql.revisions import SqlRevisionStore
from ringfence_registry.store_sql.tools import SqlToolStore, SqlToolTx, load_tools
from ringfence_registry.tables import cards

T = TypeVar("T")

MIGRATIONS = Path(__file__).parents[1] / "migrations" / "versions"


class SqlAgentTx(SqlAgentRows, SqlNamespaceTx, SqlToolTx):
    """An `AgentTx` on a connection."""


class SqlAgentStore(SqlRevisionStore, SqlToolStore):
    """An `AgentStore` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, look: Callable[[StoredAgents], T]) -> tuple[Revision, T]:
        """See `AgentStore`."""
        return await self._database.load(lambda connection: look(_everything(connection)))

    async def card(self, digest: str) -> bytes | None:
        """See `CardReader`."""
        query = sa.select(cards.c.body).where(cards.c.sha256 == digest)
        return await self._database.read(lambda connection: connection.scalar(query))


def _everything(connection: sa.Connection) -> StoredAgents:
    return StoredAgents(
        rows=partial(load_agents, connection),
        namespaces=load_namespaces(connection),
        tools=load_tools(connection),
    )
