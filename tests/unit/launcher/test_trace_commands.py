import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import workflow_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.views.traces import LINE_WIDTH, cost, duration
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

TRACE = bytes(range(16))
BEGAN = 1_767_225_600


def at(milliseconds: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(BEGAN * 1_000 + milliseconds)
    return moment


def work() -> pb.GetWorkflowResponse:
    """A called B, which was denied a tool, called C in vain twice, and failed."""
    failed_again = pb.Hop(
        agent="did:c",
        start_time=at(600),
        duration_micros=200_000,
        own_micros=200_000,
        failed=True,
        error="timeout",
        blamed=True,
        parent_span_id=b"12345678",
        steps=[
            pb.Step(operation="execute_tool", what="search", start_time=at(610), duration_micros=50_000, failed=True)
        ],
    )
    b = pb.Hop(
        agent="did:b",
        start_time=at(200),
        duration_micros=700_000,
        failed=True,
        retries=1,
        exclusive=pb.WorkflowUsage(input_tokens=70, cost_nanos=1_500_000_000, currency="EUR", unknown_cost_calls=1),
        children=[pb.Hop(agent="did:c", start_time=at(400), duration_micros=100_000, failed=True), failed_again],
        decisions=[
            pb.HopDecision(decision_id="d-1", effect="DENY", reason="RULE_DENIED", action="search", did="did:b"),
            pb.HopDecision(decision_id="d-2", effect="ALLOW", reason="ALLOWED", did="did:gone"),
        ],
    )
    a = pb.Hop(
        agent="did:a", start_time=at(0), duration_micros=1_000_000, own_micros=300_000, failed=True, children=[b]
    )
    forged = pb.Hop(agent="did:a", start_time=at(10**9), untrusted=True)
    workflow = pb.Workflow(
        trace_id=TRACE,
        session="s-1",
        agent="did:a",
        start_time=at(0),
        duration_micros=1_000_000,
        failed=True,
        outcome="rejected",
        blamed_agent="did:c",
        blame_reason="its error is the deepest that led to the failure of the whole: timeout",
        usage=pb.WorkflowUsage(input_tokens=160, output_tokens=9),
    )
    return pb.GetWorkflowResponse(workflow=workflow, hops=[a, forged], hop_count=1_205)


def test_a_tree_shows_time_cost_blame_and_decisions(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.workflow = work()
    shown = ringfence("trace", "show", TRACE.hex()).out
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "160 in, 9 out" in shown
    assert "failed, rejected" in lines["state"]
    assert lines["blamed"].split()[1] == "did:c:"
    assert lines["did:a"].count("━") == LINE_WIDTH
    b = next(line for line in shown.splitlines() if line.startswith("└─ did:b"))
    assert "1.5000 EUR?" in b
    assert "1 repeated" in b
    blamed = [line for line in shown.splitlines() if "◀ blamed" in line]
    assert len(blamed) == 1
    assert blamed[0].startswith("   └─ did:c")
    assert "failed: timeout" in blamed[0]
    assert "DENY RULE_DENIED search" in shown
    assert "ALLOW ALLOWED about did:gone" in shown
    assert "d-1" in shown
    assert "did:a*" in shown
    assert "told by somebody not bound to the agent" in shown
    assert "1,200 more hops are not shown" in shown
    assert "execute_tool search" not in shown


def test_steps_are_shown_when_asked_for(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.workflow = work()
    assert "execute_tool search" in ringfence("trace", "show", TRACE.hex(), "--steps").out


def test_programs_get_the_protos_json(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.workflow = work()
    document = ringfence("trace", "show", TRACE.hex(), "-o", "json").json
    assert document["workflow"]["blamedAgent"] == "did:c"
    assert document["hops"][0]["children"][0]["retries"] == 1


@pytest.mark.parametrize(
    "typed",
    [TRACE.hex(), TRACE.hex().upper(), f"00-{TRACE.hex()}-00f067aa0ba902b7-01"],
    ids=["id", "capitals", "parent"],
)
def test_a_trace_id_or_a_traceparent(ringfence: CommandLine, mesh: FakeMesh, typed: str) -> None:
    mesh.telemetry.workflow = work()
    assert ringfence("trace", "show", typed).code == ExitCode.OK
    assert mesh.last.request.trace_id == TRACE


@pytest.mark.parametrize("typed", ["", "abc", TRACE.hex() + "0", "../" + TRACE.hex()])
def test_what_is_no_trace_id_is_a_usage_error(ringfence: CommandLine, typed: str) -> None:
    assert ringfence("trace", "show", typed).code == ExitCode.USAGE


def test_a_trace_nobody_knows(ringfence: CommandLine) -> None:
    ended = ringfence("trace", "show", "f" * 32)
    assert ended.code == ExitCode.NOT_FOUND
    assert "no span of this trace is kept" in ended.err


def test_a_trace_whose_spans_are_gone(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.workflow = pb.GetWorkflowResponse(workflow=work().workflow)
    assert "its spans are no longer kept" in ringfence("trace", "show", TRACE.hex()).out


def test_names_from_elsewhere_cannot_move_the_cursor(ringfence: CommandLine, mesh: FakeMesh) -> None:
    wild = "\x1b[2J[red]"
    hop = pb.Hop(agent=wild, error=wild, failed=True, steps=[pb.Step(operation=wild, what=wild)])
    hop.decisions.add(reason=wild, decision_id=wild)
    mesh.telemetry.workflow = pb.GetWorkflowResponse(
        workflow=pb.Workflow(trace_id=TRACE, agent=wild, session=wild, blamed_agent=wild, blame_reason=wild),
        hops=[hop],
    )
    mesh.telemetry.workflows = [mesh.telemetry.workflow.workflow]
    for shown in (ringfence("trace", "show", TRACE.hex(), "--steps").out, ringfence("trace", "list").out):
        assert "\x1b" not in shown
        assert "\\x1b[2J[red]" in shown


def test_a_tree_of_forty_levels(ringfence: CommandLine, mesh: FakeMesh) -> None:
    top = pb.Hop(agent="agent 0", duration_micros=1)
    hop = top
    for level in range(1, 41):
        hop = hop.children.add(agent=f"agent {level}")
    mesh.telemetry.workflow = pb.GetWorkflowResponse(workflow=pb.Workflow(trace_id=TRACE), hops=[top])
    assert "agent 40" in ringfence("trace", "show", TRACE.hex()).out


def test_the_list_walks_pages_and_sends_the_filters(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.page_limit = 2
    mesh.telemetry.workflows = [pb.Workflow(trace_id=bytes([n]) * 16, agent=f"did:{n}", open=n == 1) for n in range(5)]
    shown = ringfence(
        *("trace", "list", "--agent", "did:a", "--session", "s", "--failed"),
        *("--since", "2026-11-01", "--until", "2026-11-02T10:30:00Z", "--limit", "4"),
    ).out
    assert [line.split()[0] for line in shown.splitlines()[1:]] == [(bytes([n]) * 16).hex() for n in range(4)]
    assert "ok, open" in shown
    sent = mesh.last.request
    assert (sent.agent, sent.session, sent.failed_only, sent.page_token) == ("did:a", "s", True, "2")
    assert sent.start_time.ToJsonString() == "2026-11-01T00:00:00Z"
    assert sent.end_time.ToJsonString() == "2026-11-02T10:30:00Z"


def test_an_empty_list(ringfence: CommandLine) -> None:
    assert ringfence("trace", "list").out == "no work was settled\n"


@pytest.mark.parametrize(
    ("used", "shown"),
    [
        (pb.WorkflowUsage(), "-"),
        (pb.WorkflowUsage(unknown_cost_calls=2), "?"),
        (pb.WorkflowUsage(cost_nanos=1, currency="mixed"), "mixed"),
        (pb.WorkflowUsage(cost_nanos=12_345_678_900, currency="USD"), "12.3457 USD"),
    ],
)
def test_costs(used: pb.WorkflowUsage, shown: str) -> None:
    assert cost(used) == shown


@pytest.mark.parametrize(
    ("micros", "shown"), [(0, "0 ms"), (999_499, "999 ms"), (1_500_000, "1.5 s"), (3_600_000_000, "60.0 min")]
)
def test_durations(micros: int, shown: str) -> None:
    assert duration(micros) == shown
