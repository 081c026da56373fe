"""Agents and the bodies of their cards in SQL.

A renewal writes one number: the end of a lease has a column of its own, which counts before what the record says.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName
from ringfence_kit.sql_statements import Bound, Statement

from ringfence_registry.agents.display_names import look_alike_key
from ringfence_registry.cards.model import Card
from ringfence_registry.model import Agent
from ringfence_registry.store import AgentRow, agent_row
from ringfence_registry.store_sql.revisions import SqlRevisionTx
from ringfence_registry.tables import agent_revisions, agents, cards, purged_agents

_OF_NAME: sa.BindParameter[str] = sa.bindparam("of_name")
_AGENT = Statement(sa.select(agents.c.record, agents.c.lease_expires_at).where(agents.c.name == _OF_NAME))
_READ_AT_ONCE = 500
_CHANGING = ("card_sha256", "look_alike", "lease_expires_at", "purge_at", "record")
_CHANGE = Statement(sa.update(agents).where(agents.c.name == _OF_NAME), sets=_CHANGING)
_ADD = Statement(sa.insert(agents))
_PUT_LEASE = Statement(sa.update(agents).where(agents.c.name == _OF_NAME), sets=("lease_expires_at",))
_LOOK_ALIKE = Statement(
    sa.select(agents.c.name)
    .where(agents.c.look_alike == sa.bindparam("key"), agents.c.name != sa.bindparam("besides"))
    .order_by(agents.c.name)
    .limit(1)
)
_CARD = Statement(sa.select(cards.c.sha256).where(cards.c.sha256 == sa.bindparam("digest")))
_ADD_CARD = Statement(sa.insert(cards))
_PURGED = Statement(sa.select(purged_agents.c.name).where(purged_agents.c.name == _OF_NAME))


class SqlAgentRows(SqlRevisionTx):
    """An `AgentTx` on a connection; each method's contract stands there."""

    def agent(self, name: AgentName) -> Agent | None:
        """See `AgentTx`."""
        row = _AGENT.row(self.connection, of_name=str(name))
        return None if row is None else agent_of(row[0], row[1])

    def add(self, agent: Agent) -> bytes:
        """See `AgentTx`."""
        record = records.encode(agent)
        _ADD.change(self.connection, name=str(agent.name), record=record, **_columns(agent))
        return record

    def put(self, agent: Agent) -> bytes:
        """See `AgentTx`."""
        name, record, columns = str(agent.name), records.encode(agent), _columns(agent)
        if _CHANGE.change(self.connection, of_name=name, record=record, **columns) == 0:
            _ADD.change(self.connection, name=name, record=record, **columns)
        return record

    def put_lease(self, name: AgentName, expires_at: Instant) -> None:
        """See `AgentTx`."""
        _PUT_LEASE.change(self.connection, of_name=str(name), lease_expires_at=expires_at)

    def put_card(self, card: Card) -> None:
        """See `AgentTx`."""
        # Writers take turns (the kit locks the revision first), so nobody inserts between these two.
        digest = card.facts.sha256
        if _CARD.scalar(self.connection, digest=digest) is None:
            _ADD_CARD.change(self.connection, sha256=digest, body=card.body)

    def look_alike(self, agent: Agent) -> AgentName | None:
        """See `AgentTx`."""
        return _named(_LOOK_ALIKE.scalar(self.connection, key=look_alike_key(agent), besides=str(agent.name)))

    def was_purged(self, name: AgentName) -> bool:
        """See `AgentTx`."""
        return _PURGED.scalar(self.connection, of_name=str(name)) is not None

    def due_for_purge(self, now: Instant, limit: int) -> Sequence[AgentName]:
        """See `AgentTx`."""
        due = sa.select(agents.c.name).where(agents.c.purge_at <= now).order_by(agents.c.purge_at).limit(limit)
        return [name for text in self.connection.scalars(due) if (name := _named(text))]

    def purge(self, name: AgentName) -> None:
        """See `AgentTx`."""
        text = str(name)
        of_agent = agent_revisions.c.agent == text
        digests = set(self.connection.scalars(sa.select(agent_revisions.c.card_sha256).where(of_agent)))
        self.connection.execute(sa.delete(agent_revisions).where(of_agent))
        self.connection.execute(sa.delete(agents).where(agents.c.name == text))
        self.connection.execute(sa.insert(purged_agents).values(name=text))
        for digest in sorted(digests):
            in_use = sa.exists().where(agent_revisions.c.card_sha256 == digest)
            self.connection.execute(sa.delete(cards).where(cards.c.sha256 == digest, ~in_use))


def load_agents(connection: sa.Connection) -> Generator[AgentRow, None, None]:
    """Yield the row of every agent. They are read in parts: together they take half a gigabyte at 100,000."""
    query = sa.select(agents.c.name, agents.c.record, agents.c.lease_expires_at)
    with connection.execute(query.execution_options(yield_per=_READ_AT_ONCE)) as found:
        for name, record, lease in found:
            yield agent_row(name, record, None if lease is None else Instant(lease))


def agent_of(record: bytes, lease_expires_at: int | None) -> Agent:
    """Return the agent of a row."""
    agent = records.decode(record, Agent)
    if agent.lease_expires_at == lease_expires_at:
        return agent
    return replace(agent, lease_expires_at=None if lease_expires_at is None else Instant(lease_expires_at))


def _columns(agent: Agent) -> dict[str, Bound]:
    return {
        "card_sha256": agent.card.sha256,
        "look_alike": look_alike_key(agent),
        "lease_expires_at": agent.lease_expires_at,
        "purge_at": agent.purge_at,
    }


def _named(text: str | None) -> AgentName | None:
    return None if text is None else AgentName.parse(text)
