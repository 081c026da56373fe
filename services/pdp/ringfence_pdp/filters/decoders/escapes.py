"""Characters written as numbers: in URLs, in HTML, behind a backslash, in calls such as `chr(105)`."""

import html
import re
import unicodedata
from urllib.parse import unquote_to_bytes

_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_PERCENT_U = re.compile(r"%[uU]([0-9A-Fa-f]{4})")
_HEXADECIMAL = re.compile(
    r"(?:\\x\{|\\u\{)([0-9A-Fa-f]{1,6})\}|\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})"
    r"|\bU\+([0-9A-F]{4,6})[ ,;]?"
)
_HALVES = re.compile(r"(?:\\|%)u([dD][89abAB][0-9A-Fa-f]{2})(?:\\|%)u([dD][c-fC-F][0-9A-Fa-f]{2})")
"""A character of another plane, as JSON writes it."""
_ZEROS = re.compile(r"(&#[xX]?)0+(?=[0-9a-fA-F])")
_NO_CHARACTER = re.compile(r"&#(?:[xX][0-9a-fA-F]{7,}|[0-9]{8,});?")
_OCTAL = re.compile(r"\\([0-3][0-7]{2}|[4-7][0-7])")
_NAMED = re.compile(r"\\N\{([A-Za-z0-9 -]{1,88})\}")
_CALL = r"\b(?:(?:string\.)?(?:fromcharcode|fromcodepoint)|n?char|chrw?|unichr)\s{0,8}\([0-9a-fx, \t]{1,8000}\)"
_CALLS = re.compile(rf"(?i)(?:{_CALL})(?:\s{{0,8}}(?:\+|\|\||\.|&)\s{{0,8}}(?:{_CALL}))*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,6}|[0-9]{1,7}")
_ARGUMENTS = re.compile(r"\(([^)]*)\)")
_OVERLONG = {
    bytes((lead, low)): bytes(((lead & 1) << 6 | low & 0x3F,)) for lead in (0xC0, 0xC1) for low in range(128, 192)
}
"""ASCII in two bytes, which no reader should take and some do."""


def url(text: str) -> str:
    """Percent-decode twice, `%uXXXX` and overlong UTF-8 (`%c0%af`) included."""
    return _unquoted(_unquoted(text))


def entities(text: str) -> str:
    """Read HTML's entities, by name and by number."""
    # Numbers no character has are what HTML makes of them, and never as long as Python would refuse to read.
    return html.unescape(_NO_CHARACTER.sub("\ufffd", _ZEROS.sub(r"\1", text)))


def backslashes(text: str) -> str:
    r"""Read `\x41`, `\x{41}`, `\u0041`, `\u{41}`, `\U00000041`, `\N{LATIN SMALL LETTER A}`, `\101` and `U+0041`."""
    text = _HEXADECIMAL.sub(_hexadecimal, _HALVES.sub(_whole, text))
    text = _NAMED.sub(_named, text)
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def calls(text: str) -> str:
    """Read `chr(105) + chr(103)`, `CHAR(105, 103)` and `String.fromCharCode(105, 103)` as a text in quotes."""
    return _CALLS.sub(_called, text)


def _unquoted(text: str) -> str:
    if "%u" in text or "%U" in text:
        text = _PERCENT_U.sub(_hexadecimal, _HALVES.sub(_whole, text))
    return _PERCENT.sub(_percent, text) if "%" in text else text


def _percent(match: re.Match[str]) -> str:
    raw = unquote_to_bytes(match[0])
    try:
        return raw.decode()
    except UnicodeDecodeError:
        for overlong, meant in _OVERLONG.items():
            raw = raw.replace(overlong, meant)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _hexadecimal(match: re.Match[str]) -> str:
    digits = next(group for group in match.groups() if group is not None)
    return _character(int(digits, 16)) or match[0]


def _whole(match: re.Match[str]) -> str:
    return bytes.fromhex(match[1] + match[2]).decode("utf-16-be")


def _named(match: re.Match[str]) -> str:
    try:
        return unicodedata.lookup(match[1])
    except KeyError:
        return match[0]


def _called(match: re.Match[str]) -> str:
    numbers = [
        int(number, 0) if number[:2] in ("0x", "0X") else int(number)
        for arguments in _ARGUMENTS.findall(match[0])
        for number in _NUMBER.findall(arguments)
    ]
    return f"'{''.join(map(_character, numbers))}'" if numbers else match[0]


def _character(code: int) -> str:
    """Return the character, or nothing where there is none: surrogates are halves of one."""
    return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else ""
