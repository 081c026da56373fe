"""Splits text into the pieces of words that the encoder was trained on: the way BERT does it, in plain Python.

Rules. What nobody sees is dropped, accents and case make no difference, every sign of punctuation stands alone, and a
word is cut into the longest pieces that the vocabulary has. A word that cannot be cut is one unknown piece. What a text
costs is bounded by the characters that are looked at, whatever is in them.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

PAD: Final = "[PAD]"
UNKNOWN: Final = "[UNK]"
BEGIN: Final = "[CLS]"
END: Final = "[SEP]"
WORD_MAX: Final = 100
"""Characters of a word that is cut; a longer one is unknown."""
WORDS_REMEMBERED: Final = 8_192

_ASCII_WORDS: Final = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
_ASCII_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPACED: Final = re.compile(
    "[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f]"
)
"""Ideographs: each is a word."""
_PUNCTUATION: Final = frozenset("$+<=>^`|~")
"""Of ASCII, what Unicode calls a symbol and BERT a sign of punctuation."""


class Pieces:
    """A vocabulary, and how text is cut by it."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """`vocabulary`: the pieces in the order of their numbers. Raises ValueError without the four that are marks."""
        self.vocabulary = tuple(vocabulary)
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        missing = [mark for mark in (PAD, UNKNOWN, BEGIN, END) if mark not in self._numbers]
        if missing:
            raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
        self.begin, self.end = self._numbers[BEGIN], self._numbers[END]
        self.pad = self._numbers[PAD]
        self._unknown = self._numbers[UNKNOWN]
        # A cache of this vocabulary alone: a call repeats its words, and calls repeat each other's.
        self._of_word = lru_cache(maxsize=WORDS_REMEMBERED)(self._cut)

    def of(self, text: str) -> list[int]:
        """Return the numbers of the pieces of a text, without marks."""
        return [number for word in words(text) for number in self._of_word(word)]

    def _cut(self, word: str) -> tuple[int, ...]:
        if len(word) > WORD_MAX:
            return (self._unknown,)
        found: list[int] = []
        start, prefix = 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._numbers.get(prefix + word[start:end])
                if number is not None:
                    found.append(number)
                    start, prefix = end, "##"
                    break
            else:
                return (self._unknown,)
        return tuple(found)


def words(text: str) -> Iterator[str]:
    """Yield the words and the signs of a text, in its order."""
    if text.isascii():
        yield from _ASCII_WORDS.findall(_ASCII_UNSEEN.sub("", text).lower())
        return
    word: list[str] = []
    for sign in _normal(text):
        if sign.isspace() or _stands_alone(sign):
            if word:
                yield "".join(word)
                word.clear()
            if not sign.isspace():
                yield sign
        else:
            word.append(sign)
    if word:
        yield "".join(word)


def _normal(text: str) -> str:
    seen = "".join(" " if sign in "\t\n\r" else sign for sign in text if sign in "\t\n\r" or _is_seen(sign))
    apart = _SPACED.sub(r" \g<0> ", seen)
    bare = (sign for sign in unicodedata.normalize("NFD", apart) if unicodedata.category(sign) != "Mn")
    return "".join(bare).lower()


def _is_seen(sign: str) -> bool:
    return sign != "\ufffd" and not unicodedata.category(sign).startswith("C")


def _stands_alone(sign: str) -> bool:
    return sign in _PUNCTUATION or unicodedata.category(sign).startswith("P")
