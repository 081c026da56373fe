"""Agents that spend, over the wire: budgets to spend from, and the stubs of the services that tell."""

from collections.abc import AsyncIterator
from itertools import count
from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration
from ringfence.telemetry.v1 import alert_pb2, alert_pb2_grpc, budget_pb2, budget_pb2_grpc
from ringfence_kit.callers import Caller
from ringfence_kit.clock import ManualClock, Millis

from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import TelemetryMesh
from support.telemetry.spans import SpanSpec
from support.watching import while_time_passes

if TYPE_CHECKING:
    from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceAsyncStub
    from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceAsyncStub

SHOP = "namespaces/shop/agents/checkout"
BILLING = "namespaces/billing/agents/clerk"
"""Of the namespace that `OWNER` owns."""

_numbers = count(1)


def budgets(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> "BudgetServiceAsyncStub":
    """Return the stub of BudgetService."""
    stub: BudgetServiceAsyncStub = budget_pb2_grpc.BudgetServiceStub(telemetry.channel(caller))
    return stub


def alerts(telemetry: TelemetryMesh, caller: Caller = OPERATOR) -> "AlertServiceAsyncStub":
    """Return the stub of AlertService."""
    stub: AlertServiceAsyncStub = alert_pb2_grpc.AlertServiceStub(telemetry.channel(caller))
    return stub


def a_budget(**fields: Any) -> budget_pb2.Budget:
    """Return a budget of 100 tokens a day for each agent, with these changes."""
    values: dict[str, Any] = {
        "scope": budget_pb2.BUDGET_SCOPE_AGENT,
        "unit": budget_pb2.BUDGET_UNIT_TOKENS,
        "amount": 100,
        "period": Duration(seconds=86_400),
    }
    return budget_pb2.Budget(**(values | fields))


async def created(
    telemetry: TelemetryMesh, budget_id: str = "daily", caller: Caller = OPERATOR, **fields: Any
) -> budget_pb2.Budget:
    """Set a budget."""
    request = budget_pb2.CreateBudgetRequest(budget_id=budget_id, budget=a_budget(**fields))
    return (await budgets(telemetry, caller).CreateBudget(request)).budget


async def spends(telemetry: TelemetryMesh, tokens: int, *, agent: str = SHOP, **said: Any) -> None:
    """Let an agent call a model, and wait until that is counted."""
    number = next(_numbers)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.agent.id": agent,
        "gen_ai.usage.input_tokens": tokens,
        "gen_ai.response.model": "large",
        # What it cost is said, or somebody would be told that no price is known.
        "gen_ai.usage.cost.amount": 0.001,
        "gen_ai.usage.cost.currency": "EUR",
        **said,
    }
    now = telemetry.clock.now()
    await telemetry.export([SpanSpec(number, 0, attributes, trace=number, start_ms=now, duration_ms=0)], SERVICE)
    await telemetry.everything_counted()


async def next_answer(telemetry: TelemetryMesh, stream: AsyncIterator[Any], *, step: Millis = Millis(1_000)) -> Any:
    """Return the next answer of a stream; on a manual clock time passes meanwhile."""
    if isinstance(telemetry.clock, ManualClock):
        return await while_time_passes(telemetry.clock, anext(stream), step=step)
    return await anext(stream)


async def next_alert(telemetry: TelemetryMesh, stream: AsyncIterator[Any]) -> alert_pb2.AlertEvent:
    """Return the next event of a WatchAlerts stream, passing over bookmarks."""
    while True:
        answer = await next_answer(telemetry, stream)
        if answer.HasField("event"):
            event: alert_pb2.AlertEvent = answer.event
            return event
