"""The grammar of AIP-160, by recursive descent: OR binds tighter than AND, and white space alone is an AND too.

    expression  = sequence { AND sequence }
    sequence    = factor { factor }
    factor      = term { OR term }
    term        = [ NOT | "-" ] simple
    simple      = "(" expression ")" | member [ comparator argument ]
    member      = value { "." value }

Functions are part of AIP-160's grammar; there are none here, so a call is refused where it stands. The limits are part
of the contract: a filter longer, deeper or with more terms is refused before any resource is looked at.
"""

from ringfence_registry.finding.filtering.errors import FilterError, quoted
from ringfence_registry.finding.filtering.tokens import Kind, Token, tokenize
from ringfence_registry.finding.filtering.tree import Bare, Both, Either, Node, Not, Restriction, Text

MAX_LENGTH = 2_000
"""Bytes of UTF-8."""
MAX_DEPTH = 16
"""Parentheses within parentheses."""
MAX_TERMS = 64
"""Comparisons and bare words."""

_KEYWORDS = ("AND", "OR", "NOT")
_BEGINS_TERM = (Kind.WORD, Kind.STRING, Kind.OPEN, Kind.MINUS)


def parse(text: str) -> Node | None:
    """Return what the filter says, None when it says nothing, or raise `FilterError`."""
    if len(text.encode()) > MAX_LENGTH:
        raise FilterError(1, f"the filter is longer than {MAX_LENGTH} bytes")
    return _Parser(tokenize(text)).whole()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._terms = 0

    def whole(self) -> Node | None:
        if self._ahead().kind is Kind.END:
            return None
        node = self._expression()
        match self._ahead():
            case Token(kind=Kind.END):
                return node
            case Token(kind=Kind.CLOSE) as token:
                raise FilterError(token.column, 'this ")" closes nothing')
            case _:
                raise self._unexpected("AND, OR or the end")

    def _expression(self) -> Node:
        sequences = [self._sequence()]
        while self._take_keyword("AND"):
            sequences.append(self._sequence())
        return sequences[0] if len(sequences) == 1 else Both(tuple(sequences))

    def _sequence(self) -> Node:
        factors = [self._factor()]
        while self._ahead().kind in _BEGINS_TERM and not self._is_keyword("AND", "OR"):
            if not self._ahead().spaced:
                raise FilterError(self._ahead().column, "put a space or AND between two terms")
            factors.append(self._factor())
        return factors[0] if len(factors) == 1 else Both(tuple(factors))

    def _factor(self) -> Node:
        terms = [self._term()]
        while self._take_keyword("OR"):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else Either(tuple(terms))

    def _term(self) -> Node:
        if self._take_keyword("NOT"):
            return Not(self._simple())
        if self._ahead().kind is Kind.MINUS:
            self._take()
            if self._ahead().spaced:
                raise FilterError(self._ahead().column, 'no space may follow "-"; write -state:RETIRED or NOT')
            return Not(self._simple())
        return self._simple()

    def _simple(self) -> Node:
        if self._ahead().kind is Kind.OPEN:
            return self._composite()
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise FilterError(self._ahead().column, f"the filter has more than {MAX_TERMS} terms")
        return self._restriction()

    def _composite(self) -> Node:
        opened = self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(opened.column, f"parentheses nest deeper than {MAX_DEPTH} levels")
        node = self._expression()
        if self._ahead().kind is not Kind.CLOSE:
            raise FilterError(opened.column, 'this "(" is never closed')
        self._take()
        self._depth -= 1
        return node

    def _restriction(self) -> Node:
        first = self._value("a field, a text or a parenthesis")
        path = [first]
        while self._ahead().kind is Kind.DOT:
            self._take()
            path.append(self._value("the rest of the field's name", keywords=True))
        if self._ahead().kind is Kind.OPEN and not self._ahead().spaced:
            raise FilterError(first.column, f"there is no function {quoted('.'.join(each.text for each in path))}")
        if self._ahead().kind is not Kind.COMPARATOR:
            return self._bare(path)
        comparator = self._take()
        return Restriction(tuple(each.text for each in path), comparator.text, self._argument(), first.column)

    def _bare(self, path: list[Token]) -> Node:
        if len(path) > 1:
            name = ".".join(each.text for each in path)
            raise FilterError(path[0].column, f"{quoted(name)} is not compared with anything; write {name[:60]}:*")
        word = path[0]
        if word.kind is Kind.WORD and word.text.upper() in _KEYWORDS:
            raise FilterError(word.column, f"write {word.text.upper()} in capitals, or put the word in quotes")
        return Bare(_text(word))

    def _argument(self) -> Text:
        if self._ahead().kind is Kind.OPEN:
            raise FilterError(self._ahead().column, "a comparison takes one value; write (a = 1 OR a = 2)")
        value = self._value("a value")
        if self._ahead().kind is Kind.OPEN and not self._ahead().spaced:
            remedy = 'write the value itself, such as "2026-01-31T08:00:00Z"'
            raise FilterError(value.column, f"there is no function {quoted(value.text)}; {remedy}")
        return _text(value)

    def _value(self, wanted: str, *, keywords: bool = False) -> Token:
        if self._ahead().kind not in {Kind.WORD, Kind.STRING} or (not keywords and self._is_keyword(*_KEYWORDS)):
            raise self._unexpected(wanted)
        return self._take()

    def _ahead(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._ahead()
        self._at += 1
        return token

    def _is_keyword(self, *words: str) -> bool:
        return self._ahead().kind is Kind.WORD and self._ahead().text in words

    def _take_keyword(self, word: str) -> bool:
        if not self._is_keyword(word):
            return False
        self._take()
        return True

    def _unexpected(self, wanted: str) -> FilterError:
        found = self._ahead().kind.value if self._ahead().kind is Kind.END else quoted(self._ahead().text)
        return FilterError(self._ahead().column, f"expected {wanted}, found {found}")


def _text(token: Token) -> Text:
    return Text(token.text, token.column, token.kind is Kind.STRING, token.stars)
