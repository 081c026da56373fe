"""What identity knows of the agents in a chain of grants, as the check of a chain asks for it."""

from collections.abc import Iterable, Mapping, Sequence

from ringfence.proofs.delegation_chain import CertificateRights, DelegationError, Party, Rights, check_chain, read_chain
from ringfence.proofs.delegation_grant import SignedGrant
from ringfence.proofs.did_keys import KeyPeriod
from ringfence.proofs.public_keys import from_multibase
from ringfence.proofs.timestamps import whole_second
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import ring_at

from ringfence_identity.delegation.model import SeenGrant
from ringfence_identity.errors import DelegationInvalid
from ringfence_identity.model import AgentIdentity
from ringfence_identity.store import IdentityTx
from ringfence_identity.store.agent_keys import UsedKey


def open_chain(grants: Sequence[str]) -> tuple[SignedGrant, ...]:
    """Return the grants of a chain as they were signed, or raise `DelegationInvalid`."""
    try:
        return read_chain(grants)
    except DelegationError as error:
        raise refused(error) from error


def judge_chain(
    tx: IdentityTx, chain: Sequence[SignedGrant], *, now: Instant, early: bool = False
) -> tuple[Rights, tuple[AgentIdentity, ...]]:
    """Return what a chain is worth and its agents, its origin first and its holder last; or raise `DelegationInvalid`.

    Whether its agents are in good standing, and its grants not revoked, is for the caller to ask. `early` takes a chain
    that is not good yet as well.
    """
    identities = _identities(tx, chain)
    seen = ((signed.hash, tx.delegation(signed.name)) for signed in chain)
    seen_at = {grant: known.grant.seen_at for grant, known in seen if known is not None}
    try:
        rights = check_chain(chain, _parties(tx, identities.values(), now), now=now, seen_at=seen_at, early=early)
    except DelegationError as error:
        raise refused(error) from error
    return rights, tuple(identities[did] for did in rights.path)


def seen_grant(chain: Sequence[SignedGrant], agents: Sequence[AgentIdentity], *, now: Instant) -> SeenGrant:
    """Return what is kept of the last grant of a chain that was judged; `agents` are those of that chain."""
    last = chain[-1].grant
    namespaces = (AgentName.parse(agent.agent) for agent in agents)
    return SeenGrant(
        environment=last.environment,
        hashes=tuple(signed.hash for signed in chain),
        agents=tuple(agent.did for agent in agents),
        namespaces=tuple(sorted({name.namespace for name in namespaces if name is not None})),
        audiences=last.audiences,
        scopes=last.scopes,
        tools=dict(last.tools),
        limit=last.budget,
        issued_at=last.issued_at,
        not_before=last.not_before,
        expires_at=last.expires_at,
        seen_at=now,
    )


def refused(error: DelegationError) -> DelegationInvalid:
    """Return the failure that says what is wrong with a chain."""
    return DelegationInvalid(rule=error.rule.value, link=error.link, problem=error.problem)


def _identities(tx: IdentityTx, chain: Sequence[SignedGrant]) -> dict[str, AgentIdentity]:
    dids = {did for signed in chain for did in (signed.grant.delegator, signed.grant.delegatee)}
    return {did: identity for did in sorted(dids) if (identity := tx.identity(did)) is not None}


def _parties(tx: IdentityTx, identities: Iterable[AgentIdentity], now: Instant) -> Mapping[str, Party]:
    return {
        identity.did: Party(
            did=identity.did,
            environment=identity.environment,
            keys=tuple(_period(key) for key in tx.keys_of(identity.did)),
            certificate=_rights(identity),
            ring=ring_at(identity.trust.state, now),
        )
        for identity in identities
    }


def _period(key: UsedKey) -> KeyPeriod:
    """Return when a key counts in whole seconds, as its DID's history says and as `iat` counts."""
    return KeyPeriod(
        key=from_multibase(key.key),
        since=whole_second(key.since),
        until=None if key.until is None else whole_second(key.until),
        compromised_since=None if key.compromised_since is None else whole_second(key.compromised_since),
    )


def _rights(identity: AgentIdentity) -> CertificateRights:
    content = identity.content
    return CertificateRights(
        hash=identity.certificate_hash,
        permissions=content.permissions,
        tools={tool.name: tool.schema_hash for tool in content.approved_tools},
        max_delegation_depth=content.max_delegation_depth,
    )
