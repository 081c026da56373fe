"""Texts that are meant well and come close to what rules look for: none may need more than a flag."""

from pathlib import Path

import pytest
import yaml
from ringfence_pdp.filters.builtin import builtin_patterns
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Kind, Severity

CASES: dict[str, list[str]] = yaml.safe_load((Path(__file__).parent / "well_meant.yaml").read_text())
AS_TEXT = "free_text"
"""What a text is taken for when nobody says what it is written in."""


def stopped(text: str, type_: ArgumentType) -> list[str]:
    """Return the ids of the rules that would deny the call or ask a person."""
    findings = builtin_patterns().findings(Content((Argument("/a", text, type_),)))
    return [finding.id for finding in findings if finding.kind is Kind.RULE and finding.severity > Severity.LOW]


@pytest.mark.parametrize("word", CASES)
@pytest.mark.parametrize("taken_for", ["what it is", AS_TEXT])
def test_what_is_meant_well_passes(word: str, taken_for: str) -> None:
    type_ = ArgumentType[(AS_TEXT if taken_for == AS_TEXT else word).upper()]
    wrong = {text: found for text in CASES[word] if (found := stopped(text, type_))}
    assert wrong == {}


def test_there_are_texts_of_every_type() -> None:
    assert set(CASES) == {type_.word for type_ in ArgumentType} - {ArgumentType.SECRET.word}
