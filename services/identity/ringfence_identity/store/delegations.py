"""What delegation asks of storage: grants in a tree, which is cut below any of them by one statement."""

from collections.abc import Sequence
from typing import Protocol

from ringfence.proofs.delegation_grant import Budget
from ringfence_kit.clock import Instant

from ringfence_identity.delegation.model import Delegation, DelegationQuery, SeenGrant


class DelegationTx(Protocol):
    """The part of `IdentityTx` that is about delegation grants."""

    def delegation(self, name: str) -> Delegation | None:
        """Return the grant called `delegations/{hash}`, or None when it was never seen."""
        ...

    def add_delegation(self, grant: SeenGrant) -> None:
        """Store a grant that was never seen before, nothing spent of it and not revoked."""
        ...

    def spend_budget(self, name: str, amount: Budget) -> None:
        """Add `amount` to what was spent of a stored grant. What may be spent is for the caller to judge."""
        ...

    def revoke_delegations(self, name: str, *, reason: str, at: Instant) -> int:
        """Revoke a stored grant and all below it; return how many of them were not revoked before."""
        ...

    def grants_of(self, did: str, *, since: Instant | None = None) -> Sequence[Delegation]:
        """Return the grants not revoked that go through an agent, each after those above it.

        `since` None means every grant by the agent and to it; otherwise the grants by it that say they were made, or
        were first seen, at `since` or later: those a key may have signed that was in other hands since then.
        """
        ...

    def forget_delegations(self, *, before: Instant, limit: int) -> int:
        """Forget up to `limit` grants that expired before `before`; return how many."""
        ...


class DelegationStore(Protocol):
    """The part of `IdentityStore` that is about delegation grants."""

    async def delegations(self, query: DelegationQuery) -> Sequence[Delegation]:
        """Return up to `query.limit` grants that match, by when they were seen and then by path."""
        ...
