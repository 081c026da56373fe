"""From text to words, and from a word to its kin: what ranked search and the filters' bare words are looked up by.

- A word is a run of letters, digits and `_`, case-folded. Scripts written without spaces (Chinese, Japanese, Thai) give
  a word for each character, so that any part of such a text can be found.
- Words that differ only in accents, width or an English plural are kin: a search for one finds the others. Nothing more
  is guessed: a rule that can be told in a sentence can be relied on.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]+")
_ASCII = {code: chr(code).lower() if chr(code).isalnum() or chr(code) == "_" else " " for code in range(128)}
"""What becomes of a character where all are ASCII: a third of the time the expression takes, and the same words."""

_SHORTEST_PLURAL = 4


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word, case-folded, and where it stands in its text."""

    word: str
    start: int
    end: int


def words_of(text: str) -> list[str]:
    """Return the words of `text`, in order."""
    return text.translate(_ASCII).split() if text.isascii() else _WORD.findall(text.casefold())


def placed_words(text: str) -> Iterator[PlacedWord]:
    """Yield the words of `text` with their places. Folding may change lengths, so each is folded by itself."""
    for found in _WORD.finditer(text):
        yield PlacedWord(found.group().casefold(), found.start(), found.end())


@lru_cache(maxsize=65_536)
def kin_of(word: str) -> str:
    """Return the form that a case-folded word shares with its kin."""
    plain = word
    if not word.isascii():
        decomposed = unicodedata.normalize("NFKD", word)
        plain = "".join(each for each in decomposed if not unicodedata.combining(each)).casefold() or word
    return _singular(plain)


def _singular(word: str) -> str:
    # Harman's S-stemmer: the plural and nothing else.
    if len(word) < _SHORTEST_PLURAL or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    if word.endswith(("us", "ss")):
        return word
    return word[:-1]
