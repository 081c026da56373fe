"""Writing down, in the transaction that causes it, that something may not be relied on any more.

Everything that ends cached permission goes through `record_revocation`: what is written is what WatchRevocations tells,
so nothing can be revoked without its watchers hearing of it.
"""

from ringfence_kit import records
from ringfence_kit.clock import HOUR, Instant
from ringfence_kit.events import Change

from ringfence_identity.model import IDENTITY, REVOCATION, AgentIdentity, IdentityStatus, Revocation, RevocationKind
from ringfence_identity.store import IdentityTx

_FORGET_EVERY = 8
_FORGOTTEN_AT_ONCE = 64
"""More than are made meanwhile, so that what has expired goes faster than what is revoked comes."""

TOKENS_ARE_OVER = HOUR
"""Longer than any token lives, and any cache of a verdict, whatever skew its verifier allows."""


def record_revocation(tx: IdentityTx, revocation: Revocation) -> None:
    """Store a revocation and tell the watchers; some take along what has expired, so that none pile up."""
    tx.put_revocation(revocation)
    revision = tx.record(Change.ADDED, REVOCATION, revocation.subject, records.encode(revocation))
    if revision % _FORGET_EVERY == 0:
        tx.forget_revocations(before=revocation.at, limit=_FORGOTTEN_AT_ONCE)


def end_permission(tx: IdentityTx, after: AgentIdentity, *, reason: str, at: Instant) -> None:
    """Store an identity whose revocation epoch was raised, and tell the watchers of both."""
    tx.put_identity(after)
    tx.record(Change.MODIFIED, IDENTITY, after.did, records.encode(after))
    record_revocation(tx, agent_revocation(after, reason=reason, at=at))


def agent_revocation(after: AgentIdentity, *, reason: str, at: Instant) -> Revocation:
    """Return what a raised revocation epoch means for everybody who holds permission of an agent."""
    usable = after.status is IdentityStatus.ACTIVE
    return Revocation(
        kind=RevocationKind.AGENT,
        subject=after.did,
        environment=after.environment,
        minimum_epoch=after.revocation_epoch,
        usable=usable,
        reason=reason,
        at=at,
        # An agent in good standing is known by its epoch once the tokens of the one before are over.
        forget_at=Instant(at + TOKENS_ARE_OVER) if usable else None,
    )
