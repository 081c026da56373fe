"""The meet of outcomes: what a security reviewer would want to hold, and does."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Millis
from ringfence_pdp.model import Approval, Effect
from ringfence_pdp.outcome import TOP, Outcome, meet, meet_all

approvals = st.builds(
    Approval,
    min_approvals=st.integers(1, 5),
    approver_groups=st.sets(st.sampled_from(["group:a", "group:b", "group:c"]), min_size=1).map(
        lambda s: tuple(sorted(s))
    ),
    timeout=st.integers(1, 5).map(Millis),
)
rings = st.integers(0, 3)
outcomes = st.one_of(
    st.builds(Outcome, st.just(Effect.DENY), rings),
    st.builds(Outcome, st.just(Effect.REQUIRE_APPROVAL), rings, approvals),
    st.builds(Outcome, st.just(Effect.ALLOW), rings),
)


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
    assert both.effect is min(left.effect, right.effect)
    assert both.ring == max(left.ring, right.ring)
    assert (both.approval is not None) == (both.effect is Effect.REQUIRE_APPROVAL)


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
