"""What is kept for followers, for how long, and when they have to begin again."""

import asyncio

import pytest
from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, Millis
from ringfence_pdp.hard_budgets import BudgetScope, HardBudget
from ringfence_pdp.snapshots.shipped import Kind
from support.pdp.shipped import EVENTS_KEPT, Pdp, Reader
from support.pdp.world import tool


def says_tool(pdp: Pdp, *, enabled: bool = True) -> None:
    known = tool("a", enabled=enabled)
    pdp.changes(Kind.TOOL, "a", lambda facts: facts.tools.update({"a": known}))


async def test_who_comes_back_in_time_needs_no_new_state_and_later_does() -> None:
    pdp = Pdp()
    reader = Reader(pdp)
    async with background(pdp.shipping.beating()):
        await asyncio.sleep(0)
        await reader.catch_up()
        await reader.cut()
        for wait, states in ((299, 1), (301, 2)):
            pdp.clock.advance(Millis(wait * SECOND))
            await asyncio.sleep(0)
            says_tool(pdp)
            await reader.catch_up()
            reader.knows_it_all()
            assert reader.states == states
            await reader.cut()


@pytest.mark.parametrize("started", [-5_000, 0, 5_000], ids=["before", "at the same moment", "after"])
async def test_nobody_goes_on_in_the_history_of_another_process(started: int) -> None:
    one, other = Pdp(), Pdp(started=Millis(started), salt=6)
    reader = Reader(one)
    await reader.catch_up()
    says_tool(one)
    await Reader(other).catch_up()
    for _ in range(5):
        says_tool(other)
    await reader.cut()
    reader.pdp = other
    await reader.catch_up()
    reader.knows_it_all()
    assert reader.states == 2


async def test_nobody_is_told_of_more_than_is_kept() -> None:
    pdp = Pdp()
    reader, slow = Reader(pdp), Reader(pdp)
    await reader.catch_up()
    await slow.catch_up()
    for number in range(EVENTS_KEPT + 10):
        says_tool(pdp, enabled=number % 2 == 0)
    assert len(pdp.shipping._history) == EVENTS_KEPT
    await slow.catch_up()
    slow.knows_it_all()
    assert slow.states == 2


async def test_what_changes_for_very_many_is_a_new_state() -> None:
    pdp = Pdp()
    reader = Reader(pdp)
    await reader.catch_up()
    many = {
        f"budgets/{number}": HardBudget(name=f"budgets/{number}", scope=BudgetScope.AGENT) for number in range(5_000)
    }
    for budget in many.values():
        pdp.spending.put_budget(budget)
    pdp.moved()
    await reader.catch_up()
    reader.knows_it_all()
    assert reader.states == 2


async def test_nothing_is_kept_while_nobody_follows() -> None:
    pdp = Pdp()
    for _ in range(10):
        says_tool(pdp)
    assert not pdp.shipping._history
    assert not any(pdp.shipping._noted.values())
