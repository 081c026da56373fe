"""What arguments do, read as what they are written in: the analysers held to tables of cases.

A table has the type of its texts and whether the tool's contract says so. Every case lists all that is found, with how
bad it is; empty braces are as much of the promise as the others. `times` repeats a text.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ringfence_pdp.filters.analysers.analysing import JUDGEMENTS, analyse
from ringfence_pdp.filters.filter_rule import CATEGORIES
from ringfence_pdp.filters.finding import Argument, ArgumentType, Kind

TABLES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def text_of(case: dict[str, Any]) -> str:
    text, times = str(case["text"]), int(case.get("times", 1))
    return text * times


@pytest.mark.parametrize("name", TABLES)
def test_finds_what_the_table_says_and_nothing_else(name: str) -> None:
    table: dict[str, Any] = TABLES[name]
    type_ = ArgumentType[table["type"].upper()]
    wrong = []
    for case in table["cases"]:
        text = text_of(case)
        found = analyse(Argument("/a", text, type_, table["declared"]), text)
        said = {finding.id: finding.severity.word for finding in found}
        if said != case["finds"]:
            wrong.append(f"{text[:200]!r}: finds {said}, the table says {case['finds']}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", TABLES)
def test_every_finding_can_be_pointed_at(name: str) -> None:
    table: dict[str, Any] = TABLES[name]
    type_ = ArgumentType[table["type"].upper()]
    for case in table["cases"]:
        text = text_of(case)
        found = analyse(Argument("/a", text, type_, table["declared"]), text)
        assert [finding.severity for finding in found] == sorted((each.severity for each in found), reverse=True)
        for finding in found:
            assert (finding.kind, finding.argument, finding.argument_type) == (Kind.ANALYSIS, "/a", type_)
            assert 0 <= finding.start <= finding.end <= len(text), finding
            assert finding.message
            assert len({each.id for each in found}) == len(found)


def test_there_is_a_case_for_everything_analysers_find() -> None:
    shown = {id_ for table in TABLES.values() for case in table["cases"] for id_ in case["finds"]}
    assert shown == {judgement.id for judgement in JUDGEMENTS}


def test_what_analysers_find_is_named_once_and_in_a_category_of_rules() -> None:
    ids = [judgement.id for judgement in JUDGEMENTS]
    assert ids == sorted(set(ids))
    for judgement in JUDGEMENTS:
        assert judgement.category in CATEGORIES
        assert re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", judgement.id), judgement.id
