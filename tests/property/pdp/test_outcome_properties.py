"""The meet of outcomes: what a security reviewer would want to hold, and does."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant, Millis
from ringfence_pdp.model import Approval, Effect, Obligation
from ringfence_pdp.obligations import obliging
from ringfence_pdp.outcome import TOP, Outcome, meet, meet_all

approvals = st.builds(
    Approval,
    min_approvals=st.integers(1, 5),
    approver_groups=st.sets(st.sampled_from(["group:a", "group:b", "group:c"]), min_size=1).map(
        lambda s: tuple(sorted(s))
    ),
    timeout=st.integers(1, 5).map(Millis),
)
PROPERTIES: list[dict[str, Any]] = [
    {},
    {"rows": 3},
    {"rows": 5},
    {"rows": 5, "why": "cost"},
    {"fields": ["name"]},
    {"fields": ["name", "mail"]},
    {"level": "metadata"},
    {"level": "full"},
    {"level": "loud"},
    {"flag": True},
    {"flag": 1},
]
obligations = st.builds(
    Obligation,
    st.sampled_from(["log", "redact", "max_rows", "odd"]),
    st.sampled_from(["one", "two"]),
    st.sampled_from(PROPERTIES),
)
parts = st.fixed_dictionaries(
    {
        "ring": st.integers(0, 3),
        "valid_until": st.none() | st.integers(1, 9).map(Instant),
        "depth_left": st.none() | st.integers(0, 3),
        "capabilities": st.none() | st.frozensets(st.sampled_from(["read", "write", "tool"])),
        "budgets": st.dictionaries(st.sampled_from(["tokens", "usd"]), st.integers(0, 9)),
        "obligations": st.lists(obligations, max_size=3).map(obliging),
        "killed": st.sampled_from([False] * 9 + [True]),
    }
)
effects = st.one_of(
    st.just({"effect": Effect.DENY}),
    approvals.map(lambda approval: {"effect": Effect.REQUIRE_APPROVAL, "approval": approval}),
    st.just({"effect": Effect.ALLOW}),
)
outcomes = st.builds(lambda effect, rest: Outcome(**effect, **rest), effects, parts)


@given(left=outcomes, right=outcomes)
def test_the_order_of_two_does_not_matter(left: Outcome, right: Outcome) -> None:
    assert meet(left, right) == meet(right, left)


@given(first=outcomes, second=outcomes, third=outcomes)
def test_how_three_are_grouped_does_not_matter(first: Outcome, second: Outcome, third: Outcome) -> None:
    assert meet(meet(first, second), third) == meet(first, meet(second, third))


@given(outcome=outcomes)
def test_the_same_twice_is_the_same_and_the_top_changes_nothing(outcome: Outcome) -> None:
    assert meet(outcome, outcome) == outcome
    assert meet(outcome, TOP) == outcome
    assert meet_all([outcome]) == outcome


@given(left=outcomes, right=outcomes)
def test_nobody_gets_more_than_each_gives(left: Outcome, right: Outcome) -> None:
    both = meet(left, right)
    assert both.effect <= min(left.effect, right.effect)
    assert both.effect is min(left.effect, right.effect) or both.obligations.conflicts
    assert both.ring == max(left.ring, right.ring)
    assert (both.approval is not None) == (both.effect is Effect.REQUIRE_APPROVAL)
    for one in (left, right):
        assert one.valid_until is None or (both.valid_until is not None and both.valid_until <= one.valid_until)
        assert one.depth_left is None or (both.depth_left is not None and both.depth_left <= one.depth_left)
        assert one.capabilities is None or (both.capabilities is not None and both.capabilities <= one.capabilities)
        assert all(both.budgets[unit] <= left_over for unit, left_over in one.budgets.items())


@given(left=outcomes, right=outcomes)
def test_a_kill_and_a_conflict_deny_whatever_else_is_said(left: Outcome, right: Outcome) -> None:
    both = meet(left, right)
    assert both.killed == (left.killed or right.killed)
    assert both.effect is Effect.DENY or not (both.killed or both.obligations.conflicts)


@given(left=outcomes, right=outcomes)
def test_what_either_obliges_to_both_do_or_it_is_a_conflict(left: Outcome, right: Outcome) -> None:
    both = meet(left, right).obligations
    for one in (left.obligations, right.obligations):
        assert one.asked.keys() <= both.asked.keys() | both.conflicts
        assert one.conflicts <= both.conflicts


@given(left=outcomes, right=outcomes)
def test_an_approval_is_at_least_as_strict_as_each(left: Outcome, right: Outcome) -> None:
    both = meet(left, right).approval
    for asked in (left.approval, right.approval):
        if both is not None and asked is not None:
            assert both.min_approvals >= asked.min_approvals
            assert both.timeout <= asked.timeout
            assert {*asked.approver_groups} <= {*both.approver_groups}


@given(several=st.lists(outcomes, max_size=5), at=st.integers(0, 5))
def test_a_denial_anywhere_denies(several: list[Outcome], at: int) -> None:
    assert meet_all([*several[:at], Outcome(Effect.DENY), *several[at:]]).effect is Effect.DENY
