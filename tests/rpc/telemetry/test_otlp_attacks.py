"""Requests no SDK would send: small on the wire and huge in memory, and fields of another kind than they should be."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from support.telemetry.mesh import AGENT, AGENT_DID, KINDS, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import SpanSpec
from support.telemetry.wire_parts import SPAN_IDS, fixed64, part, request, varint
from support.wire import messages, raw_method, refusal

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"

Send = Callable[..., Awaitable[bytes]]


@pytest.fixture(params=KINDS)
async def telemetry(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, port=request.param) as running:
        yield running


def sender(telemetry: TelemetryMesh, path: str = TRACES) -> Send:
    """Return what sends bytes as an agent."""
    method = raw_method(telemetry.channel(AGENT, telemetry.port), path)

    def send(payload: bytes, **options: Any) -> Awaitable[bytes]:
        answer: Awaitable[bytes] = method(messages([payload]), **options)
        return answer

    return send


BOMBS = {
    "resources": (TRACES, part(1) * 600_000, "items"),
    "spans": (TRACES, request(*[b""] * 600_000), "items"),
    "log records": (LOGS, request(*[b""] * 600_000), "items"),
    "data points": (METRICS, request(part(5, part(1) * 600_000)), "items"),
    "attributes": (TRACES, request(SPAN_IDS + part(9) * 4_100_000), "fields"),
    "values in a log's body": (LOGS, request(part(5, part(6, part(1) * 4_100_000))), "fields"),
}


@pytest.mark.parametrize(("path", "payload", "what"), BOMBS.values(), ids=BOMBS)
async def test_what_is_small_on_the_wire_and_huge_in_memory_is_refused_unread(
    telemetry: TelemetryMesh, path: str, payload: bytes, what: str
) -> None:
    assert len(gzip.compress(payload)) < 20_000
    refused = await refusal(sender(telemetry, path)(payload, compression=grpc.Compression.Gzip))
    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
    assert refused.metadata["what"] == what
    assert "send less at a time" in refused.message
    assert refused.retry_after is None  # OTLP: not to be retried
    assert "google.rpc.retryinfo-bin" not in refused.trailers
    await telemetry.export([SpanSpec(1)])


STATUSES = {
    "a message of eight bytes": fixed64(2, b"\xff" * 8),
    "a message of four bytes": varint(2 << 3 | 5) + b"\xff" * 4,
    "a message that is a number": varint(2 << 3) + b"\x07",
    "a group": varint(2 << 3 | 3) + varint(2 << 3 | 4),
}


@pytest.mark.parametrize("status", STATUSES.values(), ids=STATUSES)
async def test_a_field_of_another_kind_is_none_of_ours(telemetry: TelemetryMesh, status: bytes) -> None:
    failed = varint(3 << 3) + b"\x02"
    span = SPAN_IDS + part(15, failed + status)
    assert await sender(telemetry)(request(span)) == b""
    usage = await telemetry.usage_by_agent()
    assert usage[AGENT_DID, False].span_count == 1


async def test_a_million_attributes_are_no_other_agents_business(telemetry: TelemetryMesh) -> None:
    told = part(1, b"gen_ai.usage.input_tokens") + part(2, varint(3 << 3) + b"\x07")
    span = SPAN_IDS + part(9, told) + part(9) * 1_000_000
    assert await sender(telemetry)(request(span)) == b""
    usage = await telemetry.usage_by_agent()
    assert usage[AGENT_DID, False].input_tokens == 7
