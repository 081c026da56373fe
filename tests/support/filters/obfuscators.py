"""The eight ways in which the tests disguise a text: each a function of the text alone, none known to the filters.

What they make is still readable to a person, a program or a model; that is what makes it worth disguising.
"""

import base64
from collections.abc import Callable, Mapping

_LOOK_ALIKES = str.maketrans(
    "aceiopsxyABCEHIKMOPTX",
    "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u041a\u041c\u041e\u0420\u0422\u0425",
)
"""Latin letters, and the Cyrillic ones that look the same."""

_LEET = str.maketrans("aeiostAEIOST", "431057431057")

_ZERO_WIDTH = "\u200b"


def mixed_case(text: str) -> str:
    """Every second letter the other way round: `iGnOrE`."""
    return "".join(char.upper() if place % 2 else char.lower() for place, char in enumerate(text))


def spaced_letters(text: str) -> str:
    """A space between all characters: `i g n o r e   a l l`."""
    return " ".join(text)


def zero_width(text: str) -> str:
    """A character without width after every letter."""
    return "".join(char + _ZERO_WIDTH if char.isalpha() else char for char in text)


def look_alikes(text: str) -> str:
    """Letters of another alphabet that look the same."""
    return text.translate(_LOOK_ALIKES)


def percent_encoded(text: str) -> str:
    """Every byte as in a URL: `%69%67`."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


def in_base64(text: str) -> str:
    """The whole text in base64."""
    return base64.b64encode(text.encode()).decode()


def leetspeak(text: str) -> str:
    """Digits for letters: `1gn0r3`."""
    return text.translate(_LEET)


def unicode_escapes(text: str) -> str:
    """Every character as source code may write it: `i` and its number in hexadecimal behind a backslash."""
    return "".join(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else char for char in text)


OBFUSCATORS: Mapping[str, Callable[[str], str]] = {
    "mixed-case": mixed_case,
    "spaced-letters": spaced_letters,
    "zero-width": zero_width,
    "look-alikes": look_alikes,
    "percent-encoded": percent_encoded,
    "base64": in_base64,
    "leetspeak": leetspeak,
    "unicode-escapes": unicode_escapes,
}
"""All of them, by name."""
