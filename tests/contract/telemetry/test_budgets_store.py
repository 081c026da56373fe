"""The contract of budgets' rows, and the book over them, on memory, SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation
from ringfence_telemetry.alerts.alert import AlertQuery
from ringfence_telemetry.budgets.book import end, reconsider
from ringfence_telemetry.budgets.budget import WHOLE, Budget, Scope, Standing, Unit
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.budgets import StandingQuery
from ringfence_telemetry.usage import UNATTRIBUTED
from support.backends import Backend
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW
from support.telemetry.spending import TODAY, budget, kept, renewed, spend, spent, standing, used

TOMORROW = Instant(TODAY + DAY)
HALF, MOST = 500_000, 800_000


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


async def alerts(opened: OpenedStore, *, firing: bool = True) -> list[str]:
    found = await opened.store.alerts(AlertQuery(firing_only=firing, limit=100))
    return sorted(f"{alert.evidence['subject']} {alert.evidence['level']}" for alert in found)


async def amounts(opened: OpenedStore, of: str = "daily", *, at: Instant = NOW) -> dict[str, int]:
    return {each.subject: each.spent for each in await standing(opened, budget(of), at=at)}


class TestSpent:
    async def test_it_is_the_sum_of_what_was_used_and_taken_back(self, opened: OpenedStore) -> None:
        await kept(opened, budget())
        await spent(opened, used(30), used(12, agent="b"))
        await spent(opened, used(20), used(-12, agent="b", spans=-1))
        assert await amounts(opened) == {"a": 50, "b": 0}

    @pytest.mark.parametrize(
        ("scope", "found"),
        [
            (Scope.AGENT, {"a": 5, "b": 7}),
            (Scope.SESSION, {"s": 13}),
            (Scope.TEAM, {"t": 7}),
            (Scope.MODEL, {"m": 8}),
            (Scope.EVERYTHING, {"": 15}),
        ],
    )
    async def test_it_is_each_ones_own(self, opened: OpenedStore, scope: Scope, found: dict[str, int]) -> None:
        before = budget("before", scope=scope)
        await kept(opened, before)
        await spent(
            opened,
            used(5, session="s"),
            used(7, agent="b", session="s", team="t", model="m"),
            used(1, agent=UNATTRIBUTED, session="s", model="m"),
            used(2, agent=UNATTRIBUTED),
            used(1_000, session="s", team="t", model="m", untrusted=True),
        )
        await kept(opened, budget("after", scope=scope))
        for each in ("before", "after"):
            assert await amounts(opened, each) == found

    @pytest.mark.parametrize(
        ("fields", "amount"),
        [
            ({"unit": Unit.TOKENS}, 9),
            ({"unit": Unit.CALLS}, 5),
            ({"unit": Unit.COST, "currency": "EUR"}, 4_000_000_000_000),
            ({"unit": Unit.COST, "currency": "USD"}, 25),
        ],
    )
    async def test_it_is_in_the_budgets_unit(self, opened: OpenedStore, fields: dict[str, object], amount: int) -> None:
        await kept(opened, budget("before", **fields))
        await spent(
            opened,
            used(5, operation="chat", spans=3, currency="EUR", cost_nanos=4_000_000_000_000),
            used(4, operation="execute_tool", tool_calls=2, currency="USD", cost_nanos=25),
            used(0, operation="chat", spans=0, unknown_cost_calls=1),
        )
        await kept(opened, budget("after", **fields))
        for each in ("before", "after"):
            (found,) = await standing(opened, budget(each))
            assert (found.spent, found.unknown_cost_calls) == (amount, int(fields["unit"] is Unit.COST))

    async def test_only_those_it_names_have_it(self, opened: OpenedStore) -> None:
        of = budget(subjects=("a", "namespaces/shop/agents/*"))
        await kept(opened, of)
        found = ("a", "ab", "namespaces/shop/agents/x", "namespaces/shopping/agents/x")
        await spent(opened, *(used(1, agent=agent) for agent in found))
        assert await amounts(opened) == {"a": 1, "namespaces/shop/agents/x": 1}

    @pytest.mark.parametrize(
        ("scope", "agents", "found"),
        [
            (Scope.TEAM, ("namespaces/shop/*",), {"t": 3}),
            (Scope.TEAM, ("namespaces/shop/agents/x", "did:web:y"), {"t": 5}),
            (Scope.TEAM, ("*",), {"t": 23}),
            (Scope.TEAM, (), {"t": 55}),
            (Scope.TEAM, ("namespaces/Shop/*", "NAMESPACES/*", "namespaces/sho_/*", "namespaces/%"), {}),
            (Scope.SESSION, ("namespaces/shop/*",), {"s": 3}),
            (Scope.MODEL, ("namespaces/shop/*",), {"m": 3}),
            (Scope.EVERYTHING, ("namespaces/shop/*",), {"": 67}),
        ],
    )
    async def test_what_others_use_in_its_name_is_not_counted(
        self, opened: OpenedStore, scope: Scope, agents: tuple[str, ...], found: dict[str, int]
    ) -> None:
        await kept(opened, budget("before", scope=scope, agents=agents))
        named: dict[str, Any] = {"team": "t", "session": "s", "model": "m"}
        await spent(
            opened,
            used(1, agent="namespaces/shop/agents/x", **named),
            used(2, agent="namespaces/shop/agents/y", **named),
            used(4, agent="did:web:y", **named),
            used(16, agent="namespaces/shopping/agents/x", **named),
            used(32, agent=UNATTRIBUTED, **named),
            used(64, agent="namespaces/shop/agents/x"),
            used(128, agent="namespaces/shop/agents/x", untrusted=True, **named),
        )
        await kept(opened, budget("after", scope=scope, agents=agents))
        for each in ("before", "after"):
            assert await amounts(opened, each) == found
        recent = await opened.store.usage_by(scope, start=TODAY, end=None, agents=agents)
        assert {subject: each.tokens for subject, each in recent.items()} == found

    async def test_usage_belongs_to_the_period_of_its_minute(self, opened: OpenedStore) -> None:
        await kept(opened, budget())
        await spent(
            opened,
            used(1, at=Instant(TODAY - MINUTE)),
            used(2, at=TODAY),
            used(4, at=Instant(TOMORROW - MINUTE)),
            used(8, at=TOMORROW),
        )
        found = [await amounts(opened, at=at) for at in (Instant(TODAY - 1), NOW, TOMORROW)]
        assert found == [{"a": 1}, {"a": 6}, {"a": 8}]

    async def test_one_without_a_period_begins_in_1970_and_does_not_end(self, opened: OpenedStore) -> None:
        of = budget(period=None)
        await kept(opened, of)
        await spent(opened, used(1, at=Instant(0)), used(2, at=Instant(NOW + 400 * DAY)))
        assert [each.spent for each in await standing(opened, of)] == [3]

    async def test_what_was_used_before_it_was_set_counts(self, opened: OpenedStore) -> None:
        await spent(opened, used(10), used(90, at=Instant(TODAY - MINUTE)), used(3, at=TOMORROW))
        await kept(opened, budget())
        assert (await amounts(opened), await amounts(opened, at=TOMORROW)) == ({"a": 10}, {"a": 3})
        await spent(opened, used(-10, spans=-1), used(4, agent="b"))
        assert await amounts(opened) == {"a": 0, "b": 4}

    async def test_an_amount_beyond_what_a_store_holds_stands_still(self, opened: OpenedStore) -> None:
        of = budget(unit=Unit.COST, currency="EUR", amount=2**63 - 1)
        await kept(opened, of)
        for _ in range(3):
            await spent(opened, used(currency="EUR", cost_nanos=2**62))
        assert await amounts(opened) == {"a": 2**63 - 1}
        await kept(opened, budget("after", unit=Unit.COST, currency="EUR"))
        assert await amounts(opened, "after") == {"a": 2**63 - 1}

    async def test_a_transaction_that_fails_counts_nothing(self, opened: OpenedStore) -> None:
        await kept(opened, budget())

        def work(tx: TelemetryTx) -> None:
            spend(tx, [used(100)])
            raise Unavailable(problem="the disk is full")

        with pytest.raises(Unavailable):
            await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))
        assert (await amounts(opened), await alerts(opened)) == ({}, [])

    async def test_everything_is_there_after_a_restart(self, backend: Backend) -> None:
        of = budget(soft_levels=(HALF,), hard=True)
        async with opened_store(backend) as before:
            await kept(before, of)
            await spent(before, used(60), used(30, agent="b"))
        async with opened_store(backend) as after:
            stored = await after.store.stored_budgets()
            assert (stored.budgets, [(each.subject, each.level) for each in stored.raised]) == ([of], [("a", HALF)])
            await spent(after, used(40), used(20, agent="b"))
            assert await amounts(after) == {"a": 100, "b": 50}
            assert await alerts(after) == ["a 0.5", "a 1", "b 0.5"]


class TestLevels:
    async def test_each_raises_an_alert_when_it_is_reached(self, opened: OpenedStore) -> None:
        await kept(opened, budget(soft_levels=(HALF, MOST), hard=True))
        seen = []
        for tokens in (49, 1, 29, 1, 19, 1, 500):
            await spent(opened, used(tokens))
            seen.append(await alerts(opened))
        assert seen == [
            [],
            ["a 0.5"],
            ["a 0.5"],
            ["a 0.5", "a 0.8"],
            ["a 0.5", "a 0.8"],
            ["a 0.5", "a 0.8", "a 1"],
            ["a 0.5", "a 0.8", "a 1"],
        ]

    async def test_what_is_taken_back_ends_them(self, opened: OpenedStore) -> None:
        await kept(opened, budget(soft_levels=(HALF,)))
        await spent(opened, used(100))
        await spent(opened, used(-40, spans=0))
        assert await alerts(opened) == ["a 0.5"]
        await spent(opened, used(-60, spans=-1))
        assert await alerts(opened) == []
        assert await alerts(opened, firing=False) == ["a 0.5", "a 1"]

    async def test_only_the_whole_of_a_hard_one_is_urgent(self, opened: OpenedStore) -> None:
        await kept(opened, budget("soft", soft_levels=(HALF,)), budget("hard", soft_levels=(HALF,), hard=True))
        await spent(opened, used(100))
        found = await opened.store.alerts(AlertQuery(limit=100))
        assert {(alert.subject, alert.evidence["level"]) for alert in found if alert.page} == {("budgets/hard", "1")}

    async def test_the_alert_says_what_there_is_to_know(self, opened: OpenedStore) -> None:
        await kept(opened, budget("day-cap", unit=Unit.COST, currency="EUR", amount=10_000_000_000, hard=True))
        await spent(opened, used(0, agent="namespaces/shop/agents/x", currency="EUR", cost_nanos=12_345_000_000))
        (alert,) = await opened.store.alerts(AlertQuery(limit=10))
        assert alert.message == (
            "The budget day-cap of agent namespaces/shop/agents/x is used up: 12.345 EUR of 10.00 EUR; "
            f"it is renewed at {_day(TOMORROW)} 00:00 UTC; until then what would spend more is denied. "
            "Raise it if that is right."
        )
        assert (alert.agent, alert.subject) == ("namespaces/shop/agents/x", "budgets/day-cap")
        assert (alert.evidence["spent"], alert.evidence["currency"]) == ("12345000000", "EUR")

    async def test_a_period_that_ends_takes_them_along(self, opened: OpenedStore) -> None:
        await kept(opened, budget(soft_levels=(HALF,)))
        await spent(opened, used(100))
        assert not await opened.store.any_standing_due(Instant(TOMORROW - 1))
        assert await opened.store.any_standing_due(TOMORROW)
        await renewed(opened, TOMORROW)
        assert not await opened.store.any_standing_due(Instant(TOMORROW + HOUR))
        assert (await alerts(opened), await amounts(opened)) == ([], {"a": 100})

    async def test_usage_of_the_next_period_raises_none_before_it_begins(self, opened: OpenedStore) -> None:
        await kept(opened, budget())
        just_before = Instant(TOMORROW - 1)
        await spent(opened, used(100, at=TOMORROW), at=just_before)
        assert await alerts(opened) == []
        assert await opened.store.any_standing_due(TOMORROW)
        await renewed(opened, TOMORROW)
        assert await alerts(opened) == ["a 1"]

    async def test_late_usage_of_a_period_that_is_over_raises_none(self, opened: OpenedStore) -> None:
        await kept(opened, budget())
        await spent(opened, used(500, at=Instant(TODAY - MINUTE)))
        assert await alerts(opened) == []

    async def test_what_is_spent_first_in_a_new_period_ends_those_of_the_old(self, opened: OpenedStore) -> None:
        await kept(opened, budget(soft_levels=(HALF,)))
        await spent(opened, used(100))
        await spent(opened, used(50, at=TOMORROW), at=Instant(TOMORROW + 1))
        (alert,) = await opened.store.alerts(AlertQuery(firing_only=True, limit=10))
        assert (alert.evidence["level"], alert.evidence["period_start_ms"]) == ("0.5", str(TOMORROW))
        stored = await opened.store.stored_budgets()
        assert [(each.start, each.level) for each in stored.raised] == [(TOMORROW, HALF)]


class TestChanging:
    async def test_another_amount_is_held_against_what_was_spent(self, opened: OpenedStore) -> None:
        of = budget(soft_levels=(HALF,))
        await kept(opened, of)
        await spent(opened, used(60), used(20, agent="b"))
        larger, smaller = budget(soft_levels=(HALF,), amount=1_000), budget(soft_levels=(MOST,), amount=20)
        await self.reconsidered(opened, of, larger)
        assert await alerts(opened) == []
        await self.reconsidered(opened, larger, smaller)
        assert await alerts(opened) == ["a 0.8", "a 1", "b 0.8", "b 1"]

    async def test_a_budget_that_goes_takes_its_alerts_along(self, opened: OpenedStore) -> None:
        of = budget()
        await kept(opened, of, budget("other"))
        await spent(opened, used(100))

        def work(tx: TelemetryTx) -> None:
            end(tx, of, NOW)
            tx.drop_budget(of.id)

        await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))
        assert [budget.id for budget in (await opened.store.stored_budgets()).budgets] == ["other"]
        assert (await alerts(opened), await amounts(opened)) == (["a 1"], {})

    async def reconsidered(self, opened: OpenedStore, before: Budget, after: Budget) -> None:
        def work(tx: TelemetryTx) -> None:
            tx.keep_budget(after)
            reconsider(tx, before, after, NOW)

        await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))


class TestRows:
    async def test_standings_come_with_the_most_spent_first(self, opened: OpenedStore) -> None:
        of = budget()
        await kept(opened, of)
        names = ("namespaces/shop/agents/x", "namespaces/shop-2/agents/x", "z")
        await spent(opened, *(used(tokens, agent=name) for name, tokens in zip(names, (5, 9, 5), strict=True)))
        query = StandingQuery(budget="daily", start=TODAY, limit=2)
        assert [each.subject for each in await opened.store.budget_standings(query)] == [names[1], names[0]]
        owned = StandingQuery(budget="daily", start=TODAY, namespaces=("shop",), limit=2)
        assert [each.subject for each in await opened.store.budget_standings(owned)] == [names[0]]
        nobody = StandingQuery(budget="daily", start=TODAY, namespaces=(), limit=2)
        assert await opened.store.budget_standings(nobody) == []

    async def test_a_namespace_in_capitals_is_nobodys(self, opened: OpenedStore) -> None:
        await kept(opened, budget())
        names = ("namespaces/SHOP/agents/x", "Namespaces/shop/agents/x", "namespaces/shop/agents/x")
        await spent(opened, *(used(5, agent=name) for name in names))
        owned = StandingQuery(budget="daily", start=TODAY, namespaces=("shop",), limit=9)
        assert [each.subject for each in await opened.store.budget_standings(owned)] == [names[2]]

    async def test_what_was_spent_long_ago_is_forgotten_and_what_is_raised_is_not(self, opened: OpenedStore) -> None:
        def work(tx: TelemetryTx) -> None:
            for start, level in ((0, 0), (1, 0), (2, WHOLE), (3, 0), (9, 0)):
                tx.keep_standings([Standing(budget="b", subject="s", start=Instant(start), level=level)])
            assert tx.forget_standings(before=Instant(9), limit=1) == 1
            assert tx.forget_standings(before=Instant(9), limit=5) == 1
            assert [each.start for each in tx.standings_raised("b")] == [2]
            left = [start for start in range(10) if tx.standings_in("b", Instant(start))]
            assert left == [0, 2, 9]

        await opened.writer.write(work, mutation=BY_TELEMETRY, result=type(None))

    async def test_what_is_due_comes_in_its_order(self, opened: OpenedStore) -> None:
        def work(tx: TelemetryTx) -> None:
            for subject, due in (("x", 3), ("y", 1), ("z", None), ("w", 1), ("v", 7)):
                due_at = None if due is None else Instant(due)
                tx.keep_standings([Standing(budget="b", subject=subject, start=NOW, due_at=due_at)])
            assert [each.subject for each in tx.standings_due(Instant(3), limit=9)] == ["w", "y", "x"]
            assert [each.subject for each in tx.standings_due(Instant(3), limit=1)] == ["w"]

        await opened.writer.write(work, mutation=Mutation(principal="telemetry", at=NOW), result=type(None))


def _day(at: Instant) -> str:
    return datetime.fromtimestamp(at // 1_000, UTC).strftime("%Y-%m-%d")
