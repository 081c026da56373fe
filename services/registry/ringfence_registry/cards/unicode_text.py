"""Unicode as it is used against readers: characters nobody sees, and marks stacked until sorting them takes long."""

import re
import unicodedata
from functools import lru_cache

HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Controls but tab and line ends, and everything Unicode says to ignore (UAX #44 Default_Ignorable_Code_Point)."""

MAX_MARKS = 30
"""On one letter; no language needs more (UAX #15 13, Stream-Safe Text)."""


_LAST_MARK = 0x1F000
"""Beyond there are signs and ideographs."""


def stream_safe(text: str) -> str:
    """Return the text without the marks beyond `MAX_MARKS` on one letter, so that normalising it takes no time."""
    return text if text.isascii() else _stacks().sub(lambda stack: stack[0][:MAX_MARKS], text)


@lru_cache(maxsize=1)
def _stacks() -> re.Pattern[str]:
    marks = "".join(mark for mark in map(chr, range(_LAST_MARK)) if unicodedata.combining(mark))
    return re.compile(f"[{marks}]{{{MAX_MARKS + 1},}}")
