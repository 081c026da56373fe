"""Which decoders have anything to do in a text: one RE2 set, one pass, nearly always with the answer none.

A gate may be open for nothing; it must never be closed for something its decoder would change.
"""

import functools
from collections.abc import Iterable, Mapping

import re2

_RUN = "[A-Za-z0-9+/_-]"
_UNLIKE_A_WORD = "|".join(f"{_RUN}{{{before}}}[A-Z0-9]{_RUN}{{{11 - before}}}" for before in range(1, 12))
"""Twelve characters of base64, and one of them is what no word has inside. No base64 of a text is without."""

GATES: Mapping[str, str] = {
    "unseen": (
        r"[\p{Cf}\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\x{34F}\x{115F}\x{1160}\x{1680}\x{17B4}\x{17B5}\x{180B}-\x{180F}"
        r"\x{2028}\x{2029}\x{2800}\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}\x{FFFC}\x{FFFD}\x{E0000}-\x{E0FFF}]"
    ),
    "hidden": r"[\x{E0020}-\x{E007E}]|(?:[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]\p{Cf}*){4}",
    "url": r"%(?:[0-9A-Fa-f]{2}|[uU][0-9A-Fa-f]{4})",
    "html": r"&(?:#|[A-Za-z][A-Za-z0-9]{1,31};)",
    "escapes": r"\\(?:[xuUN]|[0-3]?[0-7]{2})|U\+[0-9A-F]{4}",
    "calls": r"(?i:chrw?|char|fromcharcode|fromcodepoint)\s{0,8}\([\s0]{0,8}[0-9x]",
    "base64": rf"{_UNLIKE_A_WORD}|[A-Za-z0-9+/]{{6,10}}==?",
    "base32": r"[A-Z2-7]{16}",
    "hex": r"(?:(?:0[xX])?[0-9A-Fa-f]{2}[ :,-]{0,2}){6}|(?:[01]{8}[ ,]?){4}",
    "comments": r"/\*|<!--",
    "lines": r"--|#",
    "joined": (
        r"\w(?:''|\"\"|``)|(?:''|\"\"|``)\w|\w\\[A-Za-z]|\w'\w+'|'\w+'\w|\w\"\w+\"|\"\w+\"\w"
        r"|\$\{?IFS|\$\{?[@*0-9]|\$\(\)|\{[^{},\s]+,|['\"]\s*(?:\+|\|\||\.|&)\s*['\"]|\\\r?\n|\^[A-Za-z]"
    ),
    "prose": r"[\pL\pN][*~`]|[*~`][\pL\pN]|[^\s.!?:;][ \t]*\r?\n[ \t>]*\pL|[\pL\pN]\+[\pL\pN]",
    "apart": r"(?:^|[^\pL\pN])(?:\pL[ \t._*|~,/\\+-]{1,3}){3}\pL(?:[^\pL\pN]|$)|\A {0,8}(?:[^ ] {1,8}){5}",
    # One word is enough to look at all of them. An address (`ann@mail.example`) and a version (`v2`) are none.
    "leet": (
        r"(?i)[a-z][013457$!|]+[a-z]|[a-z]{2}[013457]|(?:^|[^\w.])(?:[013457]{2,}[a-z]|[013457][a-z]{2}|[013457][a-z][013457])"
        r"|[a-z][013457@$!|]*@[a-z013457]+(?:[^\w.@-]|$)|(?:^|\s)@[a-z]{3,}(?:\s|$)|(?:^|[^\w.-])0r(?:[^\w.-]|$)"
    ),
}
"""By decoder, what makes it worth running."""

_ALWAYS = r"\A"


def opened(text: str) -> frozenset[str]:
    """Return the gates that are open. When RE2 cannot say, all of them are."""
    names, gates = _gates()
    places = gates.Match(text.encode())
    if not places:
        return frozenset(names)
    if len(places) == 1:
        return _NONE
    return frozenset(names[place] for place in places if place < len(names))


_NONE: frozenset[str] = frozenset()


@functools.cache
def _gates() -> tuple[tuple[str, ...], re2.Set]:
    return tuple(GATES), _set_of((*GATES.values(), _ALWAYS))


def _set_of(patterns: Iterable[str]) -> re2.Set:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 23
    made = re2.Set.SearchSet(options)
    for pattern in patterns:
        made.Add(pattern)
    made.Compile()
    return made
