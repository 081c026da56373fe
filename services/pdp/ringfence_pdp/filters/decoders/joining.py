"""What a program reads as one although it is written in pieces: quotes in a shell, comments in SQL, joined strings."""

import itertools
import re

_CONTINUED = re.compile(r"\\\r?\n")
_CONCATENATED = re.compile(r"'\s{0,64}(?:\+|\|\||\.|&)\s{0,64}'|\"\s{0,64}(?:\+|\|\||\.|&)\s{0,64}\"", re.ASCII)
_EMPTY_QUOTES = re.compile(r"(?<=\w)(?:''|\"\"|``)|(?:''|\"\"|``)(?=\w)", re.ASCII)
_INNER_QUOTES = re.compile(r"(?<=\w)(?:'(\w{1,256})'|\"(\w{1,256})\")", re.ASCII)
_OUTER_QUOTES = re.compile(r"(?:'(\w{1,256})'|\"(\w{1,256})\")(?=\w)", re.ASCII)
_ESCAPES = re.compile(r"(?<=\w)\\(?=[A-Za-z])|\^(?=[A-Za-z])", re.ASCII)
_NOTHING = re.compile(r"(?<=\w)\$(?:[@*0-9]|\{[@*0-9]\}|\(\))|\$(?:[@*]|\{[@*]\})(?=\w)", re.ASCII)
_BRACES = re.compile(r"\{([^{}\s]{1,512})\}")
_SPACES = re.compile(r"\$\{?IFS(?:%[?*]{1,2})?\}?(?:\$[0-9@*])?")

_VERSION = re.compile(r"\A[0-9]{5,6}")
_LINE = re.compile(r"(?:--|#)[^\n]*")
_BLOCKS = (("/*", "*/"), ("<!--", "-->"))


def joined(text: str) -> str:
    """Read a command as a shell does: `c''at`, `c\\at`, `w"h"o`, `$IFS`, `{cat,/etc/passwd}`, `'cu'+'rl'`."""
    for nothing in (_CONTINUED, _CONCATENATED, _EMPTY_QUOTES):
        text = nothing.sub("", text)
    for quoted in (_INNER_QUOTES, _OUTER_QUOTES):
        text = quoted.sub(r"\1\2", text)
    for nothing in (_ESCAPES, _NOTHING):
        text = nothing.sub("", text)
    text = _BRACES.sub(lambda match: match[1].replace(",", " ") if "," in match[1] else match[0], text)
    return _SPACES.sub(" ", text)


def without_comments(text: str) -> str:
    """Take blocks of comments out, so that what they part is one word; what only MySQL takes for a statement stays."""
    return _commented(text, "")


def spaced_comments(text: str) -> str:
    """Put a space for every block of comments, as SQL does."""
    return _commented(text, " ")


def without_lines(text: str) -> str:
    """Take SQL's comments to the end of a line out."""
    return _LINE.sub("", text)


def comments_part_letters(text: str) -> bool:
    """Say whether a comment has letters on both sides, so that it may be in the middle of a word."""
    pieces = _commented(text, "\x00").split("\x00")
    return any(before[-1:].isalnum() and after[:1].isalnum() for before, after in itertools.pairwise(pieces))


def _commented(text: str, instead: str) -> str:
    text = _with_versioned(text, instead)
    for opening, closing in _BLOCKS:
        if opening in text:
            text = _without(text, opening, closing, instead)
    return text


def _with_versioned(text: str, instead: str) -> str:
    """Take `/*!50000` and its end away, and leave what is between: MySQL runs it."""
    first, *others = text.split("/*!")
    kept = [first]
    for part in others:
        inside, closed, after = part.partition("*/")
        kept += (instead, _VERSION.sub("", inside), instead if closed else "", after)
    return "".join(kept)


def _without(text: str, opening: str, closing: str, instead: str) -> str:
    """Put something else for every block; one that is not closed goes to the end, as programs read it."""
    first, *others = text.split(opening)
    kept = [first]
    is_open = False
    for part in others:
        _, closed, after = part.partition(closing)
        if closed:
            kept += (instead, after) if not is_open else (after,)
        elif not is_open:
            kept.append(instead)
        is_open = not closed
    return "".join(kept)
