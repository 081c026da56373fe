"""Turns scores into p-values: one in how many ordinary texts looks as dangerous as this one.

A raw score means nothing beside another head's. Its p-value does: it is read off a curve of scores that ordinary texts
got from a model that had not seen their source. Rules. A higher score never has a higher p-value. Past the end of the
curve it goes on falling as the curve last did, and never reaches 0.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

CHANCES: Final = (0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002, 0.001, 0.0005)
"""The chances a curve has a score for."""
LEAST: Final = 1e-9


class PValues:
    """One curve: the score that an ordinary text reaches with each chance, rising."""

    def __init__(self, scores: Sequence[float]) -> None:
        if len(scores) != len(CHANCES) or any(math.isnan(score) for score in scores):
            raise ValueError(f"a curve has {len(CHANCES)} scores")
        if any(after < before for before, after in pairwise(scores)):
            raise ValueError("a curve of p-values does not fall")
        self._scores = tuple(scores)
        self._logs = tuple(math.log(chance) for chance in CHANCES)

    def of(self, score: float) -> float:
        """Return the chance that an ordinary text scores as high."""
        scores, logs = self._scores, self._logs
        place = bisect_left(scores, score)
        if place == 0:
            return 1.0 - (1.0 - CHANCES[0]) / (1.0 + scores[0] - score)  # towards 1, slowly; nobody acts on it
        if place == len(scores):
            step = max(scores[-1] - scores[-4], 1e-6)
            fall = (logs[-1] - logs[-4]) / step
            return max(LEAST, math.exp(logs[-1] + fall * (score - scores[-1])))
        low, high = scores[place - 1], scores[place]
        share = (score - low) / (high - low)
        return math.exp(logs[place - 1] + share * (logs[place] - logs[place - 1]))


def curve(scores: Sequence[float], weights: Sequence[float] | None = None) -> tuple[float, ...]:
    """Return the curve of what ordinary texts scored, each text weighing so much."""
    weights = [1.0] * len(scores) if weights is None else weights
    falling = sorted(zip(scores, weights, strict=True), reverse=True)
    whole = sum(weights)
    reached = []
    passed, place = 0.0, 0
    for chance in reversed(CHANCES):
        while place < len(falling) - 1 and passed + falling[place][1] <= chance * whole:
            passed += falling[place][1]
            place += 1
        reached.append(falling[place][0])
    return tuple(reversed(reached))
