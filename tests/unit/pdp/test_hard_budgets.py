"""Hard budgets as the pdp knows them: who has nothing left, until when, and what is not known any more."""

from collections.abc import Iterable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence.watch import Change
from ringfence_kit.clock import HOUR, Instant, Millis
from ringfence_pdp.convert.budgets import take_budget
from ringfence_pdp.hard_budgets import NOTHING_SPENT, Spending, SpendingView
from ringfence_pdp.limits.spending import Overspent, overspent
from ringfence_pdp.model import Protocol, Reason, Resource
from support.pdp.world import ANALYST, NOW, ask, basis, facts_of, identity, registered

AGENT, SESSION, TEAM = pb.BUDGET_SCOPE_AGENT, pb.BUDGET_SCOPE_SESSION, pb.BUDGET_SCOPE_TEAM
MODEL, EVERYTHING = pb.BUDGET_SCOPE_MODEL, pb.BUDGET_SCOPE_EVERYTHING
LATER = Instant(NOW + HOUR)


def told(view: SpendingView, *events: pb.WatchBudgetsResponse, change: Change = Change.MODIFIED) -> Spending:
    for event in events:
        take_budget(view, change, event)
    return view.spending()


def budget(name: str = "b", scope: int = AGENT, **fields: Any) -> pb.WatchBudgetsResponse:
    values: dict[str, Any] = {"scope": scope, "unit": pb.BUDGET_UNIT_TOKENS, "amount": 100, "hard": True}
    return pb.WatchBudgetsResponse(budget=pb.Budget(name=f"budgets/{name}", **(values | fields)))


def stands(
    subject: str, name: str = "b", *, exhausted: bool = True, ends: Instant | None = LATER, **fields: Any
) -> pb.WatchBudgetsResponse:
    values: dict[str, Any] = {"spent": 120, "amount": 100, "subject": subject} | fields
    state = pb.BUDGET_STATE_EXHAUSTED if exhausted else pb.BUDGET_STATE_SOFT
    status = pb.BudgetStatus(budget=f"budgets/{name}", state=state, **values)
    if ends is not None:
        status.period_end_time.CopyFrom(Timestamp(seconds=ends // 1_000))
    return pb.WatchBudgetsResponse(status=status)


def said(spending: Spending, *, now: Instant = NOW, **question: Any) -> Overspent | None:
    known = identity(), registered(team="sales")
    return overspent(basis(facts=facts_of(*known, spending=spending), now=now), ask(**question))


class TestNothingLeft:
    @pytest.mark.parametrize(
        ("scope", "subject", "question"),
        [
            (AGENT, str(ANALYST), {}),
            (AGENT, "did:webvh:analyst-1:prod", {}),
            (TEAM, "sales", {}),
            (SESSION, "s-1", {"session": "s-1"}),
            (MODEL, "large", {"protocol": Protocol.MODEL, "resource": Resource(id="large")}),
            (EVERYTHING, "", {}),
        ],
    )
    def test_whoever_has_none_is_denied(self, scope: int, subject: str, question: dict[str, Any]) -> None:
        spending = told(SpendingView(), budget(scope=scope), stands(subject))
        denied = said(spending, **question)
        assert denied is not None
        assert denied.verdict.reason is Reason.BUDGET_EXHAUSTED
        assert denied.retry_after == HOUR
        whose = f" of {subject}" if subject else ""
        assert denied.verdict.message == (
            f"budgets/b{whose} is used up: 120 tokens of 100 tokens is spent; it is renewed at 2026-01-01 01:00:00 UTC"
        )

    @pytest.mark.parametrize(
        ("scope", "subject", "question"),
        [
            (AGENT, "namespaces/data/agents/other", {}),
            (SESSION, "s-1", {}),
            (SESSION, "s-1", {"session": "s-2"}),
            (TEAM, "research", {}),
            (MODEL, "large", {"resource": Resource(id="large")}),
            (MODEL, "large", {"protocol": Protocol.MODEL, "resource": Resource(id="small")}),
        ],
    )
    def test_others_are_not(self, scope: int, subject: str, question: dict[str, Any]) -> None:
        assert said(told(SpendingView(), budget(scope=scope), stands(subject)), **question) is None

    @pytest.mark.parametrize(("scope", "subject"), [(TEAM, "sales"), (SESSION, "s-1"), (EVERYTHING, "")])
    @pytest.mark.parametrize(
        ("agents", "is_denied"),
        [
            ([str(ANALYST)], True),
            (["did:webvh:analyst-1:prod"], True),
            (["namespaces/data/*", "x"], True),
            (["namespaces/data/agents/other"], False),
            (["sales", "s-1"], False),
        ],
    )
    def test_of_a_budget_of_some_agents_only_they_are(
        self, scope: int, subject: str, agents: list[str], is_denied: bool
    ) -> None:
        spending = told(SpendingView(), budget(scope=scope, agents=agents), stands(subject))
        assert (said(spending, session="s-1") is not None) == is_denied

    def test_who_is_not_known_is_none_of_a_budgets_agents(self) -> None:
        spending = told(SpendingView(), budget(scope=EVERYTHING, agents=["*"]), stands(""))
        assert said(spending, agent="namespaces/data/agents/stranger") is None
        assert said(spending) is not None

    def test_whose_budget_it_is_may_change_while_it_is_used_up(self) -> None:
        view = SpendingView()
        assert said(told(view, budget(scope=EVERYTHING, agents=["x"]), stands(""))) is None
        assert said(told(view, budget(scope=EVERYTHING, agents=["x", str(ANALYST)]))) is not None

    def test_until_the_period_ends_by_this_clock(self) -> None:
        spending = told(SpendingView(), budget(), stands(str(ANALYST)))
        assert said(spending, now=Instant(LATER - 1)) is not None
        assert said(spending, now=LATER) is None

    def test_what_never_ends_is_not_to_be_waited_for(self) -> None:
        spending = told(SpendingView(), budget(), stands(str(ANALYST), ends=None))
        denied = said(spending, now=Instant(LATER + 1_000 * HOUR))
        assert denied is not None
        assert denied.retry_after is None
        assert "it is not renewed" in denied.verdict.message

    def test_of_several_the_one_that_is_renewed_last_is_named(self) -> None:
        events = budget("short"), budget("long"), stands(str(ANALYST), "short", ends=Instant(NOW + 1_000))
        denied = said(told(SpendingView(), *events, stands(str(ANALYST), "long")))
        assert denied is not None
        assert denied.verdict.message.startswith("budgets/long ")

    def test_money_is_told_in_its_currency(self) -> None:
        costly = budget(unit=pb.BUDGET_UNIT_COST_NANOS, currency="EUR")
        status = stands(str(ANALYST), spent=1_500_000_000, amount=1_000_000_001)
        denied = said(told(SpendingView(), costly, status))
        assert denied is not None
        assert "1.50 EUR of 1.000000001 EUR" in denied.verdict.message


class TestTelling:
    @pytest.fixture
    def view(self) -> SpendingView:
        view = SpendingView()
        told(view, budget(), stands(str(ANALYST)))
        return view

    @pytest.mark.parametrize(
        ("event", "change"),
        [
            (budget(), Change.DELETED),
            (budget(scope=99), Change.MODIFIED),
            (stands(str(ANALYST)), Change.DELETED),
            (stands(str(ANALYST), exhausted=False), Change.MODIFIED),
        ],
        ids=["the budget is gone", "for nobody known here", "the period ended", "raised"],
    )
    def test_what_frees(self, view: SpendingView, event: pb.WatchBudgetsResponse, change: Change) -> None:
        assert said(told(view, event, change=change)) is None

    def test_a_change_of_the_budget_leaves_what_is_used_up(self, view: SpendingView) -> None:
        assert said(told(view, budget(amount=110))) is not None

    def test_what_is_known_is_one_object_until_something_is_told(self, view: SpendingView) -> None:
        before = view.spending()
        assert view.spending() is before
        told(view, stands("somebody", exhausted=False))
        assert view.spending() is before
        assert told(view, stands("somebody")) is not before
        assert list(before.used_up) != list(view.spending().used_up)

    def test_a_standing_of_a_budget_nobody_told_of_is_nothing(self) -> None:
        assert told(SpendingView(), stands(str(ANALYST))) == NOTHING_SPENT


class TestSilence:
    def silent(self, spending: Spending) -> Spending:
        return spending._replace(silent_for=Millis(75_000))

    @pytest.mark.parametrize(
        ("events", "question"),
        [
            ([budget()], {}),
            ([budget(subjects=["namespaces/data/agents/*"])], {}),
            ([budget(subjects=["did:webvh:analyst-1:prod"])], {}),
            ([budget(scope=SESSION)], {"session": "s"}),
            ([budget(scope=TEAM, subjects=["sales"])], {}),
            ([budget(scope=EVERYTHING)], {}),
            ([budget(scope=EVERYTHING, agents=["namespaces/data/agents/*"])], {}),
        ],
    )
    def test_whoever_has_a_hard_budget_is_denied(
        self, events: list[pb.WatchBudgetsResponse], question: dict[str, Any]
    ) -> None:
        spending = told(SpendingView(), *events)
        assert said(spending, **question) is None
        denied = said(self.silent(spending), **question)
        assert denied is not None
        assert denied.verdict.reason is Reason.FACTS_STALE
        assert denied.verdict.message.startswith(
            "telemetry has said nothing for 75 s, so what is left of budgets/b is not known"
        )

    @pytest.mark.parametrize(
        "events",
        [
            [],
            [budget(scope=SESSION)],
            [budget(subjects=["namespaces/other/*"])],
            [budget(scope=TEAM, subjects=["x"])],
            [budget(scope=EVERYTHING, agents=["x"])],
        ],
    )
    def test_nobody_else_notices(self, events: list[pb.WatchBudgetsResponse]) -> None:
        assert said(self.silent(told(SpendingView(), *events))) is None

    def test_what_is_known_to_be_used_up_is_said_first(self) -> None:
        denied = said(self.silent(told(SpendingView(), budget(), stands(str(ANALYST)))))
        assert denied is not None
        assert denied.verdict.reason is Reason.BUDGET_EXHAUSTED


_NAMES = st.sampled_from(["a", "b", "c"])
_EVENTS = st.one_of(
    st.tuples(st.just("budget"), _NAMES, st.just(""), st.booleans()),
    st.tuples(st.just("stands"), _NAMES, st.sampled_from(["x", "y"]), st.booleans()),
)


@given(st.lists(_EVENTS, max_size=30))
def test_the_view_says_what_a_reader_of_the_whole_story_says(events: Iterable[tuple[str, str, str, bool]]) -> None:
    view, known, used = SpendingView(), set[str](), set[tuple[str, str]]()
    for kind, name, subject, gone in events:
        change = Change.DELETED if gone else Change.MODIFIED
        if kind == "budget":
            told(view, budget(name), change=change)
            known = known - {name} if gone else known | {name}
            used = {each for each in used if each[0] != name or not gone}
        else:
            told(view, stands(subject, name), change=change)
            used = used - {(name, subject)} if gone or name not in known else used | {(name, subject)}
    found = {
        (each.budget.removeprefix("budgets/"), each.subject)
        for many in view.spending().used_up.values()
        for each in many
    }
    assert found == used
    assert {name.removeprefix("budgets/") for name in view.spending().hard} == known
