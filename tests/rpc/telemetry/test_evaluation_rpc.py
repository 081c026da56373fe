"""EvaluationService over the wire: who may judge whom, what it comes to, gates, baselines and drift."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from ringfence.telemetry.v1 import alert_pb2, alert_pb2_grpc, audit_pb2, evaluation_pb2_grpc, slo_pb2, slo_pb2_grpc
from ringfence.telemetry.v1 import evaluation_pb2 as pb
from ringfence_kit.callers import ANONYMOUS, Caller, Role
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, Millis
from support.serving import OPERATOR, SERVICE
from support.telemetry.decisions import denied
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, GATEWAY, OWNER, PEER, PEER_DID, TelemetryMesh
from support.telemetry.mesh import telemetry_mesh as run_telemetry
from support.telemetry.spans import NOW, AttributeValue, SpanSpec, attributes_of, request_of
from support.wire import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAYER = "namespaces/billing/agents/payer"
LATER_OWNER = replace(OWNER, principal="test:oscar")
"""With a fresh token, when hours have passed."""
UNSEEN = "did:web:agents.example:unseen"
STEP = pb.EVALUATION_LAYER_STEP
WORKFLOW = pb.EVALUATION_LAYER_WORKFLOW


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def telemetry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TelemetryMesh]:
    """One server for all; two agents were seen at work."""
    async with run_telemetry(tmp_path_factory.mktemp("telemetry"), clock=ManualClock()) as running:
        await running.export([piece(1, agent=AGENT_DID), piece(2, agent=PEER_DID)], SERVICE)
        await running.everything_counted()
        yield running


def piece(trace: int, *, agent: str = AGENT_DID, version: str = "", ms: int = 100, **more: Any) -> SpanSpec:
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": agent,
        **({"gen_ai.agent.version": version} if version else {}),
    }
    return SpanSpec(1, 0, attributes, trace=trace, duration_ms=ms, **more)


def stub(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> "evaluation_pb2_grpc.EvaluationServiceAsyncStub":
    found: evaluation_pb2_grpc.EvaluationServiceAsyncStub = evaluation_pb2_grpc.EvaluationServiceStub(
        telemetry.channel(caller)
    )
    return found


def said(id_: str = "e-1", *, agent: str = AGENT_DID, **changes: Any) -> pb.Evaluation:
    fields: dict[str, Any] = {"layer": STEP, "metric": "accuracy", "passed": True} | changes
    return pb.Evaluation(agent=agent, evaluation_id=id_, **fields)


async def record(
    telemetry: TelemetryMesh, *evaluations: pb.Evaluation, caller: Caller = SERVICE, request_id: str = ""
) -> int:
    request = pb.RecordEvaluationsRequest(evaluations=evaluations, request_id=request_id)
    return (await stub(telemetry, caller).RecordEvaluations(request)).recorded


async def acceptance(
    telemetry: TelemetryMesh, agent: str, version: str = "", *, caller: Caller = OPERATOR, **more: Any
) -> pb.Acceptance:
    request = pb.GetAcceptanceRequest(agent=agent, version=version, **more)
    return (await stub(telemetry, caller).GetAcceptance(request)).acceptance


def shares(found: pb.Acceptance) -> dict[str, tuple[int, int]]:
    return {
        name: (share.hits, share.total)
        for name in ("accuracy", "escalation", "safe_completion")
        if (share := getattr(found, name)).total
    }


def at(millis: int) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMilliseconds(millis)
    return timestamp


async def settled(telemetry: TelemetryMesh, agent: str, version: str, workflows: int) -> pb.Acceptance:
    """Let time pass until so many pieces of work are counted, and return what they come to."""
    clock = telemetry.clock
    assert isinstance(clock, ManualClock)
    while (found := await acceptance(telemetry, agent, version)).workflows < workflows:
        clock.advance(Millis(SECOND))
    return found


class TestRecording:
    async def test_it_counts_and_a_repetition_does_not(self, telemetry: TelemetryMesh) -> None:
        agent = "did:web:agents.example:counted"
        first = [said("a", agent=agent, version="1"), said("b", agent=agent, version="1", passed=False)]
        assert await record(telemetry, *first) == 2
        assert await record(telemetry, *first, said("c", agent=agent, version="2", layer=WORKFLOW)) == 1

        assert shares(await acceptance(telemetry, agent, "1")) == {"accuracy": (1, 2)}
        found = await acceptance(telemetry, agent)
        assert shares(found) == {"accuracy": (2, 3)}
        assert [found.accuracy.low, found.accuracy.high] == pytest.approx([0.2077, 0.9385], abs=1e-4)
        assert (found.escalation.low, found.escalation.high) == (0, 1)

    async def test_an_id_is_the_callers_own(self, telemetry: TelemetryMesh) -> None:
        other = Caller(principal="test:other-service", roles=frozenset({Role.SERVICE}))
        agent = "did:web:agents.example:twice"
        assert await record(telemetry, said("same", agent=agent)) == 1
        assert await record(telemetry, said("same", agent=agent, passed=False), caller=other) == 1
        assert shares(await acceptance(telemetry, agent)) == {"accuracy": (1, 2)}

    async def test_a_request_id_gives_the_first_answer(self, telemetry: TelemetryMesh) -> None:
        id_, evaluation = "0190b0a0-0000-7000-8000-000000000001", said("once", agent="did:web:agents.example:once")
        assert await record(telemetry, evaluation, request_id=id_) == 1
        assert await record(telemetry, evaluation, request_id=id_) == 1
        refused = await refusal(record(telemetry, said("other"), request_id=id_))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")

    async def test_every_fault_is_named_at_once(self, telemetry: TelemetryMesh) -> None:
        bad = pb.Evaluation(
            agent="helper",
            version="v" * 101,
            metric="",
            score=float("nan"),
            label="l" * 101,
            trace_id=b"short",
            evaluator="e" * 201,
            event_time=at(telemetry.clock.now() - 91 * DAY),
        )
        refused = await refusal(
            record(telemetry, said("x"), bad, said("x"), pb.Evaluation(span_id=b"s" * 8, event_time=at(NOW + DAY)))
        )
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert refused.violations.keys() == {
            *(
                f"evaluations[1].{field}"
                for field in ("agent", "version", "layer", "metric", "score", "label", "trace_id", "evaluator")
            ),
            "evaluations[1].evaluation_id",
            "evaluations[1].event_time",
            "evaluations[2]",
            *(
                f"evaluations[3].{field}"
                for field in ("agent", "layer", "metric", "passed", "trace_id", "event_time", "evaluation_id")
            ),
        }

    @pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf"), 1e13, -1e300])
    async def test_a_score_is_finite(self, telemetry: TelemetryMesh, score: float) -> None:
        refused = await refusal(record(telemetry, said(score=score)))
        assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {"evaluations[0].score"})

    @pytest.mark.parametrize("count", [0, 1_001])
    async def test_how_many(self, telemetry: TelemetryMesh, count: int) -> None:
        refused = await refusal(record(telemetry, *(said(f"{number}") for number in range(count))))
        assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {"evaluations"})

    async def test_a_thousand_at_once(self, telemetry: TelemetryMesh) -> None:
        many = [said(f"{number}", agent="did:web:agents.example:many") for number in range(1_000)]
        assert await record(telemetry, *many) == 1_000


class TestWhoJudges:
    async def test_an_agent_judges_another(self, telemetry: TelemetryMesh) -> None:
        assert await record(telemetry, said("by-peer", version="peer"), caller=PEER) == 1
        assert shares(await acceptance(telemetry, AGENT_DID, "peer")) == {"accuracy": (1, 1)}

    @pytest.mark.parametrize(
        ("caller", "agent"),
        [
            (AGENT, AGENT_DID),
            (AGENT, "did:webvh:zScid:agents.example:a"),
            (AGENT, "did:WEB:agents.example:a"),
            (AGENT, "did:web:AGENTS.example:a"),
            (AGENT, "did:web:dev.agents.example:a"),
            (AGENT, "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH"),
            (AGENT, PAYER),
            (GATEWAY, AGENT_DID),
            (GATEWAY, "did:webvh:zScid:agents.example:b"),
            (GATEWAY, PAYER),
        ],
        ids=lambda value: value if isinstance(value, str) else value.principal,
    )
    async def test_nobody_judges_itself_by_any_name(self, telemetry: TelemetryMesh, caller: Caller, agent: str) -> None:
        refused = await refusal(
            record(telemetry, said("self", agent=PEER_DID), said("self-2", agent=agent), caller=caller)
        )
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_who_is_bound_judges_only_whom_we_saw(self, telemetry: TelemetryMesh) -> None:
        refused = await refusal(record(telemetry, said("unseen", agent=UNSEEN), caller=AGENT))
        assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {"evaluations[0].agent"})
        assert shares(await acceptance(telemetry, UNSEEN)) == {}

    async def test_no_rival_makes_somebodys_numbers(self, telemetry: TelemetryMesh) -> None:
        agent = "did:web:agents.example:rivalled"
        await telemetry.export([piece(3, agent=agent)], SERVICE)
        await telemetry.everything_counted()
        bad = [said(f"rival-{n}", agent=agent, passed=False, version="r") for n in range(100)]
        assert await record(telemetry, *bad[:60], caller=PEER) == 60
        refused = await refusal(record(telemetry, *bad, said("one-more", agent=agent), caller=PEER))
        assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED")
        assert "100 times a day" in refused.message
        assert await record(telemetry, *bad, caller=PEER) == 40
        assert await record(telemetry, *bad, caller=PEER) == 0
        assert shares(await acceptance(telemetry, agent, "r")) == {"accuracy": (0, 100)}

    @pytest.mark.parametrize("caller", [AUDITOR, OWNER], ids=lambda caller: caller.principal)
    async def test_who_may_not_judge(self, telemetry: TelemetryMesh, caller: Caller) -> None:
        refused = await refusal(record(telemetry, said(), caller=caller))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_nobody_in_particular(self, telemetry: TelemetryMesh) -> None:
        refused = await refusal(record(telemetry, said(), caller=ANONYMOUS))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")


class TestWhoAsks:
    @pytest.mark.parametrize(
        ("caller", "agent"), [(OPERATOR, PAYER), (AUDITOR, PAYER), (SERVICE, PAYER), (OWNER, PAYER), (AGENT, AGENT_DID)]
    )
    async def test_who_may(self, telemetry: TelemetryMesh, caller: Caller, agent: str) -> None:
        assert (await acceptance(telemetry, agent, caller=caller)).agent == agent
        assert (await stub(telemetry, caller).CheckAcceptance(pb.CheckAcceptanceRequest(agent=agent))).accepted

    @pytest.mark.parametrize(
        ("caller", "query"),
        [
            (AGENT, {"agent": PEER_DID}),
            (AGENT, {"agent": AGENT_DID, "also_known_as": [PEER_DID]}),
            (OWNER, {"agent": "namespaces/shop/agents/payer"}),
            (OWNER, {"agent": PAYER, "also_known_as": ["namespaces/shop/agents/payer"]}),
            (OWNER, {"agent": AGENT_DID}),
            (GATEWAY, {"agent": AGENT_DID}),
        ],
        ids=range(6),
    )
    async def test_who_may_not(self, telemetry: TelemetryMesh, caller: Caller, query: dict[str, Any]) -> None:
        asking = stub(telemetry, caller)
        calls: list[Awaitable[object]] = [
            asking.GetAcceptance(pb.GetAcceptanceRequest(**query)),
            asking.CheckAcceptance(pb.CheckAcceptanceRequest(**query)),
        ]
        for call in calls:
            refused = await refusal(call)
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_drift_is_asked_by_the_same(self, telemetry: TelemetryMesh) -> None:
        refused = await refusal(stub(telemetry, AGENT).GetDrift(pb.GetDriftRequest(agent=PEER_DID)))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
        refused = await refusal(stub(telemetry, AGENT).GetDrift(pb.GetDriftRequest(agent=AGENT_DID)))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "BASELINE_NOT_FOUND")

    async def test_names_of_one_agent_are_put_together(self, telemetry: TelemetryMesh) -> None:
        did = "did:web:agents.example:named"
        name = "namespaces/billing/agents/named"
        await record(telemetry, said("by-did", agent=did), said("by-name", agent=name, passed=False))
        assert shares(await acceptance(telemetry, name, also_known_as=[did, did, name])) == {"accuracy": (1, 2)}

    async def test_bad_questions(self, telemetry: TelemetryMesh) -> None:
        asked = pb.GetAcceptanceRequest(
            version="v" * 101, start_time=at(NOW), end_time=at(NOW - 1), also_known_as=["", *(["x"] * 16)]
        )
        refused = await refusal(stub(telemetry).GetAcceptance(asked))
        assert set(refused.violations) == {"agent", "version", "end_time", "also_known_as", "also_known_as[0]"}
        refused = await refusal(stub(telemetry).GetDrift(pb.GetDriftRequest(agent=AGENT_DID, days=91)))
        assert (refused.reason, set(refused.violations)) == ("INVALID_REQUEST", {"days"})


class TestGates:
    async def test_a_gate_is_asked_and_answered(self, telemetry: TelemetryMesh) -> None:
        agent = "namespaces/billing/agents/gated"
        gate = pb.AcceptanceGate(agent=agent, min_accuracy=0.5, max_latency_p95_micros=1_000_000, min_samples=10)
        put = (await stub(telemetry, OWNER).PutAcceptanceGate(pb.PutAcceptanceGateRequest(gate=gate))).gate
        assert (put.min_accuracy, put.days, put.min_samples, put.HasField("max_escalation")) == (0.5, 30, 10, False)

        lacking = await stub(telemetry, SERVICE).CheckAcceptance(pb.CheckAcceptanceRequest(agent=agent, version="1"))
        assert not lacking.accepted
        assert [(each.what, each.reached) for each in lacking.results] == [
            ("accuracy", False),
            ("latency_p95", False),
            ("samples", False),
        ]
        await record(telemetry, *(said(f"gate-{n}", agent=agent, version="1") for n in range(10)))
        traces = [piece(1_000 + n, agent=agent, version="1") for n in range(10)]
        await telemetry.export(traces, SERVICE)
        await settled(telemetry, agent, "1", 10)

        passed = await stub(telemetry, SERVICE).CheckAcceptance(pb.CheckAcceptanceRequest(agent=agent, version="1"))
        assert passed.accepted
        assert passed.results[0].detail == (
            "10 of 10 judgements passed, surely 72.25 % of them; at least 50 % are asked for"
        )
        other = await stub(telemetry, SERVICE).CheckAcceptance(pb.CheckAcceptanceRequest(agent=agent, version="2"))
        assert not other.accepted

    async def test_etags(self, telemetry: TelemetryMesh) -> None:
        agent = "namespaces/billing/agents/tagged"
        asking = stub(telemetry)

        async def put(**fields: Any) -> pb.AcceptanceGate:
            etag = fields.pop("etag", "")
            request = pb.PutAcceptanceGateRequest(gate=pb.AcceptanceGate(agent=agent, **fields), etag=etag)
            return (await asking.PutAcceptanceGate(request)).gate

        refused = await refusal(put(etag='"1"'))
        assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")
        first = await put(min_accuracy=0.5)
        second = await put(min_accuracy=0.6, etag=first.etag)
        refused = await refusal(put(min_accuracy=0.1, etag=first.etag))
        assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")
        assert second.etag != first.etag

    async def test_it_is_in_the_audit_log(self, telemetry: TelemetryMesh) -> None:
        agent = "namespaces/billing/agents/audited"
        request = pb.PutAcceptanceGateRequest(gate=pb.AcceptanceGate(agent=agent, min_accuracy=0.5))
        await stub(telemetry, OWNER).PutAcceptanceGate(request)

        entries = (await telemetry.audit().ListEntries(audit_pb2.ListEntriesRequest(page_size=1_000))).entries
        (entry,) = [each.body for each in entries if agent.encode() in each.body]
        assert b'"kind":"acceptance-gate"' in entry
        assert b'"principal":"person:' in entry

    @pytest.mark.parametrize(
        ("caller", "agent"),
        [(OWNER, "namespaces/shop/agents/a"), (OWNER, AGENT_DID), (SERVICE, PAYER), (AGENT, AGENT_DID)],
    )
    async def test_who_may_not_set(self, telemetry: TelemetryMesh, caller: Caller, agent: str) -> None:
        gate = pb.PutAcceptanceGateRequest(gate=pb.AcceptanceGate(agent=agent))
        pin = pb.PinBaselineRequest(agent=agent, start_time=at(NOW), end_time=at(NOW))
        setting = stub(telemetry, caller)
        for refused in (await refusal(setting.PutAcceptanceGate(gate)), await refusal(setting.PinBaseline(pin))):
            assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_every_fault_of_a_gate(self, telemetry: TelemetryMesh) -> None:
        gate = pb.AcceptanceGate(
            agent="helper",
            min_accuracy=1.01,
            max_escalation=float("nan"),
            min_safe_completion=-0.1,
            max_latency_p95_micros=0,
            min_samples=-1,
            days=401,
            etag="bare",
        )
        refused = await refusal(stub(telemetry).PutAcceptanceGate(pb.PutAcceptanceGateRequest(gate=gate)))
        assert refused.reason == "INVALID_REQUEST"
        assert set(refused.violations) == {
            "gate.agent",
            "gate.min_accuracy",
            "gate.max_escalation",
            "gate.min_safe_completion",
            "gate.max_latency_p95_micros",
            "gate.min_samples",
            "gate.days",
            "gate.etag",
        }


class TestWhatIsSeen:
    async def test_events_and_work_count(self, telemetry: TelemetryMesh) -> None:
        agent = "did:web:agents.example:seen"
        await telemetry.export([piece(n, agent=agent, version="9", ms=n) for n in range(2_001, 2_021)], SERVICE)
        await events(telemetry, [(2_001, "fail"), (2_002, "pass"), (2_003, "so-so")], SERVICE)
        await events(telemetry, [(2_004, "fail")], GATEWAY)
        found = await settled(telemetry, agent, "9", 20)

        assert shares(found) == {"accuracy": (1, 2), "escalation": (0, 20), "safe_completion": (19, 20)}
        assert found.latency_p95_micros == pytest.approx(2_019_000, rel=0.012)
        assert (await telemetry.metrics())["evaluation_events_untrusted_total"] == 1

    async def test_an_event_of_a_span_judges_that_step(self, telemetry: TelemetryMesh) -> None:
        agent, other = "did:web:agents.example:outer", "did:web:agents.example:inner"
        inner = SpanSpec(2, 1, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": other}, trace=6_001)
        request = request_of([piece(6_001, agent=agent), inner])
        spans = [span for each in request.resource_spans[0].scope_spans for span in each.spans]
        (judged,) = [span for span in spans if span.parent_span_id]
        judged.events.add(
            name="gen_ai.evaluation.result",
            time_unix_nano=telemetry.clock.now() * 1_000_000,
            attributes=attributes_of({"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": "fail"}),
        )
        await telemetry.traces(SERVICE).Export(request)
        found = await settled(telemetry, other, "", 1)

        assert shares(found) == {"accuracy": (0, 1), "escalation": (0, 1), "safe_completion": (0, 1)}
        assert shares(await acceptance(telemetry, agent)) == {"escalation": (0, 1), "safe_completion": (1, 1)}

    async def test_persons_asked_for_and_denials_acted_against(self, telemetry: TelemetryMesh) -> None:
        agent = "did:web:agents.example:acting"
        refused = {"did": agent, "tool": "search", "trace_id": (7_001).to_bytes(16, "big").hex()}
        elsewhere = refused | {"trace_id": (7_002).to_bytes(16, "big").hex()}
        await telemetry.append(denied(901, **refused), denied(902, **elsewhere), first=901)
        called: dict[str, AttributeValue] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
        waited = piece(7_003, agent=agent)
        spans = [
            *(piece(trace, agent=agent) for trace in (7_001, 7_002, 7_004)),
            SpanSpec(2, 1, called, trace=7_001),
            SpanSpec(2, 1, called, trace=7_002, error=True),
            waited._replace(attributes={**waited.attributes, "ringfence.human_wait_ms": 50}),
        ]
        await telemetry.export(spans, SERVICE)
        found = await settled(telemetry, agent, "", 4)

        assert shares(found) == {"escalation": (1, 4), "safe_completion": (3, 4)}

        late = piece(7_005, agent=agent)
        await telemetry.export([late, SpanSpec(2, 1, called, trace=7_005)], SERVICE)
        assert shares(await settled(telemetry, agent, "", 5))["safe_completion"] == (4, 5)
        elsewhere["trace_id"] = (7_005).to_bytes(16, "big").hex()
        await telemetry.append(denied(903, **elsewhere), first=903)
        assert shares(await acceptance(telemetry, agent))["safe_completion"] == (3, 5)

    async def test_an_objective_that_asks_for_a_judgement_counts_when_it_comes(self, telemetry: TelemetryMesh) -> None:
        agent, clock = "did:web:agents.example:promising", telemetry.clock
        assert isinstance(clock, ManualClock)
        slos: slo_pb2_grpc.SloServiceAsyncStub = slo_pb2_grpc.SloServiceStub(telemetry.channel())
        asked = slo_pb2.Slo(agent=agent, target="0.9", evaluation="tone")
        await slos.CreateSlo(slo_pb2.CreateSloRequest(slo_id="tone", slo=asked))
        clock.advance(Millis(2 * MINUTE))
        start = clock.now()
        await telemetry.export([piece(n, agent=agent, start_ms=start) for n in range(5_001, 5_004)], SERVICE)
        await settled(telemetry, agent, "", 3)

        await events(telemetry, [(5_001, "pass")], SERVICE)
        judged = said("late", agent=agent, metric="tone", passed=False, trace_id=(5_002).to_bytes(16, "big"))
        await record(telemetry, judged)
        question = slo_pb2.GetSloRequest(name="slos/tone")
        while (status := (await slos.GetSlo(question)).status).total < 2:
            clock.advance(Millis(SECOND))
        assert (status.good, status.total) == (1, 2)


async def events(telemetry: TelemetryMesh, said_of: Sequence[tuple[int, str]], caller: Caller) -> None:
    """Export evaluation events that name no agent, about these traces."""
    logs = [
        LogRecord(
            time_unix_nano=telemetry.clock.now() * 1_000_000,
            event_name="gen_ai.evaluation.result",
            trace_id=trace.to_bytes(16, "big"),
            attributes=attributes_of({"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.label": label}),
        )
        for trace, label in said_of
    ]
    request = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=logs)])])
    exporter: Any = LogsServiceStub(telemetry.channel(caller))  # type: ignore[no-untyped-call] # no types in its package
    await exporter.Export(request)


class TestDrift:
    async def test_a_version_that_moves_away_is_told_of(self, telemetry: TelemetryMesh) -> None:
        agent, clock = PAYER, telemetry.clock
        assert isinstance(clock, ManualClock)
        asking = stub(telemetry)
        question = pb.GetDriftRequest(agent=agent, version="1", days=1)
        refused = await refusal(asking.GetDrift(question))
        assert (refused.code, refused.reason) == ("NOT_FOUND", "BASELINE_NOT_FOUND")
        pin = pb.PinBaselineRequest(
            agent=agent, version="1", start_time=at(clock.now() - MINUTE), end_time=at(clock.now())
        )
        refused = await refusal(asking.PinBaseline(pin))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "BASELINE_TOO_SMALL")
        assert refused.metadata["least"] == "30"

        await telemetry.export([piece(n, agent=agent, version="1") for n in range(3_001, 3_041)], SERVICE)
        await settled(telemetry, agent, "1", 40)
        assert (await stub(telemetry, LATER_OWNER).PinBaseline(pin)).workflows == 40
        assert (await asking.GetDrift(question)).level == pb.DRIFT_LEVEL_STABLE

        clock.advance(DAY)
        start = clock.now()
        slower = [piece(n, agent=agent, version="1", ms=300, start_ms=start) for n in range(4_001, 4_041)]
        await telemetry.export(slower, SERVICE)
        await settled(telemetry, agent, "1", 80)

        found = await asking.GetDrift(question)
        levels = {each.what: each.level for each in found.drifts}
        assert found.level == pb.DRIFT_LEVEL_ALERT
        assert levels == {
            "mix": pb.DRIFT_LEVEL_UNSPECIFIED,
            "latency_p50": pb.DRIFT_LEVEL_ALERT,
            "latency_p95": pb.DRIFT_LEVEL_ALERT,
            "pass_rate": pb.DRIFT_LEVEL_UNSPECIFIED,
            "slow_change": pb.DRIFT_LEVEL_UNSPECIFIED,
        }
        (alert,) = await drift_alerts(telemetry, clock, 1)
        assert alert.agent == agent
        assert "latency_p95: 0.3" in alert.message

        await asking.PinBaseline(
            pb.PinBaselineRequest(agent=agent, version="1", start_time=at(start), end_time=at(clock.now()))
        )
        assert await drift_alerts(telemetry, clock, 0) == []

    async def test_bad_pins(self, telemetry: TelemetryMesh) -> None:
        refused = await refusal(stub(telemetry).PinBaseline(pb.PinBaselineRequest(agent="helper")))
        assert set(refused.violations) == {"agent", "start_time", "end_time"}
        future = telemetry.clock.now() + HOUR
        pin = pb.PinBaselineRequest(agent=PAYER, start_time=at(future + 1), end_time=at(future))
        refused = await refusal(stub(telemetry).PinBaseline(pin))
        assert set(refused.violations) == {"end_time"}


async def drift_alerts(telemetry: TelemetryMesh, clock: ManualClock, count: int) -> list[alert_pb2.Alert]:
    """Let hours pass until so many alerts of drift fire."""
    alerts: alert_pb2_grpc.AlertServiceAsyncStub = alert_pb2_grpc.AlertServiceStub(telemetry.channel())
    while True:
        request = alert_pb2.ListAlertsRequest(firing_only=True, kinds=[alert_pb2.ALERT_KIND_DRIFT])
        found = list((await alerts.ListAlerts(request)).alerts)
        if len(found) == count:
            return found
        clock.advance(Millis(10 * MINUTE))
