"""What identity keeps: sponsors, identities, and the little beside them; immutable, stored as they stand here."""

import enum
import hashlib
from dataclasses import dataclass

from ringfence_kit.clock import Instant

from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.trust import Outcome, SignalKind, TrustLedger

IDENTITY = "identity"
"""The kind of an identity's events; they are named by the DID."""

SPONSOR = "sponsor"
"""The kind of a sponsor's events."""


class IdentityStatus(enum.Enum):
    """Whether an identity may be used. The values are stored; they never change."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


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
    trust: TrustLedger
    revocation_epoch: int = 1
    revocation_reason: str = ""
    created_at: Instant
    updated_at: Instant
    revoked_at: Instant | None = None
    revision: int

    @property
    def etag(self) -> str:
        """The strong etag of this version."""
        return etag_of(self.did, self.revision)


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
