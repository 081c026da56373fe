"""A run as a file, as a table, beside another run, and on the page."""

import dataclasses
import re
from pathlib import Path

import pytest
from compare import differences
from compare import table as difference_table
from page import PAGE, RECORD, NotWholeError, body, require_whole, with_body
from results import Conditions, Finding, Results, UnreadableResultsError, findings, noise_of, read
from table import markdown, number, table
from targets import FIGURES, Figure, Verdict, needed_by

CONDITIONS = Conditions(
    begun="2026-01-01T00:00:00+00:00",
    seconds=600.0,
    cores=2,
    cpu="a processor",
    system="Linux 6",
    python="3.11.7",
    versions={"ringfence": "1", "cerbos": "2"},
    load_before=0.1,
    load_after=1.2,
    rounds=3,
    slice_s=1.0,
    cards=100_000,
    noise=0.04,
)
RATIO = Figure(row=1, what="a ratio", of="ours", against="theirs", unit="x R0", most=(1.0, 0.5))
TIME = Figure(row=2, what="a time", of="wait", unit="ms", most=(100, 10), gated=False)
GONE = Figure(row=3, what="what nobody makes", of="nothing", against="theirs", unit="x", least=(2, 3))
SERIES = {"ours": [3.0, 6.0, 9.0], "theirs": [10.0, 10.0, 10.0], "wait": [1234.5, 1234.5]}


def results(series: dict[str, list[float]], *figures: Figure) -> Results:
    figures = figures or (RATIO, TIME, GONE)
    failures = {"nothing": "nobody makes it"}
    return Results(conditions=CONDITIONS, findings=findings(figures, series), series=dict(series), failures=failures)


def test_a_finding_has_the_median_its_spread_and_its_verdict() -> None:
    finding = Finding.of(RATIO, SERIES)
    assert (finding.least, finding.measured, finding.most) == (0.3, 0.6, 0.9)
    assert (finding.floor, finding.goal, finding.verdict) == (1.0, 0.5, Verdict.FLOOR)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    found, file = results(SERIES), tmp_path / "results.json"
    found.write(file)
    assert read(file) == found
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"conditions": 1}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(UnreadableResultsError, match="no result of this bench"):
        read(file)


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    dataclasses.replace(results(SERIES), schema=99).write(file)
    with pytest.raises(UnreadableResultsError, match="schema 99"):
        read(file)


def test_what_is_gated_and_below_its_floor_or_without_a_number_is_missed() -> None:
    assert [each.what for each in results(SERIES).missed()] == ["what nobody makes"]
    slow = SERIES | {"ours": [11.0, 12.0, 13.0], "wait": [1e9]}
    assert [each.what for each in results(slow).missed()] == ["a ratio", "what nobody makes"]


def test_noise_is_the_spread_against_the_median() -> None:
    assert noise_of([90.0, 100.0, 120.0]) == pytest.approx(0.3)
    assert noise_of([]) is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0314159, "0.0314"), (1.5, "1.5"), (12.34, "12.3"), (52_345.6, "52,346")]
)
def test_numbers_have_three_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_table_says_everything() -> None:
    text = table(results(SERIES))
    assert re.search(r"1  a ratio +≤ 1 +≤ 0\.5 +0\.6  x R0 +0\.3 to 0\.9  floor", text)
    assert re.search(r"2  a time +≤ 100 +≤ 10 +1,234  ms", text)
    assert re.search(r"3  what nobody makes +≥ 2 +≥ 3 +-  x +-  not measured", text)
    assert "not measured: nothing: nobody makes it" in text
    assert "an empty handler's cost spread by 4%" in text
    assert "2 cores of a processor" in text


def test_the_pages_table_has_a_line_for_each_finding() -> None:
    lines = markdown(results(SERIES)).splitlines()
    assert lines[0] == "| # | what | floor | goal | measured | unit | rounds | verdict |"
    assert lines[2] == "| 1 | a ratio | ≤ 1 | ≤ 0.5 | 0.6 | x R0 | 0.3 to 0.9 | floor |"
    assert len(lines) == 5


def test_two_runs_differ_by_the_share_the_larger_exceeds_the_smaller() -> None:
    other = SERIES | {"ours": [5.0, 5.0, 5.0], "wait": [1.0]}
    first, second = differences(results(SERIES), results(other))
    assert first.share == pytest.approx(0.2)
    assert not first.differs(0.21)
    assert first.differs(0.19)
    assert second.share is not None
    assert second.share > 1_000
    assert not second.differs(0.2), "a time is not judged"
    text = difference_table([first, second], 0.19)
    assert re.search(r"a ratio +x R0 +0\.6 +0\.5 +20%  differs", text)
    assert "not judged" in text


def test_a_difference_is_the_same_from_both_sides() -> None:
    one, other = results(SERIES), results(SERIES | {"ours": [1.0, 2.0, 3.0]})
    assert [each.share for each in differences(one, other)] == [each.share for each in differences(other, one)]


def test_what_one_run_lacks_is_shown_and_not_judged() -> None:
    (only,) = differences(results(SERIES, RATIO), results({}, RATIO, GONE))
    assert (only.second, only.share, only.differs(0.0)) == (None, None, False)


def test_only_a_whole_run_is_recorded() -> None:
    whole = results({name: [1.0] for name in needed_by(FIGURES)}, *FIGURES)
    require_whole(whole)
    with pytest.raises(NotWholeError, match="20, "):
        require_whole(results({}, *FIGURES[:-2]))


def test_the_pages_table_is_that_of_the_recorded_run() -> None:
    page = PAGE.read_text()
    assert with_body(page, body(read(RECORD) if RECORD.exists() else None)) == page


def test_what_was_not_measured_is_on_the_page_with_its_reason() -> None:
    assert body(results(SERIES)).endswith("- *not measured*, nothing: nobody makes it\n")


def test_a_page_without_markers_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no markers"):
        with_body("# A page\n", "text")


def test_the_page_explains_every_row() -> None:
    rows = PAGE.read_text().partition("## What the rows mean")[2]
    named = {int(number) for line in re.findall(r"^\| ([\d, ]+) \|", rows, re.MULTILINE) for number in line.split(",")}
    assert named == {figure.row for figure in FIGURES}


def test_the_page_says_which_rows_are_not_gated() -> None:
    (said,) = re.findall(r"Rows ([\d, and to]+)\s+never fail a build", PAGE.read_text())
    loose = set[int]()
    for part in re.split(r", | and ", said):
        first, _, last = part.strip().partition(" to ")
        loose |= set(range(int(first), int(last or first) + 1))
    assert loose == {figure.row for figure in FIGURES} - {figure.row for figure in FIGURES if figure.gated}
