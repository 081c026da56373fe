"""What telemetry says before an agent serves where gates are kept: whether its version reaches what is asked of it.

- It is asked where an agent begins to serve there, and when one that serves there gets another version; between those
  times telemetry tells of drift, and stops nobody.
- It belongs to the gate of evaluation results, and is asked once that gate is met but for it: a plan that was not run
  has no results to speak of.
- Without an answer the gate is not met.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName

from ringfence_registry.agents.gates import Gate, GateKind
from ringfence_registry.agents.readiness import ReadinessGates, refuse_unless_met
from ringfence_registry.agents.surroundings import Identities
from ringfence_registry.model import Agent

REMEDY = "See what is asked with CheckAcceptance of telemetry; have more work evaluated, or another version."


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Whose work is asked about."""

    agent: str
    version: str
    """As its card says, and its spans."""
    dids: tuple[str, ...]
    """Its DIDs, under which it may have worked."""


class Acceptances(Protocol):
    """Knows how versions do."""

    async def lacking(self, version: Version, /) -> Sequence[str]:
        """Return what a version does not reach, in sentences; that nobody answers is one of them."""
        ...


class AcceptedAgents:
    """The gates of `readiness`, and what telemetry says."""

    def __init__(self, readiness: ReadinessGates, identities: Identities, acceptances: Acceptances) -> None:
        self._readiness = readiness
        self._identities = identities
        self._acceptances = acceptances

    async def check(self, agent: Agent, now: Instant, environment: str = "") -> tuple[Gate, ...]:
        """Return what `ReadinessGates.check` returns, with what telemetry says."""
        return await self._asked(agent, self._readiness.check(agent, now, environment), now)

    async def require_ready(self, agent: Agent, now: Instant) -> None:
        """Raise `ReadinessNotMet` unless `agent` may serve in all of its environments."""
        refuse_unless_met(agent, await self.check(agent, now))

    async def require_still_ready(self, before: Agent, after: Agent, now: Instant) -> None:
        """Raise as `ReadinessGates.require_still_ready` does, and when a new version that would serve is not enough."""
        self._readiness.require_still_ready(before, after, now)
        if after.state.serves and self._serves_anew(before, after):
            known = self._readiness.check(after, now)
            asked = await self._asked(after, known, now)
            refuse_unless_met(
                after, (gate for gate, before_asking in zip(asked, known, strict=True) if before_asking.met)
            )

    def _serves_anew(self, before: Agent, after: Agent) -> bool:
        """Say whether it enters an environment that keeps gates, or serves in one with another card."""
        there = self._readiness.gated(after)
        return bool(
            set(there) - set(self._readiness.gated(before)) or (there and before.card.sha256 != after.card.sha256)
        )

    async def _asked(self, agent: Agent, gates: tuple[Gate, ...], now: Instant) -> tuple[Gate, ...]:
        if not any(gate.kind is GateKind.EVALUATION_RESULT and gate.met for gate in gates):
            return gates
        lacking = await self._acceptances.lacking(self._version(agent, now))
        if not lacking:
            return gates
        problem = "; ".join(lacking)
        return tuple(
            replace(gate, problem=problem, remedy=REMEDY) if gate.kind is GateKind.EVALUATION_RESULT else gate
            for gate in gates
        )

    def _version(self, agent: Agent, now: Instant) -> Version:
        known = [self._identities.identity_in(agent.name, each, now) for each in agent.spec.environments]
        dids = {each.did for each in known if each is not None} | ({agent.spec.did} if agent.spec.did else set())
        return Version(agent=str(agent.name), version=agent.card.version, dids=tuple(sorted(dids)))


class ReadinessCheck:
    """Answers what an agent lacks."""

    def __init__(self, get_agent: Callable[..., Agent], accepted: AcceptedAgents) -> None:
        """`get_agent(name, caller=…)` returns an agent the caller sees, or raises."""
        self._get_agent = get_agent
        self._accepted = accepted

    async def check_readiness(
        self, name: AgentName, environment: str, *, caller: Caller, now: Instant
    ) -> tuple[Gate, ...]:
        """Return every gate, met or not. Raises `NotPermitted` and `AgentNotFound`."""
        return await self._accepted.check(self._get_agent(name, caller=caller), now, environment)
