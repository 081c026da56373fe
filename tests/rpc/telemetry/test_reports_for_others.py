"""Who speaks for another's agent moves nothing, and it is in the audit log for good: once a day, whatever the flood."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ringfence.telemetry.v1 import alert_pb2, audit_pb2, budget_pb2, slo_pb2
from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceStub
from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceStub
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, SECOND, ManualClock, Millis
from support.serving import SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, GATEWAY, PEER, PEER_DID, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import SpanSpec

PERSON = Caller(principal="ana", roles=frozenset({Role.GATEWAY}), agents=frozenset({AGENT_DID}))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def telemetry(tmp_path: Path, clock: ManualClock) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=clock) as running:
        yield running


def failure_of(agent: str, name: int = 1, *, trace: int = 1) -> SpanSpec:
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": agent,
        "gen_ai.usage.input_tokens": 1_000_000,
    }
    return SpanSpec(name, attributes=attributes, trace=trace, error=True)


async def notes(telemetry: TelemetryMesh) -> list[dict[str, Any]]:
    await telemetry.everything_counted()
    entries = (await telemetry.audit().ListEntries(audit_pb2.ListEntriesRequest())).entries
    return [one for one in (json.loads(entry.body) for entry in entries) if one["type"] == "note"]


async def alerts(telemetry: TelemetryMesh) -> list[alert_pb2.Alert]:
    listed = await AlertServiceStub(telemetry.channel()).ListAlerts(alert_pb2.ListAlertsRequest(firing_only=True))
    return [one for one in listed.alerts if one.kind == alert_pb2.ALERT_KIND_UNTRUSTED_REPORTER]


async def test_it_moves_nothing_and_leaves_an_entry(telemetry: TelemetryMesh) -> None:
    await telemetry.export([failure_of(PEER_DID)], AGENT)
    (note,) = await notes(telemetry)
    assert (note["kind"], note["subject"], note["principal"]) == ("reported-for-another", PEER_DID, AGENT_DID)
    assert note["facts"] == {"trace_id": (1).to_bytes(16, "big").hex()}
    assert (await telemetry.usage_by_agent()).keys() == {(PEER_DID, True)}
    metrics = await telemetry.metrics()
    assert (metrics["signals_pending"], metrics["signals_delivered_total"], metrics["health_agents"]) == (0, 0, 0)


async def test_no_budget_no_objective_and_no_breaker_hears_of_it(telemetry: TelemetryMesh, clock: ManualClock) -> None:
    channel = telemetry.channel()
    budget = budget_pb2.Budget(
        scope=budget_pb2.BUDGET_SCOPE_AGENT, unit=budget_pb2.BUDGET_UNIT_TOKENS, amount=1, hard=True
    )
    budgets, slos = BudgetServiceStub(channel), SloServiceStub(channel)
    await budgets.CreateBudget(budget_pb2.CreateBudgetRequest(budget_id="tokens", budget=budget))
    await slos.CreateSlo(slo_pb2.CreateSloRequest(slo_id="peer", slo=slo_pb2.Slo(agent=PEER_DID, target="0.99")))
    await telemetry.export([failure_of(PEER_DID, trace=trace) for trace in range(1, 41)], AGENT)
    await telemetry.export([failure_of(AGENT_DID, trace=trace) for trace in range(41, 81)], PEER)
    assert len(await notes(telemetry)) == 2

    for _ in range(4):  # every trace is settled, and the minutes they are in are closed
        clock.advance(Millis(45 * SECOND))
        await telemetry.everything_counted()
    stood = (await slos.GetSlo(slo_pb2.GetSloRequest(name="slos/peer"))).status
    assert (stood.total, list(stood.blame)) == (0, [])
    spent = await budgets.GetBudget(budget_pb2.GetBudgetRequest(name="budgets/tokens"))
    assert list(spent.statuses) == []
    assert list((await BreakerServiceStub(channel).ListBreakers(slo_pb2.ListBreakersRequest())).breakers) == []
    kinds = {one.kind for one in (await AlertServiceStub(channel).ListAlerts(alert_pb2.ListAlertsRequest())).alerts}
    assert kinds == {alert_pb2.ALERT_KIND_UNTRUSTED_REPORTER}
    metrics = await telemetry.metrics()
    assert (metrics["signals_pending"], metrics["signals_delivered_total"]) == (0, 0)


async def test_somebody_is_told_and_pointed_to_the_entry(telemetry: TelemetryMesh) -> None:
    await telemetry.export([failure_of(PEER_DID)], AGENT)
    await notes(telemetry)
    (alert,) = await alerts(telemetry)
    assert alert.agent == PEER_DID
    entry = await telemetry.audit().GetEntry(audit_pb2.GetEntryRequest(index=int(alert.evidence["audit_index"])))
    assert json.loads(entry.entry.body)["kind"] == "reported-for-another"


async def test_the_entry_is_there_once_a_day_however_much_is_reported(
    telemetry: TelemetryMesh, clock: ManualClock
) -> None:
    for trace in range(1, 6):
        await telemetry.export([failure_of(PEER_DID, name, trace=trace) for name in range(1, 50)], AGENT)
        assert len(await notes(telemetry)) == 1
        clock.advance(SECOND)
    clock.advance(DAY)
    telemetry._channels.clear()  # their tokens were of yesterday
    await telemetry.export([failure_of(PEER_DID, trace=9)], AGENT)
    assert len(await notes(telemetry)) == 2
    assert len(await alerts(telemetry)) == 1


async def test_the_alert_ends_when_it_is_quiet(telemetry: TelemetryMesh, clock: ManualClock) -> None:
    await telemetry.export([failure_of(PEER_DID)], AGENT)
    assert len(await notes(telemetry)) == 1
    for days, firing in ((1, 1), (1, 0)):
        clock.advance(Millis(days * DAY))
        telemetry._channels.clear()  # their tokens were of yesterday
        await telemetry.export([failure_of(AGENT_DID, trace=2 + days)], AGENT)  # work goes on
        await telemetry.everything_counted()
        assert len(await alerts(telemetry)) == firing


async def test_each_agent_that_is_named_and_each_reporter_has_its_own(telemetry: TelemetryMesh) -> None:
    stranger = "namespaces/acme/agents/helper"
    await telemetry.export([failure_of(PEER_DID), failure_of(stranger, 2)], AGENT)
    await telemetry.export([failure_of(AGENT_DID)], PEER)
    assert {(note["principal"], note["subject"]) for note in await notes(telemetry)} == {
        (AGENT_DID, PEER_DID),
        (AGENT_DID, stranger),
        (PEER_DID, AGENT_DID),
    }


async def test_a_person_stands_in_the_log_as_a_digest(telemetry: TelemetryMesh) -> None:
    await telemetry.export([failure_of(PEER_DID)], PERSON)
    (note,) = await notes(telemetry)
    assert note["principal"].startswith("person:")
    assert "ana" not in json.dumps(note)


async def test_who_may_speak_leaves_none(telemetry: TelemetryMesh) -> None:
    await telemetry.export([failure_of(AGENT_DID)], AGENT)
    await telemetry.export([failure_of("a framework's planner")], AGENT)
    await telemetry.export([failure_of(PEER_DID)], GATEWAY)
    await telemetry.export([failure_of(PEER_DID)], SERVICE)
    assert await notes(telemetry) == []
    assert await alerts(telemetry) == []


async def test_it_is_there_once_after_a_restart_too(tmp_path: Path, clock: ManualClock) -> None:
    for trace in (1, 2):
        async with telemetry_mesh(tmp_path, clock=clock) as telemetry:
            await telemetry.export([failure_of(PEER_DID, trace=trace)], AGENT)
            assert len(await notes(telemetry)) == 1
        clock.advance(SECOND)
