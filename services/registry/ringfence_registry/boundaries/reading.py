"""Reading boundaries: one, all that match, who is in one, and which an agent is in."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.pages import PageTokens

from ringfence_registry.agents.surroundings import BoundaryFacts
from ringfence_registry.boundaries.fields import BOUNDARY_FIELDS
from ringfence_registry.boundaries.membership import boundaries_of, members
from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.errors import BoundaryNotFound
from ringfence_registry.model import Agent, AgentState
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.resources.names import BoundaryName
from ringfence_registry.resources.reading import Listed, ListQuery, ResourceReading, prefix_of
from ringfence_registry.resources.snapshot import ResourceSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberQuery:
    """Whose members somebody wants listed, and which page of them."""

    boundary: BoundaryName
    page_size: int
    page_token: str
    arguments: bytes


@dataclass(frozen=True, slots=True)
class MemberList:
    """One page of an answer."""

    agents: tuple[str, ...]
    next_page_token: str


class BoundaryReading:
    """Answers questions about boundaries."""

    def __init__(
        self,
        snapshot: ResourceSnapshot[Boundary],
        agents: Callable[[str], Iterable[Agent]],
        *,
        tokens: PageTokens,
        visibility: VisibilityReader,
    ) -> None:
        """`agents` returns those whose names start with a prefix, by name."""
        self._agents = agents
        self._tokens = tokens
        self._reading = ResourceReading(
            snapshot,
            collection="boundaries",
            fields=lambda _now: BOUNDARY_FIELDS,
            not_found=lambda name: BoundaryNotFound(name=name),
            tokens=tokens,
            visibility=visibility,
        )

    def get_boundary(self, name: BoundaryName, *, caller: Caller) -> Boundary:
        """Return the boundary called `name`, or raise `NotPermitted` or `BoundaryNotFound`."""
        return self._reading.get(name, caller=caller)

    def list_boundaries(self, query: ListQuery, *, caller: Caller, now: Instant) -> Listed[Boundary]:
        """Return one page of the boundaries that match, by name. Raises what `ResourceReading.list` raises."""
        return self._reading.list(query, caller=caller, now=now)

    def list_members(self, query: MemberQuery, *, caller: Caller, now: Instant) -> MemberList:
        """Return one page of the agents in the boundary, by name. Raises what `get_boundary` raises."""
        boundary = self.get_boundary(query.boundary, caller=caller)
        after = ""
        if query.page_token:
            after = self._tokens.open(
                query.page_token, caller=caller.principal, arguments=query.arguments, now=now
            ).decode()
        there = [agent for agent in self._agents(prefix_of(boundary.name.namespace, "agents")) if _there(agent)]
        names = [name for agent in members(boundary, there) if (name := str(agent.name)) > after]
        if len(names) <= query.page_size:
            return MemberList(tuple(names), "")
        shown = names[: query.page_size]
        cursor = shown[-1].encode()
        token = self._tokens.seal(cursor, caller=caller.principal, arguments=query.arguments, now=now)
        return MemberList(tuple(shown), token)


class BoundaryMap:
    """Knows who is in which boundary: the `Boundaries` that agents' gates ask."""

    def __init__(self, snapshot: ResourceSnapshot[Boundary]) -> None:
        self._snapshot = snapshot

    def boundaries_of(self, agent: Agent, /) -> tuple[BoundaryFacts, ...]:
        """See `ringfence_registry.agents.surroundings.Boundaries`."""
        around = self._snapshot.within(prefix_of(agent.name.namespace, "boundaries"))
        found = boundaries_of(agent, around)
        return tuple(BoundaryFacts(name=str(each.name), enabled=each.switch.on) for each in found)


def _there(agent: Agent) -> bool:
    return agent.state is not AgentState.RETIRED and not agent.deleted
