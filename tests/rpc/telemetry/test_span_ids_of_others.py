"""Whoever is called knows its caller's trace and span id: it may not speak in the caller's place with them."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ringfence.telemetry.v1 import slo_pb2
from ringfence.telemetry.v1.slo_pb2_grpc import SloServiceStub
from ringfence_kit.callers import Caller
from ringfence_kit.clock import SECOND, ManualClock, Millis
from support.serving import SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, GATEWAY, PEER, PEER_DID, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import NOW, SpanSpec, request_of

if TYPE_CHECKING:
    from ringfence.telemetry.v1.slo_pb2_grpc import SloServiceAsyncStub


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def telemetry(tmp_path: Path, clock: ManualClock) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=clock) as running:
        yield running


def span(name: int, parent: int = 0, *, tokens: int = 0, at: int = 0) -> SpanSpec:
    return SpanSpec(name, parent, {"gen_ai.usage.input_tokens": tokens}, start_ms=NOW + at)


def failed_call(name: int) -> SpanSpec:
    """Return the caller's side of a call of the peer that failed."""
    called: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": PEER_DID}
    return SpanSpec(name, 0, called, start_ms=NOW, error=True)


async def tokens(telemetry: TelemetryMesh) -> dict[str, int]:
    return {agent: row.input_tokens for (agent, _), row in (await telemetry.usage_by_agent()).items()}


@pytest.mark.parametrize("first", [AGENT, PEER], ids=["the caller first", "the called first"])
async def test_each_is_charged_what_it_says_itself(telemetry: TelemetryMesh, first: Caller) -> None:
    reports = {AGENT: span(1, tokens=10), PEER: span(1, tokens=1_000_000, at=3)}
    second = PEER if first is AGENT else AGENT
    for reporter in (first, second, first, second):
        await telemetry.export([reports[reporter]], reporter)
    assert await tokens(telemetry) == {AGENT_DID: 10, PEER_DID: 1_000_000}
    assert (await telemetry.metrics())['otlp_duplicate_items_total{signal="traces"}'] == 2


@pytest.mark.parametrize("witness", [GATEWAY, SERVICE], ids=["a gateway", "a service"])
@pytest.mark.parametrize("squatter_first", [True, False])
async def test_who_was_called_cannot_hide_how_that_went(
    telemetry: TelemetryMesh, witness: Caller, squatter_first: bool
) -> None:
    squatting, seen = span(1, at=-5, tokens=1), failed_call(1)
    told = [([squatting], PEER), ([seen], witness)]
    for specs, reporter in told if squatter_first else reversed(told):
        await telemetry.export(specs, reporter)
    row = (await telemetry.usage_by_agent())[PEER_DID, False]
    assert (row.span_count, row.error_count) == (2, 1)
    assert (await telemetry.metrics())["health_agents"] == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_wrapper_is_charged_once_though_its_place_is_taken(
    telemetry: TelemetryMesh, order: tuple[int, ...]
) -> None:
    reports = (span(1, at=-5), PEER), (span(1, tokens=100), AGENT), (span(2, 1, tokens=93), AGENT)
    for which in order:
        reported, reporter = reports[which]
        await telemetry.export([reported], reporter)
    assert await tokens(telemetry) == {AGENT_DID: 100, PEER_DID: 0}


async def test_it_is_the_same_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    async with telemetry_mesh(tmp_path, clock=clock) as before:
        await before.export([span(1, at=-5, tokens=3)], PEER)
        await before.export([span(1, tokens=100)], AGENT)
    async with telemetry_mesh(tmp_path, clock=clock) as again:
        await again.export([span(2, 1, tokens=93)], AGENT)
        await again.export([span(1, tokens=100), span(1, at=-5, tokens=3)], SERVICE)
        assert await tokens(again) == {AGENT_DID: 100, PEER_DID: 3}


async def test_nobody_states_more_for_another_by_repeating_its_span(telemetry: TelemetryMesh) -> None:
    await telemetry.export([span(1, tokens=10)], AGENT)
    await telemetry.export([span(1, tokens=1_000_000)], PEER)  # with the very same start
    assert (await tokens(telemetry))[AGENT_DID] == 10


@pytest.mark.parametrize("squatter_first", [True, False])
@pytest.mark.parametrize("name", [1, 9], ids=["by the root's id", "as another root"])
async def test_who_was_called_cannot_hide_from_its_objective(
    telemetry: TelemetryMesh, clock: ManualClock, squatter_first: bool, name: int
) -> None:
    slos = await with_objective(telemetry)
    told = [([span(name, at=-5, tokens=1)], PEER), ([failed_call(1)], GATEWAY)]
    for specs, reporter in told if squatter_first else reversed(told):
        await telemetry.export(specs, reporter)
    stood = await standing(slos, telemetry, clock)
    assert (stood.total, stood.good) == (1, 0)


async def test_who_was_called_cannot_call_the_trace_sampled(telemetry: TelemetryMesh, clock: ManualClock) -> None:
    slos = await with_objective(telemetry)
    await telemetry.export([failed_call(1)], GATEWAY)
    own = request_of([span(2, 1)])
    own.resource_spans[0].scope_spans[0].spans[0].trace_state = "ot=th:8"
    await telemetry.traces(PEER).Export(own)
    stood = await standing(slos, telemetry, clock)
    assert (stood.total, stood.good) == (1, 0)


async def with_objective(telemetry: TelemetryMesh) -> "SloServiceAsyncStub":
    slos: SloServiceAsyncStub = SloServiceStub(telemetry.channel())
    await slos.CreateSlo(slo_pb2.CreateSloRequest(slo_id="peer", slo=slo_pb2.Slo(agent=PEER_DID, target="0.99")))
    return slos


async def standing(slos: "SloServiceAsyncStub", telemetry: TelemetryMesh, clock: ManualClock) -> slo_pb2.SloStatus:
    """Return how the objective stands, once something counts for it or ten minutes have passed."""
    stood = slo_pb2.SloStatus()
    for _ in range(60):  # the trace is settled, and its minute is closed
        clock.advance(Millis(10 * SECOND))
        await telemetry.everything_counted()
        stood = (await slos.GetSlo(slo_pb2.GetSloRequest(name="slos/peer"))).status
        if stood.total:
            break
    return stood
