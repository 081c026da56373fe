"""What identity says of an agent at one instant, for those who meet it."""

from ringfence.proofs.peer_verdict import Standing
from ringfence.proofs.public_keys import from_multibase
from ringfence_kit.clock import Instant
from ringfence_kit.trust_decay import ring_with, score_at

from ringfence_identity.model import AgentIdentity


def standing_of(identity: AgentIdentity, *, now: Instant) -> Standing:
    """Return the standing of `identity` at `now`."""
    state = identity.trust.state
    score = score_at(state, now)
    return Standing(
        did=identity.did,
        environment=identity.environment,
        active=identity.usable(now),
        key=from_multibase(identity.key),
        did_version_id=identity.did_version_id,
        revocation_epoch=identity.revocation_epoch,
        score=score,
        ring=ring_with(state, score, now),
        scopes=identity.content.permissions,
    )
