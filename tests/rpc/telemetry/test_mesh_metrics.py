"""What a scrape says of the mesh: what was used, how objectives stand, breakers; by names that operators gave."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.telemetry.v1 import slo_pb2
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub
from ringfence_kit.clock import SECOND, ManualClock, Millis
from support.serving import SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, PEER_DID, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import SpanSpec


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def telemetry(tmp_path: Path, clock: ManualClock) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=clock) as running:
        yield running


def work(trace: int, *, tokens: int = 10, agent: str = AGENT_DID, error: bool = False) -> SpanSpec:
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": agent,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.usage.output_tokens": 1,
    }
    return SpanSpec(1, attributes=attributes, trace=trace, error=error)


async def test_what_was_used_is_counted_once_and_taken_back(telemetry: TelemetryMesh) -> None:
    await telemetry.export([work(1, tokens=10)], SERVICE)
    await telemetry.export([work(1, tokens=10)], SERVICE)  # the same again
    await telemetry.export([work(2, tokens=1_000, agent=PEER_DID)], AGENT)  # not believed
    await telemetry.everything_counted()
    metrics = await telemetry.metrics()
    assert metrics['used_tokens{kind="input"}'] == 10
    assert metrics['used_tokens{kind="output"}'] == 1
    root = SpanSpec(9, attributes={"gen_ai.usage.input_tokens": 8}, trace=3)
    child = SpanSpec(10, 9, {"gen_ai.usage.input_tokens": 8}, trace=3)
    for late in ([root], [child]):
        await telemetry.export(late, SERVICE)
        await telemetry.everything_counted()
    assert (await telemetry.metrics())['used_tokens{kind="input"}'] == 18


async def test_how_an_objective_stands(telemetry: TelemetryMesh, clock: ManualClock) -> None:
    wanted = slo_pb2.Slo(agent=AGENT_DID, target="0.9")
    slos = SloServiceStub(telemetry.channel())
    await slos.CreateSlo(slo_pb2.CreateSloRequest(slo_id="answers", slo=wanted))
    assert 'slo_burn_rate{slo="slos/answers",window="1h"}' not in await telemetry.metrics()
    await telemetry.export([work(trace, error=trace <= 2) for trace in range(1, 41)], SERVICE)
    await telemetry.everything_counted()
    while 'slo_burn_rate{slo="slos/answers",window="1h"}' not in (metrics := await telemetry.metrics()):
        clock.advance(Millis(31 * SECOND))
    name = '{slo="slos/answers"}'
    assert (metrics[f"slo_events{name}"], metrics[f"slo_bad_events{name}"], metrics[f"slo_order{name}"]) == (40, 2, 1)
    assert metrics[f"slo_budget_left_ratio{name}"] == 0.5
    assert metrics['slo_burn_rate{slo="slos/answers",window="1h"}'] == 0.5
    assert metrics["slos_unnamed"] == 0


async def test_breakers_by_state(telemetry: TelemetryMesh) -> None:
    assert (await telemetry.metrics())['breakers{state="open"}'] == 0
    opened = slo_pb2.BREAKER_OVERRIDE_FORCED_OPEN
    request = slo_pb2.OverrideBreakerRequest(agent=AGENT_DID, override=opened, reason="it repeats itself")
    await BreakerServiceStub(telemetry.channel()).OverrideBreaker(request)
    assert (await telemetry.metrics())['breakers{state="open"}'] == 1


async def test_no_label_takes_what_a_sender_chose(telemetry: TelemetryMesh) -> None:
    await telemetry.export([work(1, agent="a name nobody gave it")], SERVICE)
    await telemetry.everything_counted()
    assert not any("nobody gave" in name or AGENT_DID in name for name in await telemetry.metrics())
