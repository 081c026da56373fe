"""SloService and BreakerService over the wire: from spans to alerts, and every bad question."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import alert_pb2, alert_pb2_grpc, audit_pb2, health_pb2
from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub
from ringfence_kit.callers import Caller
from ringfence_kit.clock import MINUTE, SECOND, ManualClock, Millis
from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, GATEWAY, OWNER, PEER_DID, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import SpanSpec, request_of
from support.watching import while_time_passes
from support.wire import refusal

if TYPE_CHECKING:
    from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceAsyncStub, SloServiceAsyncStub

CLERK = "namespaces/billing/agents/clerk"
REQUEST_ID = "123e4567-e89b-42d3-a456-426614174000"


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=ManualClock()) as running:
        yield running


def slos(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> "SloServiceAsyncStub":
    return SloServiceStub(telemetry.channel(caller))


def breakers(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> "BreakerServiceAsyncStub":
    return BreakerServiceStub(telemetry.channel(caller))


def slo(**changes: Any) -> pb.Slo:
    fields: dict[str, Any] = {"agent": AGENT_DID, "target": "0.99"}
    return pb.Slo(**(fields | changes))


async def create(telemetry: TelemetryMesh, id_: str = "checkout", caller: Caller = OPERATOR, **changes: Any) -> pb.Slo:
    request = pb.CreateSloRequest(slo_id=id_, slo=slo(**changes))
    return (await slos(telemetry, caller).CreateSlo(request)).slo


def call(name: int, *, error: bool = False, agent: str = AGENT_DID, skill: str = "", ms: int = 10) -> SpanSpec:
    said: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": agent}
    if skill:
        said["ringfence.skill"] = skill
    return SpanSpec(name, 0, said, trace=name, duration_ms=ms, error=error)


async def passes(telemetry: TelemetryMesh, awaited: Any, *, step: int = SECOND) -> Any:
    assert isinstance(telemetry.clock, ManualClock)
    return await while_time_passes(telemetry.clock, awaited, step=Millis(step))


async def status_after(telemetry: TelemetryMesh, total: int) -> pb.SloStatus:
    """Return how the objective stands once so many events are counted, while time passes."""
    while True:
        status = (await slos(telemetry).GetSlo(pb.GetSloRequest(name="slos/checkout"))).status
        if status.total >= total:
            return status
        assert isinstance(telemetry.clock, ManualClock)
        telemetry.clock.advance(Millis(SECOND))


# From spans to alerts


async def test_spans_become_a_status_and_an_alert_within_the_minute(telemetry: TelemetryMesh) -> None:
    await create(telemetry)
    watch = alert_pb2_grpc.AlertServiceStub(telemetry.channel(OPERATOR)).WatchAlerts(
        alert_pb2.WatchAlertsRequest(send_firing=True)
    )
    messages = aiter(watch)
    assert (await passes(telemetry, anext(messages))).HasField("bookmark")
    await telemetry.export([call(number, error=number <= 25) for number in range(1, 31)], GATEWAY)
    await telemetry.everything_counted()

    async def first_alert() -> alert_pb2.AlertEvent:
        async for message in messages:
            # The breaker of the agent is another matter, and is told first.
            if message.HasField("event") and message.event.alert.subject == "slos/checkout":
                event: alert_pb2.AlertEvent = message.event
                return event
        raise AssertionError("the stream ended")

    event = await passes(telemetry, first_alert())
    assert event.type == alert_pb2.ALERT_EVENT_TYPE_FIRED
    assert event.alert.agent == AGENT_DID
    # A minute is closed 40 s after its end, and told at once.
    assert event.event_time.ToMilliseconds() % MINUTE == 40 * SECOND
    status = await status_after(telemetry, 30)
    assert (status.good, status.total, status.sli) == (5, 30, "1/6")
    assert status.state == health_pb2.SLO_STATE_BREACHED
    assert [(each.agent, each.bad, each.errors) for each in status.blame] == [(AGENT_DID, 25, 25)]
    assert status.order == pb.DEGRADE_ORDER_ESCALATE_HUMAN
    burn = {rate.rule.long_window.seconds: rate for rate in status.burn_rates}
    assert (burn[3600].threshold, burn[3600].long_rate, burn[3600].firing) == ("14.4", "250/3", True)
    evaluated = await slos(telemetry).EvaluateSlo(pb.EvaluateSloRequest(name="slos/checkout"))
    assert len(evaluated.status.blame[0].trace_ids) == 5
    again = pb.EvaluateSloRequest(name="slos/checkout", at_time=evaluated.status.as_of_time)
    assert (await slos(telemetry).EvaluateSlo(again)).status == evaluated.status


@pytest.mark.parametrize("liar", [AGENT, Caller(principal="test:other", roles=GATEWAY.roles)], ids=["itself", "other"])
async def test_who_is_no_witness_moves_nothing(telemetry: TelemetryMesh, liar: Caller) -> None:
    await create(telemetry)
    await telemetry.export([call(number, error=True) for number in range(1, 31)], liar)
    await telemetry.everything_counted()
    await telemetry.export([call(100)], GATEWAY)
    await telemetry.everything_counted()
    status = await status_after(telemetry, 1)
    assert (status.good, status.total) == (1, 1)
    assert not (await breakers(telemetry).ListBreakers(pb.ListBreakersRequest(not_closed=True))).breakers


async def test_a_head_sampled_sender_says_nothing_about_a_share(telemetry: TelemetryMesh) -> None:
    await create(telemetry)
    sampled = request_of([call(number, error=True) for number in range(1, 31)])
    for span in sampled.resource_spans[0].scope_spans[0].spans:
        span.trace_state = "ot=th:8"
    await telemetry.traces(GATEWAY).Export(sampled)
    await telemetry.export([call(100)], GATEWAY)
    await telemetry.everything_counted()
    status = await status_after(telemetry, 1)
    assert (status.good, status.total) == (1, 1)


# Objectives


async def test_what_is_created_is_read_listed_changed_and_deleted(telemetry: TelemetryMesh) -> None:
    made = await create(telemetry, display_name="Checkout", latency=Duration(seconds=2), evaluation="grounded")
    assert (made.name, made.target, made.window.seconds) == ("slos/checkout", "0.99", 30 * 86_400)
    assert [each.long_window.seconds // 3600 for each in made.burn_rules] == [1, 6, 24, 72]
    got = await slos(telemetry, AUDITOR).GetSlo(pb.GetSloRequest(name="slos/checkout"))
    assert got.slo == made
    assert got.status.state == health_pb2.SLO_STATE_NO_DATA
    await create(telemetry, "another", agent=PEER_DID)
    listed = await slos(telemetry).ListSlos(pb.ListSlosRequest(page_size=1))
    assert [each.name for each in listed.slos] == ["slos/another"]
    rest = await slos(telemetry).ListSlos(pb.ListSlosRequest(page_size=1, page_token=listed.next_page_token))
    assert ([each.name for each in rest.slos], rest.next_page_token) == (["slos/checkout"], "")
    of_agent = await slos(telemetry).ListSlos(pb.ListSlosRequest(agent=PEER_DID))
    assert [each.slo for each in of_agent.statuses] == ["slos/another"]

    update = pb.UpdateSloRequest(slo=pb.Slo(name=made.name, target="0.9", etag=made.etag))
    changed = (await slos(telemetry).UpdateSlo(update)).slo
    assert (changed.target, changed.display_name, changed.etag == made.etag) == ("0.9", "Checkout", False)
    refused = await refusal(slos(telemetry).UpdateSlo(update))
    assert refused.reason == "ETAG_MISMATCH"
    week = pb.UpdateSloRequest(slo=pb.Slo(name=made.name, window=Duration(seconds=7 * 86_400)))
    week.update_mask.paths.append("window")
    assert (await slos(telemetry).UpdateSlo(week)).slo.window.seconds == 7 * 86_400

    await slos(telemetry).DeleteSlo(pb.DeleteSloRequest(name=made.name))
    refused = await refusal(slos(telemetry).GetSlo(pb.GetSloRequest(name=made.name)))
    assert (refused.code, refused.reason) == ("NOT_FOUND", "SLO_NOT_FOUND")


async def test_creating_twice(telemetry: TelemetryMesh) -> None:
    request = pb.CreateSloRequest(slo_id="checkout", slo=slo(), request_id=REQUEST_ID)
    first = await slos(telemetry).CreateSlo(request)
    assert await slos(telemetry).CreateSlo(request) == first
    request.request_id = ""
    assert (await refusal(slos(telemetry).CreateSlo(request))).reason == "SLO_ALREADY_EXISTS"
    only = pb.CreateSloRequest(slo_id="tried", slo=slo(), validate_only=True)
    assert (await slos(telemetry).CreateSlo(only)).slo.name == "slos/tried"
    assert (await refusal(slos(telemetry).GetSlo(pb.GetSloRequest(name="slos/tried")))).reason == "SLO_NOT_FOUND"


def needs(*, retries: int = 0) -> list[pb.Dependency]:
    return [
        pb.Dependency(agent="b", target="0.995"),
        pb.Dependency(agent="c", target="0.99", retries=retries),
    ]


async def test_an_impossible_objective_is_refused_with_the_number(telemetry: TelemetryMesh) -> None:
    refused = await refusal(create(telemetry, dependencies=needs(), own_target="0.999"))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "SLO_INFEASIBLE")
    assert refused.metadata["decimal"] == "0.98406495"
    made = await create(telemetry, dependencies=needs(retries=1), own_target="0.999")
    assert made.feasible_target == "0.9939055995"
    worse = pb.UpdateSloRequest(slo=pb.Slo(name=made.name, target="0.999"))
    assert (await refusal(slos(telemetry).UpdateSlo(worse))).reason == "SLO_INFEASIBLE"
    question = pb.CheckFeasibilityRequest(own_target="0.999", dependencies=needs(), target="0.99")
    answer = await slos(telemetry).CheckFeasibility(question)
    assert (answer.feasible_target, answer.decimal, answer.feasible) == ("0.98406495", "0.98406495", False)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"target": "1"}, {"slo.target"}),
        ({"target": "0"}, {"slo.target"}),
        ({"target": "99%"}, {"slo.target"}),
        ({"target": "0.9999999999"}, {"slo.target"}),
        ({"target": "1/0"}, {"slo.target"}),
        ({"agent": ""}, {"slo.agent"}),
        ({"agent": "a" * 300, "operation": "\x00"}, {"slo.agent", "slo.operation"}),
        ({"window": Duration(seconds=3_599)}, {"slo.window"}),
        ({"window": Duration(seconds=91 * 86_400)}, {"slo.window"}),
        ({"window": Duration(seconds=-1)}, {"slo.window"}),
        ({"latency": Duration(nanos=1)}, {"slo.latency"}),
        ({"latency": Duration(seconds=2**40)}, {"slo.latency"}),
        ({"min_events": -1}, {"slo.min_events"}),
        ({"own_target": "2"}, {"slo.own_target"}),
        ({"dependencies": [pb.Dependency()]}, {"slo.dependencies[0].agent", "slo.dependencies[0].target"}),
        (
            {"dependencies": [pb.Dependency(agent="b", target="0.9", calls=-1, retries=9, kind=7)]},  # type: ignore[arg-type] # no such kind
            {"slo.dependencies[0].calls", "slo.dependencies[0].retries", "slo.dependencies[0].kind"},
        ),
        ({"dependencies": [pb.Dependency(agent="b", target="0.9")] * 33}, {"slo.dependencies"}),
        ({"burn_rules": [pb.BurnRule()]}, {"slo.burn_rules[0].share", "slo.burn_rules[0].long_window"}),
        (
            {"burn_rules": [pb.BurnRule(share="2", long_window=Duration(seconds=90))]},
            {"slo.burn_rules[0].share", "slo.burn_rules[0].long_window"},
        ),
    ],
    ids=range(19),
)
async def test_a_bad_objective_names_its_fields(
    telemetry: TelemetryMesh, changes: dict[str, Any], fields: set[str]
) -> None:
    refused = await refusal(create(telemetry, **changes))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert set(refused.violations) == fields


@pytest.mark.parametrize("id_", ["", "Checkout", "a/b", "-a", "a" * 64])
async def test_a_bad_id(telemetry: TelemetryMesh, id_: str) -> None:
    assert set((await refusal(create(telemetry, id_))).violations) == {"slo_id"}


async def test_when_cannot_be_asked_about(telemetry: TelemetryMesh) -> None:
    await create(telemetry)
    now = telemetry.clock.now()
    for at in (now + 2 * MINUTE, now - 15 * 24 * 60 * MINUTE, -1):
        request = pb.EvaluateSloRequest(name="slos/checkout", at_time=Timestamp(seconds=at // 1_000))
        assert set((await refusal(slos(telemetry).EvaluateSlo(request))).violations) == {"at_time"}


# Who may what


@pytest.mark.parametrize("caller", [AGENT, GATEWAY, AUDITOR, SERVICE, OWNER], ids=lambda caller: caller.principal)
async def test_who_may_not_define(telemetry: TelemetryMesh, caller: Caller) -> None:
    refused = await refusal(create(telemetry, caller=caller))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    override = pb.OverrideBreakerRequest(agent=AGENT_DID, override=pb.BREAKER_OVERRIDE_DISABLED, reason="why not")
    assert (await refusal(breakers(telemetry, caller).OverrideBreaker(override))).reason == "NOT_PERMITTED"


async def test_an_owner_sees_and_changes_what_is_theirs(telemetry: TelemetryMesh) -> None:
    await create(telemetry)
    mine = await create(telemetry, "clerk", OWNER, agent=CLERK)
    listed = await slos(telemetry, OWNER).ListSlos(pb.ListSlosRequest())
    assert [each.name for each in listed.slos] == [mine.name]
    assert (await refusal(slos(telemetry, OWNER).GetSlo(pb.GetSloRequest(name="slos/checkout")))).reason == (
        "SLO_NOT_FOUND"
    )
    for name in ("slos/checkout", "slos/nothing"):
        refused = await refusal(slos(telemetry, OWNER).DeleteSlo(pb.DeleteSloRequest(name=name)))
        assert refused.reason == "NOT_PERMITTED"
    await slos(telemetry, OWNER).DeleteSlo(pb.DeleteSloRequest(name=mine.name, etag=mine.etag))


# OpenSLO


async def test_what_is_exported_is_imported(telemetry: TelemetryMesh) -> None:
    first = await create(telemetry, dependencies=needs(retries=1), own_target="0.999", latency=Duration(seconds=2))
    exported = await slos(telemetry, AUDITOR).ExportOpenSlo(pb.ExportOpenSloRequest(names=[first.name]))
    await slos(telemetry).DeleteSlo(pb.DeleteSloRequest(name=first.name))
    imported = await slos(telemetry).ImportOpenSlo(pb.ImportOpenSloRequest(document=exported.document))
    (again,) = imported.slos
    for output_only in ("etag", "create_time", "update_time"):
        again.ClearField(output_only)
        first.ClearField(output_only)
    assert again == first
    assert list(imported.remarks) == []


async def test_a_bad_document_is_refused_with_line_and_field(telemetry: TelemetryMesh) -> None:
    document = b"apiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: Bad Name\nspec:\n  budgetingMethod: Timeslices\n"
    refused = await refusal(slos(telemetry).ImportOpenSlo(pb.ImportOpenSloRequest(document=document)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "OPENSLO_INVALID")
    assert "metadata.name" in refused.violations


# Breakers


async def test_a_breaker_opens_is_told_and_is_moved_by_hand(telemetry: TelemetryMesh) -> None:
    failing = [call(number, error=True, skill="quote") for number in range(1, 21)]
    fine = [call(number, agent=PEER_DID, skill="quote") for number in range(21, 26)]
    await telemetry.export([*fine, *failing], GATEWAY)
    await telemetry.everything_counted()
    (broken,) = (await breakers(telemetry).ListBreakers(pb.ListBreakersRequest(not_closed=True))).breakers
    assert (broken.agent, broken.skill, broken.state) == (AGENT_DID, "quote", health_pb2.CIRCUIT_STATE_OPEN)
    assert broken.retry_time.ToMilliseconds() - broken.change_time.ToMilliseconds() == 30 * SECOND
    assert broken.reason == "5 calls in a row failed"

    async def fired() -> alert_pb2.Alert:
        stub = alert_pb2_grpc.AlertServiceStub(telemetry.channel(OPERATOR))
        request = alert_pb2.ListAlertsRequest(firing_only=True, kinds=[alert_pb2.ALERT_KIND_BREAKER_OPEN])
        while not (found := await stub.ListAlerts(request)).alerts:
            continue
        alert: alert_pb2.Alert = found.alerts[0]
        return alert

    alert = await passes(telemetry, fired())
    assert alert.dedupe_key == f"breaker-open/{AGENT_DID}/quote"

    override = pb.OverrideBreakerRequest(
        agent=AGENT_DID, skill="quote", override=pb.BREAKER_OVERRIDE_DISABLED, reason="The outage was elsewhere."
    )
    moved = (await breakers(telemetry).OverrideBreaker(override)).breaker
    assert (moved.state, moved.override) == (health_pb2.CIRCUIT_STATE_CLOSED, pb.BREAKER_OVERRIDE_DISABLED)
    assert moved.version > broken.version
    listed = await breakers(telemetry, AUDITOR).ListBreakers(pb.ListBreakersRequest(agent=AGENT_DID))
    assert listed.breakers[0].override == pb.BREAKER_OVERRIDE_DISABLED
    entries = (await telemetry.audit().ListEntries(audit_pb2.ListEntriesRequest())).entries
    assert any(b'"kind":"breaker"' in entry.body for entry in entries)


async def test_what_is_said_by_hand_outlives_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()
    override = pb.OverrideBreakerRequest(
        agent=CLERK, override=pb.BREAKER_OVERRIDE_FORCED_OPEN, reason="It sends invoices twice."
    )
    async with telemetry_mesh(tmp_path, clock=clock) as running:
        await breakers(running, OWNER).OverrideBreaker(override)
    async with telemetry_mesh(tmp_path, clock=clock) as again:
        (kept,) = (await breakers(again).ListBreakers(pb.ListBreakersRequest())).breakers
    assert (kept.state, kept.override) == (health_pb2.CIRCUIT_STATE_OPEN, pb.BREAKER_OVERRIDE_FORCED_OPEN)
    assert kept.reason == "It sends invoices twice."


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.OverrideBreakerRequest(), {"agent", "override", "reason"}),
        (pb.OverrideBreakerRequest(agent="a", override=9, reason="r" * 501), {"override", "reason"}),  # type: ignore[arg-type] # no such value
        (
            pb.OverrideBreakerRequest(agent="a\x07", skill="s" * 300, override=pb.BREAKER_OVERRIDE_NONE, reason="r"),
            {"agent", "skill"},
        ),
    ],
)
async def test_a_bad_override_names_its_fields(
    telemetry: TelemetryMesh, request_: pb.OverrideBreakerRequest, fields: set[str]
) -> None:
    assert set((await refusal(breakers(telemetry).OverrideBreaker(request_))).violations) == fields
