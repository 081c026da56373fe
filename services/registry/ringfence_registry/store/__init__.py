"""What the registry asks of storage; `tests/contract/registry` proves it for every implementation.

Bodies of cards are kept by their digest, apart from the agents: an event that changes a label does not carry the card,
and two agents with the same card share one body. A body once kept is never changed, and not forgotten while a revision
of any agent has it.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName
from ringfence_kit.store import Recorder

from ringfence_registry.cards.model import Card
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.model import Namespace
from ringfence_registry.recorded import digest_of
from ringfence_registry.store.namespaces import NamespaceTx
from ringfence_registry.store.revisions import RevisionReader, RevisionTx
from ringfence_registry.store.tools import StoredTools, ToolRevisionReader, ToolTx

T = TypeVar("T")


class AgentRow(NamedTuple):
    """An agent as it is stored."""

    name: str
    record: bytes
    lease_expires_at: Instant | None
    """Until when its lease runs, which counts before what the record says."""
    digest: bytes
    """Of the record, see `digest_of`."""


class LoadedAgent(NamedTuple):
    """An agent, decoded, with what it was decoded from."""

    agent: Agent
    row: AgentRow
    renewed: bool
    """Whether its lease runs until another moment than the record says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAgents:
    """Everything a catalog starts with."""

    rows: Callable[[], Generator[AgentRow, None, None]]
    """Reads every agent, in any order, each time from the first; close it when you end before it does."""
    namespaces: tuple[Namespace, ...] = ()
    """Those that were set up."""
    tools: StoredTools = field(default_factory=StoredTools)

    @property
    def agents(self) -> tuple[Agent, ...]:
        """Every agent by name, all decoded at once: for few."""
        return tuple(_loaded(row).agent for row in sorted(self.rows()))

    def parts(self, size: int = 1_000) -> Generator[list[LoadedAgent], None, None]:
        """Yield the agents, so many at a time: decoded, or as rows, a large registry takes twice its memory."""
        with closing(self.rows()) as rows:
            while part := [_loaded(row) for row in islice(rows, size)]:
                yield part


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

    async def load(self, look: Callable[[StoredAgents], T]) -> tuple[Revision, T]:
        """Return what `look` makes of everything, and the revision it stands at.

        `look` may run in a thread, and reads what is stored before it returns: afterwards nothing can be read of it.
        """
        ...


def agent_row(name: str, record: bytes, lease_expires_at: Instant | None) -> AgentRow:
    """Return the row of the agent called `name`."""
    return AgentRow(name, record, lease_expires_at, digest_of(record))


def _loaded(row: AgentRow) -> LoadedAgent:
    agent = records.decode(row.record, Agent)
    if agent.lease_expires_at == row.lease_expires_at:
        return LoadedAgent(agent, row, renewed=False)
    leased = replace(agent, lease_expires_at=row.lease_expires_at)
    if row.lease_expires_at is None:
        return LoadedAgent(leased, agent_row(row.name, records.encode(leased), None), renewed=False)
    return LoadedAgent(leased, row, renewed=True)
