"""How long things took, as a histogram that is added up and taken away exactly, whatever the order.

Pure. It is OpenTelemetry's base-2 exponential histogram at scale 5, sparse: buckets grow by 2^(1/32), so a quantile is
off by 1.1 % at most over the whole range, from a microsecond to a day. Counts are integers: merging is addition, and
what was added can be taken away again.
"""

import math
import struct
from collections.abc import Iterable, Mapping
from typing import TypeAlias

Buckets: TypeAlias = dict[int, int]
"""Bucket → how many durations fell into it. In a change a count may be negative."""

NO_BUCKETS: Mapping[int, int] = {}

_IN_A_DOUBLING = 32
"""Buckets in a doubling: 2 to the power of the scale, 5."""

_INSTANTLY = -1
"""The bucket of what took less than a microsecond."""

_WIDTHS = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
"""How many bytes a count may take, and `struct`'s letter for it."""


def bucket_of(micros: int) -> int:
    """Return the bucket a duration falls into."""
    return _INSTANTLY if micros < 1 else math.floor(math.log2(micros) * _IN_A_DOUBLING)


def middle_of(bucket: int) -> int:
    """Return the duration that stands for a bucket: the geometric middle, off by 1.1 % at most."""
    return 0 if bucket == _INSTANTLY else round(2 ** ((bucket + 0.5) / _IN_A_DOUBLING))


def merge(into: Buckets, other: Mapping[int, int]) -> None:
    """Add `other`; what comes to nothing is dropped."""
    for bucket, count in other.items():
        total = into.get(bucket, 0) + count
        if total:
            into[bucket] = total
        else:
            into.pop(bucket, None)


def quantiles(buckets: Mapping[int, int], percents: Iterable[int]) -> list[int]:
    """Return the durations that so many percent took at most (nearest rank), 0 without any; `percents` ascend."""
    total, found = sum(buckets.values()), list[int]()
    ordered = iter(sorted(buckets.items()))
    bucket, seen = _INSTANTLY, 0
    for percent in percents:
        rank = -(-total * percent // 100)
        while seen < rank:
            bucket, count = next(ordered)
            seen += count
        found.append(middle_of(bucket))
    return found


def encode(buckets: Mapping[int, int]) -> bytes:
    """Return a histogram as it is stored: how wide counts are, the buckets in order, their counts.

    Only what is there is stored: a bucket without any, or with less than none, is left out.
    """
    kept = sorted((bucket, count) for bucket, count in buckets.items() if count > 0)
    if not kept:
        return b""
    most = max(count for _, count in kept)
    width, letter = next((width, letter) for width, letter in _WIDTHS if most < 1 << 8 * width)
    shape = f"<B{len(kept)}h{len(kept)}{letter}"
    return struct.pack(shape, width, *(bucket for bucket, _ in kept), *(count for _, count in kept))


def decode(stored: bytes) -> Buckets:
    """Return a stored histogram. Raises ValueError for bytes that are none."""
    if not stored:
        return {}
    letter = dict(_WIDTHS).get(stored[0])
    size = len(stored) - 1
    if letter is None or size % (2 + stored[0]):
        raise ValueError("these bytes are no histogram")
    count = size // (2 + stored[0])
    numbers = struct.unpack(f"<{count}h{count}{letter}", stored[1:])
    return dict(zip(numbers[:count], numbers[count:], strict=True))
