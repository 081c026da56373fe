"""How many of a set are in each of very many small sets, counted all at once.

It needs numpy, and so is loaded only by a registry in which some field has over a thousand values.
"""

from array import array
from collections.abc import Sequence

import numpy as np


def counts_in(sets: "Sequence[array[int]]", flags: bytes) -> list[int]:
    """Return how many slots of each set have a flag of 1; none of the sets is empty."""
    if not sets:
        return []
    slots = np.frombuffer(b"".join(sets), np.uintc)
    starts = np.cumsum([0, *map(len, sets[:-1])])
    found: list[int] = np.add.reduceat(np.frombuffer(flags, np.uint8)[slots], starts, dtype=np.uintc).tolist()
    return found
