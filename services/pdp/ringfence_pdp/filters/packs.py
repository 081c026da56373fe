"""Packs of rules as they are written: YAML to rules that compile and that their own examples prove.

Each rule carries at least three texts it has to find and three it must not. They are tried when the pack is read, with
the same views and the same matcher as a call, so a rule that does not do what it says never decides anything. Every
problem is noted with file, line and field.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from ringfence_pdp.breathing import nothing_more
from ringfence_pdp.fields import View as Field
from ringfence_pdp.fields import distinct
from ringfence_pdp.filters.filter_rule import ALL_BUT_SECRET, CATEGORIES, PLAIN_AND_DECODED, FilterRule, ViewKind
from ringfence_pdp.filters.finding import ArgumentType, Severity
from ringfence_pdp.filters.rule_set import PATTERN_MAX, PatternInvalid, Searching, compile_rule
from ringfence_pdp.filters.squeezing import squeezed
from ringfence_pdp.filters.views import views

T = TypeVar("T")

KIND = "FilterRules"
"""The kind of a pack's document."""

RULES_MAX = 500
"""Rules in one pack."""

EXAMPLES_MIN = 3
EXAMPLES_MAX = 64
EXAMPLE_MAX = 4_096
"""Characters in one example."""

RULE_ID = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*", re.ASCII)
_ID_SHAPE = "an id such as 'acme.ticket-number'"
_ID_MAX = 63
_MESSAGE_MAX = 200

_TYPES = {type_.word: type_ for type_ in ArgumentType}
_VIEWS = {kind.word: kind for kind in ViewKind}
_SEVERITIES = {severity.word: severity for severity in reversed(Severity)}


def read_rules(
    spec: Field, *, pack: str, taken: Iterable[str] = (), breathe: Callable[[], None] = nothing_more
) -> tuple[FilterRule, ...]:
    """Return the rules under a document's `spec`; what is wrong goes into its report. `taken`: ids of other packs."""
    given = spec.fields(required=("rules",))
    known = set(taken)
    rules = []
    for written in given["rules"].items(at_most=RULES_MAX):
        breathe()
        rule = _rule(written, pack)
        if rule.id in known:
            written.wrong(f"another rule is called {rule.id!r}", "give each its own id")
        known.add(rule.id)
        rules.append(rule)
    return tuple(rules)


def _rule(written: Field, pack: str) -> FilterRule:
    given = written.fields(
        required=("id", "category", "severity", "pattern", "message", "examples"), optional=("types", "views")
    )
    examples = given["examples"].fields(required=("matches", "passes"))
    rule = FilterRule(
        id=given["id"].text(RULE_ID, _ID_SHAPE, at_most=_ID_MAX),
        pack=pack,
        category=given["category"].one_of(*CATEGORIES),
        severity=_SEVERITIES.get(given["severity"].one_of(*_SEVERITIES), Severity.HIGH),
        types=frozenset(_words(given["types"], _TYPES)) or ALL_BUT_SECRET,
        pattern=given["pattern"].text(at_most=PATTERN_MAX),
        views=frozenset(_words(given["views"], _VIEWS)) or PLAIN_AND_DECODED,
        message=given["message"].text(at_most=_MESSAGE_MAX),
        matches=_examples(examples["matches"]),
        passes=_examples(examples["passes"]),
    )
    if compiled := _compiled(given["pattern"], rule):
        _prove(examples["matches"], examples["passes"], rule, compiled)
    return rule


def _words(written: Field, known: Mapping[str, T]) -> list[T]:
    if not written.present:
        return []
    items = written.items(at_most=len(known))
    distinct(items)
    return [known[word] for word in (item.one_of(*known) for item in items) if word in known]


def _examples(written: Field) -> tuple[str, ...]:
    if not written.present:
        return ()
    items = written.items(at_least=EXAMPLES_MIN, at_most=EXAMPLES_MAX)
    distinct(items)
    return tuple(item.text(at_most=EXAMPLE_MAX) for item in items)


def _compiled(written: Field, rule: FilterRule) -> Mapping[ViewKind, Searching]:
    """Return the pattern for each kind of view the rule looks at; nothing if one of them does not compile."""
    if not rule.pattern:
        return {}
    try:
        plain = compile_rule(rule.pattern)
        apart = compile_rule(squeezed(rule.pattern)) if ViewKind.SPACED in rule.views else plain
    except PatternInvalid as error:
        written.wrong(f"is no pattern: {error}", "patterns are RE2: no look-around, no back references")
        return {}
    return {kind: apart if kind is ViewKind.SPACED else plain for kind in rule.views}


def _prove(matches: Field, passes: Field, rule: FilterRule, compiled: Mapping[ViewKind, Searching]) -> None:
    for written, examples, finds in ((matches, rule.matches, True), (passes, rule.passes, False)):
        for place, example in enumerate(examples):
            if _is_found(example, rule, compiled) is not finds:
                item = written.items(at_most=EXAMPLES_MAX)[place]
                item.wrong(f"the rule {'does not find' if finds else 'finds'} {example[:60]!r}")


def _is_found(example: str, rule: FilterRule, compiled: Mapping[ViewKind, Searching]) -> bool:
    """Say whether the rule finds the example, in an argument of any type it is for."""
    if ViewKind.PLAIN in compiled and compiled[ViewKind.PLAIN].search(example):
        return True
    return any(
        view.kind in compiled and compiled[view.kind].search(view.text)
        for type_ in sorted(rule.types)
        for view in views(example, type_)[1:]
    )
