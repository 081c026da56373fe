"""What identity and telemetry know reaches the registry's answers, and what happens to those when either falls silent.

The four services run in this process on a clock that the tests move; they meet over gRPC as always.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from ringfence.registry.v1 import catalog_pb2, registry_pb2
from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.telemetry.v1 import telemetry_pb2
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub
from ringfence_kit.clock import MINUTE, SECOND, ManualClock, Millis
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import NAMESPACE, Story

HEARTBEAT = Millis(5 * SECOND)
RECONNECTS_S = 0.2
ANALYST = f"{NAMESPACE}/agents/analyst"


class Stage:
    """A mesh on a clock, with a registered and enrolled agent in it."""

    def __init__(self, mesh: InProcessMesh, clock: ManualClock) -> None:
        self.mesh = mesh
        self.clock = clock
        self.story: Story = mesh.story()
        self.did = ""

    async def agent(self) -> registry_pb2.Agent:
        """Return the analyst as the registry shows it now."""
        stub = RegistryServiceStub(self.mesh.channel("registry"))
        return (await stub.GetAgent(registry_pb2.GetAgentRequest(name=ANALYST))).agent

    async def shows(self, wanted: Callable[[registry_pb2.Agent], bool]) -> registry_pb2.Agent:
        """Wait until the registry shows the analyst as wanted."""
        while not wanted(agent := await self.agent()):
            continue
        return agent

    async def candidates(self, *, min_trust_score: int = 0) -> list[catalog_pb2.Candidate]:
        """Return who is selected for the analyst's skill."""
        skill = (await self.agent()).card.skills[0].id
        request = catalog_pb2.SelectAgentRequest(
            parent=NAMESPACE, environment="dev", skill=skill, min_trust_score=min_trust_score
        )
        answer = await CatalogServiceStub(self.mesh.channel("registry")).SelectAgent(request)
        return list(answer.candidates)

    async def called(self, *, milliseconds: int, error: bool = False) -> None:
        """Report a call of the analyst as a gateway's side saw it."""
        now = self.clock.now() * 1_000_000
        span = Span(
            trace_id=os.urandom(16),
            span_id=os.urandom(8),
            name="invoke_agent",
            start_time_unix_nano=now,
            end_time_unix_nano=now + milliseconds * 1_000_000,
            attributes=[
                KeyValue(key="gen_ai.operation.name", value=AnyValue(string_value="invoke_agent")),
                KeyValue(key="gen_ai.agent.id", value=AnyValue(string_value=self.did)),
            ],
        )
        if error:
            span.status.code = Status.STATUS_CODE_ERROR
        request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])
        await TraceServiceStub(self.mesh.channel("telemetry")).Export(request)  # type: ignore[no-untyped-call]  # its package has no types

    async def everything_counted(self) -> None:
        """Wait until every span is in the totals."""
        stub = UsageServiceStub(self.mesh.channel("telemetry"))
        while (await stub.GetUsage(telemetry_pb2.GetUsageRequest())).pending_spans:
            continue

    async def feed_comes_to(self, state: str, feed: str) -> None:
        """Let heartbeats pass until the registry's feed stands like that; channels go by the machine's clock."""

        def stands() -> bool:
            return self.mesh.sample("registry", "ringfence_registry_feed_state", feed=feed, state=state) == 1

        while not stands():
            self.clock.advance(HEARTBEAT)
            with suppress(TimeoutError):
                await self.mesh.until(stands, within=RECONNECTS_S)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with in_process_mesh(tmp_path, clock=clock) as mesh:
        stage = Stage(mesh, clock)
        await stage.story.register("analyst")
        stage.did = await stage.story.enrol("analyst")
        yield stage


async def test_trust_is_shown_moves_and_ends_with_the_identity(stage: Stage) -> None:
    fresh = await stage.shows(lambda agent: agent.trust.active)
    assert (fresh.trust.score, fresh.trust.ring) == (300, 3)
    assert fresh.did == ""
    await stage.story.evaluate(stage.did, at=stage.clock.now(), times=2)
    better = await stage.shows(lambda agent: agent.trust.score > 300)
    assert [found.agent for found in await stage.candidates(min_trust_score=better.trust.score)] == [ANALYST]
    assert await stage.candidates(min_trust_score=better.trust.score + 1) == []
    await stage.story.revoke(stage.did)
    await stage.shows(lambda agent: agent.HasField("trust") and not agent.trust.active)
    assert await stage.candidates() == []


async def test_calls_become_the_health_a_candidate_is_chosen_by(stage: Stage) -> None:
    await stage.shows(lambda agent: agent.trust.active)
    for error in (False, False, False, True):
        await stage.called(milliseconds=100, error=error)

    await stage.everything_counted()
    stage.clock.advance(SECOND)  # telemetry tells once a second
    while not (found := await stage.candidates()) or found[0].health.calls < 4:
        continue
    (candidate,) = found
    assert candidate.health.error_rate == 0.25
    stage.clock.advance(Millis(6 * MINUTE))
    assert not (await stage.candidates())[0].HasField("health")


async def test_silence_of_identity_makes_trust_unknown_and_keeps_nobody_from_reading(stage: Stage) -> None:
    await stage.shows(lambda agent: agent.trust.active)
    await stage.mesh.stop("identity")
    await stage.feed_comes_to("cut", "identity")
    assert not (await stage.agent()).HasField("trust")
    assert stage.mesh.unmet("registry") == {}
    assert "identity feed" in stage.mesh.services["registry"].readiness.impaired
    assert [found.agent for found in await stage.candidates()] == [ANALYST]
    assert await stage.candidates(min_trust_score=1) == []
    await stage.mesh.start("identity")
    await stage.feed_comes_to("live", "identity")
    assert (await stage.agent()).trust.active


async def test_a_registry_that_starts_alone_answers(tmp_path: Path) -> None:
    async with in_process_mesh(tmp_path) as mesh:
        await mesh.story().register("analyst")
        for name in ("pdp", "telemetry", "identity", "registry"):
            await mesh.stop(name)
        await mesh.start("registry")
        stub = RegistryServiceStub(mesh.channel("registry"))
        found = await stub.GetAgent(registry_pb2.GetAgentRequest(name=ANALYST), wait_for_ready=True)
        assert found.agent.name == ANALYST
        assert set(mesh.services["registry"].readiness.impaired) == {"identity feed", "telemetry feed"}
