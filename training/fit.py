"""Fits one linear head for each category: logistic regression, the same answer every time.

Rules. A head sees the attacks of its own category and everything that is meant well; attacks of other categories are
neither for nor against it. A source weighs by the root of its size, attacks together as much as the rest by a third.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ringfence_pdp.filters.intent.features import BUCKETS
from ringfence_pdp.filters.intent.heads import Heads
from ringfence_pdp.filters.intent.readings import CATEGORIES
from scipy import sparse
from scipy.optimize import minimize

from training.matrix import Matrix
from training.texts import Text

PENALTY = 1e-4
ATTACKS_SHARE = 0.25
STEPS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Weights of every bucket for every head, as they were found, and biases."""

    weights: NDArray[np.float64]
    biases: NDArray[np.float64]

    def heads(self) -> Heads:
        """Return the heads as they are installed, of whole numbers."""
        whole, scales = quantised(self.weights)
        return Heads(whole, scales, self.biases)


def fit(matrix: Matrix, texts: Sequence[Text], left_out: frozenset[str] = frozenset()) -> Fitted:
    """Return the heads that are learnt from all texts but those of the sources left out."""
    of_row = [texts[place] for place in matrix.texts]
    sources = [text.source for text in of_row]
    known = np.array([source not in left_out for source in sources])
    well_meant = known & np.array([not text.is_attack for text in of_row])
    attacks = np.stack([known & np.array([text.category == name for text in of_row]) for name in CATEGORIES], axis=1)
    shares = np.stack([_shares(sources, attacks[:, head], well_meant) for head in range(len(CATEGORIES))], axis=1)
    slopes, biases = _logistic(matrix.rows, np.where(attacks, 1.0, -1.0), shares)
    weights = np.zeros((BUCKETS, len(CATEGORIES)))
    weights[matrix.buckets] = slopes * matrix.rarity[:, None]
    return Fitted(weights=weights, biases=biases)


def quantised(weights: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Return weights as whole numbers from -127 to 127, and what each head's are multiplied by."""
    most = np.maximum(np.abs(weights).max(axis=0), 1e-9)
    scales = most / 127.0
    return np.rint(weights / scales).astype(np.int8), scales


def _shares(sources: Sequence[str], attacks: NDArray[np.bool_], well_meant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much each row weighs for a head; all together 1, and 0 for what it does not look at."""
    shares = np.zeros(len(sources))
    for chosen, whole in ((attacks, ATTACKS_SHARE), (well_meant, 1.0 - ATTACKS_SHARE)):
        places = np.flatnonzero(chosen)
        if not len(places):
            continue
        sizes = Counter(sources[place] for place in places.tolist())
        share = np.array([sizes[sources[place]] ** -0.5 for place in places.tolist()])
        shares[places] = whole * share / share.sum()
    return shares


def _logistic(
    rows: sparse.csr_matrix, signs: NDArray[np.float64], shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights and the biases that tell attacks from the rest best, small ones preferred.

    The heads have nothing to do with each other; they are found together because the rows are then read once.
    """
    across = rows.T.tocsr()
    columns, heads = rows.shape[1], signs.shape[1]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        point = flat.reshape(columns + 1, heads)
        margins = signs * (rows @ point[:-1].astype(np.float32) + point[-1])
        away = np.exp(-np.abs(margins))
        losses = np.log1p(away) + np.maximum(-margins, 0.0)
        pull = -signs * shares * np.where(margins > 0, away, 1.0) / (1.0 + away)
        slope = np.empty_like(point)
        slope[:-1] = across @ pull.astype(np.float32)
        slope[:-1] += PENALTY * point[:-1]
        slope[-1] = pull.sum(axis=0)
        return float((shares * losses).sum() + 0.5 * PENALTY * np.square(point[:-1]).sum()), slope.reshape(-1)

    start = np.zeros((columns + 1) * heads)
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": 6})
    point = np.asarray(found.x, dtype=np.float64).reshape(columns + 1, heads)
    return point[:-1], point[-1]
