"""Trust boundaries as the registry tells of them: who is in which, what a call crosses, and whether it may.

- an agent is in a boundary of its own namespace that names it, or whose selector it fits; a selector that says nothing
  fits nobody. An external system is in every boundary that names it;
- a hop crosses the boundaries that one end of it is in and the other is not;
- between two boundaries one side's decision is enough only when both name each other. A hop that crosses several is
  single-sided when every pair of them is, so another boundary never opens anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Member(Protocol):
    """What is asked of an agent to know which boundaries it is in."""

    @property
    def resource_name(self) -> str:
        """`namespaces/{namespace}/agents/{agent}`."""
        ...

    @property
    def team(self) -> str | None:
        """The team that runs it."""
        ...

    @property
    def environments(self) -> frozenset[str]:
        """Where it may run."""
        ...

    @property
    def data_classes(self) -> tuple[str, ...]:
        """What it handles."""
        ...

    @property
    def risk_tier(self) -> str:
        """How much harm it could do."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """What its owner wrote on it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundarySelector:
    """Agents by what is said of them: one value of every list that is not empty, and all the labels."""

    teams: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    data_classes: frozenset[str] = frozenset()
    risk_tiers: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)

    def fits(self, agent: Member) -> bool:
        """Say whether it selects `agent`."""
        asked = [
            bool(wanted & had)
            for wanted, had in (
                (self.teams, {agent.team}),
                (self.environments, agent.environments),
                (self.data_classes, {*agent.data_classes}),
                (self.risk_tiers, {agent.risk_tier}),
            )
            if wanted
        ]
        asked += [agent.labels.get(key) == value for key, value in self.labels.items()]
        return bool(asked) and all(asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """One boundary."""

    name: str
    """`namespaces/{namespace}/boundaries/{boundary}`."""
    open: bool = True
    """Whether anything may cross it."""
    selector: BoundarySelector = field(default_factory=BoundarySelector)
    agents: frozenset[str] = frozenset()
    """By resource name."""
    external_systems: frozenset[str] = frozenset()
    """By resource name."""
    single_sided_with: frozenset[str] = frozenset()

    @property
    def members_prefix(self) -> str:
        """What the names of the agents that can be in it begin with."""
        return f"{self.name.rpartition('/boundaries/')[0]}/agents/"

    def holds(self, agent: Member) -> bool:
        """Say whether `agent` is in it."""
        if not agent.resource_name.startswith(self.members_prefix):
            return False
        return agent.resource_name in self.agents or self.selector.fits(agent)


_NONE: frozenset[str] = frozenset()


class Boundaries:
    """All boundaries of a moment."""

    __slots__ = ("_by_name", "_of_agents", "_of_systems", "heard", "to_look_at")

    to_look_at: bool
    """Whether a call has to look: there is one, or nobody said yet whether there is."""

    def __init__(self, boundaries: Iterable[Boundary] = (), *, heard: bool = True) -> None:
        """`heard`: whether the registry has told of all there are."""
        self.heard = heard
        self.to_look_at = not heard
        self._by_name: dict[str, Boundary] = {}
        self._of_agents: dict[str, tuple[Member, frozenset[str]]] = {}
        self._of_systems: dict[str, frozenset[str]] = {}
        for boundary in boundaries:
            self.put(boundary)

    @property
    def every(self) -> tuple[Boundary, ...]:
        """All of them."""
        return tuple(self._by_name.values())

    def find(self, name: str) -> Boundary | None:
        """Return the boundary called `name`, if it is known."""
        return self._by_name.get(name)

    def __bool__(self) -> bool:
        return self.to_look_at

    def put(self, boundary: Boundary) -> None:
        """Know `boundary` as it is now."""
        self.drop(boundary.name)
        self._by_name[boundary.name] = boundary
        self.to_look_at = True
        for system in boundary.external_systems:
            self._of_systems[system] = self._of_systems.get(system, _NONE) | {boundary.name}

    def drop(self, name: str) -> None:
        """Forget the boundary called `name`."""
        self._of_agents.clear()
        before = self._by_name.pop(name, None)
        for system in before.external_systems if before is not None else ():
            self._of_systems[system] -= {name}
        self.to_look_at = bool(self._by_name) or not self.heard

    def of_agent(self, agent: Member) -> frozenset[str]:
        """Return the names of those `agent` is in; worked out once for an agent as it is now."""
        known = self._of_agents.get(agent.resource_name)
        if known is not None and known[0] is agent:
            return known[1]
        found = frozenset(name for name, boundary in self._by_name.items() if boundary.holds(agent))
        self._of_agents[agent.resource_name] = (agent, found)
        return found

    def of_systems(self, systems: Iterable[str]) -> Iterable[frozenset[str]]:
        """Return, for each external system, the names of those it is in."""
        return (self._of_systems.get(system, _NONE) for system in systems)

    def is_open(self, name: str) -> bool:
        """Say whether anything may cross the boundary called `name`."""
        boundary = self._by_name.get(name)
        return boundary is not None and boundary.open

    def single_sided(self, one: Iterable[str], other: Iterable[str]) -> bool:
        """Say whether every boundary of `one` and every one of `other` name each other, and there are any."""
        mine, theirs = [self._by_name[name] for name in one], [self._by_name[name] for name in other]
        return bool(mine and theirs) and all(
            there.name in here.single_sided_with and here.name in there.single_sided_with
            for here in mine
            for there in theirs
        )
