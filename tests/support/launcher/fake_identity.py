"""An identity service of the tests' own. Proofs and assertions are verified with the real service's pure code."""

from collections.abc import Iterator
from typing import Any

import grpc
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import identity_pb2_grpc, trust_pb2, trust_pb2_grpc
from ringfence.proofs.public_keys import import_key

from support.launcher.refusals import Saw, refuse, until_cancelled

ISSUER = "https://dev.id.test.example"
CHALLENGE = b"a challenge"
SIGNING_PREFIX = b"ringfence.dev/identity/v1/registration\0"


class FakeIdentity(
    identity_pb2_grpc.IdentityServiceServicer,
    identity_pb2_grpc.CredentialServiceServicer,
    trust_pb2_grpc.TrustServiceServicer,
):
    """One identity for each agent name, one score for all."""

    def __init__(self, saw: Saw) -> None:
        self._saw = saw
        self.sponsors: dict[str, pb.Sponsor] = {}
        self.identities: dict[str, pb.AgentIdentity] = {}
        self.documents: dict[str, bytes] = {}
        self.missing: list[tuple[str, str]] = []
        """What the birth certificate gate finds missing."""
        self.trust = trust_pb2.Trust(score=412, ring=2)
        self.events: list[pb.WatchAgentsResponse] = []

    def RegisterSponsor(self, request: Any, context: Any) -> pb.RegisterSponsorResponse:
        self._saw(request, context)
        name = f"sponsors/{request.sponsor_id}"
        if name in self.sponsors:
            refuse(context, grpc.StatusCode.ALREADY_EXISTS, "SPONSOR_ALREADY_EXISTS", f"{name} is registered")
        sponsor = pb.Sponsor()
        sponsor.CopyFrom(request.sponsor)
        sponsor.name = name
        self.sponsors[name] = sponsor
        return pb.RegisterSponsorResponse(sponsor=sponsor)

    def BeginRegistration(self, request: Any, context: Any) -> pb.BeginRegistrationResponse:
        self._saw(request, context)
        self._begun = request
        return pb.BeginRegistrationResponse(challenge=CHALLENGE, signing_input=b"not what the client signs")

    def CompleteRegistration(self, request: Any, context: Any) -> pb.CompleteRegistrationResponse:
        self._saw(request, context)
        if self.missing:
            message = "the birth certificate is incomplete"
            refuse(
                *(context, grpc.StatusCode.FAILED_PRECONDITION, "BIRTH_CERTIFICATE_INCOMPLETE", message),
                violations=self.missing,
            )
        import_key(request.public_key)
        begun = self._begun
        identity = pb.AgentIdentity(
            agent=f"{begun.parent}/agents/{begun.agent_id}",
            environment=begun.environment,
            did=f"did:webvh:Qm{begun.agent_id}:{begun.environment}.id.test.example",
            status=pb.IDENTITY_STATUS_ACTIVE,
            birth_certificate=request.birth_certificate,
        )
        self.identities[identity.did] = identity
        return pb.CompleteRegistrationResponse(identity=identity)

    def GetAgentIdentity(self, request: Any, context: Any) -> pb.GetAgentIdentityResponse:
        self._saw(request, context)
        wanted = (request.did, request.agent, request.environment)
        for held in self.identities.values():
            if wanted in {(held.did, "", ""), ("", held.agent, held.environment)}:
                return pb.GetAgentIdentityResponse(identity=held)
        return refuse(context, grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND", "no such agent")

    def ResolveDid(self, request: Any, context: Any) -> pb.ResolveDidResponse:
        self._saw(request, context)
        if request.did not in self.documents:
            refuse(context, grpc.StatusCode.NOT_FOUND, "DID_NOT_FOUND", f"{request.did} is unknown")
        document = self.documents[request.did]
        metadata = pb.DidDocumentMetadata(version_id="1-Qm", deactivated=not document)
        return pb.ResolveDidResponse(did_document=document, metadata=metadata)

    def Revoke(self, request: Any, context: Any) -> pb.RevokeResponse:
        self._saw(request, context)
        identity = self.identities[request.did]
        identity.status, identity.revocation_reason = pb.IDENTITY_STATUS_REVOKED, request.reason
        return pb.RevokeResponse(identity=identity)

    def WatchAgents(self, request: Any, context: Any) -> Iterator[pb.WatchAgentsResponse]:
        self._saw(request, context)
        yield from self.events
        until_cancelled(context)

    def GetJwks(self, request: Any, context: Any) -> pb.GetJwksResponse:
        self._saw(request, context)
        return pb.GetJwksResponse(jwks=b"{}", issuer=ISSUER)

    def IssueToken(self, request: Any, context: Any) -> pb.IssueTokenResponse:
        self._saw(request, context)
        return pb.IssueTokenResponse(access_token=request.assertion)

    def RecordSignals(self, request: Any, context: Any) -> trust_pb2.RecordSignalsResponse:
        self._saw(request, context)
        return trust_pb2.RecordSignalsResponse()

    def GetTrust(self, request: Any, context: Any) -> trust_pb2.GetTrustResponse:
        self._saw(request, context)
        self.trust.did = request.did
        return trust_pb2.GetTrustResponse(trust=self.trust)
