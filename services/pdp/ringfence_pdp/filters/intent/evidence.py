"""Weighs what the heads and the frame say of a text, category by category.

Two witnesses who do not know each other: n-grams know wording, the frame knows structure. What each says is turned into
how rare it is (the logarithm of its p-value), and the two are added; so two that are half sure of the same intent weigh
more than one of them, and a category is never helped by what speaks for another. What is to be run has signs: of a
payload in letters alone the frame has to speak too, else every "run a shell on the device" looks like one. The sum is
again read off a curve of ordinary texts. Training makes that curve with this very function.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ringfence_pdp.filters.intent.frame import Frame
from ringfence_pdp.filters.intent.heads import Scores
from ringfence_pdp.filters.intent.p_values import PValues
from ringfence_pdp.filters.intent.readings import CATEGORIES

HEAD_MOST: Final = 4.5
"""How rare a head can find a text: its curve is not known beyond one in some ten thousand."""
OF_WORDING: Final = 1.0
"""How much a head counts where wording is what tells: payloads, and what is said to a model."""
OF_GOALS: Final = 0.3
"""How much a head counts beside the frame where the sign of a sentence tells. Eight such heads are wrong eight times as
often by chance. Both weights were chosen by sources left out, never by what is kept apart."""
_PAYLOAD: Final = CATEGORIES.index("payload")
_SIGNS: Final = frozenset(map(ord, "<>;|&$(){}[]=\\%*+^~#@'\"`/"))
_IS_SIGN: Final = np.array([code in _SIGNS for code in range(128)])
"""What programs are written with and sentences hardly ever."""
_COUNTS: Final = tuple(OF_WORDING if category in ("payload", "injection") else OF_GOALS for category in CATEGORIES)


class Evidence(NamedTuple):
    """What speaks most against a text."""

    head: int
    """Of the category it speaks of."""
    weight: float
    """How much; what is ordinary is near 0."""

    @property
    def category(self) -> str:
        """What it speaks of."""
        return CATEGORIES[self.head]


NONE: Final = Evidence(0, 0.0)


def weigh(
    scores: Scores, frame: Frame, of_heads: Sequence[PValues], of_frame: PValues, heads: Sequence[int]
) -> Evidence:
    """Return the heaviest evidence among some heads. Of many windows one is high by chance: that is taken off."""
    told = dict(frame.intents)
    values: list[float] = scores.values.tolist()
    by_chance = math.log10(scores.window_count)
    heaviest = NONE
    for head in heads:
        said = min(HEAD_MOST, -math.log10(of_heads[head].of(values[head])))
        points = told.get(CATEGORIES[head], 0)
        weight = max(0.0, _COUNTS[head] * said - by_chance)
        if head == _PAYLOAD and not points and weight > heaviest.weight and not _has_signs(scores):
            continue
        if points:
            weight += -math.log10(of_frame.of(points))
        if weight > heaviest.weight:
            heaviest = Evidence(head, weight)
    return heaviest


def _has_signs(scores: Scores) -> bool:
    # The last of the table is no sign, and stands for whatever is beyond it.
    return bool(_IS_SIGN[np.minimum(scores.grams.codes, len(_IS_SIGN) - 1)].any())
