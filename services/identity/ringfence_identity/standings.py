"""What identity says of an agent at one instant: the one place where an identity becomes a `Standing`."""

from ringfence.proofs.peer_verdict import Standing
from ringfence.proofs.public_keys import from_multibase
from ringfence_kit.clock import Instant
from ringfence_kit.trust_decay import ring_at, score_at

from ringfence_identity.model import AgentIdentity, IdentityStatus


def standing_of(identity: AgentIdentity, *, now: Instant) -> Standing:
    """Return the standing of `identity` at `now`."""
    return Standing(
        did=identity.did,
        environment=identity.environment,
        active=is_active(identity, now=now),
        key=from_multibase(identity.key),
        did_version_id=identity.did_version_id,
        revocation_epoch=identity.revocation_epoch,
        score=score_at(identity.trust.state, now),
        ring=ring_at(identity.trust.state, now),
        scopes=identity.content.permissions,
    )


def is_active(identity: AgentIdentity, *, now: Instant) -> bool:
    """Say whether `identity` is neither revoked nor suspended nor expired."""
    lasts = identity.expires_at is None or now < identity.expires_at
    return identity.status is IdentityStatus.ACTIVE and lasts
