"""Reads our own contrast pairs: the same words, another object, authority or secrecy."""

from typing import Final

from training.pairs.expanding import pairs
from training.texts import Text

_STRATA: Final = {"payload": "payload", "injection": "injection"}


def read_pairs() -> list[Text]:
    """Return both sides of every pair, each style of each language a source of its own."""
    texts = []
    for pair in pairs():
        source = f"pairs/{pair.language}/{pair.style}"
        stratum = _STRATA.get(pair.intent, "goal")
        texts.append(Text(text=pair.danger, source=source, stratum=stratum, category=pair.intent))
        texts.append(Text(text=pair.benign, source=source, stratum="security"))
    return texts
