"""What must reach a decision within a second: a revocation, a suspension, a retirement, a kill switch.

Measured from before the order is given to the first decision that obeys it, over gRPC, on the wall clock.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.pdp.v1 import bundle_pb2
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1.bundle_pb2_grpc import KillSwitchServiceStub
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from support.mesh.birth import TOOLS
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import NAMESPACE, Story, effect_is, reason_is

WITHIN_S = 1.0
ROUNDS = 5
"""One would show that it can be fast."""


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path) as mesh:
        await mesh.story().push_policy()
        yield mesh


async def allowed_agent(story: Story, agent_id: str) -> tuple[str, str]:
    """Return name and DID of a new agent that may read, as the pdp knows already."""
    agent, did = await story.register(agent_id), await story.enrol(agent_id)
    await story.told(agent, effect_is(pb.EFFECT_ALLOW))
    return agent, did


async def obeyed(story: Story, agent: str, reason: pb.DecisionReason.ValueType, *, since: float) -> None:
    """Wait for the denial, and fail when it came too late."""
    await story.told(agent, reason_is(reason))
    assert time.monotonic() - since <= WITHIN_S


async def test_a_revocation(mesh: InProcessMesh) -> None:
    story = mesh.story()
    for number in range(ROUNDS):
        agent, did = await allowed_agent(story, f"analyst-{number}")
        since = time.monotonic()
        await story.revoke(did)
        await obeyed(story, agent, pb.DECISION_REASON_AGENT_REVOKED, since=since)


async def test_a_suspension_after_an_incident(mesh: InProcessMesh) -> None:
    story = mesh.story()
    for number in range(ROUNDS):
        agent, did = await allowed_agent(story, f"analyst-{number}")
        since = time.monotonic()
        await story.report_incident(did)
        await story.told(agent, effect_is(pb.EFFECT_DENY))
        assert time.monotonic() - since <= WITHIN_S


async def test_a_retirement(mesh: InProcessMesh) -> None:
    story = mesh.story()
    registry = RegistryServiceStub(mesh.channel("registry"))
    for number in range(ROUNDS):
        agent, _ = await allowed_agent(story, f"analyst-{number}")
        since = time.monotonic()
        await registry.RetireAgent(registry_pb2.RetireAgentRequest(name=agent))
        await obeyed(story, agent, pb.DECISION_REASON_AGENT_RETIRED, since=since)


@pytest.mark.parametrize(
    "target",
    [
        bundle_pb2.KillTarget(everything=True),
        bundle_pb2.KillTarget(namespace=NAMESPACE),
        bundle_pb2.KillTarget(agent=f"{NAMESPACE}/agents/analyst"),
        bundle_pb2.KillTarget(tool=TOOLS[0]),
    ],
    ids=["everything", "namespace", "agent", "tool"],
)
async def test_a_kill_switch_and_its_release(mesh: InProcessMesh, target: bundle_pb2.KillTarget) -> None:
    story = mesh.story()
    switches = KillSwitchServiceStub(mesh.channel("pdp"))
    agent, _ = await allowed_agent(story, "analyst")
    for _ in range(ROUNDS):
        since = time.monotonic()
        engaging = bundle_pb2.EngageKillSwitchRequest(target=target, reason="It misbehaves.")
        engaged = await switches.EngageKillSwitch(engaging)
        await obeyed(story, agent, pb.DECISION_REASON_KILLED, since=since)
        since = time.monotonic()
        name = engaged.kill_switch.name
        await switches.ReleaseKillSwitch(bundle_pb2.ReleaseKillSwitchRequest(name=name, reason="It does not."))
        await obeyed(story, agent, pb.DECISION_REASON_ALLOWED, since=since)


async def test_a_kill_switch_outlives_a_restart(mesh: InProcessMesh) -> None:
    story = mesh.story()
    agent, _ = await allowed_agent(story, "analyst")
    target = bundle_pb2.KillTarget(agent=agent)
    engaging = bundle_pb2.EngageKillSwitchRequest(target=target, reason="It misbehaves.")
    await KillSwitchServiceStub(mesh.channel("pdp")).EngageKillSwitch(engaging)
    await mesh.stop("pdp")
    await mesh.start("pdp")
    assert (await story.ask(agent)).reason == pb.DECISION_REASON_KILLED
