"""Asking the gates: which environments keep them, what is known there at this moment, and who is refused.

Gates are asked where an agent begins to serve, and of every change of one that serves. Between those, the world moves
on: a tool is disabled, an identity revoked. Then the pdp denies what is to be denied, `CheckReadiness` says so, and the
agent stays in its state; changes that mend one thing at a time are let through, those that break another are not.
"""

from collections.abc import Iterable

from ringfence_kit.clock import Instant

from ringfence_registry.agents.gates import EnvironmentFacts, Gate, gates, together, unmet
from ringfence_registry.agents.surroundings import IdentityFacts, Surroundings
from ringfence_registry.errors import ReadinessNotMet
from ringfence_registry.model import Agent


class ReadinessGates:
    """The gates of the environments that keep some."""

    def __init__(self, surroundings: Surroundings, gated: Iterable[str]) -> None:
        """`gated`: the environments where no agent serves before it is ready."""
        self._surroundings = surroundings
        self._gated = frozenset(gated)

    def gated(self, agent: Agent) -> tuple[str, ...]:
        """Return those of the agent's environments that keep gates."""
        return self.gated_among(agent.spec.environments)

    def gated_among(self, environments: Iterable[str]) -> tuple[str, ...]:
        """Return those of `environments` that keep gates."""
        return tuple(each for each in environments if each in self._gated)

    def check(self, agent: Agent, now: Instant, environment: str = "") -> tuple[Gate, ...]:
        """Return every gate of `environment`, or of all the agent's gated ones; none when there are none."""
        asked = (environment,) if environment else self.gated(agent)
        return together(gates(agent, self._facts(agent, each, now)) for each in asked)

    def unmet(self, agent: Agent, now: Instant) -> tuple[Gate, ...]:
        """Return what `agent` lacks to serve in its gated environments."""
        return unmet(self.check(agent, now))

    def require_ready(self, agent: Agent, now: Instant) -> None:
        """Raise `ReadinessNotMet` unless `agent` may serve in all of its environments."""
        refuse_unless_met(agent, self.check(agent, now))

    def require_still_ready(self, before: Agent, after: Agent, now: Instant) -> None:
        """Raise `ReadinessNotMet` when the change takes from a serving agent what it needs, or takes it where it lacks.

        What lacked before and lacks after is no reason: else nobody could mend one of two things.
        """
        if not after.state.serves:
            return
        entered = set(self.gated(after)) - set(self.gated(before))
        lacked = {(each, gate.kind) for each in self.gated(before) for gate in self._unmet_in(before, each, now)}
        refuse_unless_met(
            after,
            together(
                tuple(
                    gate
                    for gate in self._unmet_in(after, each, now)
                    if each in entered or (each, gate.kind) not in lacked
                )
                for each in self.gated(after)
            ),
        )

    def _unmet_in(self, agent: Agent, environment: str, now: Instant) -> tuple[Gate, ...]:
        return unmet(gates(agent, self._facts(agent, environment, now)))

    def _facts(self, agent: Agent, environment: str, now: Instant) -> EnvironmentFacts:
        tools = (self._surroundings.tools.tool(each.name, now) for each in agent.spec.approved_tools)
        return EnvironmentFacts(
            environment=environment,
            identity=self._identity(agent, environment, now),
            tools={tool.name: tool for tool in tools if tool is not None},
            boundaries=self._surroundings.boundaries.boundaries_of(agent),
        )

    def _identity(self, agent: Agent, environment: str, now: Instant) -> IdentityFacts | None:
        """Return the identity the agent names; an agent of several environments has one in each, and names one."""
        identities, did = self._surroundings.identities, agent.spec.did
        named = identities.identity(did, now) if did else None
        if named is not None and (named.environment == environment or named.agent != agent.name):
            return named
        return identities.identity_in(agent.name, environment, now)


def refuse_unless_met(agent: Agent, found: Iterable[Gate]) -> None:
    """Raise `ReadinessNotMet` when one of these gates is not met."""
    lacking = unmet(found)
    if lacking:
        raise ReadinessNotMet(
            name=str(agent.name), unmet={gate.kind.value: f"{gate.problem}. {gate.remedy}" for gate in lacking}
        )
