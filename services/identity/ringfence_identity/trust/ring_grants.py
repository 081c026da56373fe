"""Ring 0: what no score leads to. A person gives it, to an agent that has earned it, for a time.

- the score must have got as far as a score can: 925 points in ring 1, a day after the last promotion, a week after the
  last penalty, under a birth certificate that allows ring 1; what is missing is all named at once;
- nobody gives it to an agent they answer for, as far as the accounts of sponsors and callers can be compared;
- at most 30 days, and then ring 1 is the best there is. The agent loses it earlier with its score, with a penalty that
  our services observed, or when it is suspended (`trust/ledger.py`).
"""

from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, NotPermitted, Violation
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import reachable
from ringfence_identity.accounts import Accounts
from ringfence_identity.environments import Environments
from ringfence_identity.errors import RingNotEarned
from ringfence_identity.model import IDENTITY, AgentIdentity, RingGrant
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import changeable, require_usable
from ringfence_identity.store import IdentityTx
from ringfence_identity.trust.ledger import with_ring_zero
from ringfence_identity.trust.promotion import LONGEST_RING_GRANT, grant_conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRing:
    """Who shall be in ring 0, until when, and why."""

    did: str
    expires_at: Instant
    reason: str
    etag: str = ""


class RingGrants:
    """Grants ring 0. That the caller may approve stands in the grants table."""

    def __init__(
        self,
        *,
        environments: Environments,
        snapshot: IdentitySnapshot,
        accounts: Accounts,
        writer: Writer[IdentityTx],
    ) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._accounts = accounts
        self._writer = writer

    async def grant(self, wanted: GrantRing, *, caller: Caller, mutation: Mutation) -> AgentIdentity:
        """Put an agent into ring 0 and return it."""
        action = f"grant ring 0 to {wanted.did}"
        known = self._snapshot.identity(wanted.did)
        reachable(self._environments, wanted.did, known, caller=caller, action=action)

        def work(tx: IdentityTx) -> AgentIdentity:
            before = changeable(tx.identity(wanted.did), wanted.did, etag=wanted.etag)
            require_usable(before, mutation.at)
            require_disinterested(tx, before, self._accounts, mutation, action=action)
            _require_term(wanted.expires_at, mutation.at)
            _require_earned(before, mutation.at)
            after = _granted(before, wanted, mutation, revision=tx.next_revision)
            tx.put_identity(after)
            tx.record(Change.MODIFIED, IDENTITY, after.did, records.encode(after))
            return after

        return await self._writer.write(work, mutation=mutation, result=AgentIdentity)


def require_disinterested(
    tx: IdentityTx, identity: AgentIdentity, accounts: Accounts, mutation: Mutation, *, action: str
) -> None:
    """Raise when whoever asks is known to answer for the agent, as its sponsor or backup."""
    for name in (identity.content.sponsor, identity.content.backup_sponsor):
        if accounts.is_of(mutation.principal, tx.sponsor(name)):
            needed = f"an approver other than {name}, who answers for it"
            raise NotPermitted(principal=mutation.principal, action=action, needed=needed)


def _require_term(expires_at: Instant, now: Instant) -> None:
    if not now < expires_at <= now + LONGEST_RING_GRANT:
        raise InvalidRequest(Violation("expire_time", "must be in the future, at most 30 days from now"))


def _require_earned(identity: AgentIdentity, now: Instant) -> None:
    unmet = [condition.text for condition in grant_conditions(identity.trust.state, now) if not condition.met]
    if unmet:
        raise RingNotEarned(did=identity.did, unmet=unmet)


def _granted(before: AgentIdentity, wanted: GrantRing, mutation: Mutation, *, revision: int) -> AgentIdentity:
    grant = RingGrant(granted_by=mutation.principal, reason=wanted.reason, at=mutation.at, expires_at=wanted.expires_at)
    return replace(
        before,
        trust=with_ring_zero(before.trust, until=wanted.expires_at, now=mutation.at),
        ring_grant=grant,
        updated_at=mutation.at,
        revision=revision,
    )
