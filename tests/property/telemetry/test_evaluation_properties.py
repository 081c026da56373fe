"""Invariants of what is counted, how sure it is, and how far it has moved."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from ringfence_telemetry.evaluation.counts import Counted, CountKey, What, acceptance, difference
from ringfence_telemetry.evaluation.drift import moments, page_hinkley, stability_index, two_proportions
from ringfence_telemetry.evaluation.gate import AcceptanceGate, accepted, check
from ringfence_telemetry.evaluation.shares import Share, Z, wilson

SHARES = st.integers(1, 10**9).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
MIXES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 10_000))
SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)
KEYS = st.builds(CountKey, st.sampled_from("ab"), st.just("v"), st.integers(0, 3), st.sampled_from(list(What)))
CHANGES = st.dictionaries(KEYS, st.integers(-5, 5))


@given(SHARES)
def test_the_interval_is_the_naive_one(share: tuple[int, int]) -> None:
    """The ends are where the share tested is off by z standard errors: the roots of a quadratic, in exact fractions."""
    hits, total = share
    square = Fraction(Z) ** 2

    for end in wilson(hits, total):
        p = Fraction(end)
        # (x/n - p)² = z² p (1 - p) / n
        off = (Fraction(hits, total) - p) ** 2 - square * p * (1 - p) / total
        assert abs(off) <= Fraction(1, 10**9)


@given(SHARES)
def test_the_interval_holds_the_share_and_lies_within_0_and_1(share: tuple[int, int]) -> None:
    hits, total = share
    low, high = wilson(hits, total)

    assert 0 <= low <= hits / total <= high <= 1
    assert (low == 0) >= (hits == 0)
    assert (high == 1) >= (hits == total)


@given(SHARES)
def test_the_interval_of_what_did_not_happen_is_its_mirror(share: tuple[int, int]) -> None:
    hits, total = share
    low, high = wilson(hits, total)
    missed_low, missed_high = wilson(total - hits, total)

    assert math.isclose(low, 1 - missed_high, abs_tol=1e-9)
    assert math.isclose(high, 1 - missed_low, abs_tol=1e-9)


@given(SHARES, st.integers(2, 50))
def test_more_of_the_same_is_surer(share: tuple[int, int], times: int) -> None:
    hits, total = share
    few, many = wilson(hits, total), wilson(hits * times, total * times)

    assert few[0] <= many[0] + 1e-12
    assert many[1] <= few[1] + 1e-12


@given(MIXES, MIXES)
def test_the_stability_index_is_never_negative_and_the_same_both_ways(a: dict[str, int], b: dict[str, int]) -> None:
    assert stability_index(a, b) >= -1e-12
    assert math.isfinite(stability_index(a, b))
    assert math.isclose(stability_index(a, b), stability_index(b, a), abs_tol=1e-12)
    assert stability_index(a, a) == 0


@given(SHARES, SHARES)
def test_two_proportions_are_two_sided(a: tuple[int, int], b: tuple[int, int]) -> None:
    (z, chance), (back, same) = two_proportions(Share(*a), Share(*b)), two_proportions(Share(*b), Share(*a))

    assert math.isclose(z, -back, abs_tol=1e-9)
    assert math.isclose(chance, same, abs_tol=1e-9)
    assert 0 <= chance <= 1


@given(SCORES)
def test_page_hinkley_is_the_sum_above_its_least(scores: list[float]) -> None:
    """Against the definition: cumulative sums, and the least of them until then, 0 among them."""
    up, down, sums = 0.0, 0.0, ([0.0], [0.0])
    for score in scores:
        up, down = up + score - 0.25, down - score - 0.25
        sums[0].append(up)
        sums[1].append(down)
    naive = max(up - min(sums[0]), down - min(sums[1]))

    assert math.isclose(page_hinkley(scores, mean=0.0, deviation=1.0), naive, rel_tol=1e-6, abs_tol=1e-3)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_moments_of_any_finite_scores_are_finite(scores: list[float]) -> None:
    found = moments(scores)

    assert math.isfinite(found.mean)
    assert found.deviation >= 0
    assert not math.isnan(found.deviation)


@given(CHANGES, CHANGES)
def test_a_correction_turns_what_was_into_what_is(before: dict[CountKey, int], after: dict[CountKey, int]) -> None:
    changed = difference(after, before)
    summed = {key: before.get(key, 0) + changed.get(key, 0) for key in before.keys() | after.keys()}

    assert {key: count for key, count in summed.items() if count} == {key: n for key, n in after.items() if n}
    assert difference(after, after) == {}


@given(SHARES, st.floats(0, 1), st.integers(1, 1000))
def test_a_gate_is_passed_only_by_who_surely_reaches_it(share: tuple[int, int], least: float, samples: int) -> None:
    passed, total = share
    found = acceptance([Counted(What.PASSED, "step", passed), Counted(What.FAILED, "step", total - passed)])
    gate = AcceptanceGate(agent="a", min_accuracy=least, min_samples=samples)

    assert accepted(check(gate, found)) == (Share(*share).low >= least and total >= samples)
