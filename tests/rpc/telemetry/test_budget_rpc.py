"""BudgetService over the wire: set, changed, watched, enforced by nobody here, and every bad request."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.telemetry.v1 import audit_pb2
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence.telemetry.v1.alert_pb2 import ListAlertsRequest
from ringfence.watch import AioWatch, Change, Changed, StateBegins, StateComplete
from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant, ManualClock, Millis
from ringfence_kit.wire import to_instant
from support.serving import OPERATOR, SERVICE
from support.telemetry.mesh import AGENT, AGENT_DID, AUDITOR, GATEWAY, OWNER, TelemetryMesh, telemetry_mesh
from support.telemetry.spans import SpanSpec
from support.telemetry.spenders import BILLING, SHOP, a_budget, alerts, budgets, created, next_answer, spends
from support.wire import refusal

UUID = "123e4567-e89b-42d3-a456-426614174000"


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryMesh]:
    async with telemetry_mesh(tmp_path, clock=ManualClock()) as running:
        yield running


async def got(telemetry: TelemetryMesh, caller: Caller = OPERATOR, **request: Any) -> pb.GetBudgetResponse:
    return await budgets(telemetry, caller).GetBudget(pb.GetBudgetRequest(**({"name": "budgets/daily"} | request)))


def advance(telemetry: TelemetryMesh, by: Millis) -> None:
    assert isinstance(telemetry.clock, ManualClock)
    telemetry.clock.advance(by)


class TestSetting:
    async def test_a_budget_is_as_it_was_asked_for(self, telemetry: TelemetryMesh) -> None:
        budget = await created(telemetry, soft_levels=[0.8, 0.5], hard=True, display_name="Tokens a day")
        assert budget.name == "budgets/daily"
        assert list(budget.soft_levels) == [0.5, 0.8]
        assert (budget.hard, budget.amount, budget.period.seconds) == (True, 100, 86_400)
        assert (await got(telemetry)).budget == budget

    async def test_an_id_is_taken_once_and_a_repeated_request_is_one(self, telemetry: TelemetryMesh) -> None:
        request = pb.CreateBudgetRequest(budget_id="daily", budget=a_budget(), request_id=UUID)
        first = await budgets(telemetry).CreateBudget(request)
        assert await budgets(telemetry).CreateBudget(request) == first
        refused = await refusal(
            budgets(telemetry).CreateBudget(pb.CreateBudgetRequest(budget_id="daily", budget=a_budget()))
        )
        assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "BUDGET_ALREADY_EXISTS")
        request.budget.amount = 7
        refused = await refusal(budgets(telemetry).CreateBudget(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")

    async def test_a_change_touches_what_the_mask_names(self, telemetry: TelemetryMesh) -> None:
        before = await created(telemetry, soft_levels=[0.5])
        changed = pb.Budget(name=before.name, amount=200, hard=True, soft_levels=[0.9])
        request = pb.UpdateBudgetRequest(
            budget=changed, update_mask=FieldMask(paths=["amount", "hard"]), etag=before.etag
        )
        after = (await budgets(telemetry).UpdateBudget(request)).budget
        assert (after.amount, after.hard, list(after.soft_levels)) == (200, True, [0.5])
        assert after.etag != before.etag
        refused = await refusal(budgets(telemetry).UpdateBudget(request))
        assert (refused.code, refused.reason) == ("ABORTED", "ETAG_MISMATCH")

    async def test_a_change_of_nothing_is_none(self, telemetry: TelemetryMesh) -> None:
        before = await created(telemetry)
        answer = await budgets(telemetry).UpdateBudget(pb.UpdateBudgetRequest(budget=before))
        assert answer.budget == before

    async def test_what_is_deleted_is_gone(self, telemetry: TelemetryMesh) -> None:
        budget = await created(telemetry)
        wrong = pb.DeleteBudgetRequest(name=budget.name, etag='"1-x"')
        assert (await refusal(budgets(telemetry).DeleteBudget(wrong))).reason == "ETAG_MISMATCH"
        await budgets(telemetry).DeleteBudget(pb.DeleteBudgetRequest(name=budget.name, etag=budget.etag))
        for call in (
            got(telemetry),
            budgets(telemetry).DeleteBudget(pb.DeleteBudgetRequest(name=budget.name)),
            budgets(telemetry).UpdateBudget(pb.UpdateBudgetRequest(budget=budget)),
        ):
            refused = await refusal(call)
            assert (refused.code, refused.reason) == ("NOT_FOUND", "BUDGET_NOT_FOUND")

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"budget_id": "Daily"}, "budget_id"),
            ({"budget_id": ""}, "budget_id"),
            ({"request_id": "x"}, "request_id"),
            ({"scope": 0}, "budget.scope"),
            ({"scope": 99}, "budget.scope"),
            ({"unit": 0}, "budget.unit"),
            ({"amount": 0}, "budget.amount"),
            ({"amount": -5}, "budget.amount"),
            ({"currency": "EUR"}, "budget.currency"),
            ({"unit": pb.BUDGET_UNIT_COST_NANOS}, "budget.currency"),
            ({"unit": pb.BUDGET_UNIT_COST_NANOS, "currency": "euro"}, "budget.currency"),
            ({"subjects": [""]}, "budget.subjects[0]"),
            ({"subjects": ["a*b"]}, "budget.subjects[0]"),
            ({"subjects": ["a", "a"]}, "budget.subjects[1]"),
            ({"subjects": [f"a{number}" for number in range(101)]}, "budget.subjects"),
            ({"scope": pb.BUDGET_SCOPE_EVERYTHING, "subjects": ["a"]}, "budget.subjects"),
            ({"agents": ["a"]}, "budget.agents"),
            ({"scope": pb.BUDGET_SCOPE_TEAM, "agents": ["a*b"]}, "budget.agents[0]"),
            ({"scope": pb.BUDGET_SCOPE_TEAM, "agents": ["a", "a"]}, "budget.agents[1]"),
            ({"period": Duration(seconds=59)}, "budget.period"),
            ({"period": Duration(seconds=90)}, "budget.period"),
            ({"period": Duration(seconds=367 * 86_400)}, "budget.period"),
            ({"period": Duration(seconds=60, nanos=1)}, "budget.period"),
            ({"soft_levels": [0.0]}, "budget.soft_levels[0]"),
            ({"soft_levels": [1.0]}, "budget.soft_levels[0]"),
            ({"soft_levels": [float("nan")]}, "budget.soft_levels[0]"),
            ({"soft_levels": [float("inf")]}, "budget.soft_levels[0]"),
            ({"soft_levels": [1e300]}, "budget.soft_levels[0]"),
            ({"soft_levels": [0.5, 0.5]}, "budget.soft_levels[1]"),
            ({"soft_levels": [number / 10 for number in range(1, 10)]}, "budget.soft_levels"),
            ({"display_name": "x" * 201}, "budget.display_name"),
        ],
    )
    async def test_what_is_wrong_is_named(self, telemetry: TelemetryMesh, changes: dict[str, Any], field: str) -> None:
        budget_id, request_id = changes.pop("budget_id", "daily"), changes.pop("request_id", "")
        request = pb.CreateBudgetRequest(budget_id=budget_id, budget=a_budget(**changes), request_id=request_id)
        refused = await refusal(budgets(telemetry).CreateBudget(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert list(refused.violations) == [field]

    @pytest.mark.parametrize(
        ("scope", "field"), [(pb.BUDGET_SCOPE_EVERYTHING, "subjects"), (pb.BUDGET_SCOPE_AGENT, "agents")]
    )
    async def test_what_a_scope_has_not_cannot_be_changed_either(
        self, telemetry: TelemetryMesh, scope: pb.BudgetScope, field: str
    ) -> None:
        budget = await created(telemetry, scope=scope)
        changed: dict[str, Any] = {field: ["a"]}
        request = pb.UpdateBudgetRequest(
            budget=pb.Budget(name=budget.name, **changed), update_mask=FieldMask(paths=[field])
        )
        refused = await refusal(budgets(telemetry).UpdateBudget(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
        assert list(refused.violations) == [f"budget.{field}"]

    async def test_scope_and_unit_are_not_changed(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry)
        request = pb.UpdateBudgetRequest(
            budget=a_budget(name="budgets/daily"), update_mask=FieldMask(paths=["scope", "unit"])
        )
        refused = await refusal(budgets(telemetry).UpdateBudget(request))
        assert list(refused.violations) == ["update_mask.paths[0]", "update_mask.paths[1]"]


class TestStanding:
    async def test_it_says_what_was_spent_and_what_is_to_be_expected(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry, soft_levels=[0.1], amount=10_000)
        advance(telemetry, Millis(2 * HOUR))
        await spends(telemetry, 1_000)
        (status,) = (await got(telemetry)).statuses
        assert (status.subject, status.spent, status.amount) == (SHOP, 1_000, 10_000)
        assert (status.state, status.level) == (pb.BUDGET_STATE_SOFT, 0.1)
        now = telemetry.clock.now()
        midnight = Instant(now - now % DAY + DAY)
        assert to_instant(status.period_end_time) == midnight
        assert status.forecast == 1_000 + 1_000 * (midnight - now) // HOUR
        assert abs(to_instant(status.exhaust_time) - (now + 9 * HOUR)) <= MINUTE

    async def test_those_nearest_to_its_end_come_first(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry)
        await spends(telemetry, 20, agent=SHOP)
        await spends(telemetry, 100, agent=BILLING)
        statuses = (await got(telemetry)).statuses
        assert [(each.subject, each.state) for each in statuses] == [
            (BILLING, pb.BUDGET_STATE_EXHAUSTED),
            (SHOP, pb.BUDGET_STATE_WITHIN),
        ]
        (one,) = (await got(telemetry, subject=SHOP)).statuses
        assert one.spent == 20
        (nothing,) = (await got(telemetry, subject="somebody")).statuses
        assert (nothing.subject, nothing.spent, nothing.state) == ("somebody", 0, pb.BUDGET_STATE_WITHIN)

    async def test_what_is_not_believed_is_not_spent(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry)
        name: dict[str, Any] = {"gen_ai.agent.id": SHOP, "gen_ai.usage.input_tokens": 1_000}
        await telemetry.export([SpanSpec(9, 0, name, start_ms=telemetry.clock.now())], GATEWAY)
        await telemetry.everything_counted()
        assert not (await got(telemetry)).statuses

    async def test_a_team_is_not_spent_for_by_whoever_names_it(self, telemetry: TelemetryMesh) -> None:
        budget = await created(telemetry, scope=pb.BUDGET_SCOPE_TEAM, agents=["namespaces/billing/*"])
        team = {"ringfence.team": "billing"}
        await spends(telemetry, 1_000, agent=SHOP, **team)
        await spends(telemetry, 30, agent=BILLING, **team)
        found = await got(telemetry)
        assert list(found.budget.agents) == ["namespaces/billing/*"]
        (status,) = found.statuses
        assert (status.subject, status.spent, status.state) == ("billing", 30, pb.BUDGET_STATE_WITHIN)
        own = status.forecast
        everybody = pb.UpdateBudgetRequest(budget=pb.Budget(name=budget.name), update_mask=FieldMask(paths=["agents"]))
        assert not (await budgets(telemetry).UpdateBudget(everybody)).budget.agents
        (status,) = (await got(telemetry)).statuses
        assert (status.spent, status.state) == (1_030, pb.BUDGET_STATE_EXHAUSTED)
        assert status.forecast > 30 * own

    async def test_a_stated_cost_is_spent(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry, unit=pb.BUDGET_UNIT_COST_NANOS, currency="EUR", amount=2_000_000_000)
        said: dict[str, Any] = {"gen_ai.usage.cost.amount": 1.5, "gen_ai.usage.cost.currency": "EUR"}
        await spends(telemetry, 10, **said)
        (status,) = (await got(telemetry)).statuses
        assert (status.spent, status.unknown_cost_calls) == (1_500_000_000, 0)

    async def test_a_list_has_the_standing_nearest_to_its_end_of_each(self, telemetry: TelemetryMesh) -> None:
        for budget_id in ("a", "b", "c"):
            await created(telemetry, budget_id, subjects=[SHOP] if budget_id == "b" else [])
        await spends(telemetry, 30, agent=BILLING)
        page = await budgets(telemetry).ListBudgets(pb.ListBudgetsRequest(page_size=2))
        assert [budget.name for budget in page.budgets] == ["budgets/a", "budgets/b"]
        assert [(each.subject, each.spent) for each in page.statuses] == [(BILLING, 30), ("", 0)]
        request = pb.ListBudgetsRequest(page_size=2, page_token=page.next_page_token)
        rest = await budgets(telemetry).ListBudgets(request)
        assert ([budget.name for budget in rest.budgets], rest.next_page_token) == (["budgets/c"], "")
        refused = await refusal(budgets(telemetry, AUDITOR).ListBudgets(request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")

    async def test_everything_is_there_after_a_restart(self, tmp_path: Path) -> None:
        clock = ManualClock()
        async with telemetry_mesh(tmp_path, clock=clock) as before:
            budget = await created(before, hard=True)
            await spends(before, 100)
        async with telemetry_mesh(tmp_path, clock=clock) as after:
            found = await got(after)
            assert (found.budget, found.statuses[0].state) == (budget, pb.BUDGET_STATE_EXHAUSTED)


class TestWhoMay:
    @pytest.mark.parametrize("caller", [AGENT, AUDITOR, GATEWAY, SERVICE])
    async def test_setting_is_for_those_who_answer_for_it(self, telemetry: TelemetryMesh, caller: Caller) -> None:
        refused = await refusal(created(telemetry, caller=caller))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_nobody_may_nothing(self, telemetry: TelemetryMesh) -> None:
        assert (await refusal(got(telemetry, ANONYMOUS))).code == "UNAUTHENTICATED"

    @pytest.mark.parametrize("subjects", [[], [SHOP], ["namespaces/*"], ["*"], [BILLING, SHOP], [AGENT_DID]])
    async def test_an_owner_sets_those_of_its_agents_only(self, telemetry: TelemetryMesh, subjects: list[str]) -> None:
        refused = await refusal(created(telemetry, caller=OWNER, subjects=subjects))
        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")

    async def test_an_owner_answers_for_its_agents(self, telemetry: TelemetryMesh) -> None:
        budget = await created(telemetry, "own", OWNER, subjects=["namespaces/billing/agents/*"])
        widened = pb.UpdateBudgetRequest(
            budget=pb.Budget(name=budget.name, subjects=[SHOP]), update_mask=FieldMask(paths=["subjects"])
        )
        assert (await refusal(budgets(telemetry, OWNER).UpdateBudget(widened))).reason == "NOT_PERMITTED"
        await budgets(telemetry, OWNER).DeleteBudget(pb.DeleteBudgetRequest(name=budget.name))

    async def test_what_is_not_yours_is_not_there(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry, subjects=[SHOP])
        await created(telemetry, "sessions", scope=pb.BUDGET_SCOPE_SESSION)
        for call in (
            got(telemetry, OWNER),
            got(telemetry, OWNER, name="budgets/sessions"),
            got(telemetry, AGENT),
            budgets(telemetry, OWNER).DeleteBudget(pb.DeleteBudgetRequest(name="budgets/daily")),
        ):
            assert (await refusal(call)).reason == "BUDGET_NOT_FOUND"
        assert not (await budgets(telemetry, OWNER).ListBudgets(pb.ListBudgetsRequest())).budgets

    async def test_of_what_all_have_each_sees_its_own(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry)
        for tokens, agent in ((1, SHOP), (2, BILLING), (3, AGENT_DID)):
            await spends(telemetry, tokens, agent=agent)
        assert [each.spent for each in (await got(telemetry, OWNER)).statuses] == [2]
        assert not (await got(telemetry, OWNER, subject=SHOP)).statuses
        assert [each.spent for each in (await got(telemetry, AGENT)).statuses] == [3]
        assert [each.spent for each in (await got(telemetry, AGENT, subject=SHOP)).statuses] == [3]
        assert [each.spent for each in (await got(telemetry, AUDITOR)).statuses] == [3, 2, 1]

    async def test_who_sets_a_budget_is_in_the_audit_log(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry, "own", OWNER, subjects=[BILLING])
        entries = (await telemetry.audit(AUDITOR).ListEntries(audit_pb2.ListEntriesRequest())).entries
        assert any(b'"budgets/own"' in entry.body and b'"added"' in entry.body for entry in entries)


class TestWatching:
    def watch(self, telemetry: TelemetryMesh, **request: Any) -> Any:
        return AioWatch(
            budgets(telemetry, SERVICE).WatchBudgets, pb.WatchBudgetsRequest(**request), initial_state=True
        ).steps()

    async def changes(self, telemetry: TelemetryMesh, steps: Any, count: int) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        while len(found) < count:
            match await next_answer(telemetry, steps):
                case Changed(change=change, answer=answer):
                    budget, status = answer.budget, answer.status
                    what = (
                        budget.name if answer.HasField("budget") else f"{status.budget} {status.subject} {status.level}"
                    )
                    found.append((change.name, what))
        return found

    async def state(self, telemetry: TelemetryMesh, steps: Any) -> list[tuple[Change, pb.WatchBudgetsResponse]]:
        assert isinstance(await next_answer(telemetry, steps), StateBegins)
        found: list[tuple[Change, pb.WatchBudgetsResponse]] = []
        while True:
            match await next_answer(telemetry, steps):
                case Changed(change=change, answer=answer):
                    found.append((change, answer))
                case StateComplete():
                    return found

    async def test_the_state_comes_first(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry, hard=True, soft_levels=[0.5])
        await created(telemetry, "soft")
        await spends(telemetry, 60)
        await spends(telemetry, 20, agent=BILLING)
        async with aclosing(self.watch(telemetry)) as steps:
            found = await self.state(telemetry, steps)
        assert [answer.budget.name for _, answer in found if answer.HasField("budget")] == [
            "budgets/daily",
            "budgets/soft",
        ]
        (status,) = (answer.status for _, answer in found if answer.HasField("status"))
        assert (status.budget, status.subject, status.spent, status.level) == ("budgets/daily", SHOP, 60, 0.5)
        async with aclosing(self.watch(telemetry, hard_only=True)) as steps:
            assert len(await self.state(telemetry, steps)) == 2

    async def test_each_change_of_level_is_told_and_the_end_of_the_period(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry, hard=True, soft_levels=[0.5])
        async with aclosing(self.watch(telemetry)) as steps:
            await self.state(telemetry, steps)
            for tokens in (10, 40, 10, 40):
                await spends(telemetry, tokens)
            assert await self.changes(telemetry, steps, 2) == [
                ("MODIFIED", f"budgets/daily {SHOP} 0.5"),
                ("MODIFIED", f"budgets/daily {SHOP} 1.0"),
            ]
            advance(telemetry, DAY)
            assert await self.changes(telemetry, steps, 1) == [("DELETED", f"budgets/daily {SHOP} 1.0")]
            firing = await alerts(telemetry).ListAlerts(ListAlertsRequest(firing_only=True))
            assert not firing.alerts

    async def test_changes_of_the_budget_are_told(self, telemetry: TelemetryMesh) -> None:
        budget = await created(telemetry)
        await spends(telemetry, 100)
        async with aclosing(self.watch(telemetry, hard_only=True)) as steps:
            assert await self.state(telemetry, steps) == []
            update = budgets(telemetry).UpdateBudget
            mask = FieldMask(paths=["hard"])
            for hard in (True, False):
                changed = pb.Budget(name=budget.name, hard=hard)
                await update(pb.UpdateBudgetRequest(budget=changed, update_mask=mask))
            await budgets(telemetry).DeleteBudget(pb.DeleteBudgetRequest(name=budget.name))
            assert await self.changes(telemetry, steps, 4) == [
                ("MODIFIED", "budgets/daily"),
                ("MODIFIED", f"budgets/daily {SHOP} 1.0"),
                ("DELETED", "budgets/daily"),
                ("DELETED", "budgets/daily"),
            ]

    async def test_a_watch_that_was_cut_goes_on(self, telemetry: TelemetryMesh) -> None:
        await created(telemetry)
        call = budgets(telemetry, SERVICE).WatchBudgets(pb.WatchBudgetsRequest(send_initial_state=True))
        revision = 0
        async for answer in call:
            revision = answer.revision
            if answer.initial_state_end:
                break
        call.cancel()
        await spends(telemetry, 100)
        again = budgets(telemetry, SERVICE).WatchBudgets(pb.WatchBudgetsRequest(start_revision=revision + 1))
        answer = await anext(aiter(again))
        again.cancel()
        assert (answer.status.subject, answer.status.state) == (SHOP, pb.BUDGET_STATE_EXHAUSTED)

    async def test_quiet_times_have_bookmarks(self, telemetry: TelemetryMesh) -> None:
        call = budgets(telemetry, SERVICE).WatchBudgets(pb.WatchBudgetsRequest())
        stream = aiter(call)
        for _ in range(3):
            answer = await next_answer(telemetry, stream, step=Millis(SECOND))
            assert answer.type == pb.BUDGET_EVENT_TYPE_BOOKMARK
        call.cancel()

    @pytest.mark.parametrize(
        ("request_", "reason"),
        [
            (pb.WatchBudgetsRequest(start_revision=-1), "INVALID_REQUEST"),
            (pb.WatchBudgetsRequest(start_revision=1, send_initial_state=True), "INVALID_REQUEST"),
            (pb.WatchBudgetsRequest(start_revision=1_000), "REVISION_IN_FUTURE"),
        ],
    )
    async def test_what_cannot_be_watched_is_said(
        self, telemetry: TelemetryMesh, request_: pb.WatchBudgetsRequest, reason: str
    ) -> None:
        refused = await refusal(anext(aiter(budgets(telemetry, SERVICE).WatchBudgets(request_))))
        assert refused.reason == reason

    @pytest.mark.parametrize("caller", [AGENT, OWNER, GATEWAY])
    async def test_who_may_not_watch(self, telemetry: TelemetryMesh, caller: Caller) -> None:
        refused = await refusal(anext(aiter(budgets(telemetry, caller).WatchBudgets(pb.WatchBudgetsRequest()))))
        assert refused.reason == "NOT_PERMITTED"
