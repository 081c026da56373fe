"""Very many names of agents: how much memory telemetry takes while a sender brings a new name with every span.

One telemetry process on SQLite; every span names an agent, a session and a tool of its own. Every answer is checked,
and so is the total in the end. Memory is the peak resident set of the process.

    python bench/telemetry_names.py --names 1000000     prints the peak, with --check fails above 512 MiB
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub
from ringfence_kit.dev_tokens import open_dev_tokens, token_path
from telemetry_ingest import LOOKS_EVERY_S, SPANS, telemetry

if TYPE_CHECKING:
    from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceAsyncStub  # only its types exist

LIMIT_MIB = 512


def request(dice: random.Random, first: int) -> ExportTraceServiceRequest:
    """Return spans that each bring names nobody brought before."""
    scope_spans = ScopeSpans()
    for number in range(first, first + SPANS):
        span = scope_spans.spans.add(trace_id=dice.randbytes(16), span_id=dice.randbytes(8))
        texts = {"gen_ai.operation.name": "execute_tool", "gen_ai.agent.name": f"agent {number} of the flood"}
        texts |= {"session.id": f"session {number}", "gen_ai.tool.name": f"tool {number}"}
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[scope_spans])])


def peak_mib(pid: int) -> float:
    """Return the peak resident set of a process (proc(5): VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1_024
    raise LookupError(pid)


async def measure(names: int) -> float:
    dice = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        open_dev_tokens(data)  # the process finds them there, so there is nothing to wait for
        async with telemetry(data) as (pid, address):
            options = ChannelOptions(token=token_file(token_path(data, "service")))
            async with open_aio_channel(address, options) as channel:
                export = TraceServiceStub(channel)  # type: ignore[no-untyped-call] # its package has no types
                usage: UsageServiceAsyncStub = UsageServiceStub(channel)
                for first in range(0, names, SPANS):
                    answer = await export.Export(request(dice, first), wait_for_ready=True)
                    assert answer == ExportTraceServiceResponse()
                while (await usage.GetUsage(pb.GetUsageRequest())).pending_spans:  # noqa: ASYNC110 - another process counts
                    await asyncio.sleep(LOOKS_EVERY_S)
                totals = await usage.GetUsage(pb.GetUsageRequest())
                assert sum(row.span_count for row in totals.rows) == -(-names // SPANS) * SPANS
                return peak_mib(pid)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--check", action="store_true", help=f"fail above {LIMIT_MIB} MiB")
    arguments = parser.parse_args()
    peak = asyncio.run(measure(arguments.names))
    print(f"{peak:,.0f} MiB at most, with {arguments.names:,} names")
    return int(arguments.check and peak > LIMIT_MIB)


if __name__ == "__main__":
    sys.exit(main())
