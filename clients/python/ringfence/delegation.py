"""Handing authority on: an agent's key signs a grant, and whoever receives it exchanges the chain for a token.

    chain = begin_chain(key, rights_of(identity), Handover(to=bob, scopes=("orders:read",), audiences=(ORDERS,)))
    chain = extend_chain(bobs_key, chain, Handover(to=carol, scopes=("orders:read",), audiences=(ORDERS,)))
    done = delegations.ExchangeDelegation(exchange_request(carols_key, chain, issuer=issuer, audience=ORDERS))

The rules:

- a grant is judged before it is signed, by the code that identity judges it with: what would widen it raises
  `DelegationError`, and nothing is signed;
- what is not said is not granted: no tools, no further delegation. Only limits are inherited: what is handed on ends no
  later, and costs no more, than what it was made from;
- a chain is the text of its grants, the first one first. It is no secret: only its last delegatee's key can use it.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from ringfence.agent_key import AgentKey
from ringfence.identity.v1.delegation_pb2 import DelegationBudget, ExchangeDelegationRequest
from ringfence.identity.v1.identity_pb2 import AgentIdentity
from ringfence.instants import HOUR, MINUTE, SECOND, Instant, Millis
from ringfence.proofs.delegation_chain import (
    CertificateRights,
    DelegationError,
    Rule,
    check_first,
    check_link,
    read_chain,
)
from ringfence.proofs.delegation_grant import UNLIMITED, Budget, Grant, SignedGrant, sign_grant
from ringfence.proofs.public_keys import Thumbprint

Chain: TypeAlias = tuple[str, ...]
"""Compact JWSs, the first grant of the chain first."""

CLOCKS_APART = Millis(MINUTE)
"""A grant is good from this long before it is made, so that nobody whose clock is behind refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What is handed on, and to whom."""

    to: str
    """The DID of the delegatee."""
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    tools: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Schema hashes by tool name."""
    lifetime: Millis = HOUR
    further: int = 0
    """How many further agents it may pass through from the delegatee on."""
    budget: Budget = UNLIMITED
    """What may be spent; of what the grant above limits, what it leaves out is taken from there."""
    holder: Thumbprint | None = None
    """The one key of the delegatee that may use it; None leaves that to the delegatee's DID."""


def rights_of(identity: AgentIdentity) -> CertificateRights:
    """Return what the current birth certificate of an agent permits, as GetAgentIdentity shows it."""
    content = identity.birth_certificate
    return CertificateRights(
        hash=identity.birth_certificate_hash,
        permissions=tuple(content.permissions),
        tools={tool.name: tool.schema_hash for tool in content.approved_tools},
        max_delegation_depth=content.max_delegation_depth,
    )


def begin_chain(
    key: AgentKey,
    certificate: CertificateRights,
    handover: Handover,
    *,
    wall_clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Chain:
    """Return a chain of one grant, by leave of the current birth certificate of whom `key` is of."""
    now, grant_id = _second(wall_clock), new_id()
    grant = Grant(
        delegator=key.did,
        delegatee=handover.to,
        audiences=handover.audiences,
        environment=key.environment,
        scopes=handover.scopes,
        tools=handover.tools,
        not_before=Instant(now - CLOCKS_APART),
        expires_at=_second_after(now, handover.lifetime),
        issued_at=now,
        grant_id=grant_id,
        chain=grant_id,
        depth=1,
        max_depth=1 + handover.further,
        parent=certificate.hash,
        budget=handover.budget,
        holder=handover.holder,
    )
    check_first(grant, certificate)
    if handover.further >= certificate.max_delegation_depth:
        problem = "it goes further than the birth certificate allows"
        raise DelegationError(Rule.DEPTH, link=1, problem=problem)
    return _extended((), grant, key)


def extend_chain(
    key: AgentKey,
    chain: Sequence[str],
    handover: Handover,
    *,
    wall_clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Chain:
    """Return `chain` and one more grant, by whom its last one is to: `key` is of that agent."""
    above = read_chain(chain)[-1]
    parent, link = above.grant, len(chain) + 1
    now = _second(wall_clock)
    limits = {**parent.budget.amounts, **handover.budget.amounts}
    grant = Grant(
        delegator=key.did,
        delegatee=handover.to,
        audiences=handover.audiences,
        environment=key.environment,
        scopes=handover.scopes,
        tools=handover.tools,
        not_before=max(parent.not_before, Instant(now - CLOCKS_APART)),
        expires_at=min(parent.expires_at, _second_after(now, handover.lifetime)),
        issued_at=now,
        grant_id=new_id(),
        chain=parent.chain,
        depth=link,
        max_depth=link + handover.further,
        parent=above.hash,
        budget=Budget(**limits),
        holder=handover.holder,
    )
    check_link(above, grant, link=link)
    _require_holder(above, key, link=link)
    return _extended(tuple(chain), grant, key)


def exchange_request(
    key: AgentKey,
    chain: Sequence[str],
    *,
    issuer: str,
    audience: str,
    scopes: Sequence[str] = (),
    budget: Budget = UNLIMITED,
    wall_clock: Callable[[], float] = time.time,
    new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> ExchangeDelegationRequest:
    """Return a request with a fresh assertion; each is good once. `budget` is what the token shall be able to spend."""
    now = int(wall_clock())
    return ExchangeDelegationRequest(
        grants=chain,
        assertion=key.assertion(did=key.did, issuer=issuer, now=now, jti=new_id()),
        audience=audience,
        scopes=scopes,
        budget=DelegationBudget(calls=budget.calls, cost_micros=budget.cost_micros),
    )


def _extended(chain: Chain, grant: Grant, key: AgentKey) -> Chain:
    """Return `chain` with one more grant, once it can be read back: what nobody could read is not handed on."""
    longer = (*chain, sign_grant(grant, key))
    read_chain(longer)
    return longer


def _require_holder(above: SignedGrant, key: AgentKey, *, link: int) -> None:
    if above.grant.holder not in (None, key.key_id):
        raise DelegationError(Rule.HOLDER_KEY, link=link, problem="the grant above is bound to another key")


def _second(wall_clock: Callable[[], float]) -> Instant:
    return Instant(int(wall_clock()) * SECOND)


def _second_after(now: Instant, lifetime: Millis) -> Instant:
    return Instant(now + lifetime - lifetime % SECOND)
