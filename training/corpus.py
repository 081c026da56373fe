"""Everything the model is made of: sources that may be trained on, and our own pairs.

Rules. What is many is thinned evenly, so that no source is the model. Nothing here reads a source that is kept apart.
The examples of rules are not learnt from: what rules find needs no second finder, and a rule may change by itself.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

from training.readers.pairs import read_pairs
from training.readers.training import read
from training.sources import Role, of_role, read_sources
from training.texts import BENIGN, Text, thinned, without_doubles

MOST_OF_A_SOURCE: Final = 1200


@cache
def training_texts() -> Sequence[Text]:
    """Return all of them, in an order that is always the same."""
    texts = [text for source in of_role(read_sources(), Role.TRAIN) for text in read(source)]
    texts += read_pairs()
    return tuple(_evened(without_doubles(texts)))


def _evened(texts: list[Text]) -> list[Text]:
    by_source: dict[tuple[str, bool], list[Text]] = {}
    for text in texts:
        by_source.setdefault((text.source, text.stratum in BENIGN), []).append(text)
    return [
        text
        for (source, _), of_source in sorted(by_source.items())
        for text in (of_source if source.startswith("pairs/") else thinned(of_source, MOST_OF_A_SOURCE))
    ]
