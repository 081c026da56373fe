"""What identity says of one agent's keys, from messages to the model."""

from ringfence.identity.v1 import identity_pb2
from ringfence.proofs.did import AgentDid, DidError, KeyDid, parse_did
from ringfence.proofs.did_keys import KeyPeriod, key_periods, only_key
from ringfence.proofs.did_log_check import DidLogError, check_log
from ringfence.proofs.document_keys import ASSERTION
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName
from ringfence_kit.wire import to_instant

from ringfence_registry.cards.signatures.keys import AgentKeys, IdentityAway, IdentityStanding

_STANDINGS = {
    identity_pb2.IDENTITY_STATUS_ACTIVE: IdentityStanding.ACTIVE,
    identity_pb2.IDENTITY_STATUS_SUSPENDED: IdentityStanding.SUSPENDED,
    identity_pb2.IDENTITY_STATUS_REVOKED: IdentityStanding.REVOKED,
}


def agent_keys(identity: identity_pb2.AgentIdentity, log: str, *, did: str, now: Instant) -> AgentKeys:
    """Return the keys of the agent with `did`; `log` is the DID's whole history, empty for a did:key.

    Raises `IdentityAway` when the answer is not about `did`, or its history does not hold: nothing is known then.
    """
    standing = _STANDINGS.get(identity.status)
    if identity.did != did or standing is None or AgentName.parse(identity.agent) is None:
        raise IdentityAway("its answer cannot be read")
    return AgentKeys(
        did=did,
        agent=identity.agent,
        standing=standing,
        periods=_periods(did, log, now),
        expires_at=to_instant(identity.expire_time) if identity.HasField("expire_time") else None,
    )


def _periods(did: str, log: str, now: Instant) -> tuple[KeyPeriod, ...]:
    try:
        parsed = parse_did(did)
        if isinstance(parsed, KeyDid):
            return only_key(parsed)
        if isinstance(parsed, AgentDid):
            return key_periods(check_log(log, did=parsed, now=now), ASSERTION)
    except (DidError, DidLogError) as error:
        raise IdentityAway(f"its answer does not hold: {error}") from error
    raise IdentityAway("its answer is not about an agent")
