"""Many texts asked at once which of them contain a part: joined into one, and that is searched.

- At least those that do are returned: whoever asks tests what it gets, and knows which texts are still there.
- A text that comes later is kept beside. Once many did, whoever keeps the texts joins them anew.
"""

import bisect
from array import array
from collections.abc import Hashable, Iterable
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

_LATE = 1_024
"""Texts that are tested one by one in less time than searching the others takes."""
_COMMON = 8
"""What one text in so many contains is not worth looking up."""


class KnownTexts(Generic[T]):
    """Texts, in which a part is looked for whatever its case."""

    def __init__(self, texts: Iterable[T]) -> None:
        self._texts = list(texts)
        folded = [str(text).casefold() for text in self._texts]
        self._joined = "\n".join(folded)
        self._ends = array("Q", accumulate(len(text) + 1 for text in folded))
        """Behind each text and what parts it from the next."""
        self._late: list[T] = []

    @property
    def outgrown(self) -> bool:
        """Whether so many texts came since that they are better joined anew."""
        return len(self._late) > max(_LATE, len(self._texts) >> 4)

    def add(self, text: T) -> None:
        """Take one more text."""
        self._late.append(text)

    def containing(self, part: str) -> list[T]:
        """Return every text that contains the case-folded `part`, and some that do not."""
        found: list[T] = []
        most = len(self._texts) // _COMMON
        at = self._joined.find(part)
        while at >= 0:
            if len(found) >= most:
                return [*self._texts, *self._late]
            place = bisect.bisect_right(self._ends, at)
            found.append(self._texts[place])
            # A part that begins in a text and ends behind it is in no text that begins before it and ends after.
            at = self._joined.find(part, self._ends[place])
        return found + self._late
