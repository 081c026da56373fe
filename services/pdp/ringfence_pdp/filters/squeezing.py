"""A pattern with its own spaces left out: for text whose letters stood apart, so that no space means anything any more.

`i g n o r e  a l l  r u l e s` may be read as `ignore all rules` or as `ignoreallrules`. A pattern finds both once its
spaces are optional and it no longer asks where words begin and end.
"""

import re

_SPACE = r"[\s_.*|-]*"
"""What may stand where the pattern has a space."""

_TOKEN = re.compile(
    r"""
    (?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])   # a class, whole
    | (?P<space>(?:\\s|\\b|\\W|\\B|[ ])(?:[+*?]\??|\{\d+(?:,\d*)?\}\??)?)
    | (?P<escape>\\(?:[pP](?:\{[^}]*\}|.)|x\{[^}]*\}|.))
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SPACES_ONLY = re.compile(r"\[(?:\\s|\\W|\\t|\\n|\\r|[ ,.:;_\-*|/])+\]")
_QUANTIFIER = re.compile(r"[+*?]\??|\{\d+(?:,\d*)?\}\??")


def squeezed(pattern: str) -> str:
    """Return the pattern as it finds text without spaces. What it found before it still finds."""
    parts: list[str] = []
    place = 0
    while match := _TOKEN.match(pattern, place):
        place = match.end()
        if match["space"]:
            parts.append(_between(match["space"]))
        elif match["class"] and _SPACES_ONLY.fullmatch(match["class"]):
            quantifier = _QUANTIFIER.match(pattern, place)
            place = quantifier.end() if quantifier else place
            parts.append(_SPACE)
        else:
            parts.append(match[0])
    return "".join(parts)


def _between(token: str) -> str:
    return "" if token[:2] in (r"\b", r"\B") else _SPACE
