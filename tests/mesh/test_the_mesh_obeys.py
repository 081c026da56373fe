"""What telemetry judges is obeyed: the registry sends work elsewhere, and the pdp denies where a policy says so.

The four services run in this process on a clock that the tests move; they meet over gRPC as always.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.registry.v1 import catalog_pb2, registry_pb2
from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.telemetry.v1 import slo_pb2
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub
from ringfence_kit.clock import SECOND, ManualClock, Millis
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import NAMESPACE, POLICY, READ, Story

ANALYST, CLERK = f"{NAMESPACE}/agents/analyst", f"{NAMESPACE}/agents/clerk"

SPARES = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: spares}
spec:
  governs: {agents: ["namespaces/sales/agents/*"]}
  rules:
    - name: not-while-it-is-open
      match: {actions: ["*"]}
      effect: DENY
      when: has(target.health.circuit) && target.health.circuit == "open"
"""


class Stage:
    """A mesh on a clock, with an agent that calls another one."""

    def __init__(self, mesh: InProcessMesh, clock: ManualClock) -> None:
        self.mesh = mesh
        self.clock = clock
        self.story: Story = mesh.story()

    async def override(self, override: slo_pb2.BreakerOverride.ValueType) -> None:
        """Say something of the analyst's breaker by hand."""
        request = slo_pb2.OverrideBreakerRequest(agent=ANALYST, override=override, reason="A test says so.")
        await BreakerServiceStub(self.mesh.channel("telemetry")).OverrideBreaker(request)

    async def selected(self) -> catalog_pb2.SelectAgentResponse:
        """Ask the registry whom to call for the analyst's skill."""
        agent = await RegistryServiceStub(self.mesh.channel("registry")).GetAgent(
            registry_pb2.GetAgentRequest(name=ANALYST)
        )
        request = catalog_pb2.SelectAgentRequest(
            parent=NAMESPACE, environment="dev", skill=agent.agent.card.skills[0].id
        )
        answer: catalog_pb2.SelectAgentResponse = await CatalogServiceStub(self.mesh.channel("registry")).SelectAgent(
            request
        )
        return answer

    async def asked(self, *obligations: str) -> decision_pb2.CheckResponse:
        """Ask the pdp whether the clerk may call the analyst."""
        action, tool = READ
        request = decision_pb2.CheckRequest(
            subject=decision_pb2.Subject(agent=CLERK),
            target=decision_pb2.Subject(agent=ANALYST),
            action=decision_pb2.Action(name=action, tool=tool),
            environment="dev",
            supported_obligations=obligations,
        )
        answer: decision_pb2.CheckResponse = await DecisionServiceStub(self.mesh.channel("pdp")).Check(request)
        return answer

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Let seconds pass until something holds."""
        while not await holds():
            self.clock.advance(Millis(SECOND))

    async def push(self, *policies: bytes) -> None:
        """Put policies in force."""
        files = [bundle_pb2.PolicyFile(path=f"p{number}.yaml", content=text) for number, text in enumerate(policies)]
        await BundleServiceStub(self.mesh.channel("pdp")).PushBundle(bundle_pb2.PushBundleRequest(files=files))

    async def answers(self, effect: decision_pb2.Effect.ValueType) -> None:
        """Wait until the pdp answers like that."""

        async def does() -> bool:
            return (await self.asked()).effect == effect

        await self.until(does)

    async def leaves_out(self, reason: str) -> None:
        """Wait until the registry leaves the analyst out for a reason; for none when it is empty."""

        async def does() -> bool:
            answer = await self.selected()
            out = {each.reason for each in answer.exclusions if ANALYST in each.agents}
            return out == ({reason} if reason else set())

        await self.until(does)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with in_process_mesh(tmp_path, clock=clock) as mesh:
        stage = Stage(mesh, clock)
        for name in ("analyst", "clerk"):
            await stage.story.register(name)
            await stage.story.enrol(name)
        yield stage


async def test_an_open_circuit_sends_work_elsewhere_and_is_denied_by_the_policy_that_says_so(stage: Stage) -> None:
    await stage.push(POLICY, SPARES)
    await stage.answers(decision_pb2.EFFECT_ALLOW)
    await stage.leaves_out("")
    await stage.override(slo_pb2.BREAKER_OVERRIDE_FORCED_OPEN)
    await stage.leaves_out("CIRCUIT_OPEN")
    await stage.answers(decision_pb2.EFFECT_DENY)
    await stage.override(slo_pb2.BREAKER_OVERRIDE_NONE)
    await stage.leaves_out("")
    await stage.answers(decision_pb2.EFFECT_ALLOW)


async def test_failing_fast_is_an_obligation_and_no_denial_unless_a_policy_says_so(stage: Stage) -> None:
    await stage.push(POLICY)
    await stage.answers(decision_pb2.EFFECT_ALLOW)
    await stage.override(slo_pb2.BREAKER_OVERRIDE_FORCED_OPEN)

    async def obliged() -> bool:
        answer = await stage.asked("degrade")
        assert answer.effect == decision_pb2.EFFECT_ALLOW
        return [each.type for each in answer.obligations] == ["degrade"]

    await stage.until(obliged)
    (obligation,) = (await stage.asked("degrade")).obligations
    assert dict(obligation.properties) == {"agent": ANALYST, "order": "fail_fast"}
    assert not (await stage.asked()).obligations
