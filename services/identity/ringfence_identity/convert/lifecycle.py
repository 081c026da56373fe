"""What happens to an identity after it is enrolled, between the wire and the model: keys, suspension, revocation."""

from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.rotation import LONGEST_NONCE, SHORTEST_NONCE
from ringfence_kit.validation import Violations

from ringfence_identity.compromise import Compromised, ReportCompromise
from ringfence_identity.convert.identities import identity_to_proto
from ringfence_identity.key_succession import NewKey
from ringfence_identity.revocation import Revoke
from ringfence_identity.rotation import RotateKey
from ringfence_identity.suspension import Reinstate, Suspend

MAX_DID_BYTES = 1_024
MAX_REASON_BYTES = 500
MAX_VERSION_BYTES = 64
SIGNATURE_BYTES = 64


def rotate_key(request: pb.RotateKeyRequest) -> tuple[RotateKey, str]:
    """Return whose key is replaced by which, and the request id."""
    found = Violations()
    wanted = RotateKey(
        did=_did(request.did, found),
        new_key=NewKey(
            # Judged where its reason can be given, as at enrolment.
            public_key=found.octets(request.new_public_key, "new_public_key", min_bytes=1, max_bytes=256),
            nonce=_nonce(request.nonce, found),
            version_id=_version(request.did_version_id, found),
            proof=_signature(request.new_key_proof, "new_key_proof", found),
        ),
        old_key_proof=_signature(request.old_key_proof, "old_key_proof", found),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def report_compromise(request: pb.ReportCompromiseRequest) -> tuple[ReportCompromise, str]:
    """Return whose key is lost, and the request id."""
    found = Violations()
    since = None
    if request.HasField("compromised_since"):
        since = found.timestamp(request.compromised_since, "compromised_since")
    wanted = ReportCompromise(
        did=_did(request.did, found),
        reason=_reason(request.reason, found),
        compromised_since=since,
        replacement=_replacement(request, found),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def compromised_to_proto(compromised: Compromised) -> pb.ReportCompromiseResponse:
    """Return the response with what became of the identity."""
    return pb.ReportCompromiseResponse(
        identity=identity_to_proto(compromised.identity), delegations_revoked=compromised.delegations_revoked
    )


def suspend(request: pb.SuspendRequest) -> tuple[Suspend, str]:
    """Return what to suspend, and the request id."""
    found = Violations()
    wanted = Suspend(did=_did(request.did, found), reason=_reason(request.reason, found), etag=found.etag(request.etag))
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def reinstate(request: pb.ReinstateRequest) -> tuple[Reinstate, str]:
    """Return what to reinstate, and the request id."""
    found = Violations()
    wanted = Reinstate(
        did=_did(request.did, found),
        reason=_reason(request.reason, found),
        replacement=_replacement(request, found),
        etag=found.etag(request.etag),
    )
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def revoke(request: pb.RevokeRequest) -> tuple[Revoke, str]:
    """Return what to revoke, and the request id."""
    found = Violations()
    wanted = Revoke(did=_did(request.did, found), reason=_reason(request.reason, found), etag=found.etag(request.etag))
    request_id = found.request_id(request.request_id)
    return found.ok(wanted), request_id


def _replacement(request: pb.ReportCompromiseRequest | pb.ReinstateRequest, found: Violations) -> NewKey | None:
    if not request.HasField("replacement"):
        return None
    key, at = request.replacement, found.at("replacement")
    return NewKey(
        public_key=at.octets(key.public_key, "public_key", min_bytes=1, max_bytes=256),
        nonce=_nonce(key.nonce, at),
        version_id=_version(key.did_version_id, at),
        proof=_signature(key.proof, "proof", at),
        key_field="replacement.public_key",
        proof_field="replacement.proof",
    )


def _did(text: str, found: Violations) -> str:
    return found.text(text, "did", max_bytes=MAX_DID_BYTES)


def _reason(text: str, found: Violations) -> str:
    return found.text(text, "reason", max_bytes=MAX_REASON_BYTES)


def _version(text: str, found: Violations) -> str:
    return found.text(text, "did_version_id", max_bytes=MAX_VERSION_BYTES)


def _nonce(nonce: bytes, found: Violations) -> bytes:
    return found.octets(nonce, "nonce", min_bytes=SHORTEST_NONCE, max_bytes=LONGEST_NONCE)


def _signature(signature: bytes, field: str, found: Violations) -> bytes:
    return found.octets(signature, field, min_bytes=SIGNATURE_BYTES, max_bytes=SIGNATURE_BYTES)
