"""Cuts a text into the words the frame looks up, sentence by sentence.

Words are lower case and without accents, so that *löschen*, *Loschen* and *losch* meet in one entry. A name such as
`deleteUser` or `send_mail` is the words it is made of. Addresses become one word that says what kind they are of,
because where something goes matters more than to whom. Takes any text, in time linear in its length.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable

SENTENCE_END = "."
"""The word that stands for the end of a sentence, whatever ended it."""
PRIVATE_ADDRESS = "@private"
"""The word that stands for a mail address at a provider anybody may have one at."""
MAIL_ADDRESS = "@address"
"""The word that stands for any other mail address."""
DROP = "@drop"
"""The word that stands for a host where people leave things for others to pick up, or that has no name at all."""
LINK = "@link"
"""The word that stands for any other URL."""

_ADDRESS = re.compile(
    r"[\w.+-]{1,64}@([\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
    r"|(?:https?|ftp)://([^\s/\"'<>):]{1,255})[^\s\"'<>)]*"
)
_NUMBERED = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_WORD = re.compile(r"@[a-z]+|[^\W_]+(?:'t\b)?|[.!?;\n\u3002](?![a-z0-9])")
_HUMP = re.compile(r"(?<=[a-z]{2})(?=[A-Z](?:[a-z]{2}|[A-Z]))")
"""Where the words of a name meet. Letters that are large and small in turn are one word in disguise."""
_SENTENCE_ENDS = frozenset(".!?;\n\u3002")
_MARKS = re.compile("[\u0300-\u036f\u3099\u309a\u200b-\u200f\ufe0f]")
_UNFOLDED = {"\u2019": "'", "ß": "ss", "ø": "o", "ł": "l", "\u0131": "i", "æ": "ae", "œ": "oe"}
"""What has no accent to lose. One by one, for a table makes `str.translate` look up every character of a text."""


def folded(text: str) -> str:
    """Return a text in lower case and without accents."""
    if text.isascii():
        return text.lower()
    text = text.lower()
    for letter, plain in _UNFOLDED.items():
        text = text.replace(letter, plain)
    return _MARKS.sub("", unicodedata.normalize("NFKD", text))


class Places:
    """Which hosts are private mail, and which are places to leave things at."""

    __slots__ = ("_drops", "_private")

    def __init__(self, *, private: Iterable[str], drops: Iterable[str]) -> None:
        self._private = frozenset(private)
        self._drops = frozenset(drops)

    def word_of(self, found: re.Match[str]) -> str:
        """Return the word that stands for an address."""
        mail_host, link_host = found.group(1), found.group(2)
        host = (mail_host or link_host).lower()
        labels = host.split(".")
        ends = [".".join(labels[start:]) for start in range(len(labels))]
        if any(end in self._drops for end in ends) or _NUMBERED.fullmatch(host) is not None:
            return f" {DROP} "
        if mail_host is None:
            return f" {LINK} "
        return f" {PRIVATE_ADDRESS} " if any(end in self._private for end in ends) else f" {MAIL_ADDRESS} "


def words_of(text: str, word_of_address: Callable[[re.Match[str]], str]) -> list[str]:
    """Return the words of a text, articles among them; `SENTENCE_END` stands between its sentences."""
    if "@" in text or "://" in text:
        text = _ADDRESS.sub(word_of_address, text)
    if _HUMP.search(text) is not None:
        text = _HUMP.sub(" ", text)
    return [SENTENCE_END if word in _SENTENCE_ENDS else word for word in _WORD.findall(folded(text))]
