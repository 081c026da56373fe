"""What the registry asks of storage; `tests/contract/registry` proves it for every implementation.

Bodies of cards are kept by their digest, apart from the agents: an event that changes a label does not carry the card,
and two agents with the same card share one body. A body once kept is never changed, and not forgotten while a revision
of any agent has it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName
from ringfence_kit.store import Recorder

from ringfence_registry.cards.model import Card
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.model import Namespace
from ringfence_registry.store.namespaces import NamespaceTx
from ringfence_registry.store.revisions import RevisionReader, RevisionTx
from ringfence_registry.store.tools import StoredTools, ToolRevisionReader, ToolTx


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAgents:
    """Everything a catalog starts with."""

    rows: list[tuple[bytes, Instant | None]]
    """The record of every agent, by name, and until when its lease runs, which counts before what the record says."""
    namespaces: tuple[Namespace, ...] = ()
    """Those that were set up."""
    tools: StoredTools = field(default_factory=StoredTools)

    @property
    def agents(self) -> tuple[Agent, ...]:
        """Every agent, all decoded at once: for few."""
        return tuple(_with_lease(record, lease)[0] for record, lease in self.rows)

    def parts(self, size: int = 1_000) -> Iterator[tuple[list[Agent], list[bytes]]]:
        """Yield the agents, so many at a time, with their records: decoded, a large registry takes twice its memory."""
        # They are given away: whoever takes them keeps them in a form of its own, and twice they do not fit either.
        self.rows.reverse()
        while self.rows:
            pairs = [_with_lease(*self.rows.pop()) for _ in range(min(size, len(self.rows)))]
            yield [agent for agent, _ in pairs], [record for _, record in pairs]


class AgentTx(RevisionTx, NamespaceTx, ToolTx, Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes."""

    def agent(self, name: AgentName) -> Agent | None:
        """Return the agent called `name`, or None."""
        ...

    def add(self, agent: Agent) -> bytes:
        """Store an agent of a name that nobody has; return its record. Nothing is recorded, as with `put`."""
        ...

    def put(self, agent: Agent) -> bytes:
        """Store `agent`, in place of one of the same name; return its record.

        Nothing is recorded: the use case says what happened.
        """
        ...

    def put_lease(self, name: AgentName, expires_at: Instant) -> None:
        """Store until when the lease of a stored agent runs; nothing else of it changes."""
        ...

    def put_card(self, card: Card) -> None:
        """Keep the body of `card` under its digest; nothing happens when it is kept already."""
        ...

    def look_alike(self, agent: Agent) -> AgentName | None:
        """Return the first other agent of its namespace whose display name looks like that of `agent`."""
        ...

    def due_for_purge(self, now: Instant, limit: int) -> Sequence[AgentName]:
        """Return up to `limit` agents whose `purge_at` is not after `now`, the first due first."""
        ...

    def purge(self, name: AgentName) -> None:
        """Forget the agent, its revisions and the cards nobody else has; only that the name was used is remembered."""
        ...

    def was_purged(self, name: AgentName) -> bool:
        """Say whether an agent of this name was forgotten."""
        ...


class CardReader(Protocol):
    """Reads bodies of cards."""

    async def card(self, digest: str) -> bytes | None:
        """Return the body with this SHA-256 (lower-case hex), or None when none was ever kept."""
        ...


class AgentStore(RevisionReader, CardReader, ToolRevisionReader, Protocol):
    """Reads outside a mutation."""

    async def load(self) -> tuple[Revision, StoredAgents]:
        """Return every agent, by name, and the revision they stand at."""
        ...


def _with_lease(record: bytes, lease: Instant | None) -> tuple[Agent, bytes]:
    agent = records.decode(record, Agent)
    if agent.lease_expires_at == lease:
        return agent, record
    leased = replace(agent, lease_expires_at=lease)
    return leased, records.encode(leased)
