"""A version that does not reach what telemetry asks is kept from prod, with the numbers, and let through later."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.errors import FailedPreconditionError
from ringfence.registry.v1 import boundary_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.telemetry.v1 import evaluation_pb2
from ringfence.telemetry.v1.evaluation_pb2_grpc import EvaluationServiceStub
from support.mesh.birth import birth_certificate, enrol, register_sponsors
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import EXAMPLE_CARD, NAMESPACE

if TYPE_CHECKING:
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub
    from ringfence.telemetry.v1.evaluation_pb2_grpc import EvaluationServiceAsyncStub

ANALYST = f"{NAMESPACE}/agents/analyst"
PLAN = "https://example.com/plans/analyst"
LONGEST_WAIT_S = 10.0


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path) as mesh:
        yield mesh


def registry(mesh: InProcessMesh) -> "RegistryServiceAsyncStub":
    return RegistryServiceStub(mesh.channel("registry"))


def evaluation(mesh: InProcessMesh) -> "EvaluationServiceAsyncStub":
    return EvaluationServiceStub(mesh.channel("telemetry"))


async def handed_in(mesh: InProcessMesh) -> tuple[str, str]:
    """Supply everything prod asks for; return the agent's DID and the version of its card."""
    first, second = await register_sponsors(mesh.channel("identity"), "ada", "grace")
    content = birth_certificate(sponsor=first, backup=second)
    del content.approved_tools[:]
    for gate in content.evaluation_plan.gates:
        gate.ClearField("waived_by")
        gate.result_micros, gate.evidence_hash = 990_000, "sha256-" + "e" * 64
    born = await enrol(
        mesh.channel("identity"), parent=NAMESPACE, agent_id="analyst", content=content, environment="prod"
    )
    owner = pb.Owner(display_name="Sales analytics", contact="https://example.com/sales")
    agent = pb.Agent(
        purpose="Answers questions about the sales figures.",
        owner=owner,
        risk_tier=pb.RISK_TIER_LOW,
        environments=["prod"],
        did=born.did,
        evaluation_plan=PLAN,
        slo="https://example.com/slos/analyst",
        escalation_path=[pb.EscalationStep(contact="https://pager.example.com/sales")],
    )
    request = pb.RegisterAgentRequest(parent=NAMESPACE, agent_id="analyst", agent=agent, card=EXAMPLE_CARD.read_bytes())
    registered = (await registry(mesh).RegisterAgent(request)).agent
    boundary = boundary_pb2.Boundary(owner=owner, agents=[ANALYST])
    drawn = boundary_pb2.CreateBoundaryRequest(parent=NAMESPACE, boundary_id="sales", boundary=boundary)
    await BoundaryServiceStub(mesh.channel("registry")).CreateBoundary(drawn)
    run = pb.Evaluation(plan=PLAN, passed=True, evaluate_time=Timestamp(seconds=int(time.time()) - 60))
    await registry(mesh).RecordEvaluation(pb.RecordEvaluationRequest(name=ANALYST, evaluation=run))
    await registry(mesh).TagRevision(pb.TagRevisionRequest(name=f"{ANALYST}/revisions/latest", alias="stable"))
    await registry(mesh).SubmitAgent(pb.SubmitAgentRequest(name=ANALYST))
    return born.did, registered.card.version


async def lacking(mesh: InProcessMesh, *gates: str) -> str:
    """Wait until exactly these gates are not met, and return what CheckReadiness says of them."""
    ends = time.monotonic() + LONGEST_WAIT_S
    while True:
        checked = await registry(mesh).CheckReadiness(pb.CheckReadinessRequest(name=ANALYST))
        unmet = {pb.ReadinessGateKind.Name(each.kind): each.problem for each in checked.gates if not each.met}
        if set(unmet) == {f"READINESS_GATE_KIND_{gate}" for gate in gates}:
            return "; ".join(unmet.values())
        assert time.monotonic() < ends, unmet


async def judged(mesh: InProcessMesh, did: str, version: str, *, passed: int, failed: int) -> None:
    evaluations = [
        evaluation_pb2.Evaluation(
            agent=did,
            version=version,
            layer=evaluation_pb2.EVALUATION_LAYER_WORKFLOW,
            metric="accuracy",
            passed=number < passed,
            evaluation_id=f"{version}-{number}-of-{passed + failed}",
        )
        for number in range(passed + failed)
    ]
    await evaluation(mesh).RecordEvaluations(evaluation_pb2.RecordEvaluationsRequest(evaluations=evaluations))


async def refused(mesh: InProcessMesh) -> FailedPreconditionError:
    with pytest.raises(FailedPreconditionError) as error:
        await registry(mesh).ApproveAgent(pb.ApproveAgentRequest(name=ANALYST))
    assert error.value.reason == "READINESS_NOT_MET"
    assert [violation.field for violation in error.value.violations] == ["EVALUATION_RESULT"]
    return error.value


async def test_a_version_below_its_gate_is_refused_and_then_let_through(mesh: InProcessMesh) -> None:
    did, version = await handed_in(mesh)
    await lacking(mesh)
    gate = evaluation_pb2.AcceptanceGate(agent=ANALYST, min_accuracy=0.9)
    await evaluation(mesh).PutAcceptanceGate(evaluation_pb2.PutAcceptanceGateRequest(gate=gate))

    assert "0 of 0 judgements passed" in await lacking(mesh, "EVALUATION_RESULT")
    await judged(mesh, did, version, passed=30, failed=5)
    await judged(mesh, did, "another", passed=500, failed=0)
    said = "30 of 35 judgements passed, surely 70.62 % of them; at least 90 % are asked for"
    assert said in await lacking(mesh, "EVALUATION_RESULT")
    assert said in (await refused(mesh)).violations[0].problem

    await judged(mesh, did, version, passed=400, failed=0)
    await lacking(mesh)
    approved = await registry(mesh).ApproveAgent(pb.ApproveAgentRequest(name=ANALYST))
    assert approved.agent.state == pb.AGENT_STATE_ACTIVE


async def test_without_telemetry_nobody_is_let_through(mesh: InProcessMesh) -> None:
    await handed_in(mesh)
    await lacking(mesh)
    await mesh.stop("telemetry")

    assert "telemetry, which knows what is asked of it, does not answer" in (await refused(mesh)).violations[0].problem
    await mesh.start("telemetry")
    await lacking(mesh)
    approved = await registry(mesh).ApproveAgent(pb.ApproveAgentRequest(name=ANALYST))
    assert approved.agent.state == pb.AGENT_STATE_ACTIVE
