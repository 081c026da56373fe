"""The end of delegation grants: of one, or of all that go through an agent, each with everything below it.

Tokens name every grant of their chain, so a watcher that is told of the topmost grant voids what was minted from any
below it: one revocation is recorded for each grant that was cut, and none for its descendants.
"""

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change

from ringfence_identity.delegations import DELEGATION, Delegation
from ringfence_identity.model import Revocation, RevocationKind
from ringfence_identity.revocation_record import record_revocation
from ringfence_identity.store import IdentityTx


def end_grant(tx: IdentityTx, delegation: Delegation, *, reason: str, at: Instant) -> int:
    """Revoke a stored grant that holds, tell the watchers, and return how many below it ended with it."""
    ended = tx.revoke_delegations(delegation.grant.name, reason=reason, at=at)
    _tell(tx, delegation.grant.name)
    return ended - 1


def end_grants_of(tx: IdentityTx, did: str, *, since: Instant | None = None, reason: str, at: Instant) -> int:
    """Revoke what goes through an agent and tell the watchers; return how many grants were cut.

    Without `since` that is every grant by it and to it: the agent is gone for good. With it, what its key may have
    signed in other hands since then (`store_delegations.py`).
    """
    cut = tx.revoke_grants_of(did, since=since, reason=reason, at=at)
    for delegation in cut:
        _tell(tx, delegation.grant.name)
    return len(cut)


def _tell(tx: IdentityTx, name: str) -> None:
    ended = tx.delegation(name)
    if ended is None or ended.revoked_at is None:
        raise AssertionError(f"{name} was just revoked and is not")
    tx.record(Change.MODIFIED, DELEGATION, name, records.encode(ended))
    revocation = Revocation(
        kind=RevocationKind.DELEGATION,
        subject=name,
        environment=ended.grant.environment,
        reason=ended.revocation_reason,
        at=ended.revoked_at,
        # Tokens minted from it, or from anything below it, expire no later than it does.
        forget_at=ended.grant.expires_at,
    )
    record_revocation(tx, revocation)
