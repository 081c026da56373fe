"""What a program reads as one although it is written in pieces: quotes in a shell, comments in SQL, joined strings."""

import re

import re2

_EMPTY_QUOTES = re2.compile(r"(\w)(?:''|\"\"|``)|(?:''|\"\"|``)(\w)")
_INNER_QUOTES = re2.compile(r"(\w)'(\w+)'|(\w)\"(\w+)\"")
_OUTER_QUOTES = re2.compile(r"'(\w+)'(\w)|\"(\w+)\"(\w)")
_ESCAPED = re2.compile(r"(\w)\\([A-Za-z])")
_CONTINUED = re2.compile(r"\\\r?\n")
_CARET = re2.compile(r"\^([A-Za-z])")
_SPACES = re2.compile(r"\$\{?IFS(?:%[?*]+)?\}?(?:\$[0-9@*])?")
_NOTHING = re2.compile(r"(\w)\$(?:[@*0-9]|\{[@*0-9]\}|\(\))|\$(?:[@*]|\{[@*]\})(\w)")
_BRACES = re2.compile(r"\{([^{}\s]{1,256}(?:,[^{}\s]{1,256})+)\}")
_CONCATENATED = re2.compile(r"'\s*(?:\+|\|\||\.|&)\s*'|\"\s*(?:\+|\|\||\.|&)\s*\"")

_VERSIONED = re2.compile(r"/\*!(?:[0-9]{5,6})?((?s:.*?))\*/")
_BLOCK = re2.compile(r"/\*(?s:.*?)\*/|<!--(?s:.*?)-->")
_PARTING = re2.compile(r"\w(?:/\*(?s:.*?)\*/|<!--(?s:.*?)-->)+\w")
_OPEN_BLOCK = re2.compile(r"/\*(?s:.*)\z")
_LINE = re2.compile(r"(?:--|#)[^\n]*\n")


def joined(text: str) -> str:
    """Read a command as a shell does: `c''at`, `c\\at`, `w"h"o`, `$IFS`, `{cat,/etc/passwd}`, `'cu'+'rl'`."""
    text = _CONTINUED.sub("", text)
    text = _CONCATENATED.sub("", text)
    text = _EMPTY_QUOTES.sub(_kept, text)
    text = _OUTER_QUOTES.sub(_kept, _INNER_QUOTES.sub(_kept, text))
    text = _CARET.sub(r"\1", _ESCAPED.sub(_kept, _NOTHING.sub(_kept, text)))
    text = _BRACES.sub(lambda match: match[1].replace(",", " "), text)
    return str(_SPACES.sub(" ", text))


def without_comments(text: str) -> str:
    """Take comments out, so that what they part is one word; what only MySQL takes for a statement stays."""
    return str(_LINE.sub("\n", _OPEN_BLOCK.sub("", _BLOCK.sub("", _VERSIONED.sub(r"\1", text)))))


def spaced_comments(text: str) -> str:
    """Put a space for every comment, as SQL does."""
    return str(_LINE.sub("\n", _OPEN_BLOCK.sub(" ", _BLOCK.sub(" ", _VERSIONED.sub(r" \1 ", text)))))


def comments_part_letters(text: str) -> bool:
    """Say whether a comment has letters on both sides, so that it may be in the middle of a word."""
    return _PARTING.search(text) is not None


def _kept(match: re.Match[str]) -> str:
    return "".join(group for group in match.groups() if group is not None)
