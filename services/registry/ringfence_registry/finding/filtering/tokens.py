"""From the text of a filter to its tokens.

A word is a run of characters without meaning of their own. After a comparator a word may also hold `.` and `:`, so that
`3.5`, `did:web:a.example` and an RFC 3339 time need no quotes. A minus that begins a word elsewhere negates.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from ringfence_registry.finding.filtering.errors import FilterError, quoted


class Kind(enum.Enum):
    """What a token is to the grammar."""

    WORD = "a word"
    STRING = "a quoted text"
    COMPARATOR = "a comparison"
    OPEN = '"("'
    CLOSE = '")"'
    DOT = '"."'
    COMMA = '","'
    MINUS = '"-"'
    END = "the end of the filter"


@dataclass(frozen=True, slots=True)
class Token:
    """One token, the column it starts in (from 1), and whether white space precedes it."""

    kind: Kind
    text: str
    column: int
    spaced: bool = False
    stars: tuple[int, ...] = ()
    """Where in `text` a star stands for any characters."""


_COMPARATORS = ("<=", ">=", "!=", "=", "<", ">", ":")
_SIGNS = {"(": Kind.OPEN, ")": Kind.CLOSE, ".": Kind.DOT, ",": Kind.COMMA}
_BREAKS_WORD = frozenset(" \t\r\n(),<>=!\"'")
_BREAKS_FIELD = _BREAKS_WORD | {".", ":"}


def tokenize(text: str) -> list[Token]:
    """Return the tokens of `text`, the last of them END."""
    return list(_Lexer(text).tokens())


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def tokens(self) -> Iterator[Token]:
        in_argument = False
        while True:
            spaced = self._skip_space()
            token = self._next(spaced=spaced, in_argument=in_argument)
            yield token
            if token.kind is Kind.END:
                return
            in_argument = token.kind is Kind.COMPARATOR

    def _skip_space(self) -> bool:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
            self._at += 1
        return self._at > start

    def _next(self, *, spaced: bool, in_argument: bool) -> Token:
        column = self._at + 1
        if self._at == len(self._text):
            return Token(Kind.END, "", column, spaced)
        first = self._text[self._at]
        if first in "\"'":
            return self._string(first, column, spaced=spaced)
        for comparator in _COMPARATORS:
            if self._text.startswith(comparator, self._at):
                self._at += len(comparator)
                return Token(Kind.COMPARATOR, comparator, column, spaced)
        if first == "!":
            raise FilterError(column, 'a lone "!" means nothing; write != or NOT')
        # A word of an argument may start with a dot; that of a field may not.
        if first in _SIGNS and not (in_argument and first == "."):
            self._at += 1
            return Token(_SIGNS[first], first, column, spaced)
        if first == "-" and not in_argument:
            self._at += 1
            return Token(Kind.MINUS, first, column, spaced)
        return self._word(column, _BREAKS_WORD if in_argument else _BREAKS_FIELD, spaced=spaced)

    def _word(self, column: int, breaks: frozenset[str], *, spaced: bool) -> Token:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in breaks:
            if not self._text[self._at].isprintable():
                raise FilterError(self._at + 1, "an unprintable character; put the text in quotes")
            self._at += 1
        word = self._text[start : self._at]
        return Token(Kind.WORD, word, column, spaced, tuple(at for at, each in enumerate(word) if each == "*"))

    def _string(self, quote: str, column: int, *, spaced: bool) -> Token:
        characters: list[str] = []
        stars: list[int] = []
        at = self._at + 1
        while at < len(self._text) and self._text[at] != quote:
            each = self._text[at]
            if each == "\\":
                at += 1
                each = self._text[at : at + 1]
                if each not in {"\\", '"', "'", "*"}:
                    raise FilterError(at, f"unknown escape {quoted(chr(92) + each)}; \\\\ \\\" \\' and \\* are known")
            elif each == "*":
                stars.append(len(characters))
            characters.append(each)
            at += 1
        if at == len(self._text):
            raise FilterError(column, f"the text opened here is never closed; end it with {quote}")
        self._at = at + 1
        return Token(Kind.STRING, "".join(characters), column, spaced, tuple(stars))
