"""Which agents are in which boundaries: pure, over the agents and boundaries of a moment.

An agent is in a boundary of its own namespace that names it, or whose selector it fits. A selector that says nothing
fits nobody: a boundary around everybody is written down as such, not by leaving something out.
"""

from collections.abc import Iterable, Iterator

from ringfence_registry.boundaries.model import Boundary, BoundarySelector
from ringfence_registry.model import Agent, AgentSpec


def contains(boundary: Boundary, agent: Agent) -> bool:
    """Say whether `agent` is in `boundary`."""
    if agent.name.namespace != boundary.name.namespace:
        return False
    return str(agent.name) in boundary.spec.agents or fits(boundary.spec.selector, agent.spec)


def fits(selector: BoundarySelector, spec: AgentSpec) -> bool:
    """Say whether a selector fits an agent of which this is said."""
    asked = [
        bool(wanted & had)
        for wanted, had in (
            (selector.teams, {spec.team}),
            (selector.environments, set(spec.environments)),
            (selector.data_classes, set(spec.data_classes)),
            (selector.risk_tiers, {spec.risk_tier}),
        )
        if wanted
    ]
    asked += [spec.labels.get(key) == value for key, value in selector.labels.items()]
    return bool(asked) and all(asked)


def members(boundary: Boundary, agents: Iterable[Agent]) -> Iterator[Agent]:
    """Yield those of `agents` that are in `boundary`, in their order."""
    return (agent for agent in agents if contains(boundary, agent))


def boundaries_of(agent: Agent, boundaries: Iterable[Boundary]) -> tuple[Boundary, ...]:
    """Return those of `boundaries` that `agent` is in, in their order."""
    return tuple(boundary for boundary in boundaries if contains(boundary, agent))


def single_sided(one: Boundary, other: Boundary) -> bool:
    """Say whether one side's decision is enough between two boundaries: only when both name each other."""
    return str(other.name) in one.spec.single_sided_with and str(one.name) in other.spec.single_sided_with
