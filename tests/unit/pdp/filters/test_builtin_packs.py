"""The packs that are built in: that they are whole, and that their examples are found by the filter they are for."""

import re
from collections.abc import Iterator

import pytest
from ringfence_pdp.filters.builtin import builtin_patterns, builtin_rules
from ringfence_pdp.filters.filter_rule import CATEGORIES, FilterRule
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Kind
from ringfence_pdp.filters.rule_set import PATTERN_MAX

SUBJECTS_MIN = 12
RULES_MIN = 180


def found(text: str, type_: ArgumentType) -> set[str]:
    """Return the ids of the rules that find something in a text of this type."""
    content = Content((Argument("/a", text, type_),))
    return {finding.id for finding in builtin_patterns().findings(content) if finding.kind is Kind.RULE}


def examples(*, found: bool) -> Iterator[tuple[FilterRule, str]]:
    for rule in builtin_rules():
        for text in rule.matches if found else rule.passes:
            yield rule, text


def test_there_are_rules_on_every_category() -> None:
    rules = builtin_rules()
    assert len(rules) >= RULES_MIN
    assert {rule.category for rule in rules} == set(CATEGORIES)
    assert len({rule.id.partition(".")[0] for rule in rules}) >= SUBJECTS_MIN


def types_of(rule: FilterRule) -> set[ArgumentType]:
    """Return the types a rule is tried in: the loader has tried all of them already."""
    return {min(rule.types), max(rule.types)}


def test_every_rule_finds_its_examples_through_the_filter() -> None:
    missed = [
        (rule.id, type_.word, text)
        for rule, text in examples(found=True)
        for type_ in types_of(rule)
        if rule.id not in found(text, type_)
    ]
    assert missed == []


def test_no_rule_finds_what_it_says_it_passes() -> None:
    wrong = [
        (rule.id, type_.word, text)
        for rule, text in examples(found=False)
        for type_ in types_of(rule)
        if rule.id in found(text, type_)
    ]
    assert wrong == []


@pytest.mark.parametrize("rule", builtin_rules(), ids=lambda rule: rule.id)
def test_a_rule_reads_like_the_others(rule: FilterRule) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)+", rule.id)
    assert not rule.message.endswith(".")
    assert rule.message[0].islower() or rule.message.split()[0] in ("PowerShell", "SQL", "UNION", "ORDER")
    assert len(rule.pattern) <= PATTERN_MAX
    assert len(set(rule.matches) | set(rule.passes)) == len(rule.matches) + len(rule.passes)


def test_a_rule_is_not_for_secrets_where_they_belong() -> None:
    assert [rule.id for rule in builtin_rules() if ArgumentType.SECRET in rule.types] == []
