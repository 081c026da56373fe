"""Makes one row of numbers of each window of each text, of the n-grams the run time counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ringfence_pdp.filters.intent.features import BLOCK, BUCKETS, grams
from scipy import sparse

from training.texts import Text

ROWS_LEAST = 3
SOURCES_LEAST = 2
"""An n-gram that one source alone uses tells the source, not the intent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Rows of windows; columns of the n-grams that several sources use."""

    rows: sparse.csr_matrix
    texts: NDArray[np.intp]
    """Which text each row is of."""
    buckets: NDArray[np.intp]
    """Which bucket each column is of."""
    rarity: NDArray[np.float64]
    """Of each column: what it is multiplied by, more for what is rare. Weights are folded with it in the end."""


def windows(text: str) -> list[str]:
    """Return what of a text is learnt from: all of it, or its beginning and its end."""
    size = 2 * BLOCK - 2
    if len(text) <= size:
        return [text]
    return [text[:size], text[-size:]]


def matrix(texts: Sequence[Text]) -> Matrix:
    """Return the rows of the texts."""
    of_text: list[int] = []
    indices: list[NDArray[np.intp]] = []
    lengths: list[int] = []
    for place, text in enumerate(texts):
        for window in windows(text.text):
            buckets = grams(window).all
            of_text.append(place)
            indices.append(buckets.astype(np.intp))
            lengths.append(len(buckets))
    counts = np.repeat(1.0 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    rows = sparse.csr_matrix((counts, np.concatenate(indices), bounds), shape=(len(lengths), BUCKETS))
    rows.sum_duplicates()
    kept = _used_by_several(rows, [texts[place].source.split("/")[0] for place in of_text])
    uses = np.bincount(rows.indices, minlength=BUCKETS)[kept]
    rarity = np.log1p(len(lengths) / uses)
    return Matrix(
        rows=(rows[:, kept] @ sparse.diags(rarity.astype(np.float32))).tocsr(),
        texts=np.array(of_text, dtype=np.intp),
        buckets=kept,
        rarity=rarity,
    )


def _used_by_several(rows: sparse.csr_matrix, sources: Sequence[str]) -> NDArray[np.intp]:
    names = sorted(set(sources))
    of_row = np.array([names.index(source) for source in sources], dtype=np.intp)
    used = np.zeros((len(names), rows.shape[1]), dtype=bool)
    used[np.repeat(of_row, np.diff(rows.indptr)), rows.indices] = True
    often = np.bincount(rows.indices, minlength=rows.shape[1]) >= ROWS_LEAST
    return np.flatnonzero((used.sum(axis=0) >= SOURCES_LEAST) & often)
