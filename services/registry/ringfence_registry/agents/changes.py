"""Changing an agent that is there: found, checked against the etag, changed and recorded in one transaction.

- Of two changes at once both count, one after the other; with an etag the second is refused (ABORTED, AIP-154).
- A change that changes nothing is not an event.
- A change of what people say, or of the card, is a new revision; every other change leaves the revision as it is.
- What has to be decided outside the transaction (gates, signatures, other cards) is decided on the agent as it stands,
  and counts only if it still stands so inside; else it is decided anew. A refusal is raised inside, so the repetition
  of a request that succeeded gets its first answer, whatever is true by now.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ringfence_kit.clock import Instant
from ringfence_kit.errors import EtagMismatch, Failure
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.errors import AgentNotFound
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import AGENT, Agent, AgentRevision
from ringfence_registry.store import AgentTx

AgentChange: TypeAlias = Callable[[AgentTx, Agent], Agent]
"""Returns the agent as it is to be; runs inside the transaction, on the agent as it is stored there."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A change that was decided on, and what its revision, if it makes one, has to say."""

    change: AgentChange
    rollback_of: int | None = None
    reason: str = ""


Plan: TypeAlias = Callable[[Agent], Awaitable[Decision]]
"""Looks at the agent as it stands and decides on a change, or raises the failure that speaks against it."""

ATTEMPTS = 8
"""How often a plan is made anew because somebody else was faster."""


class _Moved(Exception):  # noqa: N818 - named for what happened, and caught right here
    """The agent is not the one that was decided on."""


class AgentChanges:
    """Makes changes."""

    def __init__(self, writer: Writer[AgentTx], catalog: AgentCatalog) -> None:
        self._writer = writer
        self._catalog = catalog

    async def change(self, name: AgentName, change: AgentChange, *, etag: str = "", mutation: Mutation) -> Agent:
        """Apply `change` and return the agent then.

        Raises `AgentNotFound`, `EtagMismatch` when `etag` is not empty and not current, and what `change` raises.
        """

        def work(tx: AgentTx) -> Agent:
            agent = existing(tx, name)
            require_etag(agent, etag)
            return stored(tx, agent, Decision(change), mutation=mutation)

        return await self._writer.write(work, mutation=mutation, result=Agent)

    async def decide(
        self, name: AgentName, plan: Plan, *, etag: str = "", mutation: Mutation, validate_only: bool = False
    ) -> Agent:
        """Apply what `plan` decides about the agent as it stands, and return the agent. Raises as `change` does."""
        for _ in range(ATTEMPTS):
            seen = self._catalog.agent(str(name))
            decided = None if seen is None else await _decided(plan, seen)
            work = _deciding(name, seen, decided, etag=etag, mutation=mutation)
            try:
                return await self._writer.write(work, mutation=mutation, result=Agent, validate_only=validate_only)
            except _Moved:
                continue
        raise EtagMismatch(name=str(name), expected=etag, current="")


async def _decided(plan: Plan, seen: Agent) -> Decision | Failure:
    try:
        return await plan(seen)
    except Failure as failure:
        return failure


def _deciding(
    name: AgentName, seen: Agent | None, decided: Decision | Failure | None, *, etag: str, mutation: Mutation
) -> Callable[[AgentTx], Agent]:
    def work(tx: AgentTx) -> Agent:
        agent = existing(tx, name)
        require_etag(agent, etag)
        if seen is None or decided is None or agent.revision != seen.revision:
            raise _Moved
        if isinstance(decided, Failure):
            raise decided
        return stored(tx, agent, decided, mutation=mutation)

    return work


def existing(tx: AgentTx, name: AgentName) -> Agent:
    """Return the agent called `name`; to whoever changes something, a deleted one is not there."""
    agent = tx.agent(name)
    if agent is None or agent.deleted:
        raise AgentNotFound(name=str(name))
    return agent


def require_etag(agent: Agent, etag: str) -> None:
    """Raise `EtagMismatch` when the caller decided on something else than what is there."""
    if etag and etag != agent.etag:
        raise EtagMismatch(name=str(agent.name), expected=etag, current=agent.etag)


def stored(
    tx: AgentTx,
    before: Agent,
    decided: Decision,
    *,
    mutation: Mutation,
    recorded: Change = Change.MODIFIED,
) -> Agent:
    """Store and record what comes in place of `before`, with a new revision when its content is another."""
    after = decided.change(tx, before)
    if after == before:
        return before
    now = later(before, mutation.at)
    number = before.number + 1 if other_content(before, after) else before.number
    after = replace(after, number=number, revision=tx.next_revision, updated_at=now)
    if number != before.number:
        tx.add_revision(
            revision_of(after, actor=mutation.principal, rollback_of=decided.rollback_of, reason=decided.reason)
        )
    tx.record(recorded, AGENT, str(after.name), tx.put(after))
    return after


def other_content(before: Agent, after: Agent) -> bool:
    """Say whether what people say of the agent, or its card, is another."""
    return before.spec != after.spec or before.card.sha256 != after.card.sha256


def revision_of(agent: Agent, *, actor: str, rollback_of: int | None = None, reason: str = "") -> AgentRevision:
    """Return the present content of `agent` as a revision."""
    return AgentRevision(
        agent=agent.name,
        number=agent.number,
        spec=agent.spec,
        card_sha256=agent.card.sha256,
        created_at=agent.updated_at,
        actor=actor,
        rollback_of=rollback_of,
        reason=reason,
    )


def later(agent: Agent, now: Instant) -> Instant:
    """Return `now`, or the agent's last change when a clock was set back: an agent is not changed before it was."""
    return max(agent.updated_at, now)
