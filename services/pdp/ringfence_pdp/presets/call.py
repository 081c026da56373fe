"""How a preset is called in a policy: `read_only`, `rate_limit(100, 1m)`, `spend_cap: {usd: 50, per: team}`.

A call is a YAML text, read here; its values become nodes like any other of the file, with their own line and column, so
whatever is wrong with one is told where it stands. A value is a word, a text in quotes, or a list of them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ringfence_pdp.fields import View
from ringfence_pdp.yaml_reader import Entry, Mark, Node, Scalar, Sequence
from ringfence_pdp.yaml_reader import Mapping as MappingNode

CALL_MAX = 4_096
"""Characters of one call."""

SHAPE = "a preset such as read_only, rate_limit(100, 1m) or spend_cap: {usd: 50}"

_TOKEN = re.compile(r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<mark>[()\[\],=])|(?P<word>[^\s()\[\],='"]+))""", re.ASCII)
_NAME = re.compile(r"[a-z][a-z_]{0,62}", re.ASCII)


class Call(NamedTuple):
    """A preset by name, with what it was given."""

    name: str
    positional: tuple[Node, ...]
    named: Mapping[str, Node]


class _CallError(Exception):
    """The text is no call."""


class _Token(NamedTuple):
    text: str
    quoted: bool
    column: int

    @property
    def is_word(self) -> bool:
        return self.quoted or self.text not in ("(", ")", "[", "]", ",", "=")


def read_call(view: View) -> Call | None:
    """Read one item of `presets`; None when it is none, which is noted."""
    match view.node:
        case Scalar(text=text) if len(text) <= CALL_MAX:
            try:
                return _Reader(_tokens(text), view.mark).call()
            except _CallError as error:
                view.wrong(f"{text[:80]!r} is not {SHAPE}: {error}", _hint(text))
        case MappingNode(entries=(Entry(key=name, value=MappingNode(entries=entries)),)) if _NAME.fullmatch(name):
            return Call(name, (), {entry.key: entry.value for entry in entries})
        case _:
            view.wrong(f"is not {SHAPE}")
    return None


def _hint(text: str) -> str:
    # In a YAML flow list the commas between the brackets end the item.
    return "put it on a line of its own, after a dash" if text.count("(") != text.count(")") else ""


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _CallError(f"{text[at : at + 20].strip()!r} cannot be read")
        found = match[match.lastgroup or 0]
        quoted = match.lastgroup == "quoted"
        yield _Token(found[1:-1] if quoted else found, quoted, match.start(match.lastgroup or 0))
        at = match.end()


class _Reader:
    """Reads `name`, or `name(value, key=value, …)`."""

    def __init__(self, tokens: Iterator[_Token], mark: Mark) -> None:
        self._tokens = list(tokens)
        self._mark = mark
        self._at = 0

    def call(self) -> Call:
        name = self._take()
        if name.quoted or not _NAME.fullmatch(name.text):
            raise _CallError(f"{name.text!r} is no name of a preset")
        positional: list[Node] = []
        named: dict[str, Node] = {}
        if self._at < len(self._tokens):
            self._expect("(")
            while not self._next_is(")"):
                self._argument(positional, named)
                if not self._next_is(")"):
                    self._expect(",")
            self._expect(")")
        if self._at < len(self._tokens):
            raise _CallError(f"nothing may follow, found {self._tokens[self._at].text!r}")
        return Call(name.text, tuple(positional), named)

    def _argument(self, positional: list[Node], named: dict[str, Node]) -> None:
        value = self._value()
        if not self._next_is("="):
            if named:
                raise _CallError("a value without a name follows one with a name")
            positional.append(value)
            return
        self._expect("=")
        if not isinstance(value, Scalar) or value.quoted or value.text in named:
            raise _CallError("each name stands before '=' once")
        named[value.text] = self._value()

    def _value(self) -> Node:
        token = self._take()
        mark = Mark(self._mark.line, self._mark.column + token.column)
        if token.is_word:
            return Scalar(mark, token.text, quoted=token.quoted)
        if token.text != "[":
            raise _CallError(f"a value cannot begin with {token.text!r}")
        items: list[Node] = []
        while not self._next_is("]"):
            word = self._take()
            if not word.is_word:
                raise _CallError(f"a list holds words, found {word.text!r}")
            items.append(Scalar(Mark(mark.line, self._mark.column + word.column), word.text, quoted=word.quoted))
            if not self._next_is("]"):
                self._expect(",")
        self._expect("]")
        return Sequence(mark, tuple(items))

    def _take(self) -> _Token:
        if self._at == len(self._tokens):
            raise _CallError("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _next_is(self, text: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at][:2] == (text, False)

    def _expect(self, text: str) -> None:
        if not self._next_is(text):
            found = self._tokens[self._at].text if self._at < len(self._tokens) else "the end"
            raise _CallError(f"expected {text!r}, found {found!r}")
        self._at += 1
