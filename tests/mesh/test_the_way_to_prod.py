"""The way of an agent to prod, with everybody who has a say in it: registry, identity and pdp, over gRPC.

The registry refuses it with the list of what lacks, which becomes shorter with each thing that is supplied; the pdp
denies it until an approver lets it serve, and again when something it needs is taken away.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.errors import FailedPreconditionError
from ringfence.pdp.v1 import decision_pb2
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.registry.v1 import boundary_pb2, tool_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub
from support.mesh.birth import birth_certificate, enrol, register_sponsors
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import EXAMPLE_CARD, NAMESPACE, example_tool

if TYPE_CHECKING:
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub

ANALYST = f"{NAMESPACE}/agents/analyst"
TOOL = "warehouse.query"
LONGEST_WAIT_S = 10.0

OWNER = pb.Owner(display_name="Sales analytics", contact="https://example.com/sales")
EVERYTHING = [
    *("IDENTITY", "ON_CALL", "APPROVED_TOOLS", "BOUNDARIES"),
    *("EVALUATION_PLAN", "EVALUATION_RESULT", "SLO", "ROLLBACK_TARGET"),
]
"""What lacks when only the least is said."""


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path) as mesh:
        await mesh.story().push_policy()
        yield mesh


def registry(mesh: InProcessMesh) -> "RegistryServiceAsyncStub":
    return RegistryServiceStub(mesh.channel("registry"))


async def refused_for(mesh: InProcessMesh) -> list[str]:
    """Return what an approval is refused for; what CheckReadiness says is the same, once nothing changes between."""
    ends = time.monotonic() + LONGEST_WAIT_S
    while (named := await _refused(mesh)) != (lacking := await _lacking(mesh)):
        assert time.monotonic() < ends, (named, lacking)
    return named


async def _refused(mesh: InProcessMesh) -> list[str]:
    with pytest.raises(FailedPreconditionError) as refused:
        await registry(mesh).ApproveAgent(pb.ApproveAgentRequest(name=ANALYST))
    assert refused.value.reason == "READINESS_NOT_MET"
    return [violation.field for violation in refused.value.violations]


async def _lacking(mesh: InProcessMesh) -> list[str]:
    checked = await registry(mesh).CheckReadiness(pb.CheckReadinessRequest(name=ANALYST))
    lacking = [gate for gate in checked.gates if not gate.met]
    assert not checked.ready
    assert all(gate.problem and gate.remedy for gate in lacking)
    return [pb.ReadinessGateKind.Name(gate.kind).removeprefix("READINESS_GATE_KIND_") for gate in lacking]


async def until_refused_for(mesh: InProcessMesh, wanted: list[str]) -> None:
    """Wait until what another service said has come through."""
    ends = time.monotonic() + LONGEST_WAIT_S
    while (lacking := await refused_for(mesh)) != wanted:
        assert time.monotonic() < ends, lacking


async def asked(mesh: InProcessMesh, tool: tool_pb2.Tool, reason: decision_pb2.DecisionReason.ValueType) -> None:
    """Ask the pdp until it decides for this reason."""
    request = decision_pb2.CheckRequest(
        subject=decision_pb2.Subject(agent=ANALYST),
        action=decision_pb2.Action(name="read_table", tool=TOOL, tool_schema_hash=tool.schema_hash),
        environment="prod",
    )
    ends = time.monotonic() + LONGEST_WAIT_S
    while (answer := await DecisionServiceStub(mesh.channel("pdp")).Check(request)).reason != reason:
        assert time.monotonic() < ends, answer


async def say(mesh: InProcessMesh, **said: object) -> None:
    """Say something more of the agent."""
    agent = pb.Agent(name=ANALYST, **said)  # type: ignore[arg-type]  # each test says what
    await registry(mesh).UpdateAgent(pb.UpdateAgentRequest(agent=agent))


async def enrolled_in_prod(mesh: InProcessMesh, tool: tool_pb2.Tool) -> str:
    """Enrol the agent with the results and pins prod asks for; return its DID."""
    identity = mesh.channel("identity")
    first, second = await register_sponsors(identity, "ada", "grace")
    content = birth_certificate(sponsor=first, backup=second)
    del content.approved_tools[:]
    content.approved_tools.add(name=TOOL, schema_hash=tool.schema_hash)
    for gate in content.evaluation_plan.gates:
        gate.ClearField("waived_by")
        gate.result_micros, gate.evidence_hash = 990_000, "sha256-" + "e" * 64
    born = await enrol(identity, parent=NAMESPACE, agent_id="analyst", content=content, environment="prod")
    return born.did


async def test_an_agent_reaches_prod_when_everything_is_supplied(mesh: InProcessMesh) -> None:
    agent = pb.Agent(
        purpose="Answers questions about the sales figures.",
        owner=OWNER,
        risk_tier=pb.RISK_TIER_LOW,
        environments=["prod"],
        approved_tools=[pb.ApprovedTool(name=TOOL)],
    )
    registered = await registry(mesh).RegisterAgent(
        pb.RegisterAgentRequest(parent=NAMESPACE, agent_id="analyst", agent=agent, card=EXAMPLE_CARD.read_bytes())
    )
    assert registered.agent.state == pb.AGENT_STATE_DRAFT
    assert len(registered.unmet_gates) == len(EVERYTHING)
    await registry(mesh).SubmitAgent(pb.SubmitAgentRequest(name=ANALYST))
    assert await refused_for(mesh) == EVERYTHING

    request = tool_pb2.RegisterToolRequest(parent=NAMESPACE, tool_id=TOOL, tool=example_tool())
    tool = (await ToolServiceStub(mesh.channel("registry")).RegisterTool(request)).tool
    assert await refused_for(mesh) == EVERYTHING  # it is approved whatever its schema, which is not enough here
    did = await enrolled_in_prod(mesh, tool)
    await say(mesh, did=did)
    await until_refused_for(mesh, EVERYTHING[1:])
    await asked(mesh, tool, decision_pb2.DECISION_REASON_AGENT_NOT_SERVING)

    await say(mesh, escalation_path=[pb.EscalationStep(contact="https://pager.example.com/sales")])
    assert await refused_for(mesh) == EVERYTHING[2:]

    await say(mesh, approved_tools=[pb.ApprovedTool(name=TOOL, schema_hash=tool.schema_hash)])
    assert await refused_for(mesh) == EVERYTHING[3:]

    boundary = boundary_pb2.Boundary(owner=OWNER, agents=[ANALYST])
    drawn = boundary_pb2.CreateBoundaryRequest(parent=NAMESPACE, boundary_id="sales", boundary=boundary)
    await BoundaryServiceStub(mesh.channel("registry")).CreateBoundary(drawn)
    assert await refused_for(mesh) == EVERYTHING[4:]

    await say(mesh, evaluation_plan="https://example.com/plans/analyst")
    assert await refused_for(mesh) == EVERYTHING[5:]
    evaluation = pb.Evaluation(
        plan="https://example.com/plans/analyst", passed=True, evaluate_time=Timestamp(seconds=int(time.time()) - 60)
    )
    await registry(mesh).RecordEvaluation(pb.RecordEvaluationRequest(name=ANALYST, evaluation=evaluation))
    assert await refused_for(mesh) == EVERYTHING[6:]

    await say(mesh, slo="https://example.com/slos/analyst")
    assert await refused_for(mesh) == EVERYTHING[7:]
    await registry(mesh).TagRevision(pb.TagRevisionRequest(name=f"{ANALYST}/revisions/latest", alias="stable"))

    approved = await registry(mesh).ApproveAgent(pb.ApproveAgentRequest(name=ANALYST))
    assert approved.agent.state == pb.AGENT_STATE_ACTIVE
    assert [state.state for state in approved.agent.approved_tools] == [pb.APPROVAL_STATE_IN_FORCE]
    assert list(approved.agent.boundaries) == [f"{NAMESPACE}/boundaries/sales"]
    await asked(mesh, tool, decision_pb2.DECISION_REASON_ALLOWED)

    # And what it needs, it may not lose while it serves.
    with pytest.raises(FailedPreconditionError) as refused:
        await registry(mesh).UpdateAgent(
            pb.UpdateAgentRequest(agent=pb.Agent(name=ANALYST), update_mask=FieldMask(paths=["slo"]))
        )
    assert [violation.field for violation in refused.value.violations] == ["SLO"]
    await registry(mesh).SuspendAgent(pb.SuspendAgentRequest(name=ANALYST, reason="It answers nonsense."))
    await asked(mesh, tool, decision_pb2.DECISION_REASON_AGENT_NOT_SERVING)
    await registry(mesh).ResumeAgent(pb.ResumeAgentRequest(name=ANALYST, reason="The prompt was mended."))
    await asked(mesh, tool, decision_pb2.DECISION_REASON_ALLOWED)
