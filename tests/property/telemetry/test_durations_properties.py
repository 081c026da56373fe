"""The histogram of durations: near the exact quantiles, and the same whatever the order it was added up in."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_telemetry.durations import Buckets, bucket_of, decode, encode, merge, middle_of, quantiles

ERROR = 0.0110
"""Half a bucket: 2^(1/64) - 1, before durations are rounded to whole microseconds."""

DURATIONS = st.integers(0, 24 * 3_600 * 1_000_000)
HISTOGRAMS = st.dictionaries(st.integers(-1, 1_200), st.integers(1, 2**63 - 1), max_size=40)
CHANGES = st.dictionaries(st.integers(-1, 20), st.integers(-5, 5).filter(bool), max_size=10)


@given(DURATIONS)
def test_a_duration_is_in_the_bucket_whose_middle_is_near_it(micros: int) -> None:
    assert abs(middle_of(bucket_of(micros)) - micros) <= 1 + micros * ERROR


@given(st.lists(DURATIONS, min_size=2, max_size=50))
def test_longer_durations_are_never_in_an_earlier_bucket(durations: list[int]) -> None:
    buckets = [bucket_of(micros) for micros in sorted(durations)]
    assert buckets == sorted(buckets)


@given(st.lists(DURATIONS, min_size=1, max_size=200), st.lists(st.integers(1, 100), min_size=1).map(sorted))
def test_quantiles_are_within_half_a_bucket_of_the_exact_ones(durations: list[int], percents: list[int]) -> None:
    ordered = sorted(durations)
    found = quantiles(Counter(map(bucket_of, durations)), percents)
    for percent, micros in zip(percents, found, strict=True):
        exact = ordered[-(-len(ordered) * percent // 100) - 1]
        assert abs(micros - exact) <= 1 + exact * ERROR


@given(HISTOGRAMS)
def test_what_is_stored_comes_back(buckets: Buckets) -> None:
    assert decode(encode(buckets)) == buckets
    assert list(decode(encode(buckets))) == sorted(buckets)


@given(st.lists(CHANGES, max_size=6), st.data())
def test_any_order_and_any_grouping_comes_to_the_same(changes: list[Buckets], data: st.DataObject) -> None:
    def merged(parts: list[Buckets]) -> Buckets:
        total: Buckets = {}
        for part in parts:
            merge(total, part)
        return total

    shuffled = data.draw(st.permutations(changes))
    middle = data.draw(st.integers(0, len(shuffled)))
    total = merged(changes)
    assert total == merged([merged(shuffled[:middle]), merged(shuffled[middle:])])
    assert 0 not in total.values()
    merge(total, {bucket: -count for bucket, count in total.copy().items()})
    assert total == {}


def test_nothing_took_no_time() -> None:
    assert quantiles({}, (50, 95, 99)) == [0, 0, 0]
    assert encode({}) == b""
    assert encode({3: 0, 4: -2}) == b""


@pytest.mark.parametrize("stored", [b"\x03\x00\x00\x01", b"\x01\x00", b"\x00"])
def test_other_bytes_are_no_histogram(stored: bytes) -> None:
    with pytest.raises(ValueError, match="no histogram"):
        decode(stored)
