"""kill -9 in the middle of a load of spans: the equation holds to the item, and totals are those of a quiet day.

The load is one fixed set of requests, made to be awkward: parents come in other requests than their children, spans are
repeated within and across requests, and some items are no spans. It is sent twice, once to a process that is killed
again and again and once to one that nobody disturbs; both must count the same.
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub
from support.mesh.load import PATIENCE_S, Pulse, until_acknowledged
from support.mesh.processes import ProcessMesh, process_mesh
from support.serving import SERVICE
from support.telemetry.mesh import telemetry_mesh
from support.telemetry.spans import SpanSpec, request_of

if TYPE_CHECKING:
    from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceAsyncStub  # only its types exist

REQUESTS = 420
TRACES = 70
SPANS_OF_A_TRACE = 60
KILLS = 20
SENDERS = 8
ROUND = REQUESTS // (KILLS + 1)
"""Requests between two kills; the process is killed in the middle of them."""

Totals = dict[tuple[str, str, str, str, bool], pb.UsageRow]


def load() -> tuple[list[ExportTraceServiceRequest], int]:
    """Return the requests, and how many different spans they hold."""
    dice = random.Random(20261122)
    specs = [_span(dice, trace, name) for trace in range(1, TRACES + 1) for name in range(1, SPANS_OF_A_TRACE + 1)]
    sent = [*specs, *dice.choices(specs, k=len(specs) // 3), *[SpanSpec(1, duration_ms=-1)] * 50]
    dice.shuffle(sent)
    size = -(-len(sent) // REQUESTS)
    return [request_of(sent[at : at + size]) for at in range(0, len(sent), size)], len(specs)


def _span(dice: random.Random, trace: int, name: int) -> SpanSpec:
    attributes: dict[str, str | int | float | bool | bytes | None] = {
        "gen_ai.operation.name": dice.choice(["chat", "invoke_agent", "execute_tool"]),
        "gen_ai.usage.input_tokens": dice.randrange(100),
        "gen_ai.usage.output_tokens": dice.randrange(10),
    }
    if dice.random() < 0.2:
        attributes["gen_ai.agent.name"] = f"agent {dice.randrange(5)}"
    if dice.random() < 0.1:
        attributes["session.id"] = f"session {dice.randrange(5)}"
    parent = dice.randrange(SPANS_OF_A_TRACE + 1)
    return SpanSpec(name, parent, attributes, trace=trace, error=dice.random() < 0.1)


async def undisturbed(requests: Sequence[ExportTraceServiceRequest], folder: Path) -> Totals:
    """Count the requests with nothing in the way."""
    async with telemetry_mesh(folder) as telemetry:
        for request in requests:
            await telemetry.traces(SERVICE).Export(request)
        return await counted(telemetry.channel(SERVICE))


async def counted(channel: grpc.aio.Channel) -> Totals:
    """Return what a telemetry says it counted."""
    question = pb.GetUsageRequest(
        group_by=[pb.USAGE_GROUP_AGENT, pb.USAGE_GROUP_SESSION, pb.USAGE_GROUP_MODEL, pb.USAGE_GROUP_OPERATION]
    )
    usage: UsageServiceAsyncStub = UsageServiceStub(channel)
    answer = await usage.GetUsage(question, timeout=PATIENCE_S, wait_for_ready=True)
    while answer.pending_spans:
        answer = await usage.GetUsage(question, timeout=PATIENCE_S)
    return {(row.agent, row.session, row.model, row.operation, row.untrusted): row for row in answer.rows}


async def send_all(
    mesh: ProcessMesh, requests: Sequence[ExportTraceServiceRequest], pulse: Pulse, allowed: asyncio.Semaphore
) -> None:
    """Send every request, as they are allowed, until it is acknowledged, several at once."""
    otlp = mesh.channel("otlp", who="service")
    export = TraceServiceStub(otlp).Export  # type: ignore[no-untyped-call] # its package has no types
    rest = iter(requests)

    async def sender() -> None:
        for request in rest:
            await allowed.acquire()
            await until_acknowledged(pulse, export, request)

    async with asyncio.TaskGroup() as senders:
        for _ in range(SENDERS):
            senders.create_task(sender())


async def kill_in_the_middle(mesh: ProcessMesh, pulse: Pulse, allowed: asyncio.Semaphore) -> None:
    """Allow a round of requests, kill the process when half of them are acknowledged, start it again, and go on."""
    for _ in range(KILLS):
        for _ in range(ROUND):
            allowed.release()
        assert await pulse.beats(ROUND // 2, within=PATIENCE_S)
        await mesh["telemetry"].kill()
        await mesh.start("telemetry")
    for _ in range(REQUESTS - KILLS * ROUND):
        allowed.release()


@pytest.mark.timeout(180)
async def test_killed_in_mid_load_it_counts_what_an_undisturbed_one_counts(tmp_path: Path) -> None:
    requests, distinct = load()
    expected = await undisturbed(requests, tmp_path / "undisturbed")
    async with process_mesh(tmp_path, ["telemetry"], measured=False) as mesh:
        await mesh.start()
        pulse, allowed = Pulse(), asyncio.Semaphore(0)
        async with asyncio.TaskGroup() as both:
            both.create_task(send_all(mesh, requests, pulse, allowed))
            both.create_task(kill_in_the_middle(mesh, pulse, allowed))
        assert mesh["telemetry"].lives == KILLS + 1
        found = await counted(mesh.channel("telemetry"))
        assert found == expected
        assert sum(row.span_count for row in found.values()) == distinct
        metrics = await mesh.metrics("telemetry")

    received, acknowledged, refused, rejected, rolled_up, duplicate = (
        metrics[f'ringfence_telemetry_otlp_{term}_items_total{{signal="traces"}}']
        for term in ("received", "acknowledged", "refused", "rejected", "rolled_up", "duplicate")
    )
    sent = sum(len(request.resource_spans[0].scope_spans[0].spans) for request in requests)
    assert received == acknowledged + refused + rejected
    assert acknowledged == rolled_up + duplicate
    assert rolled_up == distinct
    # Acknowledged to the sender is acknowledged for good; only what was cut off in mid-air may be there twice.
    assert sent <= acknowledged + rejected
    assert pulse.repeated > 0
