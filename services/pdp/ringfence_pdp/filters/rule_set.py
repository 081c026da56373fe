"""Many rules looked for in one pass: RE2 sets, and the place of a match only where there is one.

All rules are in one automaton, which takes the same time whether it has ten rules or five hundred; which types a rule
is for is asked after it matched. Rules that want to see leetspeak or letters apart are in automata of their own. A
match is where RE2 puts it: leftmost, and as its pattern prefers.

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

SET_MEMORY = 1 << 25
"""Bytes RE2 may use for a set and what it remembers of matching it; filled only by texts made for that."""

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
        plain = _Automaton([(rule, rule.pattern) for rule in common])
        self._automata: Mapping[ViewKind, _Automaton] = {
            ViewKind.PLAIN: plain,
            ViewKind.DECODED: plain,
            ViewKind.LEET: _Automaton([(rule, rule.pattern) for rule in in_order if ViewKind.LEET in rule.views]),
            ViewKind.SPACED: _Automaton(
                [(rule, squeezed(rule.pattern)) for rule in in_order if ViewKind.SPACED in rule.views]
            ),
        }
        self.rules = tuple(in_order)

    def matches(self, text: str, type: ArgumentType, view: ViewKind = ViewKind.PLAIN) -> Sequence[Hit]:  # noqa: A002 - an argument's type is called so everywhere
        """Return the rules for this type and view that match, the worst first; raise MatcherFailed if RE2 did."""
        return [
            Hit(rule, *span)
            for rule, span in self._automata[view].found(text)
            if type in rule.types and view in rule.views
        ]


class _Automaton:
    """One RE2 set, and each of its patterns alone."""

    def __init__(self, patterns: Sequence[tuple[FilterRule, str]]) -> None:
        self._rules = tuple(rule for rule, _ in patterns)
        self._patterns = tuple(pattern for _, pattern in patterns)
        self._alone: dict[int, Searching] = {}
        self._set = re2.Set.SearchSet(_options(SET_MEMORY))
        for pattern in (*self._patterns, _ALWAYS):
            self._set.Add(pattern)
        try:
            self._set.Compile()
        except re2.error as error:
            raise PatternInvalid("the rules are too large together") from error

    def found(self, text: str) -> "list[tuple[FilterRule, tuple[int, int]]]":
        if not self._rules:
            return []
        places = self._set.Match(text.encode("utf-8", "replace"))
        if not places:
            raise MatcherFailed("RE2 had no memory left to look for the rules")
        if len(places) == 1:
            return []
        return [(self._rules[place], self._span(place, text)) for place in sorted(places) if place < len(self._rules)]

    def _span(self, place: int, text: str) -> tuple[int, int]:
        pattern = self._alone.get(place)
        if pattern is None:
            # Compiled at its first match: most rules never match anything.
            pattern = self._alone[place] = re2.compile(self._patterns[place], _options(PATTERN_MEMORY))
        # A lone surrogate cannot be encoded. It counts as one character before and after, so places stay the same.
        match = pattern.search(text.encode("utf-8", "replace").decode())
        return (0, 0) if match is None else (match.start(), match.end())


def _options(memory: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    return options
