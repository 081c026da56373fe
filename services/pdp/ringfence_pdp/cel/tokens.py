"""Text to tokens: the lexical rules of CEL (cel-spec langdef, "Syntax"), with caps that a policy bomb runs into.

Every token carries its value already decoded, so that no later stage looks at quotes or escapes again.
"""

import enum
import re
from dataclasses import dataclass

from ringfence_pdp.cel.problems import ConditionInvalid, Position
from ringfence_pdp.cel.values import INT_MAX, UINT_MAX, UInt, Value

SOURCE_MAX = 8_192
"""Characters in one condition."""

TOKENS_MAX = 2_048


class Kind(enum.Enum):
    """What a token is."""

    IDENTIFIER = enum.auto()
    LITERAL = enum.auto()
    SYMBOL = enum.auto()
    END = enum.auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its text as written, where it begins and ends, and a literal's value."""

    kind: Kind
    text: str
    start: int
    end: int
    position: Position
    value: Value = None


_KEYWORDS: dict[str, Value] = {"true": True, "false": False, "null": None}

# Order matters: raw strings before escaped ones, triple quotes before single ones, floats before integers, symbols of
# two characters before those of one.
_LEXEME = re.compile(
    r"""
      (?P<space>[ \t\r\n\f]+ | //[^\n]*)
    | (?P<raw>(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3} | '{3}.*?'{3} | \"[^\"\n\r]*\" | '[^'\n\r]*'))
    | (?P<quoted>[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
                        | \"(?:\\.|[^\\\"\n\r])*\" | '(?:\\.|[^\\'\n\r])*'))
    | (?P<float>(?:\d+\.\d+|\.\d+)(?:[eE][+-]?\d+)? | \d+[eE][+-]?\d+)
    | (?P<integer>0[xX][0-9a-fA-F]+|\d+)(?P<unsigned>[uU]?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL
)
_SIMPLE_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "?": "?", '"': '"', "'": "'", "`": "`",
}  # fmt: skip


def tokenize(source: str) -> list[Token]:
    """Return the tokens of `source`, the last of kind END; raise ConditionInvalid at the first that is none."""
    if len(source) > SOURCE_MAX:
        raise ConditionInvalid(Position(1, 1), f"the condition has {len(source)} characters", f"{SOURCE_MAX} at most")
    tokens: list[Token] = []
    line, line_start, at = 1, 0, 0
    while at < len(source):
        position = Position(line, at - line_start + 1)
        match = _LEXEME.match(source, at)
        if match is None:
            raise _unreadable(source, at, position)
        text = match[0]
        if match.lastgroup != "space":
            if len(tokens) == TOKENS_MAX:
                raise ConditionInvalid(position, "the condition is too long", f"{TOKENS_MAX} tokens at most")
            tokens.append(_token(match, position))
        newlines = text.count("\n")
        if newlines:
            line += newlines
            line_start = at + text.rindex("\n") + 1
        at = match.end()
    tokens.append(Token(Kind.END, "the end of the condition", at, at, Position(line, at - line_start + 1)))
    return tokens


def _unreadable(source: str, at: int, position: Position) -> ConditionInvalid:
    if source[at] in "\"'":
        return ConditionInvalid(position, "this text has no closing quote", "close it on the same line")
    if source[at] in "&|=":
        return ConditionInvalid(position, f"{source[at]!r} is no operator", "write &&, || or ==")
    return ConditionInvalid(position, f"{source[at]!r} does not belong in a condition")


def _token(match: re.Match[str], position: Position) -> Token:
    text = match[0]
    kind: Kind = Kind.SYMBOL
    value: Value = None
    match match.lastgroup:
        case "raw" | "quoted":
            kind, value = Kind.LITERAL, _text(text, position)
        case "float":
            kind, value = Kind.LITERAL, float(text)
        case "unsigned":
            kind, value = Kind.LITERAL, _integer(match, position)
        case "word" if text in _KEYWORDS:
            kind, value = Kind.LITERAL, _KEYWORDS[text]
        case "word" if text != "in":
            kind = Kind.IDENTIFIER
    return Token(kind, text, match.start(), match.end(), position, value)


def _integer(match: re.Match[str], position: Position) -> int:
    digits, unsigned = match["integer"], bool(match["unsigned"])
    # Twenty digits hold every 64-bit number; a longer text would only buy time for int().
    number = int(digits, 0 if digits[:2] in ("0x", "0X") else 10) if len(digits.lstrip("0")) <= 20 else UINT_MAX + 1
    # 2**63 itself is let through: it stands after a minus sign, and the parser looks there.
    if number > (UINT_MAX if unsigned else INT_MAX + 1):
        raise ConditionInvalid(position, f"{match[0][:24]} does not fit 64 bits")
    return UInt(number) if unsigned else number


def _text(lexeme: str, position: Position) -> Value:
    opening = min(lexeme.index(quote) for quote in "\"'" if quote in lexeme)
    prefix = lexeme[:opening].lower()
    width = 3 if lexeme[opening : opening + 3] in ('"""', "'''") and len(lexeme) >= opening + 6 else 1
    body = lexeme[opening + width : -width]
    if "r" in prefix:
        return body.encode() if "b" in prefix else body
    return _unescape_bytes(body, position) if "b" in prefix else _unescape(body, position)


def _unescape(body: str, position: Position) -> str:
    def character(match: re.Match[str]) -> str:
        *numbers, octal, simple = match.groups()
        if simple is not None:
            return _simple(simple, position)
        code = int(octal, 8) if octal else int(next(filter(None, numbers)), 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ConditionInvalid(position, f"{match[0]} is no Unicode character")
        return chr(code)

    return _ESCAPE.sub(character, body)


def _unescape_bytes(body: str, position: Position) -> bytes:
    parts: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(body):
        lower_x, upper_x, short, long, octal, simple = match.groups()
        parts.append(body[at : match.start()].encode())
        at = match.end()
        if short or long:
            raise ConditionInvalid(position, f"{match[0]} names a character", "in bytes write \\x and two digits")
        code = lower_x or upper_x
        parts.append(_simple(simple, position).encode() if simple is not None else _octet(code, octal))
    parts.append(body[at:].encode())
    return b"".join(parts)


def _octet(hexadecimal: str | None, octal: str) -> bytes:
    return bytes([int(hexadecimal, 16) if hexadecimal else int(octal, 8)])


def _simple(letter: str, position: Position) -> str:
    found = _SIMPLE_ESCAPES.get(letter)
    if found is None:
        raise ConditionInvalid(position, f"\\{letter} is no escape sequence", "write a backslash as \\\\")
    return found
