"""Trying a revision on a share of the calls: a canary beside what is stable, until people or its SLO end that.

A rollout ends once. Whoever follows telemetry tells of each breach it hears of; what is told twice, or of a revision
that is no canary, ends nothing.
"""

from dataclasses import replace

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation

from ringfence_registry.access import require_owner
from ringfence_registry.agents.changes import AgentChanges
from ringfence_registry.agents.lifecycle import require_changeable
from ringfence_registry.agents.revisions import number_of
from ringfence_registry.errors import AgentNotFound
from ringfence_registry.model import Agent, Rollout, RolloutEnd
from ringfence_registry.store import AgentTx

CANARY = "canary"

BY_ITSELF = "service:registry"
"""Who ends a rollout whose canary breached its SLO, in the history."""


class Rollouts:
    """Begins rollouts, and ends them."""

    def __init__(self, changes: AgentChanges) -> None:
        self._changes = changes

    async def set_rollout(
        self,
        name: AgentName,
        *,
        canary: str,
        stable: str,
        percent: int,
        etag: str,
        caller: Caller,
        mutation: Mutation,
    ) -> Agent:
        """Send `percent` of the calls to the revision `canary`, the rest to `stable`; 0 ends it. Return the agent.

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`, `RevisionNotFound`, `InvalidRequest`, `EtagMismatch`.
        """
        require_owner(caller, name.namespace)

        def change(_tx: AgentTx, agent: Agent) -> Agent:
            require_changeable(agent)
            if not percent:
                return _ended(agent, reason="", actor=caller.principal, now=mutation.at)
            return _rolled_out(agent, number_of(agent, canary), number_of(agent, stable), percent, mutation.at)

        return await self._changes.change(name, change, etag=etag, mutation=mutation)

    async def end_rollout(self, name: AgentName, canary: int, reason: str, now: Instant) -> None:
        """End the rollout of an agent whose canary, the revision of that number, does harm; the reason is a sentence.

        Raises `Unavailable` when it could not be written; then it is to be told again.
        """

        def change(_tx: AgentTx, agent: Agent) -> Agent:
            if agent.rollout is None or agent.rollout.canary != canary:
                return agent
            return _ended(agent, reason=reason, actor=BY_ITSELF, now=now)

        try:
            await self._changes.change(name, change, mutation=Mutation(principal=BY_ITSELF, at=now))
        except AgentNotFound:
            return  # deleted meanwhile, and its rollout with it


def canary_of(agent: Agent | None) -> int | None:
    """Return which revision of `agent` is tried on a share of its calls; None when none is."""
    return None if agent is None or agent.rollout is None else agent.rollout.canary


def _rolled_out(agent: Agent, canary: int, stable: int, percent: int, now: Instant) -> Agent:
    if canary == stable:
        raise InvalidRequest(Violation("canary_revision", "must be another revision than stable_revision"))
    before = agent.rollout
    same = before is not None and (before.canary, before.stable) == (canary, stable)
    started = before.started_at if before is not None and same else now
    return replace(agent, rollout=Rollout(canary=canary, stable=stable, percent=percent, started_at=started))


def _ended(agent: Agent, *, reason: str, actor: str, now: Instant) -> Agent:
    if agent.rollout is None:
        return agent
    end = RolloutEnd(canary=agent.rollout.canary, reason=reason, actor=actor, ended_at=now)
    return replace(agent, rollout=None, last_rollout_end=end)
