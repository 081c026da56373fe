"""Words that are spelled so that only a reader sees them: letters apart, and signs for letters."""

import re

import re2

_APART = re2.compile(r"(^|[^\pL\pN])(\pL(?:[ \t._*|~,/\\+-]{1,3}\pL){3,})($|[^\pL\pN])")
_SEPARATOR = re2.compile(r"[ \t._*|~,/\\+-]+")
_SIGNED = re2.compile(r"[A-Za-z0-9@$]+(?:[!|]+[A-Za-z0-9@$]+)*")
_SIGNED_MAX = 32
_SIGNS = str.maketrans("013457@$!|896", "oieastasiibgg")
_WITH_L = str.maketrans("1!|", "lll")
"""What else these may be."""


def together(text: str) -> str:
    """Put letters that stand apart together, where they stand: `i-g-n-o-r-e all` is `ignore all`."""
    return str(_APART.sub(lambda match: f"{match[1]}{_together(match[2])}{match[3]}", text))


def spelled_out(text: str) -> str:
    """Return only what was spelled with its letters apart, put together, a line for each run."""
    return "\n".join(_together(match[2]) for match in _APART.finditer(text))


def letters(text: str) -> str:
    """Read digits and signs as the letters they resemble, in words that have letters too: `1gn0r3` is `ignore`."""
    return str(_SIGNED.sub(lambda match: _letters(match[0]), text))


def letters_with_l(text: str) -> str:
    """The same, with `1` read as the letter it resembles as much: `de1ete` is `delete`."""
    return str(_SIGNED.sub(lambda match: _letters(match[0].translate(_WITH_L)), text))


def _together(run: str) -> str:
    separators = _SEPARATOR.findall(run)
    between = min(separators, key=lambda separator: (len(separator), separator.isspace()))
    parts = re.split(r"([ \t._*|~,/\\+-]+)", run)  # one class: linear
    return "".join(part if place % 2 == 0 else _gap(part, between) for place, part in enumerate(parts))


def _gap(separator: str, between: str) -> str:
    """Words are parted by more than letters are, or by white space where letters are parted by something else."""
    wider = len(separator) > len(between)
    return " " if wider or (separator.isspace() and not between.isspace()) else ""


def _letters(word: str) -> str:
    if word.isalpha() or len(word) > _SIGNED_MAX or not any(map(str.isalpha, word)):
        return word
    read = word.translate(_SIGNS)
    return read if read.isalpha() else word
