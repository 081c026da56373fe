"""What a figure is, and how it is judged."""

import pytest
from apart import ABSENT, APART
from entrants import ENTRANTS
from hypothesis import given
from hypothesis import strategies as st
from targets import FIGURES, ROWS, Figure, Verdict, figures_of, needed_by

SMALL = Figure(row=1, what="small", of="ours", against="theirs", unit="x", most=(1.0, 0.5))
LARGE = Figure(row=2, what="large", of="ours", against="theirs", unit="x", least=(5, 10))
PLAIN = Figure(row=3, what="plain", of="ours", unit="ms", most=(None, 10))

costs = st.floats(min_value=0.001, max_value=1e6)


def test_a_figure_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() -> None:
    series = {"ours": [1.0, 30.0, 4.0], "theirs": [10.0, 100.0, 10.0]}
    assert SMALL.rounds(series) == [0.1, 0.3, 0.4]
    assert SMALL.measured(series) == 0.3
    assert LARGE.measured(series) == pytest.approx(10 / 3)


def test_without_a_second_series_it_is_the_first_ones_median() -> None:
    assert PLAIN.measured({"ours": [7.0, 1.0, 3.0]}) == 3.0


@pytest.mark.parametrize("series", [{}, {"ours": [1.0]}, {"theirs": [1.0]}])
def test_what_lacks_a_series_was_not_measured(series: dict[str, list[float]]) -> None:
    assert SMALL.measured(series) is None
    assert SMALL.verdict(None) is Verdict.UNMEASURED


def test_series_of_different_rounds_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="shorter"):
        SMALL.rounds({"ours": [1.0, 2.0], "theirs": [1.0]})


@pytest.mark.parametrize(
    ("figure", "measured", "verdict"),
    [
        (SMALL, 0.5, Verdict.GOAL),
        (SMALL, 0.51, Verdict.FLOOR),
        (SMALL, 1.0, Verdict.FLOOR),
        (SMALL, 1.01, Verdict.MISSED),
        (LARGE, 10, Verdict.GOAL),
        (LARGE, 9.9, Verdict.FLOOR),
        (LARGE, 5, Verdict.FLOOR),
        (LARGE, 4.9, Verdict.MISSED),
        (PLAIN, 10, Verdict.GOAL),
        (PLAIN, 1e9, Verdict.FLOOR),
    ],
)
def test_verdicts_at_the_bounds(figure: Figure, measured: float, verdict: Verdict) -> None:
    assert figure.verdict(measured) is verdict


@given(st.lists(st.tuples(costs, costs), min_size=1, max_size=9), st.floats(min_value=0.1, max_value=10))
def test_a_machine_that_is_slower_for_both_changes_nothing(rounds: list[tuple[float, float]], slower: float) -> None:
    ours, theirs = ([pair[side] for pair in rounds] for side in (0, 1))
    here = SMALL.measured({"ours": ours, "theirs": theirs})
    there = SMALL.measured({"ours": [each * slower for each in ours], "theirs": [each * slower for each in theirs]})
    assert here == pytest.approx(there)


def test_the_table_has_every_row_once_per_figure() -> None:
    assert tuple(range(1, 22)) == ROWS
    assert len({(figure.row, figure.what) for figure in FIGURES}) == len(FIGURES)


def test_goals_are_beyond_floors() -> None:
    for figure in FIGURES:
        assert figure.verdict(figure.goal) is Verdict.GOAL
        assert figure.floor is None or figure.verdict(figure.floor) in {Verdict.FLOOR, Verdict.GOAL}


def test_only_ratios_are_gated() -> None:
    assert [figure.what for figure in FIGURES if figure.gated and not figure.against] == []


def test_every_series_is_measured_in_one_place_or_said_to_be_absent() -> None:
    apart = [name for each in APART for name in each.series]
    somewhere = [*ENTRANTS, *apart, *ABSENT]
    assert len(somewhere) == len(set(somewhere))
    assert needed_by(FIGURES) == set(somewhere)


def test_what_is_put_into_relation_is_measured_round_by_round_together() -> None:
    """Two series of different measurements have not the same rounds."""
    together = [set(ENTRANTS) | set(ABSENT), *(set(each.series) for each in APART)]
    assert [figure.what for figure in FIGURES if not any(figure.needs <= group for group in together)] == []


def test_rows_are_chosen_by_number() -> None:
    assert [figure.row for figure in figures_of([2, 1])] == [1, 2, 2]
    with pytest.raises(ValueError, match="no row 99"):
        figures_of([1, 99])


def test_a_figure_without_a_target_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no target"):
        _ = Figure(row=1, what="aimless", of="ours", unit="x").floor
