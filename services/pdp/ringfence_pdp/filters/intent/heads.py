"""Scores a text once for each category of intent: ten linear heads over the same n-grams, and no pooled score.

Rules. A head knows nothing of the others, for what is pooled learns who wrote a text. The score of a text is that of
its worst window, so that what is hidden in a long text is not thinned by it. Weights are whole numbers of eight bits:
a sum of them is the same on every machine.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ringfence_pdp.filters.finding import Ngram
from ringfence_pdp.filters.intent.features import BLOCK, BUCKETS, Buckets, Grams, grams
from ringfence_pdp.filters.intent.readings import CATEGORIES

NGRAMS_SHOWN: Final = 5
_ALL_OF_THEM: Final = np.zeros(1, dtype=np.intp)


class Scores(NamedTuple):
    """What the heads say of a text."""

    values: NDArray[np.float64]
    """One for each category; above 0 is more like what is dangerous than like what is not."""
    windows: NDArray[np.intp]
    """The window each value is of."""
    window_count: int
    """How many windows the text has."""
    grams: Grams


class Heads:
    """The weights, as they are trained: `weights[bucket, head] * scales[head]`."""

    def __init__(self, weights: NDArray[np.int8], scales: NDArray[np.float64], biases: NDArray[np.float64]) -> None:
        if weights.shape != (BUCKETS, len(CATEGORIES)):
            raise ValueError(f"weights have the shape {weights.shape}, not {(BUCKETS, len(CATEGORIES))}")
        self._weights = np.ascontiguousarray(weights)
        self._scales = scales
        self._biases = biases

    def scores(self, text: str) -> Scores:
        """Return what the heads say of a text."""
        found = grams(text)
        if len(found.codes) <= 2 * BLOCK:
            buckets = found.all
            values = self._sum(buckets) * (self._scales / max(1.0, len(buckets)) ** 0.5) + self._biases
            return Scores(values, np.zeros(len(CATEGORIES), dtype=np.intp), 1, found)
        sums, counts = self._of_blocks(found)
        windows = (sums[:-1] + sums[1:]) * self._scales
        windows /= np.sqrt(np.maximum(counts[:-1] + counts[1:], 1))[:, None]
        windows += self._biases
        worst = windows.argmax(axis=0)
        return Scores(windows[worst, np.arange(len(CATEGORIES))], worst, len(windows), found)

    def _sum(self, buckets: Buckets) -> NDArray[np.int32]:
        """Return the sum of the weights of some n-grams."""
        if not len(buckets):
            return np.zeros(len(CATEGORIES), dtype=np.int32)
        # Twice as fast as `sum`, which goes through rows this short one by one.
        rows = self._weights.take(buckets, axis=0)
        sums: NDArray[np.int32] = np.add.reduceat(rows, _ALL_OF_THEM, axis=0, dtype=np.int32)[0]
        return sums

    def _of_blocks(self, found: Grams) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
        """Return the sums of weights, and the counts of n-grams, of each block of the text."""
        places = np.arange(0, len(found.codes) + BLOCK - 1, BLOCK)
        of_words = found.starts.searchsorted(places)
        sums = np.zeros((len(places) - 1, len(CATEGORIES)), dtype=np.int32)
        counts = np.zeros(len(places) - 1, dtype=np.intp)
        for buckets, bounds in (
            (found.threes, places),
            (found.fours, places),
            (found.words, of_words),
            (found.pairs, of_words),
        ):
            edges = np.minimum(bounds, len(buckets))
            of_each = edges[1:] - edges[:-1]
            counts += of_each
            # What is summed goes from one start to the next, so blocks without any are left out.
            there = of_each.nonzero()[0]
            if len(there):
                rows = self._weights.take(buckets, axis=0)
                sums[there] += np.add.reduceat(rows, edges[there], axis=0, dtype=np.int32)
        return sums, counts

    def ngrams(self, scores: Scores, head: int) -> tuple[Ngram, ...]:
        """Return what weighs most for a head in the window its score is of, the heaviest first."""
        found = scores.grams
        first = int(scores.windows[head]) * BLOCK
        last = first + 2 * BLOCK
        share = float(self._scales[head]) / max(1.0, len(found.all) / scores.window_count) ** 0.5
        weighed: dict[str, float] = {}
        for buckets, starts, ends in (
            (found.pairs, found.starts[:-1], found.ends[1:]),
            (found.words, found.starts, found.ends),
            (found.fours, np.arange(len(found.fours)), np.arange(len(found.fours)) + 4),
        ):
            inside = np.flatnonzero((starts >= first) & (starts < last))
            weights = self._weights[buckets[inside], head]
            for place in np.argsort(-weights, kind="stable")[:NGRAMS_SHOWN]:
                start, end = int(starts[inside[place]]), int(ends[inside[place]])
                text = "".join(map(chr, found.codes[start:end]))
                weighed.setdefault(text, round(float(weights[place]) * share, 4))
        heaviest = sorted(weighed.items(), key=lambda item: (-item[1], item[0]))
        return tuple(Ngram(text, weight) for text, weight in heaviest[:NGRAMS_SHOWN] if weight > 0)


def span(window: int) -> tuple[int, int]:
    """Return the characters a window stands for, in the folded text without its first space."""
    return max(0, window * BLOCK - 1), (window + 2) * BLOCK - 1
