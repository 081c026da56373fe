"""From a tool's owner to the decision: what the registry says of a tool is obeyed by the pdp within a second.

Measured from before the order is given to the first decision that obeys it, over gRPC, on the wall clock; the pdp is
told by its watch, nobody waits for anything else.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.registry.v1 import external_system_pb2, registry_pb2, tool_pb2
from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub
from ringfence_kit.clock import SECOND, Instant, SystemClock
from ringfence_kit.wire import to_timestamp
from support.mesh.birth import TOOLS
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import NAMESPACE, Story, effect_is, example_tool, reason_is

if TYPE_CHECKING:
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub
    from ringfence.registry.v1.tool_pb2_grpc import ToolServiceAsyncStub

WITHIN_S = 1.0
ROUNDS = 5
"""One would show that it can be fast."""

QUERY = f"{NAMESPACE}/tools/{TOOLS[0]}"
BANK = f"{NAMESPACE}/externalSystems/bank"
ANOTHER_SCHEMA = '{"type": "object", "properties": {"table": {"type": "string"}, "send_to": {"type": "string"}}}'


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path) as mesh:
        await mesh.story().push_policy()
        yield mesh


def tools_of(mesh: InProcessMesh) -> "ToolServiceAsyncStub":
    return ToolServiceStub(mesh.channel("registry"))


async def allowed_agent(story: Story) -> str:
    """Return a new agent that may read, as the pdp knows already."""
    agent = await story.register("analyst")
    await story.enrol("analyst")
    await story.told(agent, effect_is(pb.EFFECT_ALLOW))
    return agent


async def obeyed(story: Story, agent: str, reason: pb.DecisionReason.ValueType, *, since: float) -> pb.CheckResponse:
    """Wait for the decision, and fail when it came too late."""
    answer, _ = await story.told(agent, reason_is(reason))
    assert time.monotonic() - since <= WITHIN_S
    return answer


async def test_a_disabled_tool_and_its_return(mesh: InProcessMesh) -> None:
    story, tools = mesh.story(), tools_of(mesh)
    agent = await allowed_agent(story)
    for _ in range(ROUNDS):
        since = time.monotonic()
        await tools.DisableTool(tool_pb2.DisableToolRequest(name=QUERY, reason="It leaks."))
        answer = await obeyed(story, agent, pb.DECISION_REASON_TOOL_DISABLED, since=since)
        assert "EnableTool" in answer.message
        since = time.monotonic()
        await tools.EnableTool(tool_pb2.EnableToolRequest(name=QUERY, reason="It does not."))
        await obeyed(story, agent, pb.DECISION_REASON_ALLOWED, since=since)


async def test_a_deleted_tool(mesh: InProcessMesh) -> None:
    story, tools = mesh.story(), tools_of(mesh)
    agent = await allowed_agent(story)
    for _ in range(ROUNDS):
        since = time.monotonic()
        await tools.DeleteTool(tool_pb2.DeleteToolRequest(name=QUERY))
        await obeyed(story, agent, pb.DECISION_REASON_TOOL_UNKNOWN, since=since)
        await story.register_tools()
        await story.told(agent, reason_is(pb.DECISION_REASON_ALLOWED))


async def test_attack_the_rug_pull(mesh: InProcessMesh) -> None:
    """An agent is approved for a tool as it is; the tool changes; nobody may call it until somebody has looked."""
    story, tools = mesh.story(), tools_of(mesh)
    agent = await allowed_agent(story)
    registry = RegistryServiceStub(mesh.channel("registry"))
    approved = (await tools.GetTool(tool_pb2.GetToolRequest(name=QUERY))).tool.schema_hash
    await approve(registry, agent, approved)
    await asked_with(mesh, agent, approved, reason=pb.DECISION_REASON_ALLOWED)

    since = time.monotonic()
    changed = tool_pb2.Tool(name=QUERY, input_schema=ANOTHER_SCHEMA)
    update = await tools.UpdateTool(tool_pb2.UpdateToolRequest(tool=changed))
    assert list(update.unapproved_agents) == [agent]
    for named_by_the_gateway in (approved, update.tool.schema_hash, ""):
        await asked_with(mesh, agent, named_by_the_gateway, reason=pb.DECISION_REASON_TOOL_SCHEMA_CHANGED)
    assert time.monotonic() - since <= WITHIN_S
    known = (await registry.GetAgent(registry_pb2.GetAgentRequest(name=agent))).agent.approved_tools
    assert [tool.state for tool in known if tool.name == TOOLS[0]] == [registry_pb2.APPROVAL_STATE_SCHEMA_CHANGED]

    await approve(registry, agent, update.tool.schema_hash)
    await asked_with(mesh, agent, update.tool.schema_hash, reason=pb.DECISION_REASON_ALLOWED)


async def test_attack_a_deleted_tool_comes_again_with_another_schema(mesh: InProcessMesh) -> None:
    story, tools = mesh.story(), tools_of(mesh)
    agent = await allowed_agent(story)
    registry = RegistryServiceStub(mesh.channel("registry"))
    approved = (await tools.GetTool(tool_pb2.GetToolRequest(name=QUERY))).tool.schema_hash
    await approve(registry, agent, approved)
    await asked_with(mesh, agent, approved, reason=pb.DECISION_REASON_ALLOWED)
    await tools.DeleteTool(tool_pb2.DeleteToolRequest(name=QUERY))
    tool = example_tool()
    tool.input_schema = ANOTHER_SCHEMA
    await tools.RegisterTool(tool_pb2.RegisterToolRequest(parent=NAMESPACE, tool_id=TOOLS[0], tool=tool))
    await asked_with(mesh, agent, approved, reason=pb.DECISION_REASON_TOOL_SCHEMA_CHANGED)


async def test_a_decision_taken_back(mesh: InProcessMesh) -> None:
    story = mesh.story()
    agent = await allowed_agent(story)
    await reach_the_bank(mesh)
    for _ in range(ROUNDS):
        since = time.monotonic()
        await decide(mesh, external_system_pb2.TRUST_VERDICT_REFUSED)
        answer = await obeyed(story, agent, pb.DECISION_REASON_EXTERNAL_SYSTEM_NOT_TRUSTED, since=since)
        assert "DecideTrust" in answer.message
        since = time.monotonic()
        await decide(mesh, external_system_pb2.TRUST_VERDICT_TRUSTED)
        await obeyed(story, agent, pb.DECISION_REASON_ALLOWED, since=since)


async def test_a_decision_that_ends_by_the_clock_also_for_a_pdp_that_hears_nothing(mesh: InProcessMesh) -> None:
    story = mesh.story()
    agent = await allowed_agent(story)
    ends = Instant(SystemClock().now() + 3 * SECOND)
    await reach_the_bank(mesh, ends=ends)
    tool = (await tools_of(mesh).GetTool(tool_pb2.GetToolRequest(name=QUERY))).tool
    assert tool.trust_expire_time == to_timestamp(ends)
    await story.told(agent, effect_is(pb.EFFECT_ALLOW))
    await mesh.stop("registry")
    assert (await story.ask(agent)).effect == pb.EFFECT_ALLOW
    await story.told(agent, reason_is(pb.DECISION_REASON_EXTERNAL_SYSTEM_NOT_TRUSTED))
    assert SystemClock().now() - ends <= 1_000


async def test_what_was_switched_off_stays_off_when_everything_starts_anew(mesh: InProcessMesh) -> None:
    story = mesh.story()
    agent = await allowed_agent(story)
    await tools_of(mesh).DisableTool(tool_pb2.DisableToolRequest(name=QUERY, reason="It leaks."))
    for service in ("registry", "pdp"):
        await mesh.stop(service)
    await mesh.start("registry")
    await mesh.start("pdp")
    await story.told(agent, reason_is(pb.DECISION_REASON_TOOL_DISABLED))


async def approve(registry: "RegistryServiceAsyncStub", agent: str, schema_hash: str) -> None:
    """Approve the tool with one schema."""
    tools = [
        registry_pb2.ApprovedTool(name=TOOLS[0], schema_hash=schema_hash),
        registry_pb2.ApprovedTool(name=TOOLS[1]),
    ]
    changed = registry_pb2.Agent(name=agent, approved_tools=tools)
    await registry.UpdateAgent(registry_pb2.UpdateAgentRequest(agent=changed))


async def asked_with(mesh: InProcessMesh, agent: str, schema_hash: str, *, reason: pb.DecisionReason.ValueType) -> None:
    """Ask, as a gateway that sees the tool with this schema, until the answer is for this reason."""
    request = pb.CheckRequest(
        subject=pb.Subject(agent=agent),
        action=pb.Action(name="read_table", tool=TOOLS[0], tool_schema_hash=schema_hash),
        environment="dev",
    )
    while (await DecisionServiceStub(mesh.channel("pdp")).Check(request)).reason != reason:
        pass


async def reach_the_bank(mesh: InProcessMesh, *, ends: Instant | None = None) -> None:
    """Let the tool reach a system that is trusted."""
    owner = registry_pb2.Owner(display_name="Bank", contact="bank@example.com")
    request = external_system_pb2.CreateExternalSystemRequest(
        parent=NAMESPACE, external_system_id="bank", external_system=external_system_pb2.ExternalSystem(owner=owner)
    )
    await ExternalSystemServiceStub(mesh.channel("registry")).CreateExternalSystem(request)
    await decide(mesh, external_system_pb2.TRUST_VERDICT_TRUSTED, ends=ends)
    changed = tool_pb2.Tool(name=QUERY, external_systems=[BANK])
    await tools_of(mesh).UpdateTool(tool_pb2.UpdateToolRequest(tool=changed))


async def decide(
    mesh: InProcessMesh, verdict: external_system_pb2.TrustVerdict.ValueType, *, ends: Instant | None = None
) -> None:
    """Decide about the bank."""
    decision = external_system_pb2.TrustDecision(
        verdict=verdict, reason="We looked at it.", expire_time=None if ends is None else to_timestamp(ends)
    )
    request = external_system_pb2.DecideTrustRequest(name=BANK, trust_decision=decision)
    await ExternalSystemServiceStub(mesh.channel("registry")).DecideTrust(request)
