r"""What a text has to contain for a pattern to match, so that most patterns need not be tried on most texts.

`(?i)\b(?:drop|truncate)\s+table\b` matches nothing that has neither *drop* nor *truncate* in it, or no *table*. What a
pattern makes necessary is one of several ways to match, and for each way some sets of which one text each has to be
there. They are lower case, and so has the text to be. In doubt (a class of many characters, a repetition that may be
empty) nothing is necessary; a pattern that makes nothing necessary is tried on every text, which costs time and never
a match.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

EXACT_MAX: Final = 24
"""Texts a part of a pattern may stand for and still be spelled out."""

LENGTH_MIN: Final = 2
"""Shorter texts are in everything."""

LENGTH_ENOUGH: Final = 5
"""From here on fewer texts are better than longer ones."""

SETS_MAX: Final = 3
"""Sets that are asked for of one way: the ones that say most."""

Texts = frozenset[str]
_EMPTY: Final[Texts] = frozenset({""})

_TOKEN = re.compile(
    r"""
    (?P<open>\(\?P?<\w+>|\(\?[a-zA-Z-]*:|\(\?[a-zA-Z-]+\)|\()
    | (?P<close>\)) | (?P<or>\|)
    | (?P<times>(?:[*+?]|\{\d+(?:,\d*)?\})\??)
    | (?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])
    | (?P<code>\\x\{[0-9A-Fa-f]+\}|\\x[0-9A-Fa-f]{2})
    | (?P<nowhere>\\[bBAz]|[\^$])
    | (?P<any>\\[dDsSwWC]|\\[pP](?:\{\^?\w+\}|\w)|\.)
    | (?P<literal>\\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_RANGE = re.compile(
    r"(\\x\{[0-9A-Fa-f]+\}|\\x[0-9A-Fa-f]{2}|\\.|.)(?:-(?=[^\]])(\\x\{[0-9A-Fa-f]+\}|\\.|.))?", re.DOTALL
)
_WHITE = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


def necessary(pattern: str) -> Sequence[Sequence[Texts]]:
    """Return the ways the pattern matches in: of every set of one way a text is there. None if one way is unknown."""
    if "\\Q" in pattern:
        return ()
    ways = [_needed(part) for part in _Reader(pattern).alternatives()]
    return ways if all(ways) else ()


def lowered(text: str) -> str:
    """Return a text as necessary texts are compared with it."""
    return text.lower() if text.isascii() else text.lower().replace("\u03c2", "\u03c3")


class _Part(NamedTuple):
    """A part of a pattern."""

    exact: Texts | None
    """All it may stand for, if that is little."""
    needed: tuple[Texts, ...] = ()
    """Otherwise, sets of which one text each is in it at any rate; the one that says most first."""


_ANY: Final = _Part(None)
_NOTHING: Final = _Part(_EMPTY)


class _Reader:
    """Reads a pattern that compiles; what it does not know is taken for anything."""

    def __init__(self, pattern: str) -> None:
        self._tokens = list(_TOKEN.finditer(pattern))
        self._place = 0

    def alternatives(self) -> Sequence[_Part]:
        parts = [self._sequence()]
        while self._at("or"):
            self._place += 1
            parts.append(self._sequence())
        return parts

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._place < len(self._tokens) and not self._at("or") and not self._at("close"):
            part = self._one()
            if self._at("times"):
                part = _repeated(part, self._tokens[self._place]["times"])
                self._place += 1
            parts.append(part)
        return _joined(parts)

    def _one(self) -> _Part:
        token = self._tokens[self._place]
        self._place += 1
        if token["open"]:
            return self._group(token["open"])
        if token["class"]:
            return _of_class(token["class"])
        if token["any"]:
            return _ANY
        if token["nowhere"]:
            return _NOTHING
        return _Part(frozenset({lowered(_character(token[0]))}))

    def _group(self, opening: str) -> _Part:
        if opening.endswith(")"):
            return _NOTHING
        parts = self.alternatives()
        self._place += 1
        return parts[0] if len(parts) == 1 else _either(parts)

    def _at(self, kind: str) -> bool:
        return self._place < len(self._tokens) and self._tokens[self._place][kind] is not None


def _character(token: str) -> str:
    if token.startswith("\\x"):
        return chr(int(token[2:].strip("{}"), 16))
    return _WHITE.get(token[1], token[1]) if token.startswith("\\") else token


def _of_class(text: str) -> _Part:
    inside = text[1:-1]
    if inside.startswith("^") or "[:" in inside or re.search(r"\\[dDsSwWpPC]", inside):
        return _ANY
    characters: set[str] = set()
    for match in _RANGE.finditer(inside):
        first, last = _character(match[1]), _character(match[2] or match[1])
        if ord(last) - ord(first) > EXACT_MAX:
            return _ANY
        characters.update(lowered(chr(code)) for code in range(ord(first), ord(last) + 1))
    return _Part(frozenset(characters)) if 0 < len(characters) <= EXACT_MAX else _ANY


def _repeated(part: _Part, times: str) -> _Part:
    if times[0] == "?" and part.exact is not None:
        return _Part(part.exact | _EMPTY)
    if times[0] in "*?" or times.startswith(("{0,", "{0}")):
        return _ANY
    return _Part(None, _needed(part))


def _either(parts: Sequence[_Part]) -> _Part:
    exact = [part.exact for part in parts]
    together: set[str] = set()
    for texts in exact:
        if texts is None:
            break
        together |= texts
    else:
        if len(together) <= 4 * EXACT_MAX:
            return _Part(frozenset(together))
    needed = [_needed(part) for part in parts]
    return _Part(None, (frozenset().union(*(sets[0] for sets in needed)),)) if all(needed) else _ANY


def _joined(parts: Sequence[_Part]) -> _Part:
    found: list[Texts] = []
    current = _EMPTY
    is_exact = True
    for part in parts:
        if part.exact is not None and len(part.exact) * len(current) <= 4 * EXACT_MAX:
            current = frozenset(before + after for before in current for after in part.exact)
            continue
        found += _worth(current)
        is_exact = False
        current = part.exact if part.exact is not None else _EMPTY
        found += part.needed
    if is_exact:
        return _Part(current)
    found += _worth(current)
    best, *others = sorted(set(found), key=_value, reverse=True)[:SETS_MAX] or (_EMPTY,)
    # Beside a better set, one with *to* or *in* only costs time: every text has it.
    return _Part(None, (best, *(texts for texts in others if min(map(len, texts)) > LENGTH_MIN))) if found else _ANY


def _needed(part: _Part) -> tuple[Texts, ...]:
    return part.needed if part.exact is None else _worth(part.exact)


def _worth(texts: Texts) -> tuple[Texts, ...]:
    """Return texts that say something each, or nothing: one that is in everything makes the others useless."""
    return (texts,) if texts and min(map(len, texts)) >= LENGTH_MIN else ()


def _value(texts: Texts) -> tuple[int, int, list[str]]:
    return min(LENGTH_ENOUGH, *map(len, texts)), -len(texts), sorted(texts)
