"""Whoever changes anything in telemetry is in the audit log: every method that writes, by the table of grants."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import alert_pb2, audit_pb2, budget_pb2, budget_pb2_grpc, evaluation_pb2, slo_pb2
from ringfence.telemetry.v1.evaluation_pb2_grpc import EvaluationServiceStub
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub
from ringfence_kit.clock import ManualClock
from ringfence_kit.grants import MethodClass
from ringfence_telemetry.grants import GRANTS
from support.telemetry.mesh import AGENT_DID, TelemetryMesh, telemetry_mesh
from support.telemetry.spenders import alerts, budgets, created, spends

OTHERWISE = {
    "WorkflowService/ReportOutcome": "an entry of its own type, linked to the signal that follows",
    "EvaluationService/RecordEvaluations": "evidence, kept as such; what follows from it is noted",
    "EvaluationService/PinBaseline": "takes days of traffic; recorded like a gate, by the same class",
    "AuditService/AddCosignature": "stands beneath the log, not in it",
}
"""Methods that write and are not tried here, and why."""

Change = Callable[[TelemetryMesh], Awaitable[object]]


async def put_prices(telemetry: TelemetryMesh) -> None:
    price = budget_pb2.Price(
        model="large",
        currency="USD",
        input_nanos_per_million=1,
        output_nanos_per_million=2,
        effective_time=Timestamp(seconds=1),
        source="the tests",
    )
    stub: Any = budget_pb2_grpc.PriceServiceStub(telemetry.channel())
    await stub.PutPrices(budget_pb2.PutPricesRequest(prices=[price]))


async def create_budget(telemetry: TelemetryMesh) -> None:
    await created(telemetry)


async def update_budget(telemetry: TelemetryMesh) -> None:
    budget = await created(telemetry)
    budget.amount += 1
    await budgets(telemetry).UpdateBudget(budget_pb2.UpdateBudgetRequest(budget=budget))


async def delete_budget(telemetry: TelemetryMesh) -> None:
    budget = await created(telemetry)
    await budgets(telemetry).DeleteBudget(budget_pb2.DeleteBudgetRequest(name=budget.name))


def slos(telemetry: TelemetryMesh) -> Any:
    return SloServiceStub(telemetry.channel())


async def create_slo(telemetry: TelemetryMesh) -> slo_pb2.Slo:
    slo = slo_pb2.Slo(agent=AGENT_DID, target="0.99")
    answer: slo_pb2.CreateSloResponse = await slos(telemetry).CreateSlo(
        slo_pb2.CreateSloRequest(slo_id="checkout", slo=slo)
    )
    return answer.slo


async def update_slo(telemetry: TelemetryMesh) -> None:
    slo = await create_slo(telemetry)
    slo.target = "0.98"
    await slos(telemetry).UpdateSlo(slo_pb2.UpdateSloRequest(slo=slo))


async def delete_slo(telemetry: TelemetryMesh) -> None:
    slo = await create_slo(telemetry)
    await slos(telemetry).DeleteSlo(slo_pb2.DeleteSloRequest(name=slo.name))


async def import_open_slo(telemetry: TelemetryMesh) -> None:
    slo = await create_slo(telemetry)
    exported = await slos(telemetry).ExportOpenSlo(slo_pb2.ExportOpenSloRequest(names=[slo.name]))
    await slos(telemetry).DeleteSlo(slo_pb2.DeleteSloRequest(name=slo.name))
    await slos(telemetry).ImportOpenSlo(slo_pb2.ImportOpenSloRequest(document=exported.document))


async def override_breaker(telemetry: TelemetryMesh) -> None:
    request = slo_pb2.OverrideBreakerRequest(
        agent=AGENT_DID, override=slo_pb2.BREAKER_OVERRIDE_FORCED_OPEN, reason="it burns"
    )
    stub: Any = BreakerServiceStub(telemetry.channel())
    await stub.OverrideBreaker(request)


async def create_silence(telemetry: TelemetryMesh) -> alert_pb2.Silence:
    silence = alert_pb2.Silence(kind=alert_pb2.ALERT_KIND_BUDGET, reason="planned")
    request = alert_pb2.CreateSilenceRequest(silence=silence, duration=Duration(seconds=3_600))
    return (await alerts(telemetry).CreateSilence(request)).silence


async def delete_silence(telemetry: TelemetryMesh) -> None:
    silence = await create_silence(telemetry)
    await alerts(telemetry).DeleteSilence(alert_pb2.DeleteSilenceRequest(name=silence.name))


async def ack_alert(telemetry: TelemetryMesh) -> None:
    await created(telemetry, soft_levels=[0.5])
    await spends(telemetry, 60)
    while not (fired := (await alerts(telemetry).ListAlerts(alert_pb2.ListAlertsRequest())).alerts):
        continue
    await alerts(telemetry).AckAlert(alert_pb2.AckAlertRequest(name=fired[0].name))


async def put_acceptance_gate(telemetry: TelemetryMesh) -> None:
    gate = evaluation_pb2.AcceptanceGate(agent="namespaces/billing/agents/helper", min_accuracy=0.5)
    stub: Any = EvaluationServiceStub(telemetry.channel())
    await stub.PutAcceptanceGate(evaluation_pb2.PutAcceptanceGateRequest(gate=gate))


CHANGES: dict[str, tuple[Change, str, str]] = {
    "PriceService/PutPrices": (put_prices, "added", "large"),
    "BudgetService/CreateBudget": (create_budget, "added", "budgets/"),
    "BudgetService/UpdateBudget": (update_budget, "modified", "budgets/"),
    "BudgetService/DeleteBudget": (delete_budget, "deleted", "budgets/"),
    "SloService/CreateSlo": (create_slo, "added", "slos/checkout"),
    "SloService/UpdateSlo": (update_slo, "modified", "slos/checkout"),
    "SloService/DeleteSlo": (delete_slo, "deleted", "slos/checkout"),
    "SloService/ImportOpenSlo": (import_open_slo, "added", "slos/checkout"),
    "BreakerService/OverrideBreaker": (override_breaker, "", AGENT_DID),
    "AlertService/CreateSilence": (create_silence, "added", "silences/"),
    "AlertService/DeleteSilence": (delete_silence, "deleted", "silences/"),
    "AlertService/AckAlert": (ack_alert, "", "alerts/"),
    "EvaluationService/PutAcceptanceGate": (put_acceptance_gate, "added", "helper"),
}
"""By method: how to call it, what an entry says of the change, and what its name holds."""


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=ManualClock()) as running:
        yield running


def test_no_method_that_writes_is_left_out() -> None:
    writes = {
        method.removeprefix("/ringfence.telemetry.v1.")
        for method, grant in GRANTS.items()
        if grant.method_class is MethodClass.WRITE
    }
    assert writes == CHANGES.keys() | OTHERWISE.keys()


@pytest.mark.parametrize("method", CHANGES)
async def test_who_changed_what_is_an_entry(telemetry: TelemetryMesh, method: str) -> None:
    call, change, name = CHANGES[method]
    await call(telemetry)
    answer = await telemetry.audit().ListEntries(audit_pb2.ListEntriesRequest(page_size=1_000))
    changes = [json.loads(entry.body) for entry in answer.entries if b'"type":"change"' in entry.body]
    last = [each for each in changes if name in each["name"] and each["change"].startswith(change)][-1]
    assert last["principal"] == "dev:operator"
    assert last["record_digest"].startswith("hmac-sha256-")
    head = (await telemetry.audit().GetCheckpoint(audit_pb2.GetCheckpointRequest())).checkpoint
    assert head.tree_size == len(answer.entries)
