"""Agents that enrol, for benchmarks: what an agent does itself is done before any clock starts."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence.identity.v1 import identity_pb2 as pb

if TYPE_CHECKING:
    from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceAsyncStub  # only its types exist

DIGEST = "sha256-" + hashlib.sha256(b"bench").hexdigest()
CONTENT = pb.BirthCertificateContent(
    purpose="Reconciles invoices with the ledger.",
    sponsor="sponsors/ada",
    backup_sponsor="sponsors/grace",
    permissions=["invoices:read", "ledger:propose", "warehouse:*"],
    approved_tools=[pb.ApprovedTool(name="ledger.propose", version="3.1.0", schema_hash=DIGEST)],
    ring_ceiling=1,
    max_delegation_depth=2,
    artifacts=pb.ArtifactDigests(image=DIGEST.replace("sha256-", "sha256:")),
    evaluation_plan=pb.EvaluationPlan(
        uri="https://evals.example.com/plans/7",
        hash=DIGEST,
        gates=[pb.EvaluationGate(suite="safety", minimum_micros=980_000, result_micros=991_000, evidence_hash=DIGEST)],
    ),
)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An agent that is not enrolled yet."""

    name: str
    key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        """The 32 bytes to enrol with."""
        return self.key.public_key().public_bytes_raw()


def newcomers(count: int, *, after: int = 0) -> list[Newcomer]:
    """Return agents with names of their own."""
    return [Newcomer(f"agent{number}", Ed25519PrivateKey.generate()) for number in range(after, after + count)]


async def register_sponsors(stub: "IdentityServiceAsyncStub") -> None:
    """Register the sponsors of `CONTENT`."""
    for name in ("ada", "grace"):
        sponsor = pb.Sponsor(display_name=name, contact=f"{name}@example.com")
        request = pb.RegisterSponsorRequest(sponsor_id=name, sponsor=sponsor)
        await stub.RegisterSponsor(request)


async def begin(
    stub: "IdentityServiceAsyncStub", agent: Newcomer, *, environment: str = "prod"
) -> pb.CompleteRegistrationRequest:
    """Begin an enrolment and return the answer to its challenge."""
    begun = await stub.BeginRegistration(
        pb.BeginRegistrationRequest(
            parent="namespaces/bench",
            agent_id=agent.name,
            environment=environment,
            sponsor=CONTENT.sponsor,
            birth_certificate=CONTENT,
        )
    )
    return pb.CompleteRegistrationRequest(
        challenge=begun.challenge,
        public_key=agent.public_key,
        proof_of_possession=agent.key.sign(begun.signing_input),
        birth_certificate=CONTENT,
    )
