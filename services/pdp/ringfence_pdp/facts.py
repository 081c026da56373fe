"""What the pdp knows by itself of agents and tools, fed by identity and the registry; a request overrides none of it.

One identity is one agent in one environment. The registry knows the agent once, for all its environments. Staleness is
a fact too: how long ago identity was last heard decides how much of this may still be relied on.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import (
    LEAST_TRUSTED_RING,
    TrustState,
    ring_with,
    score_at,
    score_falls_at,
    within_ceiling,
)

from ringfence_pdp.boundaries import Boundaries
from ringfence_pdp.chains.issuers import Issuers
from ringfence_pdp.chains.revocations import Revocations
from ringfence_pdp.filters.finding import ArgumentType, Effects
from ringfence_pdp.hard_budgets import NOTHING_SPENT, Spending
from ringfence_pdp.health_facts import AgentHealth, health_of

HEARTBEAT = Millis(5_000)
"""How often a quiet feed still speaks."""

MISSED_HEARTBEATS = 3
"""After so many, the most trusted agents are not trusted more than any other."""

TOKEN_TTL = Millis(300_000)
"""The life of a token: silence for as long as that means nothing known about an agent can be relied on."""

HEARD_LATELY = Millis(MISSED_HEARTBEATS * HEARTBEAT)
"""How old facts may be for a ring that needs fresh ones."""

NEEDS_FRESH_FACTS = 1
"""Rings up to this one are believed only while identity is heard."""


_WITH_A_REGISTRAR = "did:webvh:"
"""A did:key names nobody who vouches for it."""


class IdentityStatus(enum.Enum):
    """Whether an identity may be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentIdentity:
    """What identity says of one agent in one environment."""

    did: str
    name: AgentName
    resource_name: str
    """`str(name)`, made once."""
    environment: str
    status: IdentityStatus
    trust: TrustState
    ring_ceiling: int
    """The most trusted ring its birth certificate lets it reach by score, 1 to 3."""
    approved_tools: Mapping[str, str]
    """By name, the approved schema's hash; empty approves any schema."""
    expires_at: Instant | None = None
    """When it ends by itself, without identity saying so again; None for one that does not."""
    permissions: tuple[str, ...] = ()
    """The scopes its birth certificate permits."""
    certificate_hash: str = ""
    """Of its birth certificate of now, as tokens name it."""
    revocation_epoch: int = 0
    """Tokens of an earlier one are void."""

    @property
    def namespace(self) -> str:
        """The id of its namespace."""
        return self.name.namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAgent:
    """What the registry says of one agent."""

    name: AgentName
    retired: bool
    environments: frozenset[str]
    approved_tools: Mapping[str, str]
    """By name, the approved schema's hash; empty approves any schema."""
    owner: str | None = None
    team: str | None = None
    risk_tier: str
    data_classes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    halted: str = ""
    """Why the registry does not let it serve, for who is denied; empty while it does, and when it is retired."""

    @property
    def resource_name(self) -> str:
        """Its name in one text."""
        return str(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredTool:
    """What the registry says of one tool."""

    name: str
    """As agents call it."""
    schema_hash: str
    """Of its present schema."""
    enabled: bool
    systems_trusted: bool
    """Whether every external system it reaches was trusted and enabled when the registry last spoke of it."""
    trust_expires_at: Instant | None = None
    """When that ends by itself, without the registry saying so; None for never."""
    external_systems: tuple[str, ...] = ()
    """What it reaches, by resource name."""
    permissions: tuple[str, ...] = ()
    """The scopes that whoever calls it needs."""
    argument_types: Mapping[str, ArgumentType] = field(default_factory=dict)
    """What its arguments are written in, by JSON Pointer, `*` for every item of a list."""
    external_sink: bool = False
    """Whether what is passed to it leaves the mesh, by its contract."""
    effects: Effects = Effects.UNKNOWN
    """What calling it does to the world."""

    def reaches_trusted(self, now: Instant) -> bool:
        """Say whether everything it reaches is trusted at `now`."""
        return self.systems_trusted and (self.trust_expires_at is None or now < self.trust_expires_at)


class Standing(NamedTuple):
    """How far an agent is trusted at one moment."""

    ring: int
    score: int


@dataclass(slots=True, kw_only=True)
class Facts:
    """What is known at this moment. Feeds change it between decisions, never during one: both run on one loop."""

    by_did: dict[str, AgentIdentity] = field(default_factory=dict)
    by_name: dict[tuple[str, str], AgentIdentity] = field(default_factory=dict)
    """By environment and resource name."""
    registered: dict[str, RegisteredAgent] = field(default_factory=dict)
    """By resource name."""
    tools: dict[str, RegisteredTool] = field(default_factory=dict)
    """By what agents call them."""
    boundaries: Boundaries = field(default_factory=Boundaries)
    revocations: Revocations = field(default_factory=Revocations)
    issuers: Issuers = field(default_factory=dict)
    spending: Spending = NOTHING_SPENT
    """Of hard budgets; never changed in place."""
    health: Mapping[str, AgentHealth] = field(default_factory=dict)
    """What telemetry judges of agents, by what it calls them."""
    environments: dict[str, str] = field(default_factory=dict)
    """Those that were seen, each with the DID of an agent in it whose registrar can be asked for."""
    identity_revision: int = 0
    registry_revision: int = 0
    epoch: int = 0
    """Grows with everything that was heard, of whichever feed."""

    def identity(self, did: str | None, agent: AgentName | None, environment: str) -> AgentIdentity | None:
        """Return the identity meant: the DID's, or the agent's in that environment when there is no DID."""
        if did is not None:
            return self.by_did.get(did)
        return self.by_name.get((environment, str(agent)))

    def put_identity(self, identity: AgentIdentity) -> None:
        """Know `identity` as it is now. Its name means it, unless it is revoked and another one took its place."""
        self.by_did[identity.did] = identity
        if identity.environment not in self.environments and identity.did.startswith(_WITH_A_REGISTRAR):
            self.environments[identity.environment] = identity.did
        key = (identity.environment, identity.resource_name)
        named = self.by_name.get(key)
        if named is None or named.did == identity.did or identity.status is not IdentityStatus.REVOKED:
            self.by_name[key] = identity

    def identity_of(self, did: str, environment: str) -> AgentIdentity | None:
        """Return the identity that a DID or the name of an agent means in an environment."""
        if did.startswith("did:"):
            return self.by_did.get(did)
        return self.by_name.get((environment, did))

    def health_of(self, identity: AgentIdentity, now: Instant) -> AgentHealth:
        """Return what telemetry judges of an agent and what holds at `now`."""
        return health_of(self.health, (identity.did, identity.resource_name), now)

    def drop_identity(self, did: str) -> None:
        """Forget the identity of `did`."""
        identity = self.by_did.pop(did, None)
        if identity is not None and self.by_name.get((identity.environment, identity.resource_name)) == identity:
            del self.by_name[identity.environment, identity.resource_name]


def standing_at(identity: AgentIdentity, now: Instant, age: Millis | None) -> Standing:
    """Return the ring and score to judge by. `age`: how long ago identity was last heard; None means never."""
    score = score_at(identity.trust, now)
    ring = within_ceiling(ring_with(identity.trust, score, now), identity.ring_ceiling)
    if ring <= NEEDS_FRESH_FACTS and (age is None or age > HEARD_LATELY):
        ring = LEAST_TRUSTED_RING
    return Standing(ring, score)


def standing_until(identity: AgentIdentity, now: Instant) -> Instant | None:
    """Return the first instant at which the standing of `now` may be another if nothing is heard; None for never.

    That is while identity is heard: how old its word is has its own say in `standing_at`.
    """
    state = identity.trust
    falls = score_falls_at(state, now)
    if state.stored_ring != 0 or now >= state.ring_zero_until:
        return falls
    return state.ring_zero_until if falls is None else min(falls, state.ring_zero_until)


def expired(age: Millis | None) -> bool:
    """Say whether what identity said is too old to rely on at all."""
    return age is None or age >= TOKEN_TTL
