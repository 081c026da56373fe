"""Texts made against every rule: none takes longer than its length, and none ends in anything but findings."""

import time

from ringfence_pdp.filters.builtin import builtin_patterns, builtin_rules
from ringfence_pdp.filters.finding import Argument, Content, Kind
from ringfence_pdp.filters.rule_set import RuleSet

LENGTH = 8_192
SECONDS_MAX = 0.3
"""CPU of one text; a hundred times what an ordinary one of this length takes."""


def filled(piece: str) -> str:
    """Return as much of a text over and over as is looked for at once."""
    return (piece * (LENGTH // max(1, len(piece)) + 1))[:LENGTH]


def test_what_is_made_against_a_rule_is_looked_through_in_time() -> None:
    rule_set = RuleSet(builtin_rules())
    slow = {}
    for rule in rule_set.rules:
        example = max(rule.matches, key=len)
        # Nearly a match, over and over: each is begun and none is ended. Of every type one rule after the other.
        text = filled(f"{example[: max(1, len(example) - 2)]} ")
        written_in = min(rule.types)
        began = time.process_time()
        rule_set.matches(text, written_in)
        taken = time.process_time() - began
        if taken > SECONDS_MAX:
            slow[rule.id] = round(taken, 2)
    assert not slow


def test_all_that_any_rule_needs_at_once_is_looked_through_in_time() -> None:
    patterns = builtin_patterns()
    everything = " ".join(example[:40] for rule in patterns.rules for example in rule.matches)[:65_536]

    began = time.process_time()
    findings = patterns.findings(Content((Argument("/x", everything),)))

    assert time.process_time() - began < 5
    assert any(finding.kind is Kind.RULE for finding in findings)
