"""What agents' lives depend on, steered by plain attributes: tools, boundaries, identities, signatures."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName
from ringfence_registry.agents.acceptance import Version
from ringfence_registry.agents.surroundings import BoundaryFacts, IdentityFacts, ToolFacts
from ringfence_registry.cards.signatures.report import UNSIGNED, SignatureReport
from ringfence_registry.model import Agent

HASH = "sha256-" + "a" * 64
OTHER_HASH = "sha256-" + "b" * 64


def a_tool(name: str = "ledger.read", **changed: object) -> ToolFacts:
    """A tool that may be called."""
    facts: dict[str, object] = {"name": name, "schema_hash": HASH, "enabled": True, "trusted": True}
    return ToolFacts(**{**facts, **changed})  # type: ignore[arg-type]  # the test says what differs


@dataclass
class World:
    """`Tools`, `Boundaries`, `Identities` and `Acceptances` of a test."""

    tools: dict[str, ToolFacts] = field(default_factory=dict)
    boundaries: dict[AgentName, tuple[BoundaryFacts, ...]] = field(default_factory=dict)
    identities: dict[str, IdentityFacts] = field(default_factory=dict)
    """By DID."""
    not_accepted: list[str] = field(default_factory=list)
    """What telemetry says is not reached, whoever is asked about."""
    asked_about: list[Version] = field(default_factory=list)
    _looked_at: str = ""
    _changes: int = 0

    @property
    def changes(self) -> int:
        """See `Tools`: a test changes the attributes, and this finds that it did."""
        looks_now = repr((self.tools, self.boundaries))
        self._changes += looks_now != self._looked_at
        self._looked_at = looks_now
        return self._changes

    async def lacking(self, version: Version, /) -> Sequence[str]:
        """See `Acceptances`."""
        await asyncio.sleep(0)
        self.asked_about.append(version)
        return tuple(self.not_accepted)

    def tool(self, name: str, now: Instant, /) -> ToolFacts | None:
        """See `Tools`."""
        tool = self.tools.get(name)
        if tool is None or tool.until is None or now < tool.until:
            return tool
        return replace(tool, trusted=False, until=None)

    def boundaries_of(self, agent: Agent, /) -> tuple[BoundaryFacts, ...]:
        """See `Boundaries`."""
        return self.boundaries.get(agent.name, ())

    def identity(self, did: str, _now: Instant, /) -> IdentityFacts | None:
        """See `Identities`."""
        return self.identities.get(did)

    def identity_in(self, agent: AgentName, environment: str, _now: Instant, /) -> IdentityFacts | None:
        """See `Identities`."""
        for known in self.identities.values():
            if (known.agent, known.environment) == (agent, environment):
                return known
        return None

    def enrol(self, did: str, agent: AgentName, environment: str = "prod", *, active: bool = True) -> None:
        """Let identity know the agent."""
        self.identities[did] = IdentityFacts(did=did, agent=agent, environment=environment, active=active)


@dataclass
class SteeredJudge:
    """Judges every card's signatures as it is told."""

    report: SignatureReport = UNSIGNED
    asked: list[tuple[str, Instant | None]] = field(default_factory=list)
    """For which agent, and when the card was seen first."""

    async def judge(
        self,
        body: bytes,
        *,
        agent: str,
        trusted_jwks: str,
        now: Instant,
        first_seen_at: Instant | None = None,
    ) -> SignatureReport:
        """See `agents.content.Judge`."""
        self.asked.append((agent, first_seen_at))
        return self.report
