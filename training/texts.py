"""A text as training and evaluation see it, and what it counts as."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ringfence_pdp.filters.finding import ArgumentType
from ringfence_pdp.filters.intent.features import fold

CORE: Final = ("payload", "injection", "goal")
"""Strata of attacks that a text alone can tell."""
BENIGN: Final = ("ordinary", "security")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text by somebody, and what it is."""

    text: str
    source: str
    """Whose style it is of; parts of one collection by different people are sources of their own."""
    stratum: str
    """`payload`, `injection`, `goal`, `context` for attacks; `ordinary`, `security` for what is meant well."""
    category: str = ""
    """Of an attack; empty for what is meant well."""
    type: ArgumentType = ArgumentType.FREE_TEXT

    @property
    def is_attack(self) -> bool:
        """Whether it is meant ill."""
        return self.stratum not in BENIGN


def without_doubles(texts: Iterable[Text], known: Iterable[Text] = ()) -> list[Text]:
    """Return the texts that differ once they are folded, in their order, and are not among those that are known."""
    seen = {_key(text) for text in known}
    kept = []
    for text in texts:
        key = _key(text)
        if key not in seen and text.text.strip():
            seen.add(key)
            kept.append(text)
    return kept


def thinned(texts: Sequence[Text], most: int) -> list[Text]:
    """Return at most so many, evenly over the sequence."""
    if len(texts) <= most:
        return list(texts)
    return [texts[place * len(texts) // most] for place in range(most)]


def _key(text: Text) -> bytes:
    return fold(text.text).tobytes()
