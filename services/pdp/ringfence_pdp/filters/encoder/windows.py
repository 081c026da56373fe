"""Cuts a text into the windows the encoder reads: all of it when it is short, and never more than a few.

Rules. A window is at most 64 pieces, marks included. Of a text that has more than WINDOWS_MAX of them, its beginning,
its end and what lies evenly between are read: the encoder is a second reader of short texts, and what hides in a long
one the first reader finds, who reads all of it. No more characters are looked at than could fill what is read.
"""

from collections.abc import Sequence
from typing import Final

from ringfence_pdp.filters.encoder.wordpiece import Pieces

PIECES_MAX: Final = 62
"""Pieces of a window, beside its two marks."""
WINDOWS_MAX: Final = 4
LONG: Final = 4_096
"""Characters from which on a text is cut before its pieces are known."""
_PART: Final = 640
"""Characters of a part of a long text: some 62 pieces have fewer, in most languages."""


def windows(text: str, pieces: Pieces) -> Sequence[Sequence[int]]:
    """Return the windows of a text that are read, in their order; none of a text without pieces."""
    if len(text) > LONG:
        found = (pieces.of(text[start : start + _PART])[:PIECES_MAX] for start in _spread(len(text) - _PART))
        return [window for window in found if window]
    whole = pieces.of(text)
    if not whole:
        return []
    if len(whole) <= PIECES_MAX:
        return [whole]
    count = min(WINDOWS_MAX, -(-len(whole) // PIECES_MAX))
    return [whole[start : start + PIECES_MAX] for start in _spread(len(whole) - PIECES_MAX, count)]


def _spread(last: int, count: int = WINDOWS_MAX) -> Sequence[int]:
    """Return so many places, the first 0 and the last one `last`, evenly."""
    return [last * number // (count - 1) for number in range(count)]
