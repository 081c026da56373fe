"""What is computed of an agent: its liveness, its high-risk edges, which evidence counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_registry.agents.evaluations import MOST_KEPT, with_evaluation
from ringfence_registry.agents.high_risk import high_risk_edges
from ringfence_registry.agents.lease_keeping import DueLeases
from ringfence_registry.agents.leases import LEASE_MAX, lease_ended, liveness_at
from ringfence_registry.model import Evaluation, HighRiskEdge, Liveness
from support.registry.agents import SPEC, an_agent
from support.registry.world import a_tool

NOW = Instant(1_767_225_600_000)


def test_who_holds_no_lease_is_never_taken_for_dead() -> None:
    assert liveness_at(an_agent(), Instant(2**60)) is Liveness.NO_LEASE


@pytest.mark.parametrize(("left", "liveness"), [(1, Liveness.LEASED), (0, Liveness.EXPIRED), (-1, Liveness.EXPIRED)])
def test_a_lease_ends_at_its_instant(left: int, liveness: Liveness) -> None:
    assert liveness_at(replace(an_agent(), lease_expires_at=Instant(NOW + left)), NOW) is liveness


@given(end=st.integers(0, 2**41), now=st.integers(0, 2**41), back=st.integers(0, 2**41))
def test_a_clock_set_back_brings_nobody_back_to_life_whose_end_was_told(end: int, now: int, back: int) -> None:
    told = replace(an_agent(), lease_expires_at=Instant(end), lease_expired=True)
    assert liveness_at(told, Instant(max(0, now - back))) is Liveness.EXPIRED


@pytest.mark.parametrize(("ahead", "over"), [(LEASE_MAX, False), (LEASE_MAX + 1, True)])
def test_a_lease_longer_than_any_may_be_is_not_believed(ahead: int, over: bool) -> None:
    assert lease_ended(Instant(NOW + ahead), NOW) is over


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=20), st.integers(0, 60))
def test_each_lease_is_due_once_at_its_last_end(renewals: list[tuple[str, int]], now: int) -> None:
    due, ends = DueLeases(), dict[str, int]()
    for agent, end in renewals:
        due.expect(agent, Instant(end))
        ends[agent] = end
    found = due.due(Instant(now))
    assert sorted(found) == sorted(agent for agent, end in ends.items() if end <= now)
    assert due.due(Instant(now)) == []


def test_a_clock_set_back_makes_leases_due_that_would_last_too_long() -> None:
    due = DueLeases()
    due.due(NOW)
    due.expect("a", Instant(NOW + 60_000))
    assert due.due(Instant(NOW - 1_000)) == []
    assert due.due(Instant(NOW - LEASE_MAX)) == ["a"]


EDGES = {
    "nothing remarkable": (("internal",), (), ()),
    "said of the agent": (("pii", "payments"), (), (HighRiskEdge.MONEY, HighRiskEdge.CUSTOMER_DATA)),
    "by a tool's data": ((), (a_tool(data_classes=("customer-data",)),), (HighRiskEdge.CUSTOMER_DATA,)),
    "by what cannot be undone": ((), (a_tool(changes=True, irreversible=True),), (HighRiskEdge.PRODUCTION_CHANGE,)),
    "by a change of production": (
        (),
        (a_tool(changes=True, data_classes=("production",)),),
        (HighRiskEdge.PRODUCTION_CHANGE,),
    ),
    "reading production is none": ((), (a_tool(data_classes=("production",)),), ()),
    "a change that can be undone is none": ((), (a_tool(changes=True),), ()),
}


@pytest.mark.parametrize(("classes", "tools", "edges"), EDGES.values(), ids=EDGES)
def test_high_risk_edges_are_derived(
    classes: tuple[str, ...], tools: tuple[object, ...], edges: tuple[HighRiskEdge, ...]
) -> None:
    assert high_risk_edges(replace(SPEC, data_classes=classes), tools) == edges  # type: ignore[arg-type]  # see EDGES


def ran(at: int, *, passed: bool = True, plan: str = "p", card: str = "c") -> Evaluation:
    return Evaluation(plan=plan, passed=passed, card_sha256=card, evaluated_at=Instant(at), recorder="ci")


def test_of_two_runs_the_later_counts_in_whatever_order_they_come() -> None:
    failed, passed = ran(2, passed=False), ran(1)
    for order in ([failed, passed], [passed, failed]):
        agent = an_agent()
        for evaluation in order:
            agent = with_evaluation(agent, evaluation)
        assert agent.evaluations == (failed,)


@given(st.lists(st.builds(ran, st.integers(0, 9), plan=st.sampled_from("pq"), card=st.sampled_from("cd")), max_size=30))
def test_one_result_is_kept_of_each_plan_and_card_and_it_is_the_latest(runs: list[Evaluation]) -> None:
    agent = an_agent()
    for evaluation in runs:
        agent = with_evaluation(agent, evaluation)
    keys = [(each.plan, each.card_sha256) for each in agent.evaluations]
    assert len(keys) == len(set(keys))
    for each in agent.evaluations:
        same = [run.evaluated_at for run in runs if (run.plan, run.card_sha256) == (each.plan, each.card_sha256)]
        assert each.evaluated_at == max(same)


def test_results_are_bounded_and_the_newest_are_kept() -> None:
    agent = an_agent()
    for number in range(MOST_KEPT + 5):
        agent = with_evaluation(agent, ran(number, card=str(number)))
    assert [each.evaluated_at for each in agent.evaluations] == [
        Instant(number) for number in range(MOST_KEPT + 4, 4, -1)
    ]
