"""Whether a chain of delegation grants holds, and what is left of it: checked the same offline and by the service.

A chain leads from an agent's birth certificate, grant by grant, to whoever holds the last one. It holds when every link
does; each refusal names the rule and the link. What a chain is worth is the meet of all its links and of what the birth
certificates of all its agents permit now; its ring is that of its least trusted agent.

1. `read_chain` bounds every size and reads every grant before a signature is looked at;
2. `check_chain` checks each link against the one above it, the first against the birth certificate it is anchored in,
   then every signature under the key its delegator had when it was made, and that it is in force now;
3. `require_holder` and `require_audience` say who may use it, and where.

What changes by the minute (who is suspended, what was revoked, what is left of a budget) only the issuer knows.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from types import MappingProxyType

from ringfence.instants import SECOND, Instant, Millis
from ringfence.proofs.delegation_grant import (
    MAX_DEPTH,
    Budget,
    Grant,
    GrantFormError,
    GrantTooLarge,
    SignedGrant,
    read_grant,
)
from ringfence.proofs.did import AgentDid, Host, parse_did
from ringfence.proofs.did_keys import KeyPeriod
from ringfence.proofs.public_keys import Thumbprint
from ringfence.proofs.scopes import meet, not_covered

SKEW = Millis(5 * SECOND)
"""How far the clocks of two agents may be apart: for when a grant was made, never for when it is good."""


class Rule(enum.Enum):
    """The rules of a chain. The values are what refusals name; they never change."""

    LINKS = "links"
    """A chain has 1 to 5 grants."""
    SIZE = "size"
    """A grant has at most 8 KiB, 64 scopes, 16 audiences and 32 tools."""
    FORM = "form"
    """A grant is a compact JWS in its one spelling, with exactly the header and claims of a grant."""
    AGENT = "agent"
    """Everyone in the chain is an enrolled agent."""
    ISSUER = "issuer"
    """A grant is by whom the one above it is to: `iss` is its `sub`."""
    PARENT = "parent"
    """`prf` is the hash of the grant above."""
    CERTIFICATE = "certificate"
    """`prf` of the first grant is the hash of its delegator's current birth certificate."""
    CHAIN = "chain"
    """`chain` is the `jti` of the first grant, everywhere."""
    DEPTH = "depth"
    """`depth` counts the links, at most to the `max_depth` of every grant above and to what certificates allow."""
    LOOP = "loop"
    """Nobody is in a chain twice."""
    ENVIRONMENT = "environment"
    """Every claim `env`, every agent and every host is of one environment."""
    SCOPE = "scope"
    """Every scope is covered by one of the link above."""
    AUDIENCE = "audience"
    """Every audience is one of the link above."""
    TOOLS = "tools"
    """Every tool is one of the link above, with the same schema hash."""
    BUDGET = "budget"
    """What a link above limits is limited, and to no more."""
    WINDOW = "window"
    """A grant begins before it ends, not before the one above and not after it."""
    ISSUED_AT = "issued-at"
    """A grant was not made before the one it narrows, nor in the future."""
    KEY = "key"
    """`kid` is a key that `iss` had at `iat`."""
    COMPROMISED = "compromised"
    """That key was not in other hands."""
    HOLDER = "holder"
    """A chain is used by whom its last grant is to."""
    HOLDER_KEY = "holder-key"
    """A grant bound to a key is used by that key only."""
    SIGNATURE = "signature"
    """The grant verifies under that key."""
    TIME = "time"
    """Now is not before the last `nbf` and before the first `exp`."""


class DelegationError(ValueError):
    """A chain that breaks a rule. Links count from 1, the first grant of the chain."""

    def __init__(self, rule: Rule, *, link: int, problem: str) -> None:
        super().__init__(f"{rule.value}, link {link}: {problem}")
        self.rule = rule
        self.link = link
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRights:
    """What an agent's current birth certificate permits."""

    hash: str
    """`bc`: base64url(SHA-256) of the canonical credential."""
    permissions: tuple[str, ...]
    tools: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Schema hashes of the approved tools; empty for one that is approved whatever its schema."""
    max_delegation_depth: int = 0
    """How many further agents a delegation from it may pass through."""

    def approves(self, tool: str, schema: str) -> bool:
        """Say whether the agent may use `tool` with this schema."""
        return tool in self.tools and self.tools[tool] in ("", schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """What is known of an agent in a chain."""

    did: str
    environment: str
    keys: tuple[KeyPeriod, ...]
    certificate: CertificateRights
    ring: int
    """Its ring now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a chain is worth to whoever holds its last grant."""

    environment: str
    chain: str
    path: tuple[str, ...]
    """DIDs, from whom the chain begins with to its holder."""
    grants: tuple[str, ...]
    """Hashes of the grants, the first of the chain first."""
    limits: tuple[Budget, ...]
    """The budget of each grant, in the same order."""
    scopes: tuple[str, ...]
    audiences: tuple[str, ...]
    tools: Mapping[str, str]
    not_before: Instant
    expires_at: Instant
    ring: int
    holder: Thumbprint | None
    """The one key that may use the last grant; None leaves that to the holder's DID."""

    @property
    def depth(self) -> int:
        """How many grants lead here."""
        return len(self.grants)


def read_chain(grants: Sequence[str]) -> tuple[SignedGrant, ...]:
    """Return the grants of a chain, its first one first, read and not yet believed; or raise `DelegationError`."""
    if not 1 <= len(grants) <= MAX_DEPTH:
        raise DelegationError(Rule.LINKS, link=len(grants), problem=f"a chain has 1 to {MAX_DEPTH} grants")
    return tuple(_read(compact, link) for link, compact in enumerate(grants, start=1))


def check_chain(
    chain: Sequence[SignedGrant],
    parties: Mapping[str, Party],
    *,
    now: Instant,
    seen_at: Mapping[str, Instant] | None = None,
    early: bool = False,
) -> Rights:
    """Return what a chain that was read is worth at `now`, or raise `DelegationError`.

    `parties` are its agents by DID. `seen_at` says when the issuer first saw a grant, by its hash: a thief chooses what
    `iat` says, so of what a lost key signed only that holds which was seen before. None, offline, goes by `iat` alone.
    `early` takes a chain that is not good yet as well.
    """
    agents = _parties(chain, parties)
    _check_environment(chain, agents)
    check_first(chain[0].grant, agents[0].certificate)
    for link, (above, below) in enumerate(pairwise(chain), start=2):
        check_link(above, below.grant, link=link)
    _check_path(chain, agents, now)
    bound_to = None
    for link, (signed, delegator) in enumerate(zip(chain, agents, strict=False), start=1):
        _check_signature(signed, delegator, bound_to=bound_to, link=link, seen_at=seen_at)
        bound_to = signed.grant.holder
    rights = _rights(chain, agents)
    require_in_force(rights, now=max(now, rights.not_before) if early else now)
    return rights


def require_in_force(rights: Rights, *, now: Instant) -> None:
    """Raise `DelegationError` unless `now` is within the time of every link."""
    if now < rights.not_before:
        raise DelegationError(Rule.TIME, link=rights.depth, problem="it is not good yet")
    if now >= rights.expires_at:
        raise DelegationError(Rule.TIME, link=rights.depth, problem="it has expired")


def require_holder(rights: Rights, did: str, key: Thumbprint) -> None:
    """Raise `DelegationError` unless the chain is for the agent `did`, and for its `key`."""
    if did != rights.path[-1]:
        raise DelegationError(Rule.HOLDER, link=rights.depth, problem="it is granted to another agent")
    if rights.holder not in (None, key):
        raise DelegationError(Rule.HOLDER_KEY, link=rights.depth, problem="it is bound to another key of the agent")


def require_audience(rights: Rights, audience: str) -> None:
    """Raise `DelegationError` unless the chain is good for tokens to `audience`."""
    if audience not in rights.audiences:
        raise DelegationError(Rule.AUDIENCE, link=rights.depth, problem=f"it is not for {audience}")


def check_first(grant: Grant, certificate: CertificateRights) -> None:
    """Raise `DelegationError` unless `grant` may begin a chain by leave of its delegator's current certificate."""
    if grant.parent != certificate.hash:
        problem = "prf is not the delegator's current birth certificate; grants by leave of an earlier one are void"
        raise DelegationError(Rule.CERTIFICATE, link=1, problem=problem)
    if grant.chain != grant.grant_id:
        raise DelegationError(Rule.CHAIN, link=1, problem="chain of the first grant must be its jti")
    _check_depth(grant, link=1)
    _check_scopes(certificate.permissions, grant, link=1)
    unknown = [tool for tool, schema in grant.tools.items() if not certificate.approves(tool, schema)]
    _check_tools(unknown, link=1)
    _check_window(grant, link=1)


def check_link(above: SignedGrant, grant: Grant, *, link: int) -> None:
    """Raise `DelegationError` unless `grant`, the `link`-th of a chain, is no wider than the grant `above` it."""
    parent = above.grant
    if grant.delegator != parent.delegatee:
        raise DelegationError(Rule.ISSUER, link=link, problem="iss is not the sub of the grant above")
    if grant.parent != above.hash:
        raise DelegationError(Rule.PARENT, link=link, problem="prf is not the hash of the grant above")
    if grant.chain != parent.chain:
        raise DelegationError(Rule.CHAIN, link=link, problem="chain is not that of the grant above")
    _check_depth(grant, link=link, most=parent.max_depth)
    if grant.environment != parent.environment:
        raise DelegationError(Rule.ENVIRONMENT, link=link, problem="env is not that of the grant above")
    _check_scopes(parent.scopes, grant, link=link)
    _check_audiences(parent, grant, link=link)
    _check_tools([tool for tool, schema in grant.tools.items() if parent.tools.get(tool) != schema], link=link)
    _check_budget(parent.budget, grant.budget, link=link)
    _check_window(grant, link=link)
    if grant.not_before < parent.not_before or grant.expires_at > parent.expires_at:
        raise DelegationError(Rule.WINDOW, link=link, problem="nbf and exp must lie within those of the grant above")
    if grant.issued_at < parent.issued_at - SKEW:
        raise DelegationError(Rule.ISSUED_AT, link=link, problem="iat is before that of the grant above")


def _read(compact: str, link: int) -> SignedGrant:
    try:
        return read_grant(compact)
    except GrantTooLarge as error:
        raise DelegationError(Rule.SIZE, link=link, problem=str(error)) from error
    except GrantFormError as error:
        raise DelegationError(Rule.FORM, link=link, problem=str(error)) from error


def _parties(chain: Sequence[SignedGrant], parties: Mapping[str, Party]) -> tuple[Party, ...]:
    """Return the delegator of each link, and last who holds the chain."""
    dids = [chain[0].grant.delegator, *(signed.grant.delegatee for signed in chain)]
    for number, did in enumerate(dids):
        if did not in parties:
            raise DelegationError(Rule.AGENT, link=max(number, 1), problem=f"no agent {did} is known")
    return tuple(parties[did] for did in dids)


def _check_environment(chain: Sequence[SignedGrant], agents: Sequence[Party]) -> None:
    environment = chain[0].grant.environment
    hosts: set[Host] = set()
    for number, agent in enumerate(agents):
        link = max(number, 1)
        hosts |= _hosts(agent.did)
        if not environment == agent.environment == chain[link - 1].grant.environment or len(hosts) > 1:
            raise DelegationError(Rule.ENVIRONMENT, link=link, problem="it leads from one environment to another")


def _hosts(did: str) -> set[Host]:
    """Return the host of a DID, which is one environment's; a did:key has none."""
    parsed = parse_did(did)
    return {parsed.host} if isinstance(parsed, AgentDid) else set()


def _check_path(chain: Sequence[SignedGrant], agents: Sequence[Party], now: Instant) -> None:
    """Check what takes the whole chain, or the delegator's own certificate, to judge."""
    for link, signed in enumerate(chain, start=1):
        grant, delegator = signed.grant, agents[link - 1]
        if grant.delegatee in {agent.did for agent in agents[:link]}:
            raise DelegationError(Rule.LOOP, link=link, problem="sub is in the chain already")
        if grant.max_depth - grant.depth + 1 > delegator.certificate.max_delegation_depth:
            problem = "max_depth goes further than the delegator's birth certificate allows"
            raise DelegationError(Rule.DEPTH, link=link, problem=problem)
        if grant.issued_at > now + SKEW:
            raise DelegationError(Rule.ISSUED_AT, link=link, problem="iat lies in the future")


def _check_depth(grant: Grant, *, link: int, most: int = MAX_DEPTH) -> None:
    if grant.depth != link:
        raise DelegationError(Rule.DEPTH, link=link, problem=f"depth must be {link}")
    if not grant.depth <= grant.max_depth <= most:
        raise DelegationError(Rule.DEPTH, link=link, problem=f"max_depth must be from depth to {most}")


def _check_scopes(held: Sequence[str], grant: Grant, *, link: int) -> None:
    beyond = not_covered(held, grant.scopes)
    if beyond:
        raise DelegationError(Rule.SCOPE, link=link, problem=f"what it narrows does not cover: {' '.join(beyond[:5])}")


def _check_audiences(parent: Grant, grant: Grant, *, link: int) -> None:
    foreign = [audience for audience in grant.audiences if audience not in parent.audiences]
    if foreign:
        raise DelegationError(Rule.AUDIENCE, link=link, problem=f"the grant above is not for: {' '.join(foreign[:5])}")


def _check_tools(unknown: Sequence[str], *, link: int) -> None:
    if unknown:
        listed = " ".join(unknown[:5])
        problem = f"what it narrows does not have, with the same schema hash: {listed}"
        raise DelegationError(Rule.TOOLS, link=link, problem=problem)


def _check_budget(above: Budget, budget: Budget, *, link: int) -> None:
    wanted = budget.amounts
    for member, limit in above.amounts.items():
        if not 0 < wanted.get(member, 0) <= limit:
            raise DelegationError(Rule.BUDGET, link=link, problem=f"{member} must be limited, to {limit} at most")


def _check_window(grant: Grant, *, link: int) -> None:
    if grant.not_before >= grant.expires_at:
        raise DelegationError(Rule.WINDOW, link=link, problem="nbf must be before exp")


def _check_signature(
    signed: SignedGrant,
    delegator: Party,
    *,
    bound_to: Thumbprint | None,
    link: int,
    seen_at: Mapping[str, Instant] | None,
) -> None:
    if bound_to not in (None, signed.key_id):
        raise DelegationError(Rule.HOLDER_KEY, link=link, problem="the grant above is bound to another key")
    period = _period(signed, delegator, link=link)
    if _is_lost(signed, period, seen_at):
        raise DelegationError(Rule.COMPROMISED, link=link, problem="it may have been signed by a key in other hands")
    if not period.key.verifies(signed.jws.signature, signed.jws.signing_input):
        raise DelegationError(Rule.SIGNATURE, link=link, problem="it does not verify under the delegator's key")


def _is_lost(signed: SignedGrant, period: KeyPeriod, seen_at: Mapping[str, Instant] | None) -> bool:
    if period.compromised_since is None:
        return False
    if seen_at is None:
        return period.lost_at(signed.grant.issued_at)
    return signed.hash not in seen_at or period.lost_at(max(signed.grant.issued_at, seen_at[signed.hash]))


def _period(signed: SignedGrant, delegator: Party, *, link: int) -> KeyPeriod:
    for period in delegator.keys:
        if period.key.thumbprint == signed.key_id and period.in_force_at(signed.grant.issued_at):
            return period
    raise DelegationError(Rule.KEY, link=link, problem="kid is not a key that iss had when the grant was made")


def _rights(chain: Sequence[SignedGrant], agents: Sequence[Party]) -> Rights:
    grants = [signed.grant for signed in chain]
    last = grants[-1]
    held = [*(grant.scopes for grant in grants), *(agent.certificate.permissions for agent in agents)]
    return Rights(
        environment=last.environment,
        chain=last.chain,
        path=tuple(agent.did for agent in agents),
        grants=tuple(signed.hash for signed in chain),
        limits=tuple(grant.budget for grant in grants),
        scopes=reduce(meet, held),
        audiences=last.audiences,
        tools=MappingProxyType(
            {
                tool: schema
                for tool, schema in last.tools.items()
                if all(agent.certificate.approves(tool, schema) for agent in agents)
            }
        ),
        not_before=max(grant.not_before for grant in grants),
        expires_at=min(grant.expires_at for grant in grants),
        ring=max(agent.ring for agent in agents),
        holder=last.holder,
    )
