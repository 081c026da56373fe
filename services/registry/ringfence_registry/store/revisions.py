"""What is asked of storage about what agents were.

A revision is written once, with the change that makes it, and never again; it goes when its agent is forgotten.
"""

from collections.abc import Sequence
from typing import Protocol

from ringfence_kit.names import AgentName

from ringfence_registry.model import AgentRevision


class RevisionTx(Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes."""

    def add_revision(self, revision: AgentRevision) -> None:
        """Store a revision with a number its agent has not had; raise for another."""
        ...

    def revision(self, name: AgentName, number: int) -> AgentRevision | None:
        """Return what the agent was, or None when it has no revision of that number."""
        ...

    def had_card(self, name: AgentName, digest: str) -> bool:
        """Say whether a revision of the agent has the card with this SHA-256 (lower-case hex)."""
        ...


class RevisionReader(Protocol):
    """Reads revisions outside a mutation."""

    async def agent_revision(self, name: AgentName, number: int) -> AgentRevision | None:
        """Return what the agent was, or None when it has no revision of that number."""
        ...

    async def agent_revisions(self, name: AgentName, *, before: int | None, limit: int) -> Sequence[AgentRevision]:
        """Return up to `limit` revisions, the newest first, with numbers below `before` when that is given."""
        ...
