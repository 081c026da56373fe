from collections.abc import Iterable

from ringfence_pdp.fields import Report, View
from ringfence_pdp.filters.filter_rule import FilterRule, ViewKind
from ringfence_pdp.filters.finding import ArgumentType, Severity
from ringfence_pdp.filters.packs import read_rules
from ringfence_pdp.filters.rule_set import RuleSet
from ringfence_pdp.yaml_reader import Mark, read

GOOD = r"""
rules:
  - id: acme.ticket
    category: exfiltration
    severity: medium
    types: [free_text, code]
    pattern: '(?i)\bacme[- ]\d{6}\b'
    message: a ticket number of Acme
    examples:
      matches: ['ACME-123456', 'see acme 654321 please', 'QUNNRS0xMjM0NTYgaXMgaXQ=']
      passes: ['ACME-12345', 'acme', '123456']
"""


def rules_of(text: str, taken: Iterable[str] = ()) -> tuple[tuple[FilterRule, ...], list[str]]:
    report = Report()
    root = View("pack.yaml", read(text.encode())[0], Mark(1, 1), "spec", report)
    rules = read_rules(root, pack="acme", taken=taken)
    return rules, [f"{problem.place} {problem}" for problem in report.problems]


def problems_of(**changed: str) -> list[str]:
    text = GOOD
    for name, value in changed.items():
        old = next(line for line in GOOD.splitlines() if f" {name}:" in line)
        new = f"{old.split(name)[0]}{name}: {value}" if value else ""
        text = text.replace(old, new)
    return rules_of(text)[1]


def test_a_rule_is_read_with_all_it_says() -> None:
    (rule,), problems = rules_of(GOOD)

    assert problems == []
    assert (rule.id, rule.pack, rule.category, rule.severity) == (
        "acme.ticket",
        "acme",
        "exfiltration",
        Severity.MEDIUM,
    )
    assert rule.types == {ArgumentType.FREE_TEXT, ArgumentType.CODE}
    assert rule.views == {ViewKind.PLAIN, ViewKind.DECODED}
    assert len(rule.matches) == len(rule.passes) == 3


def test_a_rule_that_names_no_types_looks_everywhere_but_at_secrets() -> None:
    (rule,), _ = rules_of(GOOD.replace("    types: [free_text, code]\n", ""))

    assert rule.types == set(ArgumentType) - {ArgumentType.SECRET}


def test_a_pattern_that_does_not_compile_is_refused_with_its_place() -> None:
    (problem,) = problems_of(pattern="'(?=acme)'")

    assert problem.startswith("pack.yaml:7:14 spec.rules[0].pattern is no pattern: invalid perl operator: (?=")
    assert problem.endswith("patterns are RE2: no look-around, no back references")


def test_a_pattern_that_matches_everything_is_refused() -> None:
    assert "it matches the empty text" in problems_of(pattern="'a*'")[0]


def test_a_pattern_that_takes_too_much_memory_is_refused() -> None:
    assert "too large" in problems_of(pattern="'(\\pL{50}){19}'")[0]


def test_an_example_the_rule_does_not_find_is_refused() -> None:
    problems = problems_of(matches="['ACME-123456', 'ACME 123456', 'nothing']")

    assert problems == ["pack.yaml:10:47 spec.rules[0].examples.matches[2] the rule does not find 'nothing'"]


def test_an_example_the_rule_must_not_find_is_refused_in_every_disguise() -> None:
    (problem,) = problems_of(passes="['acme', 'b', '%41CME-123456']")

    assert problem.endswith("the rule finds '%41CME-123456'")


def test_fewer_than_three_examples_are_refused() -> None:
    problems = problems_of(matches="['ACME-123456']", passes="[]")

    assert [problem.split(" ", 1)[1] for problem in problems] == [
        "spec.rules[0].examples.matches has 1 items; give 3 to 64",
        "spec.rules[0].examples.passes has 0 items; give 3 to 64",
    ]


def test_the_same_example_twice_is_refused() -> None:
    assert "is there twice" in problems_of(passes="['a', 'a', 'b']")[0]


def test_what_is_unknown_is_refused_with_what_is_known() -> None:
    problems = problems_of(category="theft", severity="worst", types="[prose]")

    assert len(problems) == 3
    assert "'theft' is not known; give payload or injection" in problems[0]
    assert "give high or medium or low" in problems[1]
    assert "give free_text or sql" in problems[2]


def test_everything_that_is_missing_is_told_at_once() -> None:
    _, problems = rules_of("rules:\n  - {id: a}\n")

    assert len(problems) == 5


def test_an_id_is_taken_once() -> None:
    twice = GOOD + GOOD.split("rules:\n")[1]

    assert "another rule is called 'acme.ticket'" in rules_of(twice)[1][0]
    assert "another rule is called 'acme.ticket'" in rules_of(GOOD, taken=["acme.ticket"])[1][0]


def test_rules_find_what_they_are_for_and_where() -> None:
    rules, _ = rules_of(GOOD)
    rule_set = RuleSet(rules)

    (hit,) = rule_set.matches("über ACME-123456!", ArgumentType.FREE_TEXT)

    assert (hit.rule.id, hit.start, hit.end) == ("acme.ticket", 5, 16)
    assert rule_set.matches("über ACME-123456!", ArgumentType.SQL) == []
    assert rule_set.matches("ACME-123456", ArgumentType.FREE_TEXT, ViewKind.LEET) == []


def test_lone_surrogates_are_one_character_each() -> None:
    rules, _ = rules_of(GOOD)

    (hit,) = RuleSet(rules).matches("\ud800é ACME-123456", ArgumentType.CODE)

    assert (hit.start, hit.end) == (3, 14)


def test_no_rules_find_nothing() -> None:
    assert RuleSet(()).matches("anything", ArgumentType.FREE_TEXT) == []
