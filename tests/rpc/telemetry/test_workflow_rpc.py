"""GetWorkflow and ListWorkflows over the wire: the tree, who sees what of it, outcomes, decisions, pages."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import slo_pb2, slo_pb2_grpc, telemetry_pb2
from ringfence.telemetry.v1 import workflow_pb2 as pb
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import DAY, MINUTE, ManualClock, Millis
from support.serving import OPERATOR, SERVICE
from support.telemetry.decisions import body, decision_id, denied
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, GATEWAY, OWNER, PEER, PEER_DID, TelemetryMesh
from support.telemetry.mesh import telemetry_mesh as run_telemetry
from support.telemetry.spans import NOW, AttributeValue, SpanSpec
from support.wire import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

THIRD_DID = "did:web:agents.example:c"
STRANGER = Caller(principal="did:web:agents.example:stranger", roles=frozenset({Role.AGENT}), environment="prod")
LIAR = Caller(principal="did:web:agents.example:liar", roles=frozenset({Role.AGENT}), environment="prod")
LATER_LIAR = Caller(principal=LIAR.principal, roles=LIAR.roles, environment="dev")
"""The same with a fresh token: the one it reported with has expired when everything is settled."""

CHAIN, OTHER, FORGED, LONE = 1, 2, 3, 4
NOTHING_MORE: Mapping[str, AttributeValue] = {}


def trace_id(trace: int) -> bytes:
    return trace.to_bytes(16, "big")


def span(
    name: int,
    parent: int = 0,
    *,
    operation: str = "invoke_agent",
    agent: str = "",
    trace: int = CHAIN,
    at: int = 0,
    ms: int = 10,
    error: bool = False,
    tokens: int = 0,
    more: Mapping[str, AttributeValue] = NOTHING_MORE,
) -> SpanSpec:
    attributes: dict[str, AttributeValue] = {"gen_ai.operation.name": operation, **more}
    if agent:
        attributes["gen_ai.agent.id"] = agent
    if tokens:
        attributes["gen_ai.usage.input_tokens"] = tokens
        attributes["gen_ai.response.model"] = "large"
    return SpanSpec(name, parent, attributes, trace=trace, start_ms=NOW + at, duration_ms=ms, error=error)


def chain() -> list[SpanSpec]:
    """A calls B, which calls C twice: the second attempt fails too, and with it everything."""
    return [
        span(1, agent=AGENT_DID, ms=1_000, error=True, tokens=160, more={"session.id": "s-1", "enduser.id": "ann"}),
        span(2, 1, operation="chat", at=10, ms=90, tokens=40),
        span(3, 1, agent=PEER_DID, at=200, ms=700, error=True, tokens=120),
        span(4, 3, operation="chat", at=210, ms=90, tokens=70),
        span(5, 3, agent=THIRD_DID, at=400, ms=100, error=True, tokens=20),
        span(6, 3, agent=THIRD_DID, at=600, ms=200, error=True, tokens=30),
        span(7, 6, operation="execute_tool", at=610, ms=50, more={"gen_ai.tool.name": "search"}),
    ]


async def until(telemetry: TelemetryMesh, clock: ManualClock, workflows: int) -> None:
    """Let time pass until so many pieces of work are settled."""
    question = pb.ListWorkflowsRequest(page_size=1_000)
    while len((await telemetry.workflow().ListWorkflows(question)).workflows) < workflows:
        clock.advance(Millis(1_000))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def telemetry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TelemetryMesh]:
    """One server for all, with a chain of three agents, work of others, and what a liar said."""
    clock = ManualClock()
    async with run_telemetry(tmp_path_factory.mktemp("telemetry"), clock=clock) as running:
        await running.append(
            body(1, did=AGENT_DID, action="call", trace_id=trace_id(CHAIN).hex(), decide_time_ms=NOW + 150),
            denied(2, did=THIRD_DID, action="search", input={"trace_id": trace_id(CHAIN).hex()}, version=2).replace(
                b'"decide_time_ms":%d' % NOW, b'"decide_time_ms":%d' % (NOW + 650)
            ),
            body(3, did="did:web:agents.example:gone", trace_id=trace_id(CHAIN).hex(), decide_time_ms=NOW + 20),
            body(4, did=AGENT_DID, trace_id="not a trace"),
        )
        await running.export(chain(), SERVICE)
        await running.export([span(1, agent=PEER_DID, trace=OTHER, at=50, tokens=5)], SERVICE)
        await running.export([span(1, agent=AGENT_DID, trace=FORGED, at=60, error=True, tokens=1_000_000)], LIAR)
        await running.export([span(99, 1, agent=AGENT_DID, at=60, error=True, tokens=1_000_000)], LIAR)
        await running.everything_counted()
        await until(running, clock, 4)
        yield running


async def get(telemetry: TelemetryMesh, trace: int = CHAIN, caller: Caller = OPERATOR) -> pb.GetWorkflowResponse:
    return await telemetry.workflow(caller).GetWorkflow(pb.GetWorkflowRequest(trace_id=trace_id(trace)))


async def listed(telemetry: TelemetryMesh, caller: Caller = OPERATOR, **question: Any) -> list[pb.Workflow]:
    found = await telemetry.workflow(caller).ListWorkflows(pb.ListWorkflowsRequest(**question))
    return list(found.workflows)


def traces(workflows: Sequence[pb.Workflow]) -> list[tuple[int, bool]]:
    return [(int.from_bytes(each.trace_id, "big"), each.untrusted) for each in workflows]


async def test_a_chain_of_three_agents_is_a_tree_right_to_the_token(telemetry: TelemetryMesh) -> None:
    found = await get(telemetry)
    (a, forged) = found.hops
    (b,) = a.children
    first, second = b.children
    assert [hop.agent for hop in (a, b, first, second)] == [AGENT_DID, PEER_DID, THIRD_DID, THIRD_DID]
    assert [hop.exclusive.input_tokens for hop in (a, b, first, second)] == [40, 70, 20, 30]
    assert [hop.inclusive.input_tokens for hop in (a, b, first, second)] == [160, 120, 20, 30]
    assert found.workflow.usage.input_tokens == 160
    assert [hop.own_micros // 1_000 for hop in (a, b, first, second)] == [300, 400, 100, 200]
    assert [hop.critical for hop in (a, b, first, second)] == [True] * 4
    assert [step.what for step in a.steps] == ["large"]
    assert [(step.operation, step.what, step.usage.tool_call_count) for step in second.steps] == [
        ("execute_tool", "search", 1)
    ]
    assert (found.hop_count, forged.untrusted) == (5, True)


async def test_the_deepest_error_is_blamed_and_a_repeated_attempt_counted(telemetry: TelemetryMesh) -> None:
    found = await get(telemetry)
    b = found.hops[0].children[0]
    assert (found.workflow.failed, found.workflow.blamed_agent) == (True, THIRD_DID)
    assert found.workflow.blame_reason
    assert b.retries == 1
    assert [hop.blamed for hop in (found.hops[0], b, *b.children)].count(True) == 1


async def test_decisions_stand_with_the_hop_they_were_about(telemetry: TelemetryMesh) -> None:
    (a, *_) = (await get(telemetry)).hops
    second = a.children[0].children[1]
    assert [decision.decision_id for decision in a.decisions] == [decision_id(3), decision_id(1)]
    assert a.decisions[0].did == "did:web:agents.example:gone"
    (decision,) = second.decisions
    assert (decision.decision_id, decision.effect, decision.reason, decision.action, decision.audit_index) == (
        decision_id(2),
        "DENY",
        "RULE_DENIED",
        "search",
        1,
    )


async def test_the_summary_names_session_and_person_as_a_digest(telemetry: TelemetryMesh) -> None:
    workflow = (await get(telemetry)).workflow
    assert (workflow.session, workflow.agent, workflow.span_count, workflow.open) == ("s-1", AGENT_DID, 7, False)
    assert workflow.duration_micros == 1_000_000
    assert workflow.start_time.ToMilliseconds() == NOW
    assert workflow.principal
    assert "ann" not in workflow.principal


async def test_what_a_liar_says_is_shown_apart_and_moves_nothing(telemetry: TelemetryMesh) -> None:
    found = await get(telemetry)
    assert found.workflow.usage.input_tokens == 160
    assert not found.workflow.untrusted
    assert found.hops[-1].untrusted
    assert found.hops[-1].exclusive.input_tokens == 1_000_000
    forged = await get(telemetry, FORGED)
    assert forged.workflow.untrusted
    assert forged.hops[0].untrusted


async def test_an_agent_sees_its_own_part_and_whom_it_called(telemetry: TelemetryMesh) -> None:
    found = await get(telemetry, caller=PEER)
    (hop,) = found.hops
    assert hop.agent == PEER_DID
    assert [child.agent for child in hop.children] == [THIRD_DID, THIRD_DID]
    assert (found.workflow.agent, found.workflow.usage.input_tokens, found.workflow.span_count) == (PEER_DID, 120, 5)
    assert found.workflow.blamed_agent == THIRD_DID
    assert found.workflow.start_time.ToMilliseconds() == NOW + 200
    assert AGENT_DID.encode() not in found.SerializeToString()
    assert b"gone" not in found.SerializeToString()


@pytest.mark.parametrize(
    ("caller", "trace"),
    [
        (STRANGER, CHAIN),
        (AGENT, OTHER),
        (AGENT, FORGED),
        (LATER_LIAR, FORGED),
        (LATER_LIAR, CHAIN),
        (PEER, LONE),
        (OPERATOR, LONE),
    ],
    ids=range(7),
)
async def test_what_an_agent_had_no_part_in_is_to_it_as_if_it_never_was(
    telemetry: TelemetryMesh, caller: Caller, trace: int
) -> None:
    refused = await refusal(get(telemetry, trace, caller))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "WORKFLOW_NOT_FOUND")
    assert refused.metadata == {"trace_id": trace_id(trace).hex()}


async def test_the_newest_is_listed_first(telemetry: TelemetryMesh) -> None:
    assert traces(await listed(telemetry)) == [(FORGED, True), (CHAIN, True), (OTHER, False), (CHAIN, False)]


@pytest.mark.parametrize("caller", [OPERATOR, AUDITOR, SERVICE], ids=lambda caller: caller.principal)
async def test_who_may_list_all(telemetry: TelemetryMesh, caller: Caller) -> None:
    assert len(await listed(telemetry, caller)) == 4


async def test_every_filter(telemetry: TelemetryMesh) -> None:
    at = Timestamp()
    at.FromMilliseconds(NOW + 50)
    assert traces(await listed(telemetry, agent=THIRD_DID)) == [(CHAIN, False)]
    assert traces(await listed(telemetry, session="s-1")) == [(CHAIN, False)]
    assert traces(await listed(telemetry, failed_only=True)) == [(FORGED, True), (CHAIN, True), (CHAIN, False)]
    assert traces(await listed(telemetry, start_time=at)) == [(FORGED, True), (CHAIN, True), (OTHER, False)]
    assert traces(await listed(telemetry, end_time=at)) == [(CHAIN, False)]
    assert await listed(telemetry, agent="nobody") == []


async def test_an_agent_lists_its_own_part_only(telemetry: TelemetryMesh) -> None:
    found = await listed(telemetry, PEER)
    assert traces(found) == [(CHAIN, False), (OTHER, False)]
    assert [each.agent for each in found] == [PEER_DID, PEER_DID]
    assert [each.usage.input_tokens for each in found] == [120, 5]
    assert await listed(telemetry, PEER, agent=PEER_DID) == found
    assert traces(await listed(telemetry, AGENT)) == [(CHAIN, False)]
    assert await listed(telemetry, STRANGER) == []
    assert await listed(telemetry, LATER_LIAR) == []


@pytest.mark.parametrize(
    ("caller", "ask"),
    [
        (AGENT, lambda mesh: listed(mesh, AGENT, agent=PEER_DID)),
        (AGENT, lambda mesh: listed(mesh, AGENT, agent="an agent nobody has")),
        (GATEWAY, lambda mesh: listed(mesh, GATEWAY)),
        (OWNER, lambda mesh: get(mesh, CHAIN, OWNER)),
    ],
    ids=range(4),
)
async def test_who_may_not_ask(telemetry: TelemetryMesh, caller: Caller, ask: Callable[[TelemetryMesh], Any]) -> None:
    refused = await refusal(ask(telemetry))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_nobody_in_particular_may_not_ask(telemetry: TelemetryMesh) -> None:
    for ask in (get(telemetry, CHAIN, ANONYMOUS), listed(telemetry, ANONYMOUS)):
        refused = await refusal(ask)
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        ({"page_size": -1}, {"page_size"}),
        ({"agent": "a" * 1_025}, {"agent"}),
        ({"session": "s\x00"}, {"session"}),
        ({"start_time": Timestamp(seconds=2**60)}, {"start_time"}),
        ({"start_time": Timestamp(seconds=100), "end_time": Timestamp(seconds=99)}, {"end_time"}),
        ({"agent": "\x07", "page_size": -9, "end_time": Timestamp(nanos=-1)}, {"agent", "page_size", "end_time"}),
    ],
    ids=range(6),
)
async def test_a_bad_list_question_names_its_fields(
    telemetry: TelemetryMesh, question: dict[str, Any], fields: set[str]
) -> None:
    refused = await refusal(listed(telemetry, **question))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields


@pytest.mark.parametrize("sent", [b"", b"\x01", bytes(15), bytes(17)], ids=range(4))
async def test_a_trace_id_has_sixteen_bytes(telemetry: TelemetryMesh, sent: bytes) -> None:
    refused = await refusal(telemetry.workflow().GetWorkflow(pb.GetWorkflowRequest(trace_id=sent)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == {"trace_id"}


async def test_pages_give_each_once_to_the_one_who_asked(telemetry: TelemetryMesh) -> None:
    whole = traces(await listed(telemetry))
    found, token = list[tuple[int, bool]](), ""
    while True:
        question = pb.ListWorkflowsRequest(page_size=1, page_token=token)
        page = await telemetry.workflow().ListWorkflows(question)
        found += traces(page.workflows)
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert found == whole
    for caller, question in (
        (AUDITOR, pb.ListWorkflowsRequest(page_size=1, page_token=token)),
        (OPERATOR, pb.ListWorkflowsRequest(page_size=1, page_token=token, failed_only=True)),
        (OPERATOR, pb.ListWorkflowsRequest(page_token=token[:-1])),
    ):
        refused = await refusal(telemetry.workflow(caller).ListWorkflows(question))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


class TestStories:
    """Each with a server of its own."""

    async def outcome(self, telemetry: TelemetryMesh, did: str, *, accepted: bool, caller: Caller, **more: Any) -> None:
        request = telemetry_pb2.ReportOutcomeRequest(
            did=did,
            environment="prod",
            outcome=telemetry_pb2.OUTCOME_ACCEPTED if accepted else telemetry_pb2.OUTCOME_REJECTED,
            **more,
        )
        await telemetry.workflow(caller).ReportOutcome(request)

    async def test_outcomes_belong_to_the_work_their_agent_had_a_part_in(self, tmp_path_factory: Any) -> None:
        clock = ManualClock()
        async with run_telemetry(tmp_path_factory.mktemp("t"), clock=clock) as running:
            await running.export(chain(), SERVICE)
            await running.export([span(1, agent=STRANGER.principal, trace=OTHER)], SERVICE)
            await running.everything_counted()
            await self.outcome(
                running, STRANGER.principal, accepted=False, caller=PEER, work_id="w", trace_id=trace_id(CHAIN)
            )
            assert (await get(running)).workflow.outcome == ""
            await self.outcome(running, PEER_DID, accepted=True, caller=AGENT, work_id="s-1")
            assert (await get(running)).workflow.outcome == "accepted"
            await self.outcome(
                running, AGENT_DID, accepted=False, caller=OPERATOR, work_id="task 7", trace_id=trace_id(CHAIN)
            )
            assert (await get(running)).workflow.outcome == "rejected"
            # An agent is told what came of its own part.
            assert (await get(running, caller=PEER)).workflow.outcome == "accepted"
            await until(running, clock, 2)
            assert [(each.agent, each.outcome) for each in await listed(running, session="s-1")] == [
                (AGENT_DID, "rejected")
            ]

    async def test_late_work_is_blamed_on_who_took_too_long(self, tmp_path_factory: Any) -> None:
        clock = ManualClock()
        async with run_telemetry(tmp_path_factory.mktemp("t"), clock=clock) as running:
            objectives = slo_pb2_grpc.SloServiceStub(running.channel())
            for name, did, millis in (("a", AGENT_DID, 500), ("b", PEER_DID, 100)):
                wanted = slo_pb2.Slo(agent=did, target="0.9")
                wanted.latency.FromMilliseconds(millis)
                await objectives.CreateSlo(slo_pb2.CreateSloRequest(slo_id=name, slo=wanted))
            spans = [span(1, agent=AGENT_DID, ms=1_000), span(2, 1, agent=PEER_DID, at=100, ms=800)]
            await running.export(spans, SERVICE)
            await running.everything_counted()
            found = await get(running)
            assert (found.workflow.failed, found.workflow.blamed_agent) == (False, PEER_DID)
            assert (found.hops[0].blamed, found.hops[0].children[0].blamed) == (False, True)
            await until(running, clock, 1)
            assert [each.blamed_agent for each in await listed(running)] == [PEER_DID]

    async def test_agents_that_report_themselves_are_one_tree(self, tmp_path_factory: Any) -> None:
        clock = ManualClock()
        async with run_telemetry(tmp_path_factory.mktemp("t"), clock=clock) as running:
            side_of_a = [
                span(1, agent=AGENT_DID, ms=100, error=True),
                span(2, 1, agent=PEER_DID, at=5, ms=90, error=True),
            ]
            await running.export(side_of_a, AGENT)
            await running.export([span(3, 2, agent=PEER_DID, at=10, ms=80, error=True, tokens=7)], PEER)
            await running.everything_counted()
            found = await get(running)
            assert [(hop.agent, hop.untrusted) for hop in found.hops] == [(AGENT_DID, False), (PEER_DID, True)]
            (b,) = found.hops[0].children
            assert (b.agent, b.inclusive.input_tokens, b.blamed) == (PEER_DID, 7, True)
            assert found.workflow.blamed_agent == PEER_DID
            await until(running, clock, 1)
            assert (await listed(running))[-1].blamed_agent == PEER_DID

    async def test_work_is_open_until_it_is_settled(self, tmp_path_factory: Any) -> None:
        clock = ManualClock()
        async with run_telemetry(tmp_path_factory.mktemp("t"), clock=clock) as running:
            await running.export([span(2, 1, agent=PEER_DID)], SERVICE)
            await running.everything_counted()
            early = await get(running)
            assert early.workflow.open
            assert (early.workflow.agent, early.hops[0].parent_span_id) == (PEER_DID, (1).to_bytes(8, "big"))
            assert await listed(running) == []
            clock.advance(Millis(15 * MINUTE))
            await until(running, clock, 1)
            assert not (await get(running)).workflow.open
            await running.export([span(1, agent=AGENT_DID)], SERVICE)
            await running.everything_counted()
            assert [each.open for each in await listed(running)] == [True]
            assert (await get(running)).workflow.agent == AGENT_DID

    async def test_a_very_deep_chain_can_be_read_by_any_client(self, tmp_path_factory: Any) -> None:
        clock = ManualClock()
        depth = 3_000
        spans = [span(name, name - 1, agent=f"agent {name % 7}", error=True) for name in range(1, depth + 1)]
        async with run_telemetry(tmp_path_factory.mktemp("t"), clock=clock) as running:
            await running.export(spans, SERVICE)
            await running.everything_counted()
            found = await get(running)
            assert (found.hop_count, found.workflow.span_count) == (depth, depth)
            assert found.workflow.blamed_agent == f"agent {depth % 7}"
            nested, shown, hop = 0, 0, found.hops
            while hop:
                nested, shown, hop = nested + 1, shown + len(hop), hop[0].children
            assert (nested, shown) == (41, 1_000)
            await until(running, clock, 1)

    async def test_what_was_due_before_days_of_rest_is_settled_before_its_spans_are_forgotten(
        self, tmp_path_factory: Any
    ) -> None:
        clock, folder = ManualClock(), tmp_path_factory.mktemp("t")
        async with run_telemetry(folder, clock=clock) as running:
            await running.export(chain(), SERVICE)
            await running.everything_counted()
        clock.advance(Millis(5 * DAY))
        async with run_telemetry(folder, clock=clock) as running:
            await until(running, clock, 1)
            (found,) = await listed(running)
            assert (found.blamed_agent, found.span_count) == (THIRD_DID, 7)

    async def test_what_it_came_to_outlives_its_spans(self, tmp_path_factory: Any) -> None:
        clock = ManualClock()
        async with run_telemetry(tmp_path_factory.mktemp("t"), clock=clock) as running:
            await running.export(chain(), SERVICE)
            await running.everything_counted()
            await until(running, clock, 1)
            before = await get(running)
            clock.advance(Millis(4 * DAY))
            while (after := await get(running)).hops:
                clock.advance(Millis(MINUTE))
            assert after.workflow == before.workflow
            clock.advance(Millis(90 * DAY))
            while await listed(running):
                clock.advance(Millis(MINUTE))
            refused = await refusal(get(running))
            assert (refused.code, refused.reason) == ("NOT_FOUND", "WORKFLOW_NOT_FOUND")
