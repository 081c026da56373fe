"""The end of delegation grants: of one, or of all that lean on what is no more, each with everything below it.

Tokens name every grant of their chain, so a watcher that is told of the topmost grant voids what was minted from any
below it: one revocation is recorded for each grant that was cut, and none for its descendants.
"""

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change

from ringfence_identity.delegation.model import DELEGATION, Delegation
from ringfence_identity.model import Revocation, RevocationKind
from ringfence_identity.revocation_record import record_revocation
from ringfence_identity.store import IdentityTx


def end_grant(tx: IdentityTx, name: str, *, reason: str, at: Instant) -> int:
    """Revoke a stored grant and all below it, tell the watchers, and return how many of them held until now."""
    ended = tx.revoke_delegations(name, reason=reason, at=at)
    after = tx.delegation(name)
    if after is not None and ended:
        tx.record(Change.MODIFIED, DELEGATION, name, records.encode(after))
        record_revocation(tx, _revocation(after, reason=reason, at=at))
    return ended


def end_grants_of(tx: IdentityTx, did: str, *, since: Instant | None = None, reason: str, at: Instant) -> int:
    """Revoke what goes through an agent and tell the watchers; return how many grants held until now.

    Without `since` that is every grant by it and to it: the agent is gone for good. With it, what its key may have
    signed in other hands since then (`store/delegations.py`).
    """
    # Each comes after those above it, and what ended with those is not ended, nor told, again.
    return sum(end_grant(tx, cut.grant.name, reason=reason, at=at) for cut in tx.grants_of(did, since=since))


def end_chains_of(tx: IdentityTx, did: str, *, reason: str, at: Instant) -> int:
    """Revoke every chain that begins with an agent, whose birth certificate was followed by another one."""
    begun = [cut for cut in tx.grants_of(did) if cut.grant.agents[0] == did]
    return sum(end_grant(tx, cut.grant.name, reason=reason, at=at) for cut in begun)


def _revocation(ended: Delegation, *, reason: str, at: Instant) -> Revocation:
    return Revocation(
        kind=RevocationKind.DELEGATION,
        subject=ended.grant.name,
        environment=ended.grant.environment,
        reason=reason,
        at=at,
        # Tokens minted from it, or from anything below it, expire no later than it does.
        forget_at=ended.grant.expires_at,
    )
