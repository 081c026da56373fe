"""The identities of agents as identity's watch tells them: who stands behind a DID, in what standing, how trusted.

Pure: values, and look-ups in dictionaries.
"""

import enum
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import TrustState


class Standing(enum.Enum):
    """Whether an identity may be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One agent in one environment."""

    did: str
    agent: AgentName
    environment: str
    standing: Standing
    trust: TrustState
    ring_ceiling: int
    """How far its birth certificate lets a score lead, 1 to 3."""
    keys: tuple[str, ...]
    """What changes when a key of it does: versions, epochs. Compared, not read."""
    expires_at: Instant | None = None
    """When it ends by itself; None when it does not."""

    def active_at(self, now: Instant) -> bool:
        """Say whether it may be used at `now`."""
        return self.standing is Standing.ACTIVE and (self.expires_at is None or now < self.expires_at)

    def signs_as(self, other: "Identity | None") -> bool:
        """Say whether signatures by its keys are worth what they were as `other`."""
        return other is not None and (self.standing, self.keys) == (other.standing, other.keys)


@dataclass(slots=True)
class Identities:
    """Every identity known at this moment."""

    by_did: dict[str, Identity] = field(default_factory=dict)
    by_name: dict[str, dict[str, Identity]] = field(default_factory=dict)
    """By the agent's resource name, and then by environment."""

    def put(self, identity: Identity) -> None:
        """Know `identity` as it is now. A name means it, unless it is revoked and another took its place."""
        self.by_did[identity.did] = identity
        named = self.by_name.setdefault(str(identity.agent), {})
        present = named.get(identity.environment)
        if present is None or present.did == identity.did or identity.standing is not Standing.REVOKED:
            named[identity.environment] = identity

    def drop(self, did: str) -> None:
        """Forget the identity of `did`."""
        identity = self.by_did.pop(did, None)
        if identity is None:
            return
        named = self.by_name.get(str(identity.agent), {})
        if named.get(identity.environment) == identity:
            del named[identity.environment]
        if not named:
            self.by_name.pop(str(identity.agent), None)
