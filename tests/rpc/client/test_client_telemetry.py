"""`instrument` and `report_outcome` against the running service: counted for the right agent, session and team."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import ringfence.telemetry
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from ringfence.channel import ChannelOptions
from ringfence.client import AioRingfence, Ringfence
from ringfence.credentials import ChannelError
from ringfence.errors import AlreadyExistsError, FailedPreconditionError, PermissionDeniedError
from ringfence.telemetry import Instrumentation, instrument, outgoing, report_outcome, report_outcome_aio
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_kit.callers import Caller
from ringfence_telemetry.config import IngestConfig
from support.serving import SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, GATEWAY, PEER, PEER_DID, TelemetryMesh, quiet, telemetry_mesh

README = (Path(__file__).parents[3] / "clients" / "python" / "README.md").read_text(encoding="utf-8")
GROUPS = [pb.USAGE_GROUP_AGENT, pb.USAGE_GROUP_SESSION, pb.USAGE_GROUP_MODEL, pb.USAGE_GROUP_OPERATION]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path) as running:
        yield running


def options(running: TelemetryMesh, caller: Caller) -> ChannelOptions:
    return ChannelOptions(token=lambda: running.mesh.token(caller))


def instrumented(running: TelemetryMesh, agent: str, caller: Caller, **settings: object) -> Instrumentation:
    return instrument(
        agent=agent,
        endpoint=running.mesh.address("telemetry.otlp_listen"),
        options=options(running, caller),
        make_global=False,
        **settings,  # type: ignore[arg-type] # the tests say which
    )


async def usage(running: TelemetryMesh) -> dict[tuple[str, str, str, str], tuple[int, int, int, bool]]:
    await running.everything_counted()
    answer = await running.usage().GetUsage(pb.GetUsageRequest(group_by=GROUPS))
    return {
        (row.agent, row.session, row.model, row.operation): (
            row.span_count,
            row.input_tokens,
            row.output_tokens,
            row.untrusted,
        )
        for row in answer.rows
    }


def work_of(analyst: Instrumentation, researcher: Instrumentation) -> None:
    """The analyst calls the researcher, and states once more what both used."""
    with analyst.invoke_agent("analyst", session="s-1") as work:
        with analyst.chat("large", provider="example") as call:
            call.used(input_tokens=100, output_tokens=10)
        with analyst.call_agent(PEER_DID):
            carried = outgoing()
        with researcher.received(carried), researcher.invoke_agent("researcher"):
            with researcher.chat("small", provider="example") as call:
                call.used(input_tokens=40, output_tokens=4)
            with researcher.execute_tool("search"):
                pass
        work.used(input_tokens=140, output_tokens=14)


async def test_a_chain_is_counted_once_each_with_its_own_credential(running: TelemetryMesh) -> None:
    analyst = instrumented(running, AGENT_DID, AGENT, team="sales")
    researcher = instrumented(running, PEER_DID, PEER)
    work_of(analyst, researcher)
    for one in (analyst, researcher):
        await asyncio.to_thread(one.shutdown)
    assert (analyst.sent, researcher.sent, analyst.lost, researcher.lost) == (3, 3, 0, 0)
    assert await usage(running) == {
        (AGENT_DID, "s-1", "", "invoke_agent"): (1, 0, 0, False),
        (AGENT_DID, "s-1", "", ""): (1, 0, 0, False),
        (AGENT_DID, "s-1", "large", "chat"): (1, 100, 10, False),
        (PEER_DID, "s-1", "", "invoke_agent"): (1, 0, 0, False),
        (PEER_DID, "s-1", "small", "chat"): (1, 40, 4, False),
        (PEER_DID, "s-1", "", "execute_tool"): (1, 0, 0, False),
    }


async def test_the_end_of_the_block_sends_what_is_left(running: TelemetryMesh) -> None:
    def work() -> Instrumentation:
        with instrumented(running, AGENT_DID, AGENT) as telemetry:
            for _ in range(2_000):
                with telemetry.execute_tool("t"):
                    pass
        return telemetry

    telemetry = await asyncio.to_thread(work)
    assert (telemetry.sent, telemetry.lost) == (2_000, 0)
    assert (await usage(running))[AGENT_DID, "", "", "execute_tool"][0] == 2_000


async def test_a_process_that_ends_sends_what_is_left(running: TelemetryMesh, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(running.mesh.token(AGENT))
    program = f"""
from pathlib import Path
from ringfence.channel import ChannelOptions
from ringfence.credentials import token_file
from ringfence.telemetry import instrument
from opentelemetry import trace

instrument(
    agent={AGENT_DID!r},
    endpoint={running.mesh.address("telemetry.otlp_listen")!r},
    options=ChannelOptions(token=token_file(Path({str(token)!r}))),
)
for _ in range(700):
    trace.get_tracer("a framework").start_span("step").end()
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == 0
    assert (await usage(running))[AGENT_DID, "", "", ""][0] == 700


async def test_overload_is_waited_out(tmp_path: Path) -> None:
    """The queue holds little more than one batch: what has to wait, or is refused for now, is not lost."""
    async with telemetry_mesh(tmp_path, config=quiet(ingest=IngestConfig(queue_spans=600))) as running:

        def work() -> Instrumentation:
            with instrumented(running, AGENT_DID, AGENT) as telemetry:
                for _ in range(5_000):
                    telemetry.tracer.start_span("step").end()
            return telemetry

        first, second = await asyncio.gather(asyncio.to_thread(work), asyncio.to_thread(work))
        assert (first.sent, second.sent, first.lost, second.lost) == (5_000, 5_000, 0, 0)
        assert (await usage(running))[AGENT_DID, "", "", ""][0] == 10_000


async def test_what_is_refused_for_good_is_counted(running: TelemetryMesh, caplog: pytest.LogCaptureFixture) -> None:
    telemetry = instrument(
        agent=AGENT_DID,
        endpoint=running.mesh.address("telemetry.otlp_listen"),
        options=ChannelOptions(token="nobody"),
        make_global=False,
    )
    telemetry.tracer.start_span("step").end()
    assert not await asyncio.to_thread(telemetry.flush)
    await asyncio.to_thread(telemetry.shutdown)
    assert (telemetry.sent, telemetry.lost) == (0, 1)
    assert "telemetry did not take 1 spans: UNAUTHENTICATED" in caplog.text


def test_what_is_rejected_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    class Rejecting(TraceServiceServicer):
        def Export(self, request: ExportTraceServiceRequest, context: object) -> ExportTraceServiceResponse:
            answer = ExportTraceServiceResponse()
            answer.partial_success.rejected_spans = 1
            answer.partial_success.error_message = "one of them ends before it starts"
            return answer

    server = grpc.server(ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(Rejecting(), server)  # type: ignore[no-untyped-call] # its package has no types
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with instrument(agent=AGENT_DID, endpoint=f"127.0.0.1:{port}", make_global=False) as telemetry:
        for _ in range(3):
            telemetry.tracer.start_span("step").end()
    server.stop(None)
    assert (telemetry.sent, telemetry.lost) == (2, 1)
    assert "telemetry rejected 1 spans: one of them ends before it starts" in caplog.text


def test_what_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        ringfence.telemetry.nonsense  # noqa: B018 - asking for it is what is tried


def test_a_token_does_not_leave_the_machine_in_clear() -> None:
    with pytest.raises(ChannelError, match="in clear"):
        instrument(agent=AGENT_DID, endpoint="telemetry.mesh:4317", options=ChannelOptions(token="t"))


async def test_an_outcome_in_one_call(running: TelemetryMesh) -> None:
    with instrumented(running, AGENT_DID, AGENT) as telemetry:
        with telemetry.invoke_agent("analyst") as work:
            pass
        await asyncio.to_thread(telemetry.flush)
    await running.everything_counted()
    address = running.mesh.address("telemetry.listen")
    async with AioRingfence(telemetry=address, options=options(running, GATEWAY)) as mesh:
        first = await report_outcome_aio(
            mesh.workflows, AGENT_DID, "prod", accepted=True, work="task-1", on_behalf_of="ana", trace_id=work.trace_id
        )

    def again(accepted: bool) -> int:
        with Ringfence(telemetry=address, options=options(running, GATEWAY)) as mesh:
            return report_outcome(
                mesh.workflows, AGENT_DID, "prod", accepted=accepted, work="task-1", on_behalf_of="ana"
            )

    assert await asyncio.to_thread(again, True) == first
    with pytest.raises((AlreadyExistsError, FailedPreconditionError)) as refused:
        await asyncio.to_thread(again, False)
    assert refused.value.reason == "OUTCOME_CONFLICT"


async def test_nobody_judges_its_own_work(running: TelemetryMesh) -> None:
    address = running.mesh.address("telemetry.listen")
    async with AioRingfence(telemetry=address, options=options(running, AGENT)) as mesh:
        with pytest.raises(PermissionDeniedError):
            await report_outcome_aio(mesh.workflows, AGENT_DID, "prod", accepted=True, work="task-1")


async def test_the_verdict_stands_in_the_trace_it_is_given_in(running: TelemetryMesh) -> None:
    requests: list[pb.ReportOutcomeRequest] = []

    class Recording:
        def ReportOutcome(self, request: pb.ReportOutcomeRequest) -> pb.ReportOutcomeResponse:
            requests.append(request)
            return pb.ReportOutcomeResponse(audit_index=7)

    telemetry = instrumented(running, PEER_DID, SERVICE)
    with telemetry.invoke_agent("reviewer") as work:
        assert report_outcome(Recording(), AGENT_DID, "prod", accepted=False, work="w") == 7
    report_outcome(Recording(), AGENT_DID, "prod", accepted=True, work="w")
    await asyncio.to_thread(telemetry.shutdown)
    assert [(one.trace_id, one.outcome) for one in requests] == [
        (work.trace_id, pb.OUTCOME_REJECTED),
        (b"", pb.OUTCOME_ACCEPTED),
    ]


def test_without_the_extra_the_error_says_which_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry.sdk"] = None
import ringfence.client, ringfence.telemetry.v1.telemetry_pb2
from ringfence.telemetry import instrument
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(
        "ringfence.telemetry.instrument needs the OpenTelemetry SDK: pip install 'ringfence[telemetry]'"
    )


def snippet(name: str) -> Any:
    """Return the function of this name, from the one snippet of the README that defines it."""
    (text,) = (one for one in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if f"def {name}(" in one)
    names: dict[str, Any] = {}
    exec(compile(text, "README.md", "exec"), names)
    return names[name]


async def test_the_readme_reports_what_it_says(running: TelemetryMesh) -> None:
    did = snippet("set_up").__globals__["DID"]
    endpoint = running.mesh.address("telemetry.otlp_listen")
    telemetry, other = (snippet("set_up")(endpoint, options(running, SERVICE)) for _ in range(2))
    snippet("report")(telemetry)
    assert await snippet("tools")(telemetry)("sales") == ["sales"]
    with telemetry.invoke_agent("analyst", session="s-2") as work:
        called = snippet("be_called")
        assert snippet("call")(telemetry, PEER_DID, lambda message: str(called(other, message))) == "found"
    for one in (telemetry, other):
        await asyncio.to_thread(one.shutdown)
    counted = await usage(running)
    assert counted[did, "s-1", "example-model-1", "chat"] == (1, 1200, 80, False)
    assert counted[did, "s-1", "", "invoke_agent"] == (1, 0, 0, False)
    assert counted[did, "s-2", "", "invoke_agent"][0] == 2

    def judge() -> int:
        with Ringfence(telemetry=running.mesh.address("telemetry.listen"), options=options(running, SERVICE)) as mesh:
            return int(snippet("judge")(mesh, did, work.trace_id))

    assert await asyncio.to_thread(judge) >= 0
