"""Spending a budget: what one token may use up is taken from every link of its chain, or from none.

Writers take turns, so between reading what is left and taking from it nobody else takes anything.
"""

from collections.abc import Sequence

from ringfence.proofs.delegation_grant import BUDGETED, Budget, SignedGrant
from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.events import Change

from ringfence_identity.delegation.model import DELEGATION, Delegation
from ringfence_identity.delegation.parties import seen_grant
from ringfence_identity.errors import DelegationBudgetExhausted
from ringfence_identity.model import AgentIdentity
from ringfence_identity.store import IdentityTx

MOST_SPENT = 10**18
"""Spending that nothing limits is counted up to here, far below what a column holds."""


def spend(
    tx: IdentityTx, chain: Sequence[SignedGrant], agents: Sequence[AgentIdentity], amount: Budget, *, now: Instant
) -> Delegation:
    """Take `amount` from every link of a chain that holds, storing links first seen; return the last as it stands."""
    standing = Delegation(grant=seen_grant(chain, agents, now=now))
    for depth, signed in enumerate(chain, start=1):
        known = tx.delegation(signed.name)
        before = known or Delegation(grant=seen_grant(chain[:depth], agents[: depth + 1], now=now))
        require_left(before, amount, link=depth)
        if known is None:
            tx.add_delegation(before.grant)
        tx.spend_budget(signed.name, _counted(before.spent, amount))
        standing = tx.delegation(signed.name) or before
        if known is None or amount.amounts:
            change = Change.ADDED if known is None else Change.MODIFIED
            tx.record(change, DELEGATION, signed.name, records.encode(standing))
    return standing


def require_left(delegation: Delegation, amount: Budget, *, link: int) -> None:
    """Raise unless `amount` names every member the grant limits, and no more of it than is left."""
    wanted, spent = amount.amounts, delegation.spent.amounts
    for member, limit in delegation.grant.limit.amounts.items():
        left = limit - spent.get(member, 0)
        if member not in wanted:
            raise InvalidRequest(Violation(f"budget.{member}", f"must be set, since link {link} limits it"))
        if wanted[member] > left:
            raise DelegationBudgetExhausted(delegation=delegation.grant.name, member=member, left=left)


def _counted(spent: Budget, amount: Budget) -> Budget:
    before, more = spent.amounts, amount.amounts
    return Budget(**{name: min(more.get(name, 0), MOST_SPENT - before.get(name, 0)) for name in BUDGETED})
