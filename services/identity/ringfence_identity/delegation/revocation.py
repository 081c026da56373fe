"""Revoking a delegation grant, and with it all that was handed on from it.

- it is for those above: the delegator, whoever is above it in the chain, the owners of their namespaces, the platform;
- one that was never exchanged is revoked by presenting its chain, which must hold, now or in time to come: what can
  never be used needs no revoking;
- revoking what is revoked changes nothing and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.delegation_grant import SignedGrant
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.errors import InvalidRequest, NotPermitted, Violation
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.delegation.cascade import end_grant
from ringfence_identity.delegation.model import DELEGATION, Delegation
from ringfence_identity.delegation.parties import judge_chain, open_chain, seen_grant
from ringfence_identity.errors import DelegationNotFound
from ringfence_identity.store import IdentityTx


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeDelegation:
    """Which grant to revoke, and why."""

    name: str
    grants: tuple[str, ...] = ()
    """The chain down to it, for one that was never exchanged."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedDelegation:
    """The grant, revoked, and how many below it ended with it."""

    delegation: Delegation
    descendants: int


class DelegationRevocation:
    """Revokes grants."""

    def __init__(self, writer: Writer[IdentityTx]) -> None:
        self._writer = writer

    async def revoke(self, wanted: RevokeDelegation, *, caller: Caller, mutation: Mutation) -> RevokedDelegation:
        """Revoke one grant and return it."""
        chain = _presented(wanted)

        def work(tx: IdentityTx) -> RevokedDelegation:
            known = tx.delegation(wanted.name)
            _require_revoker(tx, caller, known, chain, name=wanted.name)
            if known is None:
                known = _first_seen(tx, chain, wanted.name, mutation)
            if known.revoked_at is not None:
                return RevokedDelegation(delegation=known, descendants=0)
            ended = end_grant(tx, wanted.name, reason=wanted.reason, at=mutation.at)
            return RevokedDelegation(delegation=tx.delegation(wanted.name) or known, descendants=ended - 1)

        return await self._writer.write(work, mutation=mutation, result=RevokedDelegation)


def _presented(wanted: RevokeDelegation) -> tuple[SignedGrant, ...]:
    if not wanted.grants:
        return ()
    chain = open_chain(wanted.grants)
    if chain[-1].name != wanted.name:
        raise InvalidRequest(Violation("grants", "must end with the grant that name says"))
    return chain


def _first_seen(tx: IdentityTx, chain: Sequence[SignedGrant], name: str, mutation: Mutation) -> Delegation:
    """Store a grant that was presented to be revoked."""
    if not chain:
        raise DelegationNotFound(delegation=name)
    _, agents = judge_chain(tx, chain, now=mutation.at, early=True)
    delegation = Delegation(grant=seen_grant(chain, agents, now=mutation.at))
    tx.add_delegation(delegation.grant)
    tx.record(Change.ADDED, DELEGATION, name, records.encode(delegation))
    return delegation


def _require_revoker(
    tx: IdentityTx, caller: Caller, known: Delegation | None, chain: Sequence[SignedGrant], *, name: str
) -> None:
    """Raise unless `caller` may revoke the grant, as far as it is known who is above it."""
    above: Sequence[str] = [signed.grant.delegator for signed in chain]
    environment = chain[-1].grant.environment if chain else ""
    if known is not None:
        above, environment = known.grant.agents[:-1], known.grant.environment
    at_home = caller.environment in ("", environment)
    if caller.has(Role.PLATFORM_ADMIN) or (at_home and any(_acts_for(tx, caller, did) for did in above)):
        return
    needed = "the delegator, an agent above it, the owner of their namespace, or platform-admin, and its chain if new"
    raise NotPermitted(principal=caller.principal, action=f"revoke {name}", needed=needed)


def _acts_for(tx: IdentityTx, caller: Caller, did: str) -> bool:
    """Say whether `caller` is the agent with this DID, or owns its namespace."""
    if caller.has(Role.AGENT) and caller.principal == did:
        return True
    identity = tx.identity(did)
    agent = None if identity is None else AgentName.parse(identity.agent)
    return agent is not None and caller.owns(agent.namespace)
