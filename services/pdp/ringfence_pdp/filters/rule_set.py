"""Many rules looked for in one pass: RE2 sets, and the place of a match only where there is one.

An automaton takes the same time for one rule and for twenty, and far longer for two hundred: what it has to remember is
every combination of what has begun to match. So the rules of one subject, the first word of their ids, share one, and
at most `TOGETHER_MAX` of them; one that has no rule for the type of an argument is not asked. A match is where RE2 puts
it: leftmost, and as its pattern prefers.

RE2 has two ways of saying that nothing matched: nothing does, or it had no memory left to find out. Every set has one
more pattern that matches every text, so that the second cannot be taken for the first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import re2

from ringfence_pdp.filters.filter_rule import FilterRule, ViewKind
from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.filters.squeezing import squeezed

PATTERN_MAX = 2_000
"""Characters in one pattern."""

PATTERN_MEMORY = 1 << 21
"""Bytes RE2 may use for one pattern."""

SET_MEMORY = 1 << 23
"""Bytes RE2 may use for a set and what it remembers of matching it; filled only by texts made for that."""

TOGETHER_MAX = 20
"""Rules in one automaton: fewer cost a pass each, more remember too much."""

_ALWAYS = r"\A"


class PatternInvalid(ValueError):  # noqa: N818 - named for what happened
    """The text is no RE2 regular expression, or one that is too large."""


class MatcherFailed(RuntimeError):  # noqa: N818 - named for what happened
    """RE2 could not say what matches."""


class Match(Protocol):
    """A place where a pattern was found."""

    def start(self) -> int:
        """Return where it begins."""
        ...

    def end(self) -> int:
        """Return where it ends, exclusive."""
        ...


class Searching(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> Match | None:
        """Return the leftmost match."""
        ...


class Hit(NamedTuple):
    """A rule, and where it matched first."""

    rule: FilterRule
    start: int
    end: int


def compile_rule(pattern: str) -> Searching:
    """Return the compiled pattern; raise PatternInvalid when there is none, or when it matches nothing at all."""
    if len(pattern) > PATTERN_MAX:
        raise PatternInvalid(f"it has {len(pattern)} characters; {PATTERN_MAX} at most")
    try:
        compiled = re2.compile(pattern, _options(PATTERN_MEMORY))
    except re2.error as error:
        problem = error.args[0] if error.args else "it does not compile"
        raise PatternInvalid(problem.decode() if isinstance(problem, bytes) else str(problem)) from error
    if compiled.search("") is not None:
        raise PatternInvalid("it matches the empty text, so it would match everything")
    found: Searching = compiled
    return found


class RuleSet:
    """Rules, ready to be looked for. They have been read before, so every pattern compiles."""

    def __init__(self, rules: Iterable[FilterRule]) -> None:
        in_order = sorted(rules, key=lambda rule: (-rule.severity, rule.id))
        common = [rule for rule in in_order if not rule.views.isdisjoint((ViewKind.PLAIN, ViewKind.DECODED))]
        plain = _automata([(rule, rule.pattern) for rule in common])
        self._automata: Mapping[ViewKind, Sequence[_Automaton]] = {
            ViewKind.PLAIN: plain,
            ViewKind.DECODED: plain,
            ViewKind.LEET: _automata([(rule, rule.pattern) for rule in in_order if ViewKind.LEET in rule.views]),
            ViewKind.SPACED: _automata(
                [(rule, squeezed(rule.pattern)) for rule in in_order if ViewKind.SPACED in rule.views]
            ),
        }
        self.rules = tuple(in_order)

    def matches(self, text: str, type: ArgumentType, view: ViewKind = ViewKind.PLAIN) -> Sequence[Hit]:  # noqa: A002 - an argument's type is called so everywhere
        """Return the rules for this type and view that match, the worst first; raise MatcherFailed if RE2 did."""
        encoded = text.encode("utf-8", "replace")
        hits = [
            Hit(rule, *span)
            for automaton in self._automata[view]
            if type in automaton.types
            for rule, span in automaton.found(encoded)
            if type in rule.types and view in rule.views
        ]
        return sorted(hits, key=lambda hit: (-hit.rule.severity, hit.rule.id))


def _automata(patterns: "Sequence[tuple[FilterRule, str]]") -> "Sequence[_Automaton]":
    subjects: dict[str, list[tuple[FilterRule, str]]] = {}
    for rule, pattern in patterns:
        subjects.setdefault(rule.id.partition(".")[0], []).append((rule, pattern))
    return tuple(
        _Automaton(together[place : place + TOGETHER_MAX])
        for together in subjects.values()
        for place in range(0, len(together), TOGETHER_MAX)
    )


class _Automaton:
    """One RE2 set, and each of its patterns alone."""

    def __init__(self, patterns: Sequence[tuple[FilterRule, str]]) -> None:
        self._rules = tuple(rule for rule, _ in patterns)
        self._patterns = tuple(pattern for _, pattern in patterns)
        self.types = frozenset(type_ for rule in self._rules for type_ in rule.types)
        self._alone: dict[int, Searching] = {}
        self._set = re2.Set.SearchSet(_options(SET_MEMORY))
        for pattern in (*self._patterns, _ALWAYS):
            self._set.Add(pattern)
        try:
            self._set.Compile()
        except re2.error as error:
            raise PatternInvalid("the rules are too large together") from error

    def found(self, encoded: bytes) -> "list[tuple[FilterRule, tuple[int, int]]]":
        places = self._set.Match(encoded)
        if not places:
            raise MatcherFailed("RE2 had no memory left to look for the rules")
        if len(places) == 1:
            return []
        # A lone surrogate cannot be encoded. It counts as one character before and after, so places stay the same.
        text = encoded.decode()
        return [(self._rules[place], self._span(place, text)) for place in sorted(places) if place < len(self._rules)]

    def _span(self, place: int, text: str) -> tuple[int, int]:
        pattern = self._alone.get(place)
        if pattern is None:
            # Compiled at its first match: most rules never match anything.
            pattern = self._alone[place] = re2.compile(self._patterns[place], _options(PATTERN_MEMORY))
        match = pattern.search(text)
        return (0, 0) if match is None else (match.start(), match.end())


def _options(memory: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    return options
