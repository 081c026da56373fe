"""Known answers: published tables where there are some, else worked out by hand with the formula beside it."""

import math
from fractions import Fraction

import pytest
from ringfence_telemetry.evaluation.drift import moments, page_hinkley, stability_index, two_proportions
from ringfence_telemetry.evaluation.shares import Share, wilson


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # n / (n + z²) and z² / (n + z²): every one hit, and none.
        (1, 1, 0.2065, 1.0000),
        (10, 10, 0.7225, 1.0000),
        (0, 10, 0.0000, 0.2775),
        (0, 0, 0.0000, 1.0000),
    ],
)
def test_wilson_intervals(hits: int, total: int, low: float, high: float) -> None:
    assert list(wilson(hits, total)) == pytest.approx([low, high], abs=5e-5)


def test_two_proportions() -> None:
    """60 of 100 and 45 of 100: pooled 0.525, variance 0.525 · 0.475 · 2/100, z = -0.15 / 0.0706222."""
    z, chance = two_proportions(Share(60, 100), Share(45, 100))

    assert z == pytest.approx(-0.15 / math.sqrt(0.525 * 0.475 * 0.02), rel=1e-12) == pytest.approx(-2.1239769762)
    assert chance == pytest.approx(0.0336725, abs=5e-6)
    # 1.96 and 2.576: the 5 % and the 1 % of every table.
    assert math.erfc(1.959963984540054 / math.sqrt(2)) == pytest.approx(0.05, rel=1e-12)


def test_two_proportions_where_nothing_varies() -> None:
    assert two_proportions(Share(10, 10), Share(90, 90)) == (0.0, 1.0)


def test_the_stability_index() -> None:
    """Then 50, 30, 20 of 100; now 20, 30, 50: with half a step more in each of three kinds, of 101.5."""
    outer = (Fraction(101, 2) - Fraction(41, 2)) / Fraction(203, 2)
    by_hand = 2 * float(outer) * math.log(50.5 / 20.5)

    found = stability_index({"chat": 50, "search": 30, "write": 20}, {"chat": 20, "search": 30, "write": 50})

    assert found == pytest.approx(by_hand, rel=1e-12) == pytest.approx(0.5329, abs=5e-4)


def test_a_kind_that_is_new_or_gone_is_finite() -> None:
    """100 of one kind then, 100 of another now: 2 · (100 / 101) · ln 201."""
    assert stability_index({"a": 100}, {"b": 100}) == pytest.approx(2 * 100 / 101 * math.log(201), rel=1e-12)


def test_page_hinkley_of_a_shift_by_half_a_deviation() -> None:
    """Each score adds 0.5 - 0.25, so 12 is reached with the 48th and 20 with the 80th."""
    sums = [page_hinkley([0.5] * count, mean=0.0, deviation=1.0) for count in (47, 48, 79, 80)]

    assert sums == [11.75, 12.0, 19.75, 20.0]
    assert page_hinkley([-0.5] * 80, mean=0.0, deviation=1.0) == 20.0
    assert page_hinkley([0.25, -0.25] * 1_000, mean=0.0, deviation=1.0) == 0.0


def test_moments() -> None:
    """2, 4, 4, 4, 5, 5, 7, 9: mean 5, sum of squares 32, over 7."""
    assert list(moments([2, 4, 4, 4, 5, 5, 7, 9])) == pytest.approx([8, 5, math.sqrt(32 / 7)], rel=1e-12)
