"""What is accepted reaches any OTLP backend as it came: a stock server on the other side, once away, once back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from ringfence_kit.clock import MINUTE, ManualClock, Millis
from ringfence_kit.config import Secret
from ringfence_telemetry.config import ForwardConfig
from support.telemetry.mesh import TelemetryMesh, quiet, telemetry_mesh
from support.telemetry.spans import SpanSpec, request_of


@dataclass
class Collector(TraceServiceServicer):
    """A stock OTLP server that remembers what it was sent, and can be busy."""

    taken: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: dict[str, str | bytes] = field(default_factory=dict)
    busy: int = 0
    asks: bytes = RetryInfo(retry_delay=Duration(nanos=1_000_000)).SerializeToString()
    rejects: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        """Take spans, or ask for a moment."""
        self.headers = dict(context.invocation_metadata())
        if self.busy:
            self.busy -= 1
            trailers = (("google.rpc.retryinfo-bin", self.asks),)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "one moment", trailing_metadata=trailers)
        self.taken.append(request)
        self.came.set()
        if not self.rejects:
            return ExportTraceServiceResponse()
        return ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=self.rejects))


@asynccontextmanager
async def serving(collector: Collector, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
    """Serve OTLP; yield the address."""
    server = grpc.aio.server()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call] # its package has no types
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def forwarded(telemetry: TelemetryMesh, items: int) -> dict[str, float]:
    """Return the metrics once so many spans were taken."""
    while True:
        found = await telemetry.metrics()
        if found['otlp_forwarded_items_total{signal="traces"}'] >= items and not found["otlp_forward_waiting_bytes"]:
            return found


@pytest.mark.parametrize("busy", [0, 3])
async def test_a_stock_backend_gets_everything_as_it_came(tmp_path: Path, busy: int) -> None:
    collector = Collector(busy=busy)
    async with serving(collector) as address:
        forward = ForwardConfig(address=address, plaintext=True, headers=Secret("authorization=Bearer x, tenant=shop"))
        async with telemetry_mesh(tmp_path, config=quiet(forward=forward)) as telemetry:
            sent = [request_of([SpanSpec(number, attributes={"a": "b"}), SpanSpec(50 + number)]) for number in (1, 2)]
            for request in sent:
                await telemetry.traces().Export(request)
            found = await forwarded(telemetry, 4)
        assert collector.taken == sent
        assert (collector.headers["authorization"], collector.headers["tenant"]) == ("Bearer x", "shop")
        assert found["otlp_forward_retries_total"] == busy
        assert found['otlp_forward_lost_items_total{signal="traces"}'] == 0


@pytest.mark.parametrize(
    "asks",
    [b"\xff\xff", RetryInfo(retry_delay=Duration(seconds=2**63 - 1)).SerializeToString(), b"\x0a\x02\x08\x00"],
    ids=["nonsense", "for ever", "nothing"],
)
async def test_a_backend_that_asks_for_what_cannot_be_is_asked_again(tmp_path: Path, asks: bytes) -> None:
    collector, clock = Collector(busy=1, asks=asks), ManualClock()
    async with serving(collector) as address:
        config = quiet(forward=ForwardConfig(address=address, plaintext=True))
        async with telemetry_mesh(tmp_path, config=config, clock=clock) as telemetry:
            await telemetry.export([SpanSpec(1)])
            while not collector.came.is_set():
                clock.advance(Millis(MINUTE))
                await telemetry.metrics()


@pytest.mark.parametrize(("rejects", "lost"), [(1, 1), (2, 2), (99, 2), (-1, 0)])
async def test_what_a_backend_rejects_is_lost_to_it(tmp_path: Path, rejects: int, lost: int) -> None:
    collector = Collector(rejects=rejects)
    async with serving(collector) as address:
        config = quiet(forward=ForwardConfig(address=address, plaintext=True))
        async with telemetry_mesh(tmp_path, config=config) as telemetry:
            await telemetry.export([SpanSpec(1), SpanSpec(2)])
            await collector.came.wait()
            found = await forwarded(telemetry, 2 - lost)
            while not found['otlp_forward_lost_items_total{signal="traces"}'] >= lost:
                found = await telemetry.metrics()
        assert found['otlp_forwarded_items_total{signal="traces"}'] == 2 - lost


async def test_what_it_has_is_not_sent_again_after_a_restart(tmp_path: Path) -> None:
    collector = Collector()
    async with serving(collector) as address:
        config = quiet(forward=ForwardConfig(address=address, plaintext=True))
        for number in (1, 2):
            async with telemetry_mesh(tmp_path, config=config) as telemetry:
                await telemetry.export([SpanSpec(number)])
                await forwarded(telemetry, number)
    assert [len(request.resource_spans) for request in collector.taken] == [1, 1]


async def test_nobody_notices_that_the_backend_is_away(tmp_path: Path) -> None:
    config = quiet(forward=ForwardConfig(address="127.0.0.1:1", plaintext=True))
    async with telemetry_mesh(tmp_path, config=config) as telemetry:
        for number in (1, 2, 3):
            await telemetry.export([SpanSpec(number)])
        assert (await telemetry.usage_by_agent())["unattributed", False].span_count == 3
        found = await telemetry.metrics()
        assert found['otlp_forwarded_items_total{signal="traces"}'] == 0


async def test_nothing_is_sent_on_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with telemetry_mesh(tmp_path) as telemetry:
        await telemetry.export([SpanSpec(1)])
        assert (await telemetry.metrics())["otlp_forward_waiting_bytes"] == 0


@pytest.mark.parametrize(
    ("headers", "pairs"),
    [
        ("", []),
        ("a=b", [("a", "b")]),
        (" a = b=c , d=e ", [("a", "b=c"), ("d", "e")]),
        ("A=b", None),
        ("a", None),
        ("=b", None),
    ],
)
def test_headers_are_written_as_everywhere(headers: str, pairs: list[tuple[str, str]] | None) -> None:
    config = ForwardConfig(headers=Secret(headers))
    assert config.header_pairs() == pairs
    assert [name for name, _ in config.problems()] == ([] if pairs is not None else ["headers"])
