"""Whether an identity may act: the one place that knows what stands in the way.

Whatever is about to be done in an agent's name asks here, with the time: an identity that was made for a while ends
without anything being written.
"""

from ringfence_kit.clock import Instant
from ringfence_kit.errors import EtagMismatch

from ringfence_identity.errors import AgentExpired, AgentNotFound, AgentRevoked, AgentSuspended
from ringfence_identity.model import AgentIdentity, IdentityStatus


def changeable(identity: AgentIdentity | None, did: str, *, etag: str = "") -> AgentIdentity:
    """Return the identity of `did` as it stands, or raise when it is not there, revoked, or not at `etag` any more."""
    if identity is None:
        raise AgentNotFound(agent=did, environment="")
    require_not_revoked(identity)
    if etag and etag != identity.etag:
        raise EtagMismatch(name=did, expected=etag, current=identity.etag)
    return identity


def require_not_revoked(identity: AgentIdentity) -> None:
    """Raise `AgentRevoked` when there is nothing left to change about `identity`."""
    if identity.status is IdentityStatus.REVOKED:
        raise AgentRevoked(did=identity.did)


def require_not_over(identity: AgentIdentity, now: Instant) -> None:
    """Raise when `identity` has ended, by being revoked or by itself: a suspended one has not."""
    require_not_revoked(identity)
    if identity.expires_at is not None and identity.expired(now):
        raise AgentExpired(did=identity.did, expired_at=identity.expires_at)


def require_usable(identity: AgentIdentity, now: Instant) -> None:
    """Raise unless `identity` is in good standing at `now`: neither revoked nor over nor suspended."""
    require_not_over(identity, now)
    if identity.status is not IdentityStatus.ACTIVE:
        cause = identity.suspension.cause.value if identity.suspension is not None else ""
        raise AgentSuspended(did=identity.did, cause=cause)
