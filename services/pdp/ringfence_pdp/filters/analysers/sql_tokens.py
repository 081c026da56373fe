"""Text read as SQL would read it, token by token, whatever it is: a value, half a statement, or no SQL at all.

A database sees a value inside whatever quotes the program put around it, so a text is read three times: as it stands,
and as the rest of a string that `'` or `"` began. The rules:

- nothing is an error: what a database would refuse is a token too;
- a token is one letter of the table below, so that a sequence can be compared with a pattern;
- a comment inside a statement is a blank; `/*! */` is what is in it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

TOKENS_MAX: Final = 512

STRING, NUMBER, WORD, LOGIC, COMPARE, OPERATOR, COMMENT = "s", "n", "w", "&", "=", "o", "c"
OPEN, CLOSE, COMMA, END, CALL, UNION, SELECT = "(", ")", ",", ";", "f", "U", "E"
CHANGE, CLAUSE, TRUTH, VARIABLE, FROM, INTO, OTHER = "T", "B", "t", "v", "F", "I", "?"

_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("and", "or", "xor"), LOGIC),
    **dict.fromkeys(("like", "rlike", "regexp", "ilike", "between", "in", "is", "sounds", "glob", "similar"), COMPARE),
    **dict.fromkeys(("div", "mod", "collate", "binary"), OPERATOR),
    **dict.fromkeys(("union", "intersect", "except", "minus"), UNION),
    **dict.fromkeys(("select", "values"), SELECT),
    **dict.fromkeys(("insert", "update", "delete", "drop", "alter", "create", "truncate", "replace", "merge"), CHANGE),
    **dict.fromkeys(
        ("exec", "execute", "declare", "shutdown", "grant", "revoke", "waitfor", "set", "call", "use"), CHANGE
    ),
    **dict.fromkeys(("having", "order", "group", "limit", "offset", "procedure"), CLAUSE),
    **dict.fromkeys(("true", "false", "null"), TRUTH),
    "from": FROM,
    "into": INTO,
}

_TOKEN: Final = re.compile(
    r"(?P<blank>\s+)"
    r"|(?P<comment>--[^\n]*|\#[^\n]*|/\*(?!!)(?:[^*]|\*(?!/))*(?:\*/)?)"
    r"|(?P<open_comment>/\*!\d{0,6}|\*/)"
    r"|(?P<string>[nxbe]?'(?:[^'\\]|\\.|'')*(?:'|$)|\"(?:[^\"\\]|\\.|\"\")*(?:\"|$))"
    r"|(?P<dollar>\$\w{0,16}\$)"
    r"|(?P<number>0x[0-9a-f]+|(?:\d+(?:\.\d*)?|\.\d+)(?:e[+\-]?\d+)?)"
    r"|(?P<variable>@@?[\w.$`]*|:\w+)"
    r"|(?P<word>[^\W\d][\w$]*|`[^`]*`|\[[\w .$]+\])"
    r"|(?P<logic>&&|\|\|)"
    r"|(?P<compare><=>|<>|!=|<=|>=|:=|=|<|>|!~\*?|~\*?)"
    r"|(?P<operator>[+\-*/%^&|!.])"
    r"|(?P<sign>[(),;])"
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)


class Token(NamedTuple):
    """One token: its letter, its text in lower case, and where it stands."""

    letter: str
    text: str
    start: int
    end: int


class Tokens(NamedTuple):
    """A text as tokens, blanks left out."""

    tokens: Sequence[Token]
    letters: str
    """The letters of the tokens, in order: what patterns are matched with."""
    comments: Sequence[Token]
    """Those inside it; one that ends it is a token."""


def tokens_of(text: str, *, quote: str = "", limit: int = TOKENS_MAX) -> Tokens:
    """Return `text` as tokens, at most `limit`; `quote` is the one it stands behind."""
    found: list[Token] = []
    comments: list[Token] = []
    shift = len(quote)
    whole = quote + text
    for match in _TOKEN.finditer(whole):
        kind = match.lastgroup or "other"
        if kind in ("blank", "open_comment"):
            continue
        start, end = max(0, match.start() - shift), match.end() - shift
        content = match.group().lower()
        if kind == "comment":
            comments.append(Token(COMMENT, content, start, end))
            if match.end() < len(whole.rstrip()) and content.startswith("/*"):
                continue
        found.append(Token(_letter(kind, content, whole, match.end()), content, start, end))
        if len(found) >= limit:
            break
    return Tokens(found, "".join(token.letter for token in found), comments)


_LETTERS: Final[Mapping[str, str]] = {
    "comment": COMMENT,
    "string": STRING,
    "dollar": STRING,
    "number": NUMBER,
    "variable": VARIABLE,
    "logic": LOGIC,
    "compare": COMPARE,
    "operator": OPERATOR,
}


def _letter(kind: str, content: str, whole: str, end: int) -> str:
    if kind == "sign":
        return content
    if kind != "word":
        return _LETTERS.get(kind, OTHER)
    known = _WORDS.get(content)
    if known is not None and (
        known is not SELECT or content == "select" or whole[end : end + 8].lstrip().startswith("(")
    ):
        return known
    return CALL if whole[end : end + 16].lstrip().startswith("(") else WORD
