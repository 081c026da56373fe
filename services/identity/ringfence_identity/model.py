"""What identity keeps: sponsors, identities, and the little beside them; immutable, stored as they stand here."""

import enum
import hashlib
from dataclasses import dataclass

from ringfence_kit.clock import Instant

from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.status.places import StatusPlace
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.evidence import Outcome, SignalKind

IDENTITY = "identity"
"""The kind of an identity's events; they are named by the DID."""

SPONSOR = "sponsor"
"""The kind of a sponsor's events."""

ELEVATION = "elevation"
"""The kind of the events of elevation grants; they are named by the grant."""

REVOCATION = "revocation"
"""The kind of the events that say what may not be relied on any more; they are named by their subject."""


class IdentityStatus(enum.Enum):
    """Whether an identity may be used. The values are stored; they never change."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class SuspensionCause(enum.Enum):
    """Why an identity is suspended. The values are stored; they never change."""

    OPERATOR = "operator"
    INCIDENT = "incident"
    COMPROMISE = "compromise"
    SPONSOR_GONE = "sponsor_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Why and since when an identity is suspended."""

    cause: SuspensionCause
    reason: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RingGrant:
    """Who put an agent into ring 0, why and for how long. That it still holds is for the agent's trust to say."""

    granted_by: str
    reason: str
    at: Instant
    expires_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsor:
    """A verified person who answers for agents."""

    name: str
    """`sponsors/{sponsor}`."""
    display_name: str
    contact: str
    oidc_issuer: str = ""
    oidc_subject: str = ""
    verified_by: str
    created_at: Instant
    offboarded_at: Instant | None = None
    offboarding_reason: str = ""
    revision: int

    @property
    def etag(self) -> str:
        """The strong etag of this version."""
        return etag_of(self.name, self.revision)

    @property
    def account(self) -> str | None:
        """The OIDC account that identifies them, in one text; None when an administrator vouches for them."""
        return f"{self.oidc_issuer}\n{self.oidc_subject}" if self.oidc_subject else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentIdentity:
    """An agent's identity in one environment."""

    uid: str
    agent: str
    """`namespaces/{namespace}/agents/{agent}`."""
    environment: str
    did: str
    status: IdentityStatus = IdentityStatus.ACTIVE
    key: str
    """The public key, `z6Mk…`."""
    did_version_id: str
    content: BirthContent
    certificate_serial: int
    certificate_hash: str
    status_place: StatusPlace | None = None
    """Where its certificate's status stands; None for one issued before there were status lists."""
    trust: TrustLedger
    revocation_epoch: int = 1
    revocation_reason: str = ""
    suspension: Suspension | None = None
    """Set exactly while the status is SUSPENDED."""
    ring_grant: RingGrant | None = None
    """The last grant of ring 0, whether or not it still holds."""
    expires_at: Instant | None = None
    """When it ends by itself; set for did:key only."""
    created_at: Instant
    updated_at: Instant
    revoked_at: Instant | None = None
    revision: int

    @property
    def etag(self) -> str:
        """The strong etag of this version."""
        return etag_of(self.did, self.revision)

    def expired(self, now: Instant) -> bool:
        """Say whether it has ended by itself. Nothing is written when that happens: every use asks this."""
        return self.expires_at is not None and now >= self.expires_at

    def usable(self, now: Instant) -> bool:
        """Say whether it is in good standing: neither revoked nor suspended nor over."""
        return self.status is IdentityStatus.ACTIVE and not self.expired(now)


class RevocationKind(enum.Enum):
    """What a revocation is about. The values are stored; they never change."""

    AGENT = "agent"
    DELEGATION = "delegation"
    ISSUER_KEY = "issuer_key"
    ELEVATION = "elevation"
    BIRTH_CERTIFICATE = "birth_certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Something that may not be relied on any more. One about the same subject takes the place of the one before."""

    kind: RevocationKind
    subject: str
    """The DID, `delegations/{hash}`, key thumbprint, `elevations/{id}` or certificate id."""
    environment: str
    minimum_epoch: int = 0
    """For an agent: the lowest `rev` still good."""
    usable: bool = False
    """For an agent: whether it is in good standing, with the new epoch."""
    reason: str
    at: Instant
    forget_at: Instant | None = None
    """When what it voids has expired by itself; None means it is remembered for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elevation:
    """Leave for a chain that begins with one agent to be judged at a better ring, for one thing."""

    name: str
    """`elevations/{elevation}`."""
    origin: str
    """The DID of the agent."""
    environment: str
    action: str
    resource: str
    ring: int
    approvals: int
    reason: str
    granted_by: str
    granted_at: Instant
    expires_at: Instant
    revoked_at: Instant | None = None
    revoked_by: str = ""
    revocation_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSignal:
    """A signal that was counted, or counted for nothing; kept so that its id is never counted again."""

    environment: str
    signal_id: str
    did: str
    kind: SignalKind
    rater: str
    source: str
    """The principal that sent it."""
    evidence: str
    evidence_hash: bytes
    occurred_at: Instant
    recorded_at: Instant
    outcome: Outcome


def etag_of(name: str, revision: int) -> str:
    """Return the strong etag (RFC 9110 8.8.3) of what `name` was at `revision`."""
    return f'"{revision}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"'
