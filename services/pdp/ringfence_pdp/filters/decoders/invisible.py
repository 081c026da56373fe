"""Characters nobody sees: those between letters are taken out, those that spell a message are read.

Tag characters and variation selectors can carry a whole text that a model reads and a person does not.
"""

import functools
import re
import unicodedata
from collections.abc import Mapping

import re2

_SURROGATES = re.compile("[\ud800-\udfff]")  # by `re`: a single class is linear, and RE2 takes no lone surrogates
_MARKS = re2.compile(r"(\pM{30})\pM+")
_TAGS = re2.compile(r"[\x{E0020}-\x{E007E}]{2,}")
_FLAG = re2.compile(r"\x{1F3F4}[\x{E0020}-\x{E007E}]{1,6}\x{E007F}")
_SELECTED = re2.compile(r"[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]{4,}")
_FILLERS = (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0xFFFC, 0xFFFD)
_SPACES = {0x1680: " ", 0x2028: "\n", 0x2029: "\n", 0x85: "\n"}
_KEPT = (0x09, 0x0A, 0x0D, 0x85)
"""Controls that are white space."""


def sound(text: str) -> str:
    """Return the text with every lone surrogate replaced, so that it can be encoded. No place in it moves."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def visible(text: str) -> str:
    """Take out what is not seen: controls, zero-width and bidirectional marks, tags, variation selectors, fillers."""
    return text.translate(_taken_out())


def normal(text: str) -> str:
    """Return NFKC: one way to write each character; full-width, circled and mathematical letters are letters."""
    # Unicode's own bound for marks in a row (UAX 15, stream-safe): ordering more of them takes quadratic time.
    return unicodedata.normalize("NFKC", str(_MARKS.sub(r"\1", text)))


def hidden(text: str) -> str:
    """Return the messages spelled in tag characters and in variation selectors, a line each; flags are none."""
    if text.isascii():
        return ""
    found = ["".join(chr(ord(char) - 0xE0000) for char in run) for run in _TAGS.findall(_FLAG.sub("", text))]
    for run in _SELECTED.findall(text):
        said = bytes(_selected(ord(char)) for char in run).decode("utf-8", "replace")
        if said.replace("\n", "").isprintable() and "\ufffd" not in said:
            found.append(said)
    return "\n".join(found)


def _selected(code: int) -> int:
    return code - 0xFE00 if code <= 0xFE0F else code - 0xE0100 + 16


@functools.cache
def _taken_out() -> Mapping[int, str | None]:
    table: dict[int, str | None] = dict.fromkeys(_FILLERS)
    for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0xAD, 0x3000), *range(0xFE00, 0x10000)):
        if unicodedata.category(chr(code)) in ("Cc", "Cf") or 0xFE00 <= code <= 0xFE0F:
            table[code] = None
    for start, end in (
        (0x110BD, 0x110CE),
        (0x13430, 0x13440),
        (0x1BCA0, 0x1BCA4),
        (0x1D173, 0x1D17B),
        (0xE0000, 0xE0FFF),
    ):
        table.update(dict.fromkeys(range(start, end)))
    for code in (0x180B, 0x180C, 0x180D, 0x180F):
        table[code] = None
    for code in _KEPT:
        table.pop(code, None)
    return table | _SPACES
