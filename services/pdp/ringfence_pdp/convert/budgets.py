"""Telemetry's budgets, as the pdp knows them."""

from collections.abc import Mapping

import grpc.aio
from ringfence.telemetry.v1 import budget_pb2, budget_pb2_grpc
from ringfence.watch import AioWatch, Change
from ringfence_kit.wire import to_instant

from ringfence_pdp.hard_budgets import BudgetScope, HardBudget, SpendingView, UsedUp

_SCOPES: Mapping[int, BudgetScope] = {
    budget_pb2.BUDGET_SCOPE_AGENT: BudgetScope.AGENT,
    budget_pb2.BUDGET_SCOPE_SESSION: BudgetScope.SESSION,
    budget_pb2.BUDGET_SCOPE_TEAM: BudgetScope.TEAM,
    budget_pb2.BUDGET_SCOPE_MODEL: BudgetScope.MODEL,
    budget_pb2.BUDGET_SCOPE_EVERYTHING: BudgetScope.EVERYTHING,
}

_UNITS: Mapping[int, str] = {budget_pb2.BUDGET_UNIT_TOKENS: "tokens", budget_pb2.BUDGET_UNIT_CALLS: "calls"}


def budget_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[budget_pb2.WatchBudgetsRequest, budget_pb2.WatchBudgetsResponse]:
    """Return a watch of every hard budget, current state first."""
    stub: budget_pb2_grpc.BudgetServiceAsyncStub = budget_pb2_grpc.BudgetServiceStub(channel)
    return AioWatch(stub.WatchBudgets, budget_pb2.WatchBudgetsRequest(hard_only=True), initial_state=True)


def take_budget(view: SpendingView, change: Change, answer: budget_pb2.WatchBudgetsResponse) -> None:
    """Put one event of telemetry's watch into a view. A budget for a kind nobody here knows is enforced by nobody."""
    if answer.HasField("budget"):
        scope = _SCOPES.get(answer.budget.scope)
        if change is Change.DELETED or scope is None:
            view.drop_budget(answer.budget.name)
        else:
            view.put_budget(_budget(answer.budget, scope))
        return
    status, budget = answer.status, view.budget(answer.status.budget)
    if budget is None or change is Change.DELETED or status.state != budget_pb2.BUDGET_STATE_EXHAUSTED:
        view.leave_some(status.budget, status.subject)
    else:
        view.use_up(_used_up(status, budget))


def _budget(budget: budget_pb2.Budget, scope: BudgetScope) -> HardBudget:
    nanos = budget.unit == budget_pb2.BUDGET_UNIT_COST_NANOS
    unit = budget.currency if nanos else _UNITS.get(budget.unit, "units")
    return HardBudget(
        name=budget.name,
        scope=scope,
        subjects=tuple(budget.subjects),
        agents=tuple(budget.agents),
        unit=unit,
        nanos=nanos,
    )


def _used_up(status: budget_pb2.BudgetStatus, budget: HardBudget) -> UsedUp:
    ends = to_instant(status.period_end_time) if status.HasField("period_end_time") else None
    return UsedUp(
        budget=status.budget,
        subject=status.subject,
        spent=f"{budget.amount(status.spent)} of {budget.amount(status.amount)}",
        ends_at=ends,
    )
