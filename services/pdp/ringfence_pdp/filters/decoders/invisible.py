"""Characters nobody sees: those between letters are taken out, those that spell a message are read.

Tag characters and variation selectors can carry a whole text that a model reads and a person does not.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence

_SURROGATES = re.compile("[\ud800-\udfff]")
_TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f")
_BETWEEN = re.compile("[\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_SELECTED = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_PIECE = 1_024
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\ufffd"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0000-\U000e0fff"
"""Variation selectors and tags, as ranges of a class."""

_SPACES = {"\x85": "\n", "\u1680": " ", "\u2028": "\n", "\u2029": "\n"}


def sound(text: str) -> str:
    """Return the text with every lone surrogate replaced, so that it can be encoded. No place in it moves."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def visible(text: str) -> str:
    """Take out what is not seen: controls, zero-width and bidirectional marks, tags, variation selectors, fillers."""
    return _unseen().sub(lambda match: _SPACES.get(match[0], ""), text)


def normal(text: str) -> str:
    """Return NFKC: one way to write each character; full-width, circled and mathematical letters are letters."""
    # In pieces: putting marks in a row in order takes quadratic time. At worst an accent at a seam stays apart.
    pieces = range(0, len(text), _PIECE)
    return "".join(unicodedata.normalize("NFKC", text[place : place + _PIECE]) for place in pieces)


def revealed(text: str) -> str:
    """Return the text with a line for each message spelled in tag characters or variation selectors; flags are none."""
    return "\n".join((text, *_messages(_BETWEEN.sub("", text))))


def _messages(text: str) -> Sequence[str]:
    found = ["".join(chr(ord(char) - 0xE0000) for char in run) for run in _TAGS.findall(_FLAG.sub("", text))]
    for run in _SELECTED.findall(text):
        said = bytes(_selected(ord(char)) for char in run).decode("utf-8", "replace")
        if said.replace("\n", "").isprintable() and "\ufffd" not in said:
            found.append(said)
    return found


def _selected(code: int) -> int:
    return code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16


@functools.cache
def _unseen() -> re.Pattern[str]:
    """One class of all characters that are not seen, or are white space by another name."""
    codes = (*range(0x3000), *range(0xFE00, 0x10000), *range(0x11000, 0x13500), *range(0x1BC00, 0x1D200))
    formats = (chr(code) for code in codes if unicodedata.category(chr(code)) in ("Cc", "Cf"))
    listed = "".join(char for char in formats if char not in "\t\n\r")
    return re.compile(f"[{re.escape(listed)}{re.escape(_FILLERS)}{''.join(_SPACES)}{_SELECTORS}]")
