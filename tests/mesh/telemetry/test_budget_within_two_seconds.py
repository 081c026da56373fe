"""From a span that uses up a hard budget to the pdp's denial: two seconds at the most, on the wall clock."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.telemetry.v1 import budget_pb2
from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceStub
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.spans import one_trace
from support.mesh.story import effect_is, reason_is

WITHIN_S = 2.0
ROUNDS = 3
"""One would show that it can be fast."""


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path) as mesh:
        await mesh.story().push_policy()
        yield mesh


async def test_what_is_spent_is_denied_and_what_is_raised_is_allowed(mesh: InProcessMesh) -> None:
    story, budgets = mesh.story(), BudgetServiceStub(mesh.channel("telemetry"))
    for number in range(ROUNDS):
        agent, did = await story.register(f"analyst-{number}"), await story.enrol(f"analyst-{number}")
        await story.told(agent, effect_is(pb.EFFECT_ALLOW))
        budget = budget_pb2.Budget(
            scope=budget_pb2.BUDGET_SCOPE_AGENT,
            subjects=[did],
            unit=budget_pb2.BUDGET_UNIT_TOKENS,
            amount=1,
            hard=True,
        )
        request = budget_pb2.CreateBudgetRequest(budget_id=f"once-{number}", budget=budget)
        await budgets.CreateBudget(request)
        since = time.monotonic()
        await TraceServiceStub(mesh.channel("telemetry", who="service")).Export(  # type: ignore[no-untyped-call]  # no types
            one_trace(did)
        )
        denied, _ = await story.told(agent, reason_is(pb.DECISION_REASON_BUDGET_EXHAUSTED))
        assert time.monotonic() - since <= WITHIN_S
        assert f"budgets/once-{number} of {did} is used up" in denied.message
        since = time.monotonic()
        raised = budget_pb2.Budget(name=f"budgets/once-{number}", amount=1_000_000)
        await budgets.UpdateBudget(budget_pb2.UpdateBudgetRequest(budget=raised))
        await story.told(agent, effect_is(pb.EFFECT_ALLOW))
        assert time.monotonic() - since <= WITHIN_S
