"""An agent as it is seen at one instant: what is stored of it, and what others know of it at that moment.

What is stored changes by events alone. The rest moves by itself: trust fades, leases end, health is forgotten, and a
tool that somebody else changes makes an agent's reach another. A view holds all of it, for one `now`.
"""

import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from ringfence_kit.clock import Instant

from ringfence_registry.agents.approvals import ApprovalState, approval_state
from ringfence_registry.agents.high_risk import high_risk_edges
from ringfence_registry.agents.leases import liveness_at
from ringfence_registry.agents.surroundings import Boundaries, NothingKnown, ToolFacts, Tools
from ringfence_registry.finding.views import Health, HealthView, NothingHeard, Trust, TrustView
from ringfence_registry.model import Agent, HighRiskEdge, Liveness


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """One agent at one instant."""

    agent: Agent
    now: Instant
    liveness: Liveness = Liveness.NO_LEASE
    trust: Trust | None = None
    health: Health | None = None
    edges: tuple[HighRiskEdge, ...] = ()
    boundaries: tuple[str, ...] = ()
    """By name."""
    approvals: tuple[ApprovalState, ...] = ()
    """One for each approved tool, in their order."""

    @property
    def moves(self) -> Hashable:
        """All that fields of what moves are read from (`agent_fields.MOVING`): equal ones have equal values."""
        return self.liveness, self.trust, self.health, self.edges, self.boundaries

    @property
    def until(self) -> Instant | None:
        """The first instant at which its liveness, trust or health is another though nothing is heard; None for never.

        Approvals end too, with the trust in an external system; that is looked at each time.
        """
        ends = (
            self.agent.lease_expires_at if self.liveness is Liveness.LEASED else None,
            None if self.trust is None else self.trust.until,
            None if self.health is None else self.health.until,
        )
        return min((end for end in ends if end is not None), default=None)


FOR_EVER = Instant(1 << 62)
"""An instant that does not come."""


class Moving(NamedTuple):
    """What others know of an agent at one instant, as far as a message says it. Equal ones make equal messages."""

    liveness: Liveness
    trust: Trust | None
    tools: tuple[ToolFacts | None, ...]
    """What is known of each approved tool, in their order."""
    boundaries: tuple[str, ...]


class Questions(NamedTuple):
    """What is asked of others about an agent, at hand: on the way to it through the agent much memory is touched."""

    agent: Agent
    """Its card is not looked at."""
    name: str
    did: str
    tools: tuple[str, ...]


def holds_until(agent: Agent, moving: Moving) -> Instant:
    """Return the first instant at which `moving` is another though nobody says anything."""
    ends = [tool.until for tool in moving.tools if tool is not None]
    ends.append(None if moving.trust is None else moving.trust.until)
    ends.append(agent.lease_expires_at if moving.liveness is Liveness.LEASED else None)
    return min([end for end in ends if end is not None], default=FOR_EVER)


def questions_of(agent: Agent) -> Questions:
    """Return what is asked of others about `agent`."""
    # Interned, for what many agents have in common should be one text in the processor's cache.
    tools = tuple([sys.intern(approved.name) for approved in agent.spec.approved_tools])
    return Questions(agent, str(agent.name), agent.spec.did, tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Looks at agents, with the eyes of those who know more of them."""

    trust: TrustView = field(default_factory=NothingHeard)
    health: HealthView = field(default_factory=NothingHeard)
    tools: Tools = field(default_factory=NothingKnown)
    boundaries: Boundaries = field(default_factory=NothingKnown)

    @property
    def changes(self) -> int:
        """How much others have said: while that is the same, so is what moves, until it ends by itself."""
        return self.trust.changes + self.tools.changes + self.boundaries.changes

    def view(self, agent: Agent, now: Instant) -> AgentView:
        """Return `agent` as it is seen at `now`."""
        return view_with(agent, self.moving(agent, now), now, health=self.health.health(str(agent.name), now))

    def moving(self, agent: Agent, now: Instant) -> Moving:
        """Return what others know of `agent` at `now`. Its card is not looked at."""
        return self.moving_of(questions_of(agent), now)

    def moving_of(self, asked: Questions, now: Instant) -> Moving:
        """Return what others know at `now` of the agent of which `asked` is."""
        agent, name, did, tools = asked
        tool = self.tools.tool
        return Moving(
            liveness_at(agent, now),
            self.trust.trust(name, did, now),
            tuple([tool(each, now) for each in tools]),
            tuple([boundary.name for boundary in self.boundaries.boundaries_of(agent)]),
        )


def view_with(agent: Agent, moving: Moving, now: Instant, *, health: Health | None = None) -> AgentView:
    """Return `agent` as it is seen at `now`, when all of `moving` is known of it."""
    return AgentView(
        agent=agent,
        now=now,
        liveness=moving.liveness,
        trust=moving.trust,
        health=health,
        edges=high_risk_edges(agent.spec, (tool for tool in moving.tools if tool is not None)),
        boundaries=moving.boundaries,
        approvals=tuple(map(approval_state, agent.spec.approved_tools, moving.tools)),
    )


Look = Callable[[Agent, Instant], AgentView]
