"""An instrumented agent does not notice that telemetry is killed while it reports: nothing is lost or counted twice."""

import asyncio
import threading
from pathlib import Path

import pytest
from ringfence.channel import ChannelOptions
from ringfence.credentials import token_file
from ringfence.telemetry import Instrumentation, instrument
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub
from ringfence_kit.dev_tokens import token_path
from support.mesh.process import QUICK_TO_RECONNECT
from support.mesh.processes import ProcessMesh, process_mesh

AGENT = "did:web:agents.example:analyst"
SPANS = 6_000
PATIENCE_S = 60.0


def work(telemetry: Instrumentation, *, half_done: threading.Event, go_on: threading.Event) -> None:
    """Report so many calls of a tool; in the middle wait until telemetry is gone."""
    for number in range(SPANS):
        with telemetry.execute_tool("search"):
            pass
        if number == SPANS // 2:
            telemetry.flush()
            half_done.set()
            go_on.wait(PATIENCE_S)
    telemetry.shutdown()


def instrumented(mesh: ProcessMesh) -> Instrumentation:
    token = token_file(token_path(mesh.layout.data, "service"))
    return instrument(
        agent=AGENT,
        endpoint=mesh.layout.addresses["telemetry.otlp_listen"],
        options=ChannelOptions(token=token, extra=QUICK_TO_RECONNECT),
        make_global=False,
    )


@pytest.mark.timeout(180)
async def test_what_it_reports_meanwhile_arrives_once(tmp_path: Path) -> None:
    async with process_mesh(tmp_path, ["telemetry"], measured=False) as mesh:
        await mesh.start()
        telemetry, half_done, go_on = instrumented(mesh), threading.Event(), threading.Event()
        working = asyncio.create_task(asyncio.to_thread(work, telemetry, half_done=half_done, go_on=go_on))
        assert await asyncio.to_thread(half_done.wait, PATIENCE_S)
        await mesh["telemetry"].kill()
        go_on.set()
        await mesh.start("telemetry")
        await working
        assert (telemetry.sent, telemetry.lost) == (SPANS, 0)

        usage = UsageServiceStub(mesh.channel("telemetry"))
        while (answer := await usage.GetUsage(pb.GetUsageRequest())).pending_spans:
            continue
        assert [(row.span_count, row.tool_call_count) for row in answer.rows] == [(SPANS, SPANS)]
