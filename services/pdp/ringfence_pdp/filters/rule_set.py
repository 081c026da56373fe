"""Many rules looked for at once: most of them need a word the text does not have, and the others are tried one by one.

All that rules make necessary is looked for in one pass (Aho-Corasick, which takes the same time whatever it finds). RE2
sets are not used: their automaton remembers which of the rules matched so far and how far into every gap it is, and
over texts of many kinds it spends its time making states, milliseconds for a line (docs/adr/0034). A rule alone is
small. A match is where RE2 puts it: leftmost, and as its pattern prefers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import re2
from ahocorasick_rs import AhoCorasick

from ringfence_pdp.filters.filter_rule import FilterRule, ViewKind
from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.filters.necessities import SETS_MAX, Texts, lowered, necessary
from ringfence_pdp.filters.proving import Ways
from ringfence_pdp.filters.squeezing import squeezed

PATTERN_MAX = 2_000
"""Characters in one pattern."""

PATTERN_MEMORY = 1 << 20
"""Bytes RE2 may use for one pattern and what it remembers of matching it; filled only by texts made for that."""


FEW_MEMORY = 1 << 24
"""The same for patterns that are looked for together."""

FEW_MAX = 16
"""Patterns that are looked for together."""

_ALWAYS = r"\A"

NOTHING_KNOWN: Mapping[str, Ways] = {}


class PatternInvalid(ValueError):  # noqa: N818 - named for what happened
    """The text is no RE2 regular expression, or one that is too large."""


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

    def search(self, text: str | bytes) -> Match | None:
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

    def __init__(self, rules: Iterable[FilterRule], needed: Mapping[str, Ways] = NOTHING_KNOWN) -> None:
        """`needed`: what patterns make necessary, as far as somebody found it out already."""
        in_order = sorted(rules, key=lambda rule: (-rule.severity, rule.id))
        common = [rule for rule in in_order if not rule.views.isdisjoint((ViewKind.PLAIN, ViewKind.DECODED))]
        plain = _Patterns([(rule, rule.pattern) for rule in common], needed)
        self._patterns: Mapping[ViewKind, _Patterns] = {
            ViewKind.PLAIN: plain,
            ViewKind.DECODED: plain,
            ViewKind.LEET: _Patterns(
                [(rule, rule.pattern) for rule in in_order if ViewKind.LEET in rule.views], needed
            ),
            ViewKind.SPACED: _Patterns(
                [(rule, squeezed(rule.pattern)) for rule in in_order if ViewKind.SPACED in rule.views], needed
            ),
        }
        self.rules = tuple(in_order)

    def matches(self, text: str, type: ArgumentType, view: ViewKind = ViewKind.PLAIN) -> Sequence[Hit]:  # noqa: A002 - an argument's type is called so everywhere
        """Return the rules for this type and view that match, the worst first."""
        return list(self._patterns[view].found(text, type, view))


class _Patterns:
    """Patterns of rules, tried where what they make necessary is there."""

    def __init__(self, patterns: Sequence[tuple[FilterRule, str]], needed: Mapping[str, Ways]) -> None:
        self._patterns = patterns
        self._compiled: dict[int, Callable[[bytes], tuple[int, int]]] = {}
        ways: list[tuple[int, Sequence[Texts]]] = []
        always: list[int] = []
        for place, (_, pattern) in enumerate(patterns):
            found = needed[pattern] if pattern in needed else necessary(pattern)
            ways += ((place, sets) for sets in found)
            if not found:
                always.append(place)
        self._ways = _Ways(ways)
        self._always = tuple(
            _Few(few, [patterns[place][1] for place in few])
            for few in (always[start : start + FEW_MAX] for start in range(0, len(always), FEW_MAX))
        )
        self._looking: dict[tuple[ArgumentType, ViewKind], frozenset[int]] = {}

    def found(self, text: str, type_: ArgumentType, view: ViewKind) -> Iterator[Hit]:
        # A lone surrogate cannot be encoded. It counts as one character before and after, so places stay the same.
        raw = text.encode("utf-8", "replace")
        worth_trying = self._ways.there(text if text.isascii() else raw.decode())
        for few in self._always:
            worth_trying.update(few.matching(raw))
        for place in sorted(worth_trying & self._looking_at(type_, view)):
            start, end = self._alone(place)(raw)
            if start >= 0:
                yield Hit(self._patterns[place][0], _characters(raw, text, start), _characters(raw, text, end))

    def _looking_at(self, type_: ArgumentType, view: ViewKind) -> frozenset[int]:
        """Return the patterns of rules that look at views of this kind of arguments of this type."""
        looking = self._looking.get((type_, view))
        if looking is None:
            looking = self._looking[type_, view] = frozenset(
                place for place, (rule, _) in enumerate(self._patterns) if type_ in rule.types and view in rule.views
            )
        return looking

    def _alone(self, place: int) -> Callable[[bytes], tuple[int, int]]:
        # Compiled when first tried: most rules hardly ever are.
        pattern = self._compiled.get(place)
        if pattern is None:
            pattern = self._compiled[place] = _searching(self._patterns[place][1])
        return pattern


class _Ways:
    """Ways in which patterns can match, and which of them have all they need in a text.

    Every set of every way is a bit: the first sets of all ways side by side, then the second, then the third. A way
    that needs fewer has the others for nothing. So what is there is told of all ways at once.
    """

    def __init__(self, ways: Sequence[tuple[int, Sequence[Texts]]]) -> None:
        self._patterns = [pattern for pattern, _ in ways]
        bits: dict[str, int] = {}
        self._for_nothing = 0
        for way, (_, sets) in enumerate(ways):
            for number in range(SETS_MAX):
                bit = 1 << (number * len(ways) + way)
                if number >= len(sets):
                    self._for_nothing |= bit
                    continue
                for text in sets[number]:
                    bits[text] = bits.get(text, 0) | bit
        self._bits = tuple(bits.values())
        self._all = (1 << len(ways)) - 1
        self._texts = AhoCorasick(list(bits), store_patterns=False)

    def there(self, text: str) -> set[int]:
        """Return the patterns of which a way has all it needs."""
        bits, there = self._bits, self._for_nothing
        for one in {found[0] for found in self._texts.find_matches_as_indexes(lowered(text), overlapping=True)}:
            there |= bits[one]
        count, whole = len(self._patterns), self._all
        for _ in range(SETS_MAX):
            whole &= there
            there >>= count
        found = set()
        while whole:
            way = whole & -whole
            found.add(self._patterns[way.bit_length() - 1])
            whole ^= way
        return found


class _Few:
    """The few patterns that make nothing necessary, in an RE2 set: as many as these make few states."""

    def __init__(self, places: Sequence[int], patterns: Sequence[str]) -> None:
        self._places = places
        self._set = re2.Set.SearchSet(_options(FEW_MEMORY))
        for pattern in (*patterns, _ALWAYS):
            self._set.Add(pattern)
        self._set.Compile()

    def matching(self, raw: bytes) -> Sequence[int]:
        found = self._set.Match(raw)
        # RE2 says alike that nothing matches and that it has no memory left to tell. One pattern always matches.
        return [self._places[one] for one in found if one < len(self._places)] if found else self._places


def _searching(pattern: str) -> Callable[[bytes], tuple[int, int]]:
    """Return what finds the leftmost match of a pattern in bytes; where nothing matches it begins before the text."""
    # RE2 itself, because what `re2` puts around it makes three objects for every text and takes longer than most texts.
    match = re2.compile(pattern, _options(PATTERN_MEMORY))._regexp.Match  # noqa: SLF001 - see above; `search` is the same
    anywhere = re2._Anchor.UNANCHORED  # noqa: SLF001 - as above

    def search(raw: bytes) -> tuple[int, int]:
        span: tuple[int, int] = match(anywhere, raw, 0, len(raw))[0]
        return span

    return search


def _characters(raw: bytes, text: str, place: int) -> int:
    return place if len(raw) == len(text) else len(raw[:place].decode("utf-8", "ignore"))


def _options(memory: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    # Groups are not asked for; without them RE2 need not find out where they were.
    options.never_capture = True
    return options
