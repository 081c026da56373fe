"""Finds how rare scores are among ordinary texts, by heads that had not seen where those texts come from.

Rules. Heads know the benign texts they were fitted on, and score them lower than any they will meet; so each benign
source is scored by heads that were fitted without it. Ordinary sources weigh alike, whatever their size, and together
nine times what security-flavoured ones do: a p-value is about ordinary calls.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from ringfence_pdp.filters.intent.evidence import weigh
from ringfence_pdp.filters.intent.frame import frame_of
from ringfence_pdp.filters.intent.heads import Scores
from ringfence_pdp.filters.intent.p_values import PValues, curve
from ringfence_pdp.filters.intent.readings import CATEGORIES

from training.fit import fit
from training.matrix import Matrix
from training.texts import Text

FOLDS: Final = 3
OURS: Final = "pairs/"
"""Written to lie beside what is dangerous, so that they say nothing of how rare a score is among ordinary texts."""
ORDINARY_SHARE: Final = 0.9
ALL_HEADS: Final = tuple(range(len(CATEGORIES)))

Curves = dict[str, tuple[float, ...]]


def curves(matrix: Matrix, texts: Sequence[Text]) -> Curves:
    """Return the curve of each head, of the frame, and of both together."""
    benign = [text for text in texts if not text.is_attack and not text.source.startswith(OURS)]
    shares = ordinary_shares(benign)
    left_outs = folds(benign)
    scores: dict[int, Scores] = {}
    for left_out in left_outs:
        heads = fit(matrix, texts, left_out).heads()
        scores |= {id(text): heads.scores(text.text) for text in benign if text.source in left_out}
    frames = {id(text): frame_of(text.text) for text in benign}
    values = np.stack([scores[id(text)].values for text in benign])
    found: Curves = {category: curve(values[:, head].tolist(), shares) for head, category in enumerate(CATEGORIES)}
    found["frame"] = curve([float(frames[id(text)].points) for text in benign], shares)
    of_heads = [PValues(found[category]) for category in CATEGORIES]
    of_frame = PValues(found["frame"])
    together = [weigh(scores[id(text)], frames[id(text)], of_heads, of_frame, ALL_HEADS).weight for text in benign]
    found["fused"] = curve(together, _of_the_worse_half(benign, together, shares))
    return found


def _of_the_worse_half(benign: Sequence[Text], weights: Sequence[float], shares: Sequence[float]) -> list[float]:
    """Return the shares, none for the half of the ordinary sources that looks less dangerous.

    Another mesh is like one of the collections and not like their mean; this errs towards the ones that look worse.
    """
    of_source: dict[str, list[float]] = {}
    for text, weight in zip(benign, weights, strict=True):
        if text.stratum == "ordinary":
            of_source.setdefault(text.source, []).append(weight)
    worst_first = sorted(of_source, key=lambda source: (-float(np.quantile(of_source[source], 0.99)), source))
    less = set(worst_first[(len(worst_first) + 1) // 2 :])
    return [0.0 if text.source in less else share for text, share in zip(benign, shares, strict=True)]


def ordinary_shares(benign: Sequence[Text]) -> list[float]:
    """Return how much each text weighs in a curve: ordinary sources alike, and nine times the others together."""
    strata: Mapping[str, dict[str, int]] = {"ordinary": {}, "security": {}}
    for text in benign:
        sizes = strata[text.stratum]
        sizes[text.source] = sizes.get(text.source, 0) + 1
    # Tiny sources say little of rare scores: below a hundred texts a source weighs by its size.
    whole = {stratum: sum(min(size, 100) for size in sizes.values()) for stratum, sizes in strata.items()}
    shares = {"ordinary": ORDINARY_SHARE, "security": 1.0 - ORDINARY_SHARE}
    return [
        shares[text.stratum]
        * min(strata[text.stratum][text.source], 100)
        / whole[text.stratum]
        / strata[text.stratum][text.source]
        for text in benign
    ]


def folds(benign: Sequence[Text]) -> list[frozenset[str]]:
    """Return the sources left out together: parts of one collection in one fold, folds of about the same size."""
    sizes: dict[str, int] = {}
    parts: dict[str, set[str]] = {}
    for text in benign:
        family = text.source.split("/")[0]
        sizes[family] = sizes.get(family, 0) + 1
        parts.setdefault(family, set()).add(text.source)
    parted: list[set[str]] = [set() for _ in range(FOLDS)]
    filled = [0] * FOLDS
    for family in sorted(sizes, key=lambda name: (-sizes[name], name)):
        least = filled.index(min(filled))
        parted[least] |= parts[family]
        filled[least] += sizes[family]
    return [frozenset(fold) for fold in parted if fold]
