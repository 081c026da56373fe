"""An agent that enrols over the wire, and its birth certificate: what tests across services need of identity."""

import hashlib

import grpc.aio
from ringfence.agent_key import AgentKey
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
    key: AgentKey | None = None,
    pulse: Pulse | None = None,
    environment: str = "dev",
) -> pb.AgentIdentity:
    """Enrol an agent, with a new key unless one is given, however often identity has to be asked."""
    pulse = pulse or Pulse()
    answer = await answer_to_challenge(
        channel,
        parent=parent,
        agent_id=agent_id,
        content=content,
        key=key or AgentKey.generate(),
        pulse=pulse,
        environment=environment,
    )
    complete = IdentityServiceStub(channel).CompleteRegistration
    return (await until_acknowledged(pulse, complete, answer)).identity


async def answer_to_challenge(
    channel: grpc.aio.Channel,
    *,
    parent: str,
    agent_id: str,
    content: pb.BirthCertificateContent,
    key: AgentKey,
    pulse: Pulse | None = None,
    environment: str = "dev",
) -> pb.CompleteRegistrationRequest:
    """Begin an enrolment, and return the request that completes it."""
    beginning = pb.BeginRegistrationRequest(
        parent=parent, agent_id=agent_id, environment=environment, sponsor=content.sponsor
    )
    begun = await until_acknowledged(pulse or Pulse(), IdentityServiceStub(channel).BeginRegistration, beginning)
    return pb.CompleteRegistrationRequest(
        challenge=begun.challenge,
        public_key=key.public_key,
        proof_of_possession=key.prove_registration(begun.challenge, content),
        birth_certificate=content,
        request_id=new_request_id(),
    )


async def register_sponsors(channel: grpc.aio.Channel, *names: str) -> list[str]:
    """Register people who answer for agents; return their resource names."""
    stub = IdentityServiceStub(channel)
    for name in names:
        sponsor = pb.Sponsor(display_name=name.title(), contact=f"{name}@example.com")
        request = pb.RegisterSponsorRequest(sponsor_id=name, sponsor=sponsor, request_id=new_request_id())
        await until_acknowledged(Pulse(), stub.RegisterSponsor, request)
    return [f"sponsors/{name}" for name in names]
