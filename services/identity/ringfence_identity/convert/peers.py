"""Challenges, answers, verdicts and trust statements, between the wire and the model."""

from types import MappingProxyType

from ringfence.identity.v1 import peer_pb2 as pb
from ringfence.proofs.peer_transcript import (
    AUDIENCE,
    MAX_AUDIENCE_BYTES,
    MAX_SCOPES,
    MAX_TRANSCRIPT_BYTES,
    Requirements,
    Transcript,
    TranscriptError,
    parse_transcript,
)
from ringfence.proofs.peer_verdict import PeerRefusal
from ringfence.proofs.scopes import MAX_SCOPE_BYTES, SCOPE_SHAPE, is_scope
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_identity.peers.challenges import CHALLENGE_BYTES
from ringfence_identity.peers.statements import IssuedStatement
from ringfence_identity.peers.verification import Challenged, CreateChallenge, PeerVerdict, VerifyPeer

MAX_DID_BYTES = 1_024
SIGNATURE_BYTES = 64
LEAST_TRUSTED_RING = 3

REFUSALS = MappingProxyType(
    {
        PeerRefusal.PROOF_INVALID: pb.PEER_REFUSAL_PROOF_INVALID,
        PeerRefusal.CHALLENGE_INVALID: pb.PEER_REFUSAL_CHALLENGE_INVALID,
        PeerRefusal.REPLAYED: pb.PEER_REFUSAL_REPLAYED,
        PeerRefusal.NOT_ACTIVE: pb.PEER_REFUSAL_NOT_ACTIVE,
        PeerRefusal.SCORE_TOO_LOW: pb.PEER_REFUSAL_SCORE_TOO_LOW,
        PeerRefusal.RING_INSUFFICIENT: pb.PEER_REFUSAL_RING_INSUFFICIENT,
        PeerRefusal.SCOPE_NOT_GRANTED: pb.PEER_REFUSAL_SCOPE_NOT_GRANTED,
    }
)


def create_challenge(request: pb.CreateChallengeRequest) -> CreateChallenge:
    """Return who wants to meet whom. The DIDs are judged where their reason can be given."""
    found = Violations()
    verifier = found.text(request.verifier, "verifier", max_bytes=MAX_DID_BYTES)
    peer = found.text(request.peer, "peer", max_bytes=MAX_DID_BYTES)
    if peer and peer == verifier:
        found.add("peer", "must be another agent than the verifier")
    audience = found.text(
        request.audience,
        "audience",
        max_bytes=MAX_AUDIENCE_BYTES,
        pattern=AUDIENCE,
        shape="printable ASCII without spaces, quotes and backslashes",
    )
    require = _requirements(request.requirements, found.at("requirements"))
    return found.ok(CreateChallenge(verifier=verifier, peer=peer, audience=audience, require=require))


def challenged_to_proto(challenged: Challenged) -> pb.CreateChallengeResponse:
    """Return the response with the challenge."""
    return pb.CreateChallengeResponse(challenge=challenged.challenge, expire_time=to_timestamp(challenged.expires_at))


def verify_peer(request: pb.VerifyPeerRequest) -> VerifyPeer:
    """Return the answer to a challenge."""
    found = Violations()
    challenge = found.octets(request.challenge, "challenge", min_bytes=CHALLENGE_BYTES, max_bytes=CHALLENGE_BYTES)
    signed = found.octets(request.transcript, "transcript", min_bytes=1, max_bytes=MAX_TRANSCRIPT_BYTES)
    peer = found.octets(request.peer_signature, "peer_signature", min_bytes=SIGNATURE_BYTES, max_bytes=SIGNATURE_BYTES)
    if request.verifier_signature:
        found.octets(
            request.verifier_signature, "verifier_signature", min_bytes=SIGNATURE_BYTES, max_bytes=SIGNATURE_BYTES
        )
    transcript = _transcript(signed, found) if 0 < len(signed) <= MAX_TRANSCRIPT_BYTES else None
    return VerifyPeer(
        transcript=found.ok(transcript),
        challenge=challenge,
        signed=signed,
        peer_signature=peer,
        verifier_signature=request.verifier_signature or None,
    )


def verdict_to_proto(verdict: PeerVerdict) -> pb.VerifyPeerResponse:
    """Return the response with the verdict: reasons, or the peer as it stands."""
    peer = verdict.peer
    if peer is None:
        return pb.VerifyPeerResponse(refusals=[REFUSALS[reason] for reason in verdict.refusals])
    return pb.VerifyPeerResponse(
        verified=True,
        peer=peer.did,
        environment=peer.environment,
        score=peer.score,
        ring=peer.ring,
        did_version_id=peer.did_version_id,
        revocation_epoch=peer.revocation_epoch,
        expire_time=to_timestamp(verdict.expires_at),
        mutual=verdict.mutual,
    )


def issue_trust_statement(request: pb.IssueTrustStatementRequest) -> str:
    """Return the DID a statement is wanted about."""
    found = Violations()
    did = found.text(request.did, "did", max_bytes=MAX_DID_BYTES)
    return found.ok(did)


def statement_to_proto(issued: IssuedStatement) -> pb.IssueTrustStatementResponse:
    """Return the response with the statement."""
    return pb.IssueTrustStatementResponse(statement=issued.statement, expire_time=to_timestamp(issued.expires_at))


def _requirements(message: pb.PeerRequirements, found: Violations) -> Requirements:
    scopes = list(found.items(message.scopes, "scopes", max_items=MAX_SCOPES))
    for path, scope in scopes:
        if not is_scope(scope):
            found.add(path, f"must have the form {SCOPE_SHAPE}, at most {MAX_SCOPE_BYTES} bytes")
    found.distinct([scope for _, scope in scopes], "scopes")
    return Requirements(
        score=found.integer(message.score, "score", minimum=0, maximum=1_000),
        ring=found.integer(message.ring, "ring", minimum=0, maximum=LEAST_TRUSTED_RING)
        if message.HasField("ring")
        else LEAST_TRUSTED_RING,
        scopes=tuple(scope for _, scope in scopes),
    )


def _transcript(signed: bytes, found: Violations) -> Transcript | None:
    try:
        return parse_transcript(signed)
    except TranscriptError as refused:
        found.add("transcript", f"is {refused}")
        return None
