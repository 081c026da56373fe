"""Guards that elsewhere only advise, count in one process, or reckon wrong: what a budget does instead, on every store.

What else is known to go wrong with agents' reliability has tests elsewhere: arithmetic in
`test_golden_error_budgets.py` and `test_golden_objective_holes.py`; breakers that never try again in
`test_golden_breakers.py`; trials of policies that a restart forgets in `test_rollouts.py`; a chain nobody sees as one
in `test_a_chain_of_agents.py`; an exhausted budget that nothing follows from in `test_the_mesh_obeys.py` and
`test_a_budget_that_is_used_up.py`. Faults that are noted and not made have no counterpart here: there is no part that
plays faults, the tests of faults make real ones. What makes a good promise (accuracy, hallucination, calibration) is
evaluated, and belongs to `test_acceptance_counts.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any

import pytest
from ringfence_telemetry.alerts.alert import AlertQuery
from ringfence_telemetry.budgets.budget import WHOLE, Budget, Scope, Standing, Unit
from ringfence_telemetry.slo.feasible import feasible
from ringfence_telemetry.slo.objective import Dependency
from ringfence_telemetry.slo.ratios import Ratio
from ringfence_telemetry.usage import Counts, UsageKey
from support.backends import Backend
from support.telemetry.objectives import B
from support.telemetry.opened import OpenedStore, opened_store
from support.telemetry.spending import budget, kept, spent, standing, used

CENT = 10_000_000
"""In billionths of a dollar."""


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


def dollars(cents: int, **fields: Any) -> Budget:
    """Return a hard budget of money for each task."""
    of_a_task: dict[str, Any] = {
        "scope": Scope.SESSION,
        "unit": Unit.COST,
        "currency": "USD",
        "amount": cents * CENT,
        "hard": True,
    }
    return budget(**(of_a_task | fields))


def paid(cents: int, task: str = "one") -> tuple[UsageKey, Counts]:
    return used(session=task, currency="USD", cost_nanos=cents * CENT)


async def stands(opened: OpenedStore, of: Budget, task: str = "one") -> Standing:
    (found,) = await standing(opened, of, task)
    return found


async def told(opened: OpenedStore) -> list[str]:
    """Return the levels that were told, each as often as it was."""
    found = await opened.store.alerts(AlertQuery(firing_only=False, limit=100))
    return sorted(alert.evidence["level"] for alert in found)


async def test_a_cent_of_half_a_dollar_is_a_fiftieth(opened: OpenedStore) -> None:
    of = dollars(50, soft_levels=(WHOLE // 50, WHOLE // 25))
    await kept(opened, of)
    await spent(opened, paid(1))
    found = await stands(opened, of)
    assert Fraction(found.spent, of.amount) == Fraction(1, 50)
    assert found.level == WHOLE // 50


async def test_a_task_is_stopped_at_its_limit_and_not_before_it(opened: OpenedStore) -> None:
    of = dollars(200)
    await kept(opened, of)
    await spent(opened, paid(199), paid(1, "another"))
    assert (await stands(opened, of)).level == 0
    await spent(opened, paid(1))
    assert (await stands(opened, of)).level == WHOLE
    assert (await stands(opened, of, "another")).level == 0


async def test_what_many_spend_in_one_moment_is_added_up_and_told_once(opened: OpenedStore) -> None:
    of = dollars(200)
    await kept(opened, of)
    await asyncio.gather(*[spent(opened, paid(5)) for _ in range(40)])
    assert (await stands(opened, of)).spent == of.amount
    assert len(await told(opened)) == 1


async def test_levels_are_told_as_they_are_reached_each_once(opened: OpenedStore) -> None:
    levels = (500_000, 750_000, 900_000, 950_000)
    of = dollars(10_000, scope=Scope.AGENT, soft_levels=levels)
    await kept(opened, of)
    counts = []
    for cents in (4_999, 1, 2_500, 1_500, 500, 499, 1):
        await spent(opened, paid(cents))
        counts.append(len(await told(opened)))
    assert counts == [0, 1, 2, 3, 4, 4, 5]


async def test_what_was_spent_outlives_the_process(backend: Backend) -> None:
    of = dollars(200)
    async with opened_store(backend) as opened:
        await kept(opened, of)
        await spent(opened, paid(150))
    async with opened_store(backend) as opened:
        await spent(opened, paid(50))
        assert (await stands(opened, of)).level == WHOLE
        assert [each.subject for each in (await opened.store.stored_budgets()).raised] == ["one"]


@pytest.mark.parametrize(("own", "part"), [("0.999", "0.9"), ("0.9", "0.999")])
def test_the_strictest_of_two_promises_is_not_the_looser_one(own: str, part: str) -> None:
    possible = feasible(Fraction(own), [Dependency(agent=B, target=Ratio.of(Fraction(part)))])
    assert possible == Fraction("0.8991")
    assert possible < min(Fraction(own), Fraction(part))
