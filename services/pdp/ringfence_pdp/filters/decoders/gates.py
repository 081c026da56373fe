"""Which decoders have anything to do in a text: one RE2 set, one pass, nearly always with the answer none.

A gate may be open for nothing; it must never be closed for something its decoder would change.
"""

import functools
from collections.abc import Iterable, Mapping

import re2

GATES: Mapping[str, str] = {
    "control": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    "url": r"%(?:[0-9A-Fa-f]{2}|[uU][0-9A-Fa-f]{4})",
    "html": r"&(?:#|[A-Za-z][A-Za-z0-9]{1,31};)",
    "escapes": (
        r"\\(?:[xuUN]|[0-3]?[0-7]{2})|U\+[0-9A-F]{4}"
        r"|(?i:chrw?|char|fromcharcode|fromcodepoint)\s{0,8}\([\s0]{0,8}[0-9x]"
    ),
    "base64": r"[A-Za-z0-9+/_-]{12}|[A-Za-z0-9+/]{6,10}==?",
    "base32": r"[A-Z2-7]{16}",
    "hex": r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ :,-]{0,2}){6}|(?:[01]{8}[ ,]?){4}",
    "comments": r"/\*|<!--|(?:--|#)[^\n]*\n",
    "joined": (
        r"\w(?:''|\"\"|``)|(?:''|\"\"|``)\w|\w\\[A-Za-z]|\w'\w+'|'\w+'\w|\w\"\w+\"|\"\w+\"\w"
        r"|\$\{?IFS|\$[@*0-9]|\{[^{},\s]+,|['\"]\s*(?:\+|\|\||\.|&)\s*['\"]|\w\\\r?\n|\^[A-Za-z]"
    ),
    "apart": r"(?:^|[^\pL])(?:\pL[ \t._*|~,/\\+-]{1,2}){4}",
    "leet": (
        r"(?i)[a-z][013457@$!|8][a-z]|[013457@$!|8]{2}[a-z]|[a-z][013457@$!|8]{2}[a-z]"
        r"|(?:^|[^\w])[013457@$8][a-z]{4}|[a-z]{3}[03457@$!](?:[^\w]|$)"
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
