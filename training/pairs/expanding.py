"""Says each seed in several styles and fills its slots: the same seeds always make the same pairs, in the same order.

Whatever is added is added to both sides of a pair, so that nothing but the difference of the seed tells them apart.

    python -m training.pairs.expanding            how many pairs there are, by intent, language and style
    python -m training.pairs.expanding --show 20  and some of them, to be read
"""

import argparse
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
SEED = 20260101
PLAIN_STYLES = ("command", "request", "ticket", "chat", "mail", "agent")
VARIANTS = {"en": 6}
"""How often a plain seed is said, by its language."""
OTHER_VARIANTS = 7
FILLED_VARIANTS = 2
"""How often a seed that stands as it is is said when it has slots."""
CLAIM_SHARE = 0.12
DIFFERENCES = frozenset({"object", "destination", "scope", "authority", "secrecy", "polarity", "purpose"})
_SLOT = re.compile(r"\{(\w+)\}")


class Pair(NamedTuple):
    """Two texts of one seed."""

    intent: str
    language: str
    style: str
    """One of `PLAIN_STYLES`; `spoken` for what is said by halves; `call` for a tool call."""
    differs: str
    """In what the two differ."""
    danger: str
    benign: str
    seed: str
    """Of which seed it is one way to say: all of a seed belong on the same side of a split."""


class SeedError(Exception):
    """A seed is not what it should be."""


def pairs() -> tuple[Pair, ...]:
    """Return every pair."""
    fills = _read("fills.yaml")
    styles = _read("styles.yaml")
    made: dict[tuple[str, str], Pair] = {}
    for path in sorted((HERE / "seeds").glob("*.yaml")):
        for pair in _pairs_of(yaml.safe_load(path.read_text("utf-8")), fills, styles):
            made.setdefault((pair.danger, pair.benign), pair)
    return tuple(made.values())


def _read(name: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = yaml.safe_load((HERE / name).read_text("utf-8"))
    return document


def _pairs_of(document: dict[str, Any], fills: Mapping[str, Any], styles: Mapping[str, Any]) -> Iterator[Pair]:
    language = document.pop("language")
    known = {**fills["en"], **fills.get(language, {})}
    for intent, forms in document.items():
        for form, seeds in forms.items():
            for number, (differs, danger, benign) in enumerate(seeds):
                name = f"{intent}/{language}/{form}/{number}"
                if differs not in DIFFERENCES or danger == benign:
                    raise SeedError(f"{name}: {differs!r} is not something that differs, or nothing does")
                # Chosen by the seed's own text, so that a seed that is added changes no other.
                chance = random.Random(f"{SEED} {danger}")  # noqa: S311 - data is made, nothing is protected
                pair = Pair(intent, language, form, differs, danger, benign, name)
                if form == "plain":
                    yield from _said(pair, known, styles, chance)
                else:
                    yield from _filled_variants(pair, known, chance)


def _said(
    pair: Pair, known: Mapping[str, Sequence[str]], styles: Mapping[str, Any], chance: random.Random
) -> Iterator[Pair]:
    by_style = styles[pair.language]
    count = VARIANTS.get(pair.language, OTHER_VARIANTS)
    chosen = chance.sample(PLAIN_STYLES, len(PLAIN_STYLES)) + chance.sample(PLAIN_STYLES, len(PLAIN_STYLES))
    for style in chosen[:count]:
        wrapper = chance.choice(by_style[style]).replace("{n}", str(chance.randint(1000, 9999)))
        claim = ""
        if chance.random() < CLAIM_SHARE:
            claim = " " + chance.choice(styles["claims"][pair.language]).replace("{n}", str(chance.randint(100, 999)))
        filled = _filled(pair, known, chance)
        yield filled._replace(
            style=style, danger=_put(wrapper, filled.danger) + claim, benign=_put(wrapper, filled.benign) + claim
        )


def _filled_variants(pair: Pair, known: Mapping[str, Sequence[str]], chance: random.Random) -> Iterator[Pair]:
    for _ in range(FILLED_VARIANTS if _SLOT.search(pair.danger) else 1):
        yield _filled(pair, known, chance)


def _filled(pair: Pair, known: Mapping[str, Sequence[str]], chance: random.Random) -> Pair:
    slots = [slot for slot in dict.fromkeys(_SLOT.findall(pair.danger + pair.benign)) if slot in known]
    danger, benign = pair.danger, pair.benign
    for slot in slots:
        value = chance.choice(known[slot])
        danger, benign = danger.replace(f"{{{slot}}}", value), benign.replace(f"{{{slot}}}", value)
    return pair._replace(danger=danger, benign=benign)


def _put(wrapper: str, errand: str) -> str:
    text = wrapper.replace("{Cap}", errand[:1].upper() + errand[1:])
    said = text.replace("{}", errand)
    # An errand that ends a sentence itself needs no second full stop.
    return re.sub(r"([.?!])\.(?=\s|$)", r"\1", said)


def main() -> None:
    """Count the pairs, and show some."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", type=int, default=0)
    shown = parser.parse_args().show
    made = pairs()
    print(len(made), "pairs of", len({pair.seed for pair in made}), "seeds")
    for member in ("intent", "language", "style", "differs"):
        print(member, dict(Counter(getattr(pair, member) for pair in made)))
    for pair in random.Random(SEED).sample(made, min(shown, len(made))):  # noqa: S311 - a sample to be read
        print(f"{pair.intent}/{pair.language}/{pair.style}\n  - {pair.danger!r}\n  + {pair.benign!r}")


if __name__ == "__main__":
    main()
