"""For every rule, texts of 8 KB made of what nearly matches it: looked through whole, without a failure."""

import random

from ringfence_pdp.filters.builtin import builtin_rules
from ringfence_pdp.filters.filter_rule import FilterRule
from ringfence_pdp.filters.finding import Argument, Content, Finding, Kind, Severity
from ringfence_pdp.filters.patterns import FINDINGS_MAX, Patterns

LENGTH = 8_192


def nearly(rule: FilterRule) -> str:
    """Beginnings of what the rule finds, again and again, none of them whole."""
    chance = random.Random(rule.id)
    made = ""
    while len(made) < LENGTH:
        example = chance.choice(rule.matches)
        made += example[: chance.randint(1, max(1, len(example) - 1))]
    return made[:LENGTH]


def test_nothing_fails_over_what_is_made_for_a_rule() -> None:
    patterns = Patterns(builtin_rules())
    failed: list[tuple[str, Finding]] = []
    for rule in builtin_rules():
        content = Content((Argument("/x", nearly(rule), min(rule.types)),))
        found = patterns.findings(content)
        assert len(found) <= FINDINGS_MAX
        # What is too deeply encoded may say so; nothing may break.
        failed += [(rule.id, one) for one in found if one.kind is Kind.FAILURE and one.severity is Severity.HIGH]
    assert failed == []
