"""Tables come into the report where they belong, and what was not measured stays as it was."""

import pytest

from training.report import REPORT, TABLES, with_tables

PAGE = "".join(f"words\n<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in TABLES)


def test_what_was_measured_is_written_and_the_rest_stays() -> None:
    page, unmeasured = with_tables(PAGE, {"disguised": {"base64": 0.99}})

    assert "<!-- disguised -->\n| disguise |" in page
    assert "| base64 | 99.0 % |\n<!-- /disguised -->" in page
    assert page.count("\nold\n") == len(TABLES) - 1 == len(unmeasured)
    assert "disguised" not in unmeasured


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for gates"):
        with_tables(PAGE.replace("<!-- /gates -->", ""), {})


def test_the_report_has_a_place_for_every_table() -> None:
    page = REPORT.read_text(encoding="utf-8")

    assert with_tables(page, {}) == (page, list(TABLES))
