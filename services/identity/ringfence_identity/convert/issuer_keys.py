"""Issuer keys between the wire and the model."""

from collections.abc import Iterable
from types import MappingProxyType

from ringfence.identity.v1 import credential_pb2 as pb
from ringfence.proofs.jwk_set import Algorithm
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.issuer_keys.rotation import RevokedIssuerKey, RevokeIssuerKey, RotateIssuerKey
from ringfence_identity.issuer_keys.schedule import ALGORITHMS, KeyStanding, KeyState

STATES = MappingProxyType(
    {
        KeyState.PUBLISHED: pb.ISSUER_KEY_STATE_PUBLISHED,
        KeyState.ACTIVE: pb.ISSUER_KEY_STATE_ACTIVE,
        KeyState.RETIRING: pb.ISSUER_KEY_STATE_RETIRING,
        KeyState.REVOKED: pb.ISSUER_KEY_STATE_REVOKED,
    }
)


def list_issuer_keys(request: pb.ListIssuerKeysRequest) -> str:
    """Return the environment whose keys are asked for."""
    found = Violations()
    return found.ok(_environment(request.environment, found))


def rotate_issuer_key(request: pb.RotateIssuerKeyRequest) -> tuple[RotateIssuerKey, str]:
    """Return of which kind the next key is wanted, and the request id."""
    found = Violations()
    environment = _environment(request.environment, found)
    algorithm = _algorithm(request.algorithm, found)
    request_id = found.request_id(request.request_id)
    return found.ok(RotateIssuerKey(environment=environment, algorithm=algorithm)), request_id


def revoke_issuer_key(request: pb.RevokeIssuerKeyRequest) -> tuple[RevokeIssuerKey, str]:
    """Return which key is to be killed, and the request id."""
    found = Violations()
    wanted = RevokeIssuerKey(
        environment=_environment(request.environment, found),
        key_id=found.text(request.key_id, "key_id", max_bytes=128),
        reason=found.text(request.reason, "reason", max_bytes=500),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def key_to_proto(standing: KeyStanding) -> pb.IssuerKey:
    """Return a key as it stands."""
    key = standing.key
    return pb.IssuerKey(
        key_id=key.key_id,
        algorithm=key.algorithm,
        state=STATES.get(standing.state, pb.ISSUER_KEY_STATE_UNSPECIFIED),
        create_time=to_timestamp(key.created_at),
        activate_time=to_timestamp(key.activates_at),
        remove_time=None if standing.removed_at is None else to_timestamp(standing.removed_at),
    )


def listed_to_proto(standings: Iterable[KeyStanding]) -> pb.ListIssuerKeysResponse:
    """Return the response with the keys of an environment."""
    return pb.ListIssuerKeysResponse(keys=[key_to_proto(standing) for standing in standings])


def revoked_to_proto(revoked: RevokedIssuerKey) -> pb.RevokeIssuerKeyResponse:
    """Return the response with a killed key and the one that signs instead."""
    return pb.RevokeIssuerKeyResponse(key=key_to_proto(revoked.key), successor=key_to_proto(revoked.successor))


def _environment(name: str, found: Violations) -> str:
    return found.text(name, "environment", max_bytes=63)


def _algorithm(name: str, found: Violations) -> Algorithm:
    for algorithm in ALGORITHMS:
        if name == algorithm:
            return algorithm
    found.add("algorithm", f"must be one of {', '.join(ALGORITHMS)}")
    return ALGORITHMS[0]
