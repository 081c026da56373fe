"""Reading boundaries: one, all that match, who is in one, and which an agent is in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.pages import PageTokens

from ringfence_registry.agents.surroundings import BoundaryFacts
from ringfence_registry.boundaries.fields import BOUNDARY_FIELDS
from ringfence_registry.boundaries.membership import boundaries_of, contains
from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.errors import BoundaryNotFound
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.resources.names import BoundaryName
from ringfence_registry.resources.reading import Listed, ListQuery, ResourceReading, prefix_of
from ringfence_registry.resources.snapshot import ResourceSnapshot

PAGE_WORK = 2_000
"""Agents one page may look at: some tens of milliseconds at most. A page may be short, even empty, before the last."""


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


class AgentsByName(Protocol):
    """The agents that are neither retired nor deleted."""

    def names(self, namespace: str, after: str) -> Iterator[str]:
        """Yield the names of the agents of `namespace` that follow `after`, in order."""
        ...

    def agent(self, name: str) -> Agent | None:
        """Return the agent called `name`, or None."""
        ...


class BoundaryReading:
    """Answers questions about boundaries."""

    def __init__(
        self,
        snapshot: ResourceSnapshot[Boundary],
        agents: AgentsByName,
        *,
        tokens: PageTokens,
        visibility: VisibilityReader,
    ) -> None:
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
        found, cursor = self._members(boundary, after=after, limit=query.page_size)
        if not cursor:
            return MemberList(found, "")
        token = self._tokens.seal(cursor.encode(), caller=caller.principal, arguments=query.arguments, now=now)
        return MemberList(found, token)

    def _members(self, boundary: Boundary, *, after: str, limit: int) -> tuple[tuple[str, ...], str]:
        """Return up to `limit` members behind `after`, and the last name looked at when more may follow."""
        found: list[str] = []
        for looked_at, name in enumerate(self._agents.names(boundary.name.namespace, after)):
            if len(found) == limit or looked_at == PAGE_WORK:
                return tuple(found), after
            agent, after = self._agents.agent(name), name
            if agent is not None and contains(boundary, agent):
                found.append(name)
        return tuple(found), ""


class BoundaryMap:
    """Knows who is in which boundary: the `Boundaries` that agents' gates ask."""

    def __init__(self, snapshot: ResourceSnapshot[Boundary]) -> None:
        self._snapshot = snapshot
        self._around: dict[str, tuple[Boundary, ...]] = {}
        """By namespace, as of so many changes of the snapshot."""
        self._changes = snapshot.changes

    @property
    def changes(self) -> int:
        """See `ringfence_registry.agents.surroundings.Boundaries`."""
        return self._snapshot.changes

    def boundaries_of(self, agent: Agent, /) -> tuple[BoundaryFacts, ...]:
        """See `ringfence_registry.agents.surroundings.Boundaries`."""
        around = self._around_namespace(agent.name.namespace)
        if not around:
            return ()
        found = boundaries_of(agent, around)
        return tuple(BoundaryFacts(name=str(each.name), enabled=each.switch.on) for each in found)

    def _around_namespace(self, namespace: str) -> tuple[Boundary, ...]:
        if self._changes != self._snapshot.changes:
            self._around.clear()
            self._changes = self._snapshot.changes
        around = self._around.get(namespace)
        if around is None:
            around = self._around[namespace] = self._snapshot.within(prefix_of(namespace, "boundaries"))
        return around
