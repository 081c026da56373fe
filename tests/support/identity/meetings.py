"""Two agents that meet, with every part of the meeting open to spoiling."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ringfence.identity.v1 import identity_pb2, peer_pb2
from ringfence.proofs.peer_transcript import (
    Party,
    PeerRole,
    Requirements,
    Transcript,
    hash_of_challenge,
    signing_input,
)
from ringfence.proofs.public_keys import public_key_of
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.sealed_keys import Ed25519Signer
from support.identity.keys import seeded_key
from support.identity.mesh import IdentityMesh

AUDIENCE = "https://orders.example.com/a2a"


def agent_caller(identity: identity_pb2.AgentIdentity) -> Caller:
    """Return the agent as a caller of its own environment."""
    return Caller(principal=identity.did, roles=frozenset({Role.AGENT}), environment=identity.environment)


def party_of(identity: identity_pb2.AgentIdentity, key: Ed25519Signer, *, nonce: int) -> Party:
    """Return a side of a meeting."""
    return Party(
        did=identity.did,
        key=public_key_of(key).thumbprint,
        version=identity.did_version_id,
        nonce=nonce.to_bytes(32, "big"),
    )


@dataclass(slots=True, kw_only=True)
class Meeting:
    """One agent verifies another over the wire."""

    mesh: IdentityMesh
    verifier: identity_pb2.AgentIdentity
    peer: identity_pb2.AgentIdentity
    verifier_key: Ed25519Signer = field(default_factory=lambda: seeded_key(1))
    peer_key: Ed25519Signer = field(default_factory=lambda: seeded_key(2))
    audience: str = AUDIENCE

    @property
    def caller(self) -> Caller:
        """The verifier as a caller."""
        return agent_caller(self.verifier)

    async def challenge(
        self, *, score: int = 0, ring: int = 3, scopes: Sequence[str] = (), caller: Caller | None = None
    ) -> peer_pb2.CreateChallengeResponse:
        """Ask for a challenge."""
        request = peer_pb2.CreateChallengeRequest(
            verifier=self.verifier.did,
            peer=self.peer.did,
            audience=self.audience,
            requirements=peer_pb2.PeerRequirements(score=score, ring=ring, scopes=scopes),
        )
        return await self.mesh.trust(caller or self.caller).CreateChallenge(request)

    def transcript(
        self, challenged: peer_pb2.CreateChallengeResponse, *, score: int = 0, ring: int = 3, scopes: Sequence[str] = ()
    ) -> Transcript:
        """Return the transcript that answers a challenge."""
        expires_at = Instant(challenged.expire_time.seconds * SECOND)
        return Transcript(
            environment=self.verifier.environment,
            audience=self.audience,
            verifier=party_of(self.verifier, self.verifier_key, nonce=1),
            peer=party_of(self.peer, self.peer_key, nonce=2),
            require=Requirements(score=score, ring=ring, scopes=tuple(scopes)),
            challenge_hash=hash_of_challenge(challenged.challenge),
            issued_at=Instant(expires_at - 30 * SECOND),
            expires_at=expires_at,
        )

    def signed(
        self, challenged: peer_pb2.CreateChallengeResponse, transcript: Transcript, *, mutual: bool = False
    ) -> peer_pb2.VerifyPeerRequest:
        """Return the answer with the signatures of both, or of the peer alone."""
        signed = transcript.encode()
        by_verifier = self.verifier_key.sign(signing_input(PeerRole.VERIFIER, signed)) if mutual else b""
        return peer_pb2.VerifyPeerRequest(
            challenge=challenged.challenge,
            transcript=signed,
            peer_signature=self.peer_key.sign(signing_input(PeerRole.PEER, signed)),
            verifier_signature=by_verifier,
        )

    async def answer(self, *, mutual: bool = False, **required: Any) -> peer_pb2.VerifyPeerRequest:
        """Return a sound answer to a fresh challenge."""
        challenged = await self.challenge(**required)
        return self.signed(challenged, self.transcript(challenged, **required), mutual=mutual)

    async def bent(self, **changes: Any) -> peer_pb2.VerifyPeerRequest:
        """Return an answer whose transcript was changed in both signatures' sight."""
        challenged = await self.challenge()
        return self.signed(challenged, replace(self.transcript(challenged), **changes), mutual=True)

    async def verify(
        self, request: peer_pb2.VerifyPeerRequest, caller: Caller | None = None
    ) -> peer_pb2.VerifyPeerResponse:
        """Ask for the verdict."""
        return await self.mesh.trust(caller or self.caller).VerifyPeer(request)

    async def refusals(self, request: peer_pb2.VerifyPeerRequest, caller: Caller | None = None) -> set[str]:
        """Return why an answer is refused, in short; it must be, and then nothing else is said."""
        answer = await self.verify(request, caller)
        assert not answer.verified
        assert answer == peer_pb2.VerifyPeerResponse(refusals=answer.refusals)
        names = {peer_pb2.PeerRefusal.Name(reason).removeprefix("PEER_REFUSAL_") for reason in answer.refusals}
        assert names
        assert len(names) == len(answer.refusals)
        return names


async def two_agents(mesh: IdentityMesh, *, environment: str = "prod") -> Meeting:
    """Enrol two agents that can meet."""
    await mesh.with_sponsors()
    verifier = (await mesh.enrol("buyer", key=seeded_key(1), environment=environment)).identity
    peer = (await mesh.enrol("seller", key=seeded_key(2), environment=environment)).identity
    return Meeting(mesh=mesh, verifier=verifier, peer=peer)
