"""Names that look alike: one key for all that a hurried person takes for the same.

- The table is Unicode's (UTS #39), narrowed to what looks like ASCII letters and digits: ids are ASCII, and Latin names
  are what gets imitated. No library keeps up with it, and all of it is 2 KB (`services/registry/confusables.py`).
- Letters are compared as they appear, then without case. `I` looks like `l` and is `i`, so the three are one.
- Spaces, dashes and dots are not told apart, and invisible characters do not count.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from ringfence_registry.cards.unicode_text import HIDDEN, stream_safe

# UTS #39 has these as 0 → O, 1 → l, I → l, | → l, m → rn; after case is gone, i joins l. w is vv in most fonts.
_ASCII = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "m": "rn", "w": "vv"})
_WORD = re.compile(r"\w+")


@lru_cache(maxsize=64)
def skeleton(name: str) -> str:
    """Return the key that a name shares with every name that can be taken for it."""
    text = stream_safe(HIDDEN.sub("", name))
    for _ in range(2):  # casefolding and decomposing bring up characters that look like others in turn
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).translate(_looks()).casefold())
    text = text.translate(_ASCII)
    if text.isascii():
        letters = "".join(filter(str.isalnum, text))
    else:
        letters = "".join(each for each in text if each.isalnum() or unicodedata.combining(each))
    # A name of nothing but signs is compared as it is: no two of them are alike because both are empty.
    return unicodedata.normalize("NFKD", letters) or text


def plain_reading(text: str) -> str:
    """Return a text as it reads, whatever characters it is put together from."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", stream_safe(HIDDEN.sub("", text))).translate(_readings())


def imitated(name: str) -> bool:
    """Say whether a word of the name is Latin but for letters of other scripts that look it."""
    if name.isascii():
        return False
    return any(
        any(each.isascii() and each.isalpha() for each in word) and any(map(_is_foreign_look, word))
        for word in _WORD.findall(unicodedata.normalize("NFKC", stream_safe(name)))
    )


def _is_foreign_look(character: str) -> bool:
    return ord(character) in _looks() and not unicodedata.name(character, "").startswith("LATIN ")


@lru_cache(maxsize=1)
def _readings() -> Mapping[int, str]:
    # Unicode has one look for I and l, the small one; in a sentence a capital is read as a capital.
    return {each: "I" if look == "l" and chr(each).isupper() else look for each, look in _looks().items()}


@lru_cache(maxsize=1)
def _looks() -> Mapping[int, str]:
    table = files("ringfence_registry.cards").joinpath("confusables.txt").read_text("utf-8")
    looks: dict[int, str] = {}
    for line in table.splitlines():
        target, tab, characters = line.partition("\t")
        if tab:
            looks.update(dict.fromkeys(map(ord, characters), target))
    return looks
