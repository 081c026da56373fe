"""An agent that enrols over the wire, and its birth certificate: what tests across services need of identity."""

import hashlib

import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub

from support.mesh.load import Pulse, new_request_id, until_acknowledged

TOOLS = ("warehouse.query", "warehouse.update")


def birth_certificate(*, sponsor: str, backup: str, ring_ceiling: int = 1) -> pb.BirthCertificateContent:
    """Return what the agent's certificate will say: complete, for the environment dev."""
    return pb.BirthCertificateContent(
        purpose="Answers questions about the sales figures.",
        sponsor=sponsor,
        backup_sponsor=backup,
        permissions=["warehouse:read", "warehouse:write"],
        ring_ceiling=ring_ceiling,
        approved_tools=[pb.ApprovedTool(name=name) for name in TOOLS],
        artifacts=pb.ArtifactDigests(model="example-model-1"),
        evaluation_plan=pb.EvaluationPlan(
            uri="https://example.com/plans/analyst",
            hash="sha256-" + hashlib.sha256(b"plan").hexdigest(),
            gates=[pb.EvaluationGate(suite="safety", minimum_micros=980_000, waived_by=sponsor)],
        ),
    )


async def enrol(
    channel: grpc.aio.Channel,
    *,
    parent: str,
    agent_id: str,
    content: pb.BirthCertificateContent,
    environment: str = "dev",
    pulse: Pulse | None = None,
) -> pb.AgentIdentity:
    """Enrol an agent with a new key, however often identity has to be asked."""
    stub, pulse = IdentityServiceStub(channel), pulse or Pulse()
    key = Ed25519PrivateKey.generate()
    beginning = pb.BeginRegistrationRequest(
        parent=parent,
        agent_id=agent_id,
        environment=environment,
        sponsor=content.sponsor,
        birth_certificate=content,
    )
    begun = await until_acknowledged(pulse, stub.BeginRegistration, beginning)
    completing = pb.CompleteRegistrationRequest(
        challenge=begun.challenge,
        public_key=key.public_key().public_bytes_raw(),
        proof_of_possession=key.sign(begun.signing_input),
        birth_certificate=content,
        request_id=new_request_id(),
    )
    return (await until_acknowledged(pulse, stub.CompleteRegistration, completing)).identity


async def register_sponsors(channel: grpc.aio.Channel, *names: str) -> list[str]:
    """Register people who answer for agents; return their resource names."""
    stub = IdentityServiceStub(channel)
    for name in names:
        sponsor = pb.Sponsor(display_name=name.title(), contact=f"{name}@example.com")
        request = pb.RegisterSponsorRequest(sponsor_id=name, sponsor=sponsor, request_id=new_request_id())
        await until_acknowledged(Pulse(), stub.RegisterSponsor, request)
    return [f"sponsors/{name}" for name in names]
