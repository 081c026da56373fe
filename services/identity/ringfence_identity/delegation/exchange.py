"""Exchanging a chain of delegation grants for one access token, good for no more than every link of it allows.

Everything that can change is read in the transaction that spends: the agents and their certificates, what was revoked,
what is left of each budget. A budget is spent at every link up to the first grant, for the whole of what the token may
spend, and what a token does not use is not given back. The assertion is used up with it, so an exchange that is sent
again spends nothing again.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.access_token import MAX_TOKEN_CHARACTERS, AccessToken, TokenDelegation
from ringfence.proofs.delegation_chain import (
    DelegationError,
    Rights,
    require_audience,
    require_holder,
)
from ringfence.proofs.delegation_grant import Budget, SignedGrant
from ringfence.proofs.public_keys import from_multibase
from ringfence.proofs.scopes import not_covered
from ringfence.proofs.timestamps import whole_second
from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.assertion_use import spend_assertion
from ringfence_identity.client_assertion import check_assertion, read_assertion
from ringfence_identity.delegation.model import NOTHING, Delegation
from ringfence_identity.delegation.parties import judge_chain, open_chain, refused
from ringfence_identity.delegation.spending import spend
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import (
    AgentExpired,
    AssertionInvalid,
    DelegationRevoked,
    ScopeNotGranted,
    SponsorOffboarded,
)
from ringfence_identity.model import AgentIdentity
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.standing import require_usable
from ringfence_identity.store import IdentityTx
from ringfence_identity.token_signing import TokenSigning
from ringfence_identity.tokens import expiry, token_size

ENDED_KEPT = Millis(30 * DAY)
"""How long a grant is still listed after it has expired."""

FAR = Instant(2**53)
"""Later than anything here ends."""

_FORGET_EVERY = 64
_FORGOTTEN_AT_ONCE = 256
"""Each so many exchanges clear away what has expired: more than was added meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeDelegation:
    """What a delegatee shows, and what it asks for."""

    grants: tuple[str, ...]
    """Compact JWSs, the first grant of the chain first."""
    assertion: str
    audience: str
    scopes: tuple[str, ...] = ()
    """Empty asks for all that every link covers."""
    budget: Budget = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangedDelegation:
    """The token, and the last grant as it stands afterwards."""

    access_token: str
    token: AccessToken
    delegation: Delegation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreed:
    """What the transaction decided."""

    token: AccessToken
    delegation: Delegation


class DelegationExchange:
    """Exchanges chains for tokens. The assertion is the authentication; who calls does not matter."""

    def __init__(
        self,
        *,
        environments: Environments,
        snapshot: IdentitySnapshot,
        writer: Writer[IdentityTx],
        signing: TokenSigning,
        new_id: NewId,
    ) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._writer = writer
        self._signing = signing
        self._new_id = new_id
        self._exchanges = itertools.count(1)

    async def exchange(self, wanted: ExchangeDelegation, *, now: Instant) -> ExchangedDelegation:
        """Return a token for whoever holds the last grant."""
        read = read_assertion(wanted.assertion)
        holder = self._snapshot.identity(read.subject)
        if holder is None:
            raise AssertionInvalid(problem="sub is not the DID of an agent of this server")
        environment = self._environments.get(holder.environment)
        assertion = check_assertion(read, key=from_multibase(holder.key), issuer=environment.issuer, now=now)
        chain = open_chain(wanted.grants)
        token_id = self._new_id()
        housekeeping = next(self._exchanges) % _FORGET_EVERY == 0

        def work(tx: IdentityTx) -> _Agreed:
            _require_unchanged(tx, holder)
            spend_assertion(tx, holder.did, assertion)
            rights, agents = judge_chain(tx, chain, now=now)
            _require_usable_by(holder, rights, wanted.audience)
            _require_standing(tx, chain, agents, now=now)
            token = _token(rights, agents, wanted, environment, token_id=token_id, now=now)
            _require_room(token)
            delegation = spend(tx, chain, agents, wanted.budget, now=now)
            if housekeeping:
                tx.forget_spent(before=now, limit=_FORGOTTEN_AT_ONCE)
                tx.forget_delegations(before=Instant(now - ENDED_KEPT), limit=_FORGOTTEN_AT_ONCE)
            return _Agreed(token=token, delegation=delegation)

        agreed = await self._writer.write(work, mutation=Mutation(principal=holder.did, at=now), result=_Agreed)
        signed = self._signing.sign(agreed.token, now=now)
        return ExchangedDelegation(access_token=signed, token=agreed.token, delegation=agreed.delegation)


def _require_unchanged(tx: IdentityTx, holder: AgentIdentity) -> None:
    """Raise when the key that verified the assertion is the agent's no more: it was replaced a moment ago."""
    current = tx.identity(holder.did)
    if current is None or current.key != holder.key:
        raise AssertionInvalid(problem="it is not signed with the agent's current key")


def _require_usable_by(holder: AgentIdentity, rights: Rights, audience: str) -> None:
    """Raise unless the chain is for whoever signed the assertion, and good for tokens to `audience`."""
    try:
        require_holder(rights, holder.did, from_multibase(holder.key).thumbprint)
        require_audience(rights, audience)
    except DelegationError as error:
        raise refused(error) from error


def _require_standing(
    tx: IdentityTx, chain: Sequence[SignedGrant], agents: Sequence[AgentIdentity], *, now: Instant
) -> None:
    """Raise unless every agent, every sponsor and every grant of the chain is in good standing at this moment."""
    # The chain was verified first: nobody learns how an agent stands by naming it in a forgery.
    for agent in agents:
        require_usable(agent, now)
        sponsor = tx.sponsor(agent.content.sponsor)
        if sponsor is not None and sponsor.offboarded_at is not None:
            raise SponsorOffboarded(sponsor=sponsor.name)
    for signed in chain:
        known = tx.delegation(signed.name)
        if known is not None and known.revoked_at is not None:
            raise DelegationRevoked(delegation=signed.name)


def _token(
    rights: Rights,
    agents: Sequence[AgentIdentity],
    wanted: ExchangeDelegation,
    environment: Environment,
    *,
    token_id: str,
    now: Instant,
) -> AccessToken:
    holder = agents[-1]
    longest = expiry(ring=rights.ring, longest=environment.token_lifetime, now=now)
    return AccessToken(
        token_id=token_id,
        issuer=environment.issuer,
        audience=wanted.audience,
        did=holder.did,
        environment=rights.environment,
        ring=rights.ring,
        scopes=_scopes(rights, wanted.scopes),
        holder=from_multibase(holder.key).thumbprint,
        birth_certificate_hash=holder.certificate_hash,
        revocation_epoch=holder.revocation_epoch,
        issued_at=whole_second(now),
        expires_at=min(longest, rights.expires_at, _first_end(agents, now=now)),
        delegation=TokenDelegation(
            chain=rights.chain,
            path=rights.path,
            grants=rights.grants,
            depth=rights.depth,
            tools=dict(rights.tools),
            budget=wanted.budget.amounts,
        ),
    )


def _first_end(agents: Sequence[AgentIdentity], *, now: Instant) -> Instant:
    """Return when the first of the agents ends by itself: nothing is revoked then, so no token may outlast it."""
    ends_at = FAR
    for agent in agents:
        if agent.expires_at is not None:
            ends_at = min(ends_at, whole_second(agent.expires_at))
            if ends_at <= now:
                raise AgentExpired(did=agent.did, expired_at=agent.expires_at)
    return ends_at


def _scopes(rights: Rights, wanted: tuple[str, ...]) -> tuple[str, ...]:
    beyond = not_covered(rights.scopes, wanted)
    if beyond or not rights.scopes:
        raise ScopeNotGranted(did=rights.path[-1], scopes=beyond or ("anything",), source="the chain of delegations to")
    return wanted or rights.scopes


def _require_room(token: AccessToken) -> None:
    if token_size(token) > MAX_TOKEN_CHARACTERS:
        problem = f"the token would be longer than {MAX_TOKEN_CHARACTERS} characters; ask for fewer"
        raise InvalidRequest(Violation("scopes", problem))
