"""WatchHealth over the wire: from exported spans to what the registry hears, and all who would like it otherwise."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from ringfence.telemetry.v1 import health_pb2 as pb
from ringfence.telemetry.v1 import slo_pb2
from ringfence.telemetry.v1.health_pb2_grpc import HealthServiceStub
from ringfence.telemetry.v1.slo_pb2_grpc import SloServiceStub
from ringfence.watch import AioWatch, Change, Changed, StateBegins, StateComplete, Step
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, ManualClock, Millis
from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, GATEWAY, OWNER, PEER, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import SpanSpec
from support.watching import while_time_passes
from support.wire import refusal

if TYPE_CHECKING:
    from ringfence.telemetry.v1.health_pb2_grpc import HealthServiceAsyncStub

OTHER_GATEWAY = Caller(principal="test:other", roles=frozenset({Role.GATEWAY}), agents=frozenset({"did:web:x"}))


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=ManualClock()) as running:
        yield running


def stub(telemetry: TelemetryMesh, caller: Caller = SERVICE) -> "HealthServiceAsyncStub":
    return HealthServiceStub(telemetry.channel(caller))


def invocation(
    name: int,
    agent: str = AGENT_DID,
    *,
    ms: int = 10,
    error: bool = False,
    operation: str = "invoke_agent",
    revision: str = "",
) -> SpanSpec:
    said: dict[str, Any] = {"gen_ai.operation.name": operation, "gen_ai.agent.id": agent}
    if revision:
        said["ringfence.agent.revision"] = revision
    return SpanSpec(name, 0, said, trace=name, duration_ms=ms, error=error)


def watch(telemetry: TelemetryMesh) -> AsyncIterator[Step[pb.WatchHealthResponse]]:
    method = stub(telemetry).WatchHealth
    return AioWatch(method, pb.WatchHealthRequest(), initial_state=True).steps()


async def passes(telemetry: TelemetryMesh, steps: AsyncIterator[Any]) -> Any:
    """Return the next step, while seconds pass."""
    assert isinstance(telemetry.clock, ManualClock)
    return await while_time_passes(telemetry.clock, anext(steps), step=Millis(SECOND))


async def known(telemetry: TelemetryMesh) -> dict[tuple[str, str], pb.AgentHealth]:
    """Return the health of everybody, once every span is counted and a second has passed."""
    await telemetry.everything_counted()
    found: dict[tuple[str, str], pb.AgentHealth] = {}
    async with aclosing(watch(telemetry)) as steps:  # type: ignore[type-var]  # `steps` is a generator
        while True:
            match await passes(telemetry, steps):
                case Changed(answer=answer):
                    found[answer.health.agent, answer.health.revision] = answer.health
                case StateComplete():
                    continue
                case StateBegins():
                    found.clear()
                case _:  # a heartbeat: whatever there was to tell has been told
                    return found


async def test_calls_become_figures(telemetry: TelemetryMesh) -> None:
    calls = [invocation(number, ms=10 * number, error=number == 20) for number in range(1, 21)]
    await telemetry.export(calls, GATEWAY)
    health = (await known(telemetry))[AGENT_DID, ""]
    assert (health.calls, health.errors) == (20, 1)
    assert health.latency_p50.ToMilliseconds() == pytest.approx(100, rel=0.012)
    assert health.latency_p95.ToMilliseconds() == pytest.approx(190, rel=0.012)
    assert health.latency_p99.ToMilliseconds() == pytest.approx(200, rel=0.012)
    assert (health.circuit, health.slo) == (pb.CIRCUIT_STATE_CLOSED, pb.SLO_STATE_UNSPECIFIED)
    assert health.expire_time.ToMilliseconds() > health.window_end_time.ToMilliseconds()


async def test_a_revision_the_caller_names_is_told_apart(telemetry: TelemetryMesh) -> None:
    await telemetry.export(
        [invocation(1, revision="3"), invocation(2, revision="4")],
        SERVICE,
    )
    found = await known(telemetry)
    assert {key: health.calls for key, health in found.items()} == {
        (AGENT_DID, ""): 2,
        (AGENT_DID, "3"): 1,
        (AGENT_DID, "4"): 1,
    }


async def test_a_watch_hears_of_calls_and_of_silence(telemetry: TelemetryMesh) -> None:
    async with aclosing(watch(telemetry)) as steps:  # type: ignore[type-var]  # `steps` is a generator
        assert isinstance(await anext(steps), StateBegins)
        assert isinstance(await passes(telemetry, steps), StateComplete)
        await telemetry.export([invocation(1)], GATEWAY)
        await telemetry.everything_counted()
        changes: list[Change] = []
        while Change.DELETED not in changes:
            step = await passes(telemetry, steps)
            if isinstance(step, Changed):
                changes.append(step.change)
        # Meanwhile it is said again that its circuit is closed: nobody relies on that for ever.
        assert (changes[0], changes[-1], {*changes[1:-1]}) == (Change.ADDED, Change.DELETED, {Change.MODIFIED})


async def test_what_is_judged_is_told_with_the_calls(telemetry: TelemetryMesh) -> None:
    slo = slo_pb2.Slo(agent=AGENT_DID, target="0.99", latency=Duration(nanos=5_000_000))
    await SloServiceStub(telemetry.channel(OPERATOR)).CreateSlo(slo_pb2.CreateSloRequest(slo_id="checkout", slo=slo))
    calls = [invocation(number, error=number % 2 == 0) for number in range(1, 31)]
    await telemetry.export(
        [each._replace(attributes={**each.attributes, "a2a.skill.id": "quote"}) for each in calls], GATEWAY
    )
    await telemetry.everything_counted()
    told: dict[str, pb.AgentHealth] = {}
    async with aclosing(watch(telemetry)) as steps:  # type: ignore[type-var]  # `steps` is a generator
        while told.get("", pb.AgentHealth()).order != slo_pb2.DEGRADE_ORDER_ESCALATE_HUMAN:
            step = await passes(telemetry, steps)
            if isinstance(step, Changed):
                told[step.answer.health.skill] = step.answer.health
    whole, quote = told[""], told["quote"]
    assert (whole.slo, whole.budget_left, whole.slow) == (pb.SLO_STATE_BREACHED, "-99", 30)
    assert whole.expire_time.ToMilliseconds() > telemetry.clock.now()
    assert quote.calls == 30
    # The only one that does it stays; half of its calls failed all the same.
    assert quote.circuit == pb.CIRCUIT_STATE_CLOSED


# Who would like it otherwise


async def test_the_same_span_sent_again_counts_once(telemetry: TelemetryMesh) -> None:
    for _ in range(3):
        await telemetry.export([invocation(1)], GATEWAY)
    assert (await known(telemetry))[AGENT_DID, ""].calls == 1


async def test_an_agent_does_not_praise_itself(telemetry: TelemetryMesh) -> None:
    await telemetry.export([invocation(1), invocation(2, agent="my own name for me")], AGENT)
    assert await known(telemetry) == {}


async def test_nobody_speaks_ill_of_an_agent_that_is_not_its_own(telemetry: TelemetryMesh) -> None:
    for liar in (PEER, OTHER_GATEWAY):
        await telemetry.export([invocation(1, error=True)], liar)
    assert await known(telemetry) == {}


async def test_only_calls_of_agents_of_the_mesh_count(telemetry: TelemetryMesh) -> None:
    await telemetry.export([invocation(1, agent="researcher"), invocation(2, operation="chat")], SERVICE)
    assert await known(telemetry) == {}


async def test_a_clock_in_another_year_does_not_place_a_call(telemetry: TelemetryMesh) -> None:
    for name, start in ((1, 0), (2, 4_102_444_800_000)):
        await telemetry.export([invocation(name)._replace(start_ms=start)], GATEWAY)
    assert (await known(telemetry))[AGENT_DID, ""].calls == 2


async def test_a_revision_of_a_megabyte_is_cut(telemetry: TelemetryMesh) -> None:
    await telemetry.export([invocation(1, revision="x" * 1_000_000)], GATEWAY)
    assert (AGENT_DID, "x" * 64) in await known(telemetry)


@pytest.mark.parametrize("caller", [AGENT, GATEWAY, OWNER])
async def test_health_is_for_the_meshs_own_services(telemetry: TelemetryMesh, caller: Caller) -> None:
    refused = await refusal(anext(aiter(stub(telemetry, caller).WatchHealth(pb.WatchHealthRequest()))))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


@pytest.mark.parametrize("caller", [SERVICE, OPERATOR, AUDITOR])
async def test_who_may_watch(telemetry: TelemetryMesh, caller: Caller) -> None:
    stream = stub(telemetry, caller).WatchHealth(pb.WatchHealthRequest(send_initial_state=True))
    first = await anext(aiter(stream))
    assert (first.type, first.initial_state_end) == (pb.HEALTH_EVENT_TYPE_BOOKMARK, True)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (pb.WatchHealthRequest(start_revision=-1), "INVALID_REQUEST"),
        (pb.WatchHealthRequest(start_revision=1, send_initial_state=True), "INVALID_REQUEST"),
        (pb.WatchHealthRequest(start_revision=1), "REVISION_COMPACTED"),
        (pb.WatchHealthRequest(start_revision=2**63 - 1), "REVISION_IN_FUTURE"),
    ],
)
async def test_where_a_watch_cannot_begin(
    telemetry: TelemetryMesh, request_: pb.WatchHealthRequest, reason: str
) -> None:
    refused = await refusal(anext(aiter(stub(telemetry).WatchHealth(request_))))
    assert refused.reason == reason
