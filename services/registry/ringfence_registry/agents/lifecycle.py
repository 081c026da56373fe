"""The states of an agent and the steps between them: a table, so that what it does not name cannot happen.

Registration leads to ACTIVE; retiring is for good. A step changes nothing but the state and its times (AIP-216: states
change only by methods of their own).
"""

import enum
from dataclasses import replace

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision

from ringfence_registry.errors import AgentRetired
from ringfence_registry.model import Agent, AgentState


class Step(enum.Enum):
    """What may be done to an agent's state."""

    RETIRE = "retire"


INITIAL = AgentState.ACTIVE

STEPS: dict[tuple[AgentState, Step], AgentState] = {
    (AgentState.ACTIVE, Step.RETIRE): AgentState.RETIRED,
}


def take_step(agent: Agent, step: Step, *, revision: Revision, now: Instant) -> Agent:
    """Return the agent after `step`, or raise the failure that says why its state does not allow it."""
    after = STEPS.get((agent.state, step))
    if after is None:
        raise AgentRetired(name=str(agent.name))
    retired_at = now if after is AgentState.RETIRED else agent.retired_at
    return replace(agent, state=after, revision=revision, updated_at=now, retired_at=retired_at)


def require_changeable(agent: Agent) -> None:
    """Raise `AgentRetired` when nothing about `agent` may change any more."""
    if agent.state is AgentState.RETIRED:
        raise AgentRetired(name=str(agent.name))
