"""The words a name is made of: `sendEmail`, `send_email`, `SEND-EMAIL` and `mail.sendEmail` all say send and email."""

import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAME_MAX: Final = 128


@lru_cache(maxsize=4_096)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of `name`, lower case, in their order; digits say nothing."""
    return tuple(word.lower() for word in _WORD.findall(name[:_NAME_MAX]))


def word_set(text: str) -> frozenset[str]:
    """Return the words of a table written as one text, blanks between them."""
    return frozenset(text.split())
