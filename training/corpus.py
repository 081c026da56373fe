"""Everything the model is made of: sources that may be trained on, our own pairs, and the examples of rules.

Rules. What is many is thinned evenly, so that no source is the model. Nothing here reads a source that is kept apart.
"""

from pathlib import Path
from typing import Final

import yaml

from training.readers.pairs import read_pairs
from training.readers.training import read
from training.sources import HERE, Role, of_role, read_sources
from training.texts import BENIGN, Text, thinned, without_doubles

PACKS: Final = HERE.parent / "services" / "pdp" / "ringfence_pdp" / "filters" / "packs"
MOST_OF_A_SOURCE: Final = 1200


def training_texts() -> list[Text]:
    """Return all of them, in an order that is always the same."""
    texts = [text for source in of_role(read_sources(), Role.TRAIN) for text in read(source)]
    texts += read_pairs()
    texts += examples_of_rules(PACKS)
    return _evened(without_doubles(texts))


def examples_of_rules(folder: Path) -> list[Text]:
    """Return what the built-in rules say they match, and what they say they let pass."""
    texts: list[Text] = []
    for path in sorted(folder.glob("*.yaml")):
        for rule in yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]["rules"]:
            category = rule["category"]
            stratum = category if category in ("payload", "injection") else "goal"
            texts += [
                Text(text=text, source=f"rules/{path.stem}", stratum=stratum, category=category)
                for text in rule["examples"]["matches"]
            ]
            texts += [
                Text(text=text, source=f"rules/{path.stem}", stratum="security") for text in rule["examples"]["passes"]
            ]
    return texts


def _evened(texts: list[Text]) -> list[Text]:
    by_source: dict[tuple[str, bool], list[Text]] = {}
    for text in texts:
        by_source.setdefault((text.source, text.stratum in BENIGN), []).append(text)
    return [
        text
        for (source, _), of_source in sorted(by_source.items())
        for text in (of_source if source.startswith("pairs/") else thinned(of_source, MOST_OF_A_SOURCE))
    ]
