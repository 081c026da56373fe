"""What an instrumented agent reports uses up its hard budget: the pdp denies it alone, until the budget is renewed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ringfence.channel import ChannelOptions
from ringfence.credentials import token_file
from ringfence.pdp.v1.decision_pb2 import DECISION_REASON_BUDGET_EXHAUSTED, EFFECT_ALLOW, EFFECT_DENY
from ringfence.telemetry import instrument
from ringfence.telemetry.v1 import alert_pb2, budget_pb2
from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceStub
from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceStub
from ringfence_kit.clock import DAY, Instant, ManualClock, SystemClock
from ringfence_kit.dev_tokens import token_path
from support.mesh.in_process import InProcessMesh, in_process_mesh
from support.mesh.story import NAMESPACE, effect_is

SPENDER, SAVER = f"{NAMESPACE}/agents/spender", f"{NAMESPACE}/agents/saver"
TOKENS_A_DAY = 1_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(Instant(SystemClock().now()))


@pytest.fixture
async def mesh(tmp_path: Path, clock: ManualClock) -> AsyncIterator[InProcessMesh]:
    async with in_process_mesh(tmp_path, clock=clock) as mesh:
        story = mesh.story()
        await story.push_policy()
        for agent in (SPENDER, SAVER):
            await story.register(agent.rpartition("/")[2])
        budget = budget_pb2.Budget(
            scope=budget_pb2.BUDGET_SCOPE_AGENT,
            unit=budget_pb2.BUDGET_UNIT_TOKENS,
            amount=TOKENS_A_DAY,
            soft_levels=[0.5],
            hard=True,
        )
        budget.period.FromSeconds(DAY // 1_000)
        stub = BudgetServiceStub(mesh.channel("telemetry"))
        await stub.CreateBudget(budget_pb2.CreateBudgetRequest(budget_id="daily", budget=budget))
        yield mesh


def spend(mesh: InProcessMesh, agent: str, tokens: int) -> None:
    """Let an agent use tokens, and report it."""
    token = token_file(token_path(mesh.layout.data, "service"))
    telemetry = instrument(
        agent=agent,
        endpoint=mesh.layout.addresses["telemetry.otlp_listen"],
        options=ChannelOptions(token=token),
        make_global=False,
    )
    with telemetry, telemetry.invoke_agent() as work:
        with telemetry.chat("example-model-1", provider="example") as call:
            call.used(input_tokens=tokens, output_tokens=0)
        work.used(input_tokens=tokens, output_tokens=0)


async def levels(mesh: InProcessMesh) -> list[str]:
    """Return what of budgets is told."""
    request = alert_pb2.ListAlertsRequest(kinds=[alert_pb2.ALERT_KIND_BUDGET], firing_only=True)
    return [alert.agent for alert in (await AlertServiceStub(mesh.channel("telemetry")).ListAlerts(request)).alerts]


async def test_it_is_denied_and_nobody_else_until_the_day_is_over(mesh: InProcessMesh, clock: ManualClock) -> None:
    story = mesh.story()
    dids = {agent: await story.enrol(agent.rpartition("/")[2]) for agent in (SPENDER, SAVER)}
    await story.told(SPENDER, effect_is(EFFECT_ALLOW))
    await story.told(SAVER, effect_is(EFFECT_ALLOW))

    await asyncio.to_thread(spend, mesh, dids[SAVER], TOKENS_A_DAY - 1)
    await asyncio.to_thread(spend, mesh, dids[SPENDER], TOKENS_A_DAY)
    denied, _ = await story.told(SPENDER, effect_is(EFFECT_DENY))
    assert denied.reason == DECISION_REASON_BUDGET_EXHAUSTED
    assert (await story.ask(SAVER)).effect == EFFECT_ALLOW
    assert set(await levels(mesh)) == set(dids.values())

    clock.advance(DAY)
    renewed, _ = await story.told(SPENDER, effect_is(EFFECT_ALLOW))
    assert renewed.effect == EFFECT_ALLOW


async def test_a_budget_of_some_agents_is_spent_and_felt_by_them_alone(mesh: InProcessMesh) -> None:
    story = mesh.story()
    dids = {agent: await story.enrol(agent.rpartition("/")[2]) for agent in (SPENDER, SAVER)}
    together = budget_pb2.Budget(
        scope=budget_pb2.BUDGET_SCOPE_EVERYTHING,
        unit=budget_pb2.BUDGET_UNIT_TOKENS,
        amount=TOKENS_A_DAY // 2,
        hard=True,
        agents=[dids[SPENDER]],
    )
    stub = BudgetServiceStub(mesh.channel("telemetry"))
    await stub.CreateBudget(budget_pb2.CreateBudgetRequest(budget_id="together", budget=together))

    await asyncio.to_thread(spend, mesh, dids[SAVER], TOKENS_A_DAY - 1)
    await asyncio.to_thread(spend, mesh, dids[SPENDER], TOKENS_A_DAY // 2)
    denied, _ = await story.told(SPENDER, effect_is(EFFECT_DENY))
    assert denied.reason == DECISION_REASON_BUDGET_EXHAUSTED
    assert denied.message.startswith("budgets/together is used up: 500 tokens of 500 tokens is spent")
    assert (await story.ask(SAVER)).effect == EFFECT_ALLOW
