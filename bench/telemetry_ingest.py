"""Spans taken in: durable before they are acknowledged, counted exactly, per second of the server's own CPU.

One telemetry process on SQLite and one client, with several requests of 512 spans in flight; ten attributes a span, a
third of the spans are agents', all carry tokens, sixteen make a trace. Every answer is checked, and so are the totals
in the end. CPU is the server's process's, taken when everything is in the totals: counting is part of the work.

    python bench/telemetry_ingest.py             prints the median of the rounds
    python bench/telemetry_ingest.py --check     ends with 1 when that is under 50,000 spans per CPU-second
"""

import argparse
import asyncio
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub
from ringfence_kit.dev_tokens import open_dev_tokens, token_path

if TYPE_CHECKING:
    from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceAsyncStub  # only its types exist

SPANS = 512
SPANS_OF_A_TRACE = 16
IN_FLIGHT = 4
REQUESTS = 60
ROUNDS = 7
LOOKS_EVERY_S = 0.1
FLOOR = 50_000


def request(dice: random.Random) -> ExportTraceServiceRequest:
    """Return one request of whole traces, children before their parents, as exporters send them."""
    made = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans()])])
    resource_spans = made.resource_spans[0]
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "billing"
    scope_spans = resource_spans.scope_spans[0]
    scope_spans.scope.name = "bench"
    for _ in range(SPANS // SPANS_OF_A_TRACE):
        trace, ids = dice.randbytes(16), [dice.randbytes(8) for _ in range(SPANS_OF_A_TRACE)]
        now = time.time_ns()
        for place in reversed(range(SPANS_OF_A_TRACE)):
            parent = ids[(place - 1) // 3] if place else b""
            span = scope_spans.spans.add(trace_id=trace, span_id=ids[place], parent_span_id=parent)
            # A span starts after its parent and ends before it.
            span.start_time_unix_nano, span.end_time_unix_nano = now - 5 * 10**8 + place * 1_000, now - place * 1_000
            _fill(span, place, trace)
    return made


def _fill(span: Span, place: int, trace: bytes) -> None:
    span.name, span.kind = "chat large-model", Span.SPAN_KIND_CLIENT
    texts = {
        "gen_ai.operation.name": "invoke_agent" if place % 3 == 0 else "chat",
        "gen_ai.agent.name" if place % 3 == 0 else "http.route": "planner",
        "gen_ai.provider.name": "example",
        "gen_ai.request.model": "large",
        "gen_ai.response.model": "large-2026",
        "gen_ai.conversation.id": f"conversation {trace[0]}",
        "server.address": "api.example.com",
        "deployment.note": "nothing we know",
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    span.attributes.add(key="gen_ai.usage.input_tokens").value.int_value = 100 + place
    span.attributes.add(key="gen_ai.usage.output_tokens").value.int_value = 10


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


@asynccontextmanager
async def telemetry(data: Path) -> AsyncIterator[tuple[int, str]]:
    """Run a telemetry process; yield its id and its address."""
    listen, otlp, http, nobody = (f"127.0.0.1:{free_port()}" for _ in range(4))
    settings = {
        "telemetry.listen": listen,
        "telemetry.otlp_listen": otlp,
        "telemetry.http_listen": http,
        "telemetry.identity.address": nobody,
        "server.log.calls": "failed",
    }
    flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = (sys.executable, "-m", "ringfence_telemetry", "--dev", "--data", str(data), *flags)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield process.pid, listen
    finally:
        process.terminate()
        await process.wait()


def cpu(pid: int) -> float:
    """Return the CPU seconds a process has used, its threads' included (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def turn(
    export: TraceServiceStub, usage: "UsageServiceAsyncStub", requests: list[ExportTraceServiceRequest]
) -> None:
    """Send all requests, several at once, and wait until they are counted."""
    rest = iter(requests)

    async def sender() -> None:
        for each in rest:
            assert await export.Export(each) == ExportTraceServiceResponse()

    await asyncio.gather(*[sender() for _ in range(IN_FLIGHT)])
    while (await usage.GetUsage(pb.GetUsageRequest())).pending_spans:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(LOOKS_EVERY_S)  # asking costs the server's CPU too


async def measure() -> list[float]:
    dice, rates = random.Random(7), []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        open_dev_tokens(data)  # the process finds them there, so there is nothing to wait for
        async with telemetry(data) as (pid, address):
            options = ChannelOptions(token=token_file(token_path(data, "service")))
            async with open_aio_channel(address, options) as channel:
                export = TraceServiceStub(channel)  # type: ignore[no-untyped-call] # its package has no types
                usage: UsageServiceAsyncStub = UsageServiceStub(channel)
                await export.Export(request(dice), wait_for_ready=True)
                for _ in range(ROUNDS):
                    requests = [request(dice) for _ in range(REQUESTS)]
                    before = cpu(pid)
                    await turn(export, usage, requests)
                    rates.append(REQUESTS * SPANS / (cpu(pid) - before))
                answer = await usage.GetUsage(pb.GetUsageRequest())
                assert sum(row.span_count for row in answer.rows) == (ROUNDS * REQUESTS + 1) * SPANS
    return rates


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help=f"fail under {FLOOR:,} spans per CPU-second")
    check = parser.parse_args().check
    rates = asyncio.run(measure())
    median = statistics.median(rates)
    print(f"{median:,.0f} spans per CPU-second (rounds: {', '.join(f'{rate:,.0f}' for rate in rates)})")
    return int(check and median < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
