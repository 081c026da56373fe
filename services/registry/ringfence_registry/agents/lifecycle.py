"""The states of an agent and the steps between them: a table, so that what it does not name cannot happen.

        register ──▶ DRAFT ──submit──▶ PENDING_REVIEW ──approve──▶ ACTIVE ──deprecate──▶ DEPRECATED
                       ▲                    │                       │  ▲                    │  ▲
                       └───────reject───────┘                       └──┴─suspend, resume ───┴──┘
        retire leads from everywhere to RETIRED, and from there nowhere; delete takes drafts and retired ones away.

A step changes the state, why, and its times; nothing else of an agent changes with it (AIP-216: states change only by
methods of their own). Gates and permissions are asked before, by the use case.
"""

import enum
from collections.abc import Mapping
from dataclasses import replace

from ringfence_kit.clock import Instant

from ringfence_registry.errors import AgentRetired, IllegalStateTransition
from ringfence_registry.model import Agent, AgentState


class Step(enum.Enum):
    """What may be done to an agent's state. The values are what callers read in a refusal."""

    SUBMIT = "SubmitAgent"
    APPROVE = "ApproveAgent"
    REJECT = "ApproveAgent with reject"
    SUSPEND = "SuspendAgent"
    RESUME = "ResumeAgent"
    DEPRECATE = "DeprecateAgent"
    RETIRE = "RetireAgent"
    DELETE = "DeleteAgent"


class Back(enum.Enum):
    """Where a step leads that undoes another."""

    WHERE_IT_WAS = enum.auto()


STEPS: Mapping[Step, Mapping[AgentState, AgentState | Back]] = {
    Step.SUBMIT: {AgentState.DRAFT: AgentState.PENDING_REVIEW},
    Step.APPROVE: {AgentState.PENDING_REVIEW: AgentState.ACTIVE},
    Step.REJECT: {AgentState.PENDING_REVIEW: AgentState.DRAFT},
    Step.SUSPEND: {AgentState.ACTIVE: AgentState.SUSPENDED, AgentState.DEPRECATED: AgentState.SUSPENDED},
    Step.RESUME: {AgentState.SUSPENDED: Back.WHERE_IT_WAS},
    Step.DEPRECATE: {AgentState.ACTIVE: AgentState.DEPRECATED},
    Step.RETIRE: {state: AgentState.RETIRED for state in AgentState if state is not AgentState.RETIRED},
    # Deletion is beside the states: an agent that is brought back is in the one it had.
    Step.DELETE: {AgentState.DRAFT: AgentState.DRAFT, AgentState.RETIRED: AgentState.RETIRED},
}


def initial_state(*, gated: bool, review_required: bool, as_draft: bool) -> AgentState:
    """Return the state an agent is registered in; `gated`: one of its environments keeps gates."""
    return AgentState.DRAFT if gated or review_required or as_draft else AgentState.ACTIVE


def target_of(agent: Agent, step: Step) -> AgentState:
    """Return where `step` leads, or raise the failure that says why the agent's state does not allow it."""
    if step is Step.RETIRE and agent.state is AgentState.RETIRED:
        raise AgentRetired(name=str(agent.name))
    allowed = STEPS[step]
    target = allowed.get(agent.state)
    if target is None:
        raise IllegalStateTransition(
            name=str(agent.name), state=agent.state.value, step=step.value, allowed=[state.value for state in allowed]
        )
    return target if isinstance(target, AgentState) else agent.suspended_from or AgentState.ACTIVE


def take_step(agent: Agent, step: Step, *, reason: str = "", now: Instant) -> Agent:
    """Return the agent after `step`; revision and update time are set by who stores it."""
    target = target_of(agent, step)
    return replace(
        agent,
        state=target,
        state_reason=reason,
        suspended_from=agent.state if target is AgentState.SUSPENDED else None,
        retired_at=now if target is AgentState.RETIRED and agent.retired_at is None else agent.retired_at,
        rollout=None if target is AgentState.RETIRED else agent.rollout,
    )


def require_changeable(agent: Agent) -> None:
    """Raise `AgentRetired` when nothing about `agent` may change any more."""
    if agent.state is AgentState.RETIRED:
        raise AgentRetired(name=str(agent.name))
