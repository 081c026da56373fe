"""What agents were, in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.names import AgentName
from ringfence_kit.sql import Database, SqlTx
from ringfence_kit.sql_statements import Statement

from ringfence_registry.model import AgentRevision
from ringfence_registry.tables import agent_revisions

_ADD = Statement(sa.insert(agent_revisions))
_ONE = sa.select(agent_revisions.c.record).where(
    agent_revisions.c.agent == sa.bindparam("agent"), agent_revisions.c.number == sa.bindparam("number")
)
_REVISION = Statement(_ONE)
_HAD_CARD = Statement(
    sa.select(agent_revisions.c.number)
    .where(agent_revisions.c.agent == sa.bindparam("agent"), agent_revisions.c.card_sha256 == sa.bindparam("digest"))
    .limit(1)
)


class SqlRevisionTx(SqlTx):
    """A `RevisionTx` on a connection; each method's contract stands there."""

    def add_revision(self, revision: AgentRevision) -> None:
        """See `RevisionTx`."""
        _ADD.change(
            self.connection,
            agent=str(revision.agent),
            number=revision.number,
            card_sha256=revision.card_sha256,
            record=records.encode(revision),
        )

    def revision(self, name: AgentName, number: int) -> AgentRevision | None:
        """See `RevisionTx`."""
        record = _REVISION.scalar(self.connection, agent=str(name), number=number)
        return None if record is None else records.decode(record, AgentRevision)

    def had_card(self, name: AgentName, digest: str) -> bool:
        """See `RevisionTx`."""
        return _HAD_CARD.scalar(self.connection, agent=str(name), digest=digest) is not None


class SqlRevisionStore:
    """A `RevisionReader` on a database; each method's contract stands there."""

    _database: Database

    async def agent_revision(self, name: AgentName, number: int) -> AgentRevision | None:
        """See `RevisionReader`."""
        found = await self._database.read(
            lambda connection: connection.scalar(_ONE, {"agent": str(name), "number": number})
        )
        return None if found is None else records.decode(found, AgentRevision)

    async def agent_revisions(self, name: AgentName, *, before: int | None, limit: int) -> Sequence[AgentRevision]:
        """See `RevisionReader`."""
        query = (
            sa.select(agent_revisions.c.record)
            .where(agent_revisions.c.agent == str(name))
            .order_by(agent_revisions.c.number.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(agent_revisions.c.number < before)
        found = await self._database.read(lambda connection: connection.scalars(query).all())
        return [records.decode(record, AgentRevision) for record in found]
